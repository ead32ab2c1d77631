"""Instances of one clip pasted into the frames of another, so that N_reid learns them and not what is behind them.

After "Simple Copy-Paste" (Ghiasi et al. 2021). The sizes and the light are ours.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.training.clips import Clip, mask_box
from vsreid_lite.video.masks import Frame, Mask

SIZES = 0.1, 0.55  # a pasted instance's longer side, as a share of the frame's height
ENLARGED = 2.0  # at most so many times, or it would be known by its blur
SOFTNESS = 0.8  # pixels: spread of the blur of its rim

Image = NDArray[np.float32]


def paste(frame: Frame, donor: Clip, index: int, label: int, rng: np.random.Generator) -> tuple[Frame, Mask]:
    """A copy of frame (H, W, 3) with an instance of frame `index` of another clip, and where it is: (H, W), 0 or 1.

    That frame must show it. It gets another size, place, side and brightness; its centre stays inside the frame.
    """
    shown = donor.labels[index] == label
    box = mask_box(shown)
    assert box is not None
    height, width = frame.shape[:2]
    scale = min(rng.uniform(*SIZES) * height / max(box.width, box.height), ENLARGED)
    mirror = rng.choice([-1, 1])
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    move = np.array(
        [
            [mirror * scale, 0, x - mirror * scale * (box.x0 + box.x1) / 2],
            [0, scale, y - scale * (box.y0 + box.y1) / 2],
        ]
    )
    colours = donor.frames[index].astype(np.float32)
    if scale < 1:  # a linear warp would alias
        colours = cv2.GaussianBlur(colours, (0, 0), 0.4 / scale)
    alpha = cv2.warpAffine(shown.astype(np.float32), move, (width, height), flags=cv2.INTER_LINEAR)
    surface = cv2.warpAffine(colours, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    surface = surface * rng.uniform(0.8, 1.2)
    return np.clip(lay_over(frame, surface, alpha), 0, 255).astype(np.uint8), (alpha > 0.5).astype(np.uint8)


def lay_over(image: NDArray, surface: Image, alpha: Image) -> Image:
    """`surface` (H, W, 3) in front of an image (H, W, 3) where alpha (H, W) is 1, with a soft rim."""
    soft = cv2.GaussianBlur(alpha, (0, 0), SOFTNESS)[..., None]
    return image + soft * (surface - image)
