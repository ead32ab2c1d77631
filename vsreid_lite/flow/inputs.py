"""What the learned estimators of flow share: frames as tensors, and random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from vsreid_lite.video.masks import Frame


def to_tensor(frame: Frame, device: torch.device | str) -> Tensor:
    """A frame (H, W, 3) as (3, H, W), float32, 0-255."""
    return torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1).float()


@contextmanager
def random_weights(seed: int = 0) -> Iterator[None]:
    """Networks built inside get the same weights each time; torch's own random numbers go on as if nothing had been."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
