"""Videos: frames, first masks and annotations, read from folders and movies, and label masks as PNGs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
