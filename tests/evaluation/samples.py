"""Small label sequences, and how to write them as the indexed PNGs that the metrics read."""

from pathlib import Path

import numpy as np
from PIL import Image


def rectangle(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, int] = (20, 20)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def frames(*visible: int, label: int = 1) -> np.ndarray:
    """A sequence in which `label` covers the same square in the frames where `visible` is 1."""
    return np.stack([rectangle(5, 5, 12, 12) * np.uint8(label * v) for v in visible])


def write(root: Path, sequences: dict[str, np.ndarray]) -> Path:
    for name, labels in sequences.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(labels):
            image = Image.fromarray(frame.astype(np.uint8), mode="P")
            image.putpalette(
                [0, 0, 0, 128, 0, 0, 0, 128, 0] + 253 * [0, 0, 0]
            )  # a short palette would cut large labels
            image.save(root / name / f"{i:05d}.png")
    return root
