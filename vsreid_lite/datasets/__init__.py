"""The data: DAVIS, and the benchmarks that are rendered or recomposed; here their names alone."""

from vsreid_lite.system.facade import attach_stub

DATASETS = ("mini", "composite", "davis-2016", "davis-2017")
ARCHIVES_OF = {2017: ("davis-2017-trainval-480p", "davis-2017-test-dev-480p"), 2016: ("davis-2016",)}
DOWNLOADS = (*ARCHIVES_OF[2017], *ARCHIVES_OF[2016], "davis-2017")  # as `vsreid download` calls them

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
