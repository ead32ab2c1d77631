"""Videos: frames, first masks and annotations, read from folders and movies, and label masks as PNGs."""

from vsreid_lite.system.facade import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
