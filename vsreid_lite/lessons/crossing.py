"""A toy world that shows in seconds what guides do to a network: a bright disk that crosses grey noise."""

from __future__ import annotations

import numpy as np

from vsreid_lite.datasets.scenes import fractal_noise
from vsreid_lite.training.clips import Clip
from vsreid_lite.video.masks import Frame, Mask
from vsreid_lite.video.video import Video

SHAPE = (64, 96)  # of its frames
SPEED = 5  # pixels a frame, to the right
PAIRS = 2  # of frames in a clip


def crossing_clips(count: int) -> list[Clip]:
    """Clips of the worlds 0 to `count` - 1, without flow: no motion is given away."""
    flow = np.zeros((2, *SHAPE), np.float16)
    return [
        Clip(str(world), tuple(images), tuple(labels), ((),) * len(images), (flow,) * len(images))
        for world in range(count)
        for images, labels in [_crossing(world, 2 * PAIRS)]
    ]


def crossing_sequences(count: int, frames: int, first: int = 100) -> list[Video]:
    """Annotated videos of as many worlds from `first` on: that is, of none that a clip shows."""
    worlds = {world: _crossing(world, frames) for world in range(first, first + count)}
    return [Video(str(world), images, labels[0], annotations=labels) for world, (images, labels) in worlds.items()]


def _crossing(world: int, frames: int) -> tuple[list[Frame], list[Mask]]:
    """Images (H, W, 3) and labels (H, W)."""
    rng = np.random.default_rng(world)
    grey = (fractal_noise(rng, SHAPE) * 80 + 60).astype(np.uint8)
    radius, y, x, fall = rng.uniform(8, 12), rng.uniform(20, 44), rng.uniform(12, 20), rng.uniform(-0.8, 0.8)
    colour = rng.integers(0, 2, 3) * 60 + rng.integers(170, 195, 3)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disks = [(columns - x - SPEED * i) ** 2 / 1.3 + (rows - y - fall * i) ** 2 < radius**2 for i in range(frames)]
    images = [np.where(disk[..., None], colour, grey[..., None]).astype(np.uint8) for disk in disks]
    return images, [disk.astype(np.uint8) for disk in disks]
