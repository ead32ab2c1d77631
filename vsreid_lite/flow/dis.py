"""DIS optical flow (OpenCV): the default F, without weights; with settings for carrying masks along."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from vsreid_lite.flow.far import match_far
from vsreid_lite.video.masks import Frame

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
TUNED, FAR = "tuned", "far"
SMALL_FRAME = 200_000  # pixels: up to here flow is computed at the frame's own resolution, above at half of it
SMALLEST = 32  # pixels a side; smaller frames are enlarged, DIS's patches and pyramid do not fit into them


class DisFlow:
    """Dense inverse search on grey frames. Same bits on every run of one machine with one number of threads.

    preset: one of OpenCV's, "tuned" or "far". Tuned is the medium one without the normalisation of each patch's mean,
    which takes a flat surface for any other, without the final smoothing across contours, and with smaller patches and,
    for small frames, one finer level; far is tuned, corrected where things move too far for it (`flow/far.py`). J of
    true masks warped to the next frame, on mini-val, by which they were chosen but for one constant of far: medium
    0.770, tuned 0.832, far 0.862; on DAVIS 2016 0.876, 0.887, 0.889; where each frame is a tenth brighter than the last
    0.876, 0.862, 0.864.
    """

    def __init__(self, preset: str = FAR) -> None:
        if preset not in (FAR, TUNED, *PRESETS):
            raise ValueError(f"DIS preset {preset!r}: expected one of {', '.join((FAR, TUNED, *PRESETS))}")
        self._dis = cv2.DISOpticalFlow.create(PRESETS.get(preset, PRESETS["medium"]))
        self._tuned, self._far = preset in (FAR, TUNED), preset == FAR
        if self._tuned:
            self._dis.setUseMeanNormalization(False)
            self._dis.setVariationalRefinementIterations(0)
            self._dis.setPatchSize(6)

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`."""
        height, width = frames[target].shape[:2]
        pair = [np.asarray(frames[i]) for i in (target, source)]
        down, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
        if down or right:
            pair = [cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE) for image in pair]
        if self._tuned:
            self._dis.setFinestScale(0 if height * width <= SMALL_FRAME else 1)
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in pair]
        flow = self._dis.calc(grey[0], grey[1], None)
        if self._far:
            flow = match_far(flow, pair[0], pair[1])
        return torch.from_numpy(flow[:height, :width]).permute(2, 0, 1).contiguous()
