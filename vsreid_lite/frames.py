"""A frame as the tensor that every network sees."""

from __future__ import annotations

import torch
from torch import Tensor

from vsreid_lite.geometry import Box
from vsreid_lite.masks import Frame


def to_image(frame: Frame, box: Box | None = None, device: torch.device | str = "cpu") -> Tensor:
    """A frame (H, W, 3), uint8, or the part inside a box, as (3, h, w), float32 in [0, 1]."""
    part = frame if box is None else frame[box.y0 : box.y1, box.x0 : box.x1]
    return torch.as_tensor(part, device=device).permute(2, 0, 1).float() / 255
