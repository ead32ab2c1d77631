"""Deterministic weights for checkpoint-compatibility tests.

The golden outputs in this folder were computed with networks whose every tensor was filled by
`reference_tensor(name, shape)`. Fill yours the same way, run it on the golden input, and compare.
"""

import zlib

import numpy as np


def reference_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor called `name`: float32 of `shape`, the same on every machine (int64 0 for step counters)."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, np.float32)
    if name.endswith("running_var"):
        return np.exp(0.1 * noise)
    if len(shape) == 1:
        is_scale = name.endswith("weight")  # a normalisation layer's scale
        return (1.0 if is_scale else 0.0) + 0.1 * noise
    fan_in = int(np.prod(shape[1:]))
    return (noise / np.sqrt(fan_in)).astype(np.float32)
