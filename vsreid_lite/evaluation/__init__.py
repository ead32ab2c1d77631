"""DAVIS metrics, Table 1 step by step, and the numbers printed in the paper."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
