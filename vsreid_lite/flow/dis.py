"""DIS optical flow (OpenCV): the default F, without weights."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor

from vsreid_lite.masks import Frame

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
SMALLEST = 32  # pixels a side; smaller frames are enlarged, DIS's patches and pyramid do not fit into them


class DisFlow:
    """Dense inverse search on grey frames. Same bits on every run of one machine with one number of threads."""

    def __init__(self, preset: str = "medium") -> None:
        if preset not in PRESETS:
            raise ValueError(f"DIS preset {preset!r}: expected one of {', '.join(PRESETS)}")
        self._dis = cv2.DISOpticalFlow.create(PRESETS[preset])

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`."""
        height, width = frames[target].shape[:2]
        grey = [cv2.cvtColor(frames[i], cv2.COLOR_RGB2GRAY) for i in (target, source)]
        down, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
        if down or right:
            grey = [cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE) for image in grey]
        flow = self._dis.calc(grey[0], grey[1], None)
        return torch.from_numpy(flow[:height, :width]).permute(2, 0, 1).contiguous()
