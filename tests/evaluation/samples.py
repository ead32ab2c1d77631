"""Small label sequences, written as the indexed PNGs that the metrics read, and the results of an ablation."""

from pathlib import Path

import numpy as np
from PIL import Image

from vsreid_lite.evaluation.paper import arithmetic, entries, table1


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


def slow_boundary_pixels(mask: np.ndarray) -> np.ndarray:
    """(n, 2): (y, x) of each pixel whose 2 x 2 block, cut at the image's end, holds both values."""
    blocks = {(y, x): mask[y : y + 2, x : x + 2] for y, x in np.ndindex(mask.shape)}
    return np.array([at for at, block in blocks.items() if block.any() and not block.all()]).reshape(-1, 2)


def slow_F(truth: np.ndarray, predicted: np.ndarray, radius: int) -> float:
    a, b = slow_boundary_pixels(truth), slow_boundary_pixels(predicted)
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    near = ((a[:, None] - b[None]) ** 2).sum(axis=-1) <= radius**2
    recall, precision = near.any(axis=1).mean(), near.any(axis=0).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def official_decay(values: np.ndarray) -> float:
    """As davis2017-evaluation computes it: edges cast to uint8."""
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.uint8)
    first, *_, last = (values[edges[i] : edges[i + 1] + 1] for i in range(4))
    return float(np.mean(first) - np.mean(last))


def table_row(name, mean, boost=None, interval=None, **more):
    """A row of the results of an ablation: J is 0.01 below the mean, F as far above it; None: not measured."""
    paper = entries(table1()).get(name)
    J, F, again = (mean - 0.01, mean + 0.01, mean / 2) if mean else (None, None, None)
    return {
        "name": name,
        "J-mean": J,
        "F-mean": F,
        "global-mean": mean,
        "global-mean-interval": mean and [mean - 0.1, mean + 0.1],
        "sequences": mean and {"crowd": mean - 0.25, "occlusion": mean + 0.25},
        "boost": boost,
        "boost-over": None,
        "interval": interval,
        "excludes-zero": interval and (interval[0] > 0 or interval[1] < 0),
        "sign-agrees": None if boost is None or paper is None else boost > 0,
        "J-after-reappearance": again,
        "seconds": mean and 1.5,
        "paper": paper and {**paper, "gain": paper["boost-recomputed"]},
        "seen-in-training": False,
        "note": "" if mean else "not measured: no file",
        **more,
    }


def table_results(rows, **more):
    """The results of an ablation on mini."""
    run = {"dataset": "mini", "split": "test", "scenes": None, "weights": "lite", "sequences": ["crowd", "occlusion"]}
    tables = {"rows": rows, "adapted-rows": [], "total": None, "adapted-total": None, "paper": arithmetic(table1())}
    return run | {"seen-in-training": {}} | tables | more
