"""DAVIS metrics, Table 1 step by step, and the numbers printed in the paper."""

from vsreid_lite.system.facade import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
