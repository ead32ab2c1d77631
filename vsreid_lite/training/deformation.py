"""Deformed masks as guides (section 3.4): the previous mask as a network meets it at test time, and worse.

Scaling, shifting, the spline and the dilation are MaskTrack's (Perazzi et al. 2017, the paper's [11]); thinning,
softening and all that is hard are ours. Masks are windows (S, S) around one instance, so lengths are given as shares of
its size.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

Window = NDArray[np.float32]  # (S, S), in [0, 1]

# MaskTrack's: by how much at most scale, translation and control points change, as shares of the instance
SCALE, SHIFT, SPLINE, CONTROL_POINTS = 0.05, 0.10, 0.10, 5
# Ours
HARD_SCALE, HARD_SHIFT = 0.20, 0.30  # guides after a failure of the flow
DILATION = 0.05  # largest radius as a share of the instance; MaskTrack's is 5 px at 480p, whatever the instance
GRID = 9  # the spline is evaluated on a coarse grid


def deform_mask(mask: Window, rng: np.random.Generator, hard: bool = False) -> Window:
    """A guide made from a true mask (S, S): moved, scaled, bent, thickened or thinned, softened; empty stays empty.

    `hard` adds what a lost or half-hidden instance leaves behind: large shifts, missing halves and false blobs.
    """
    return list(deformation_steps(mask, rng, hard).values())[-1]


def deformation_steps(mask: Window, rng: np.random.Generator, hard: bool = False) -> dict[str, Window]:
    """The mask (S, S) after each step of `deform_mask`, by the step's name; an empty mask takes none but the first."""
    rows, columns = np.nonzero(mask > 0.5)
    if len(rows) == 0:
        return {"empty": np.zeros_like(mask)}
    low = np.array([columns.min(), rows.min()], np.float32)
    size = np.array([columns.max() + 1, rows.max() + 1], np.float32) - low
    steps = dict(zip(("moved", "bent"), _move(mask, rng, low, size, hard), strict=True))
    if hard:
        steps["corrupted"] = _corrupt(steps["bent"], rng, low, size)
    guide = steps["thickened"] = _thicken(list(steps.values())[-1], rng, float(size.mean()))
    sigma = rng.uniform(0, 0.02) * float(size.mean())
    return steps | {"softened": cv2.GaussianBlur(guide, (0, 0), sigma) if sigma > 0.3 else guide}


def _move(mask: Window, rng: np.random.Generator, low: NDArray, size: NDArray, hard: bool) -> tuple[Window, Window]:
    """The mask scaled and shifted, and bent as well."""
    scale = 1 + rng.uniform(-1, 1) * (HARD_SCALE if hard else SCALE)
    shift = rng.uniform(-1, 1, 2) * size * (HARD_SHIFT if hard else SHIFT)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    centre = low + size / 2
    bend = _spline(rng, low, size, mask.shape)
    x_from, y_from = (x - centre[0] - shift[0]) / scale + centre[0], (y - centre[1] - shift[1]) / scale + centre[1]
    return _remap(mask, x_from, y_from), _remap(mask, x_from + bend[..., 0], y_from + bend[..., 1])


def _remap(mask: Window, x: NDArray, y: NDArray) -> Window:
    return cv2.remap(mask, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)


def _spline(rng: np.random.Generator, low: NDArray, size: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The displacement (S, S, 2) of a thin-plate spline whose control points move by up to a tenth of the instance."""
    points = low + rng.random((CONTROL_POINTS, 2)) * size
    moves = rng.uniform(-SPLINE, SPLINE, (CONTROL_POINTS, 2)) * size
    y, x = np.meshgrid(np.linspace(0, shape[0] - 1, GRID), np.linspace(0, shape[1] - 1, GRID), indexing="ij")
    spline = RBFInterpolator(points, moves, kernel="thin_plate_spline", degree=1)
    coarse = spline(np.stack([x.ravel(), y.ravel()], 1)).reshape(GRID, GRID, 2)
    limit = 2 * SPLINE * size  # a spline extrapolates without bound
    return cv2.resize(np.clip(coarse, -limit, limit).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)


def _thicken(guide: Window, rng: np.random.Generator, size: float) -> Window:
    radius = int(rng.uniform(0, DILATION) * size + 0.5)
    if radius == 0:
        return guide
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.erode(guide, disk) if rng.random() < 0.25 else cv2.dilate(guide, disk)


def _corrupt(guide: Window, rng: np.random.Generator, low: NDArray, size: NDArray) -> Window:
    guide = guide.copy()
    y, x = np.mgrid[: guide.shape[0], : guide.shape[1]].astype(np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        across = (
            np.cos(angle) * (x - low[0] - size[0] / 2) / size[0] + np.sin(angle) * (y - low[1] - size[1] / 2) / size[1]
        )
        guide[across > rng.uniform(-0.15, 0.35)] = 0
    for _ in range(int(rng.integers(0, 3))):
        centre, radii = low + rng.uniform(-0.2, 1.2, 2) * size, rng.uniform(0.06, 0.25, 2) * size
        blob = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1
        guide[blob] = 1
    return guide
