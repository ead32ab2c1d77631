"""The data: DAVIS, and the benchmarks that are rendered or recomposed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
