"""What the notebooks alone need: their first cell, their figures and numbers, their experiments and exercises."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
