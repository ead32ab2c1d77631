"""vsreid_lite: "Video Object Segmentation with Re-identification" (VS-ReID), reproduced step by step.

The names of `__init__.pyi` are imported when they are first used, so that `import vsreid_lite` needs no torch.
"""

from vsreid_lite.system.facade import attach_stub

__version__ = "0.4.0"

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
