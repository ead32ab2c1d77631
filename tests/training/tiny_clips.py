"""A clip that costs nothing."""

import numpy as np

from vsreid_lite.training.clips import Clip


def tiny_clip(name):
    """Four frames in which a bright square moves over noise."""
    rng = np.random.default_rng(0)
    frames, labels = [], []
    for i in range(4):
        label = np.zeros((64, 96), np.uint8)
        label[16:44, 20 + 4 * i : 50 + 4 * i] = 1
        frames.append(np.where(label[..., None], 220, rng.integers(0, 120, (64, 96, 3))).astype(np.uint8))
        labels.append(label)
    return Clip(name, tuple(frames), tuple(labels), ((),) * 4)
