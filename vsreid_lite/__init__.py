"""vsreid_lite: "Video Object Segmentation with Re-identification" (VS-ReID), reproduced step by step."""

__version__ = "0.3.0"
