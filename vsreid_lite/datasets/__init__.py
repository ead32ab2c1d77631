"""The data: DAVIS, and the benchmarks that are rendered or recomposed."""

from vsreid_lite.system.facade import attach_stub

DATASETS = ("mini", "composite", "davis-2016", "davis-2017")

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
