"""Colours that colour-blind readers can tell apart; instances painted over frames; optical flow as a colour wheel."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import hsv_to_rgb, to_rgb
from numpy.typing import NDArray

from vsreid_lite.video.masks import Frame, Mask

INSTANCES = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")  # Okabe and Ito
PAPER, OURS, ADAPTED, RETRIEVED = "#BBBBBB", "#0072B2", "#E69F00", "#0072B2"
BEFORE, AFTER, BLACK = "#D55E00", "#0072B2", "#000000"


def instance_colour(label: int) -> str:
    """The colour of an instance; after seven they begin anew, so a label's number always stands beside its colour."""
    return INSTANCES[(label - 1) % len(INSTANCES)]


def tint(frame: Frame, mask: Mask, opacity: float = 0.45) -> Frame:
    """The frame (H, W, 3) with the labels of `mask` (H, W) painted over it, as uint8 (H, W, 3)."""
    painted = frame.astype(np.float64)
    for label in np.unique(mask[mask > 0]):
        colour = np.array(to_rgb(instance_colour(int(label)))) * 255
        painted[mask == label] = (1 - opacity) * painted[mask == label] + opacity * colour
    return np.rint(painted).astype(np.uint8)


def flow_colours(flow: NDArray[np.float32], longest: float) -> Frame:
    """A flow (2, H, W) as uint8 (H, W, 3): the direction is the hue, the length the saturation, no motion is white.

    longest: the length in pixels that is fully saturated, above 0.
    """
    hue = np.arctan2(flow[1], flow[0]) / (2 * np.pi) % 1
    saturation = np.clip(np.hypot(flow[0], flow[1]) / longest, 0, 1)
    return np.rint(hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], -1)) * 255).astype(np.uint8)


def colour_wheel(size: int = 65) -> Frame:
    """The key of `flow_colours`: every direction and length once, (size, size, 3), white outside the circle."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    flow = np.stack(np.meshgrid(axis, axis))
    return flow_colours(np.where(np.hypot(*flow) <= 1, flow, 0), 1.0)
