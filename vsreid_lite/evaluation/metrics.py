"""The DAVIS 2017 measures: region similarity J, boundary measure F, and `evaluate`, which scores folders by them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.evaluation.labels import LabelFrames, Labels, Source, load_prediction, load_truth, sequence_names
from vsreid_lite.evaluation.scores import InstanceScores, Scores, Values

Mask = NDArray[np.bool_]  # (H, W)
Masks = NDArray[np.bool_]  # (N, H, W)
Frames = Sequence[Labels] | NDArray[np.integer] | LabelFrames
VOID = 255
BOUNDARY_TOLERANCE = 0.008  # of the image's diagonal


def evaluate(reference: Source, predicted: Source) -> Scores:
    """The semi-supervised DAVIS 2017 scores of a prediction, equal to those of the official program.

    reference, predicted: folders of sequence folders of indexed PNGs, or dicts from sequence name to labels (N, H, W).
    Every sequence of the reference is scored. Its first and last frame do not count and need no prediction; 255 in the
    truth is void and counts as background; the number of instances is the largest label of the first true frame, and a
    label missing from the prediction counts as empty.

    Raises FileNotFoundError for a missing folder or frame, ValueError for a damaged file, a size that differs, a true
    first frame without instance, or a predicted label that the truth has not; each names the file.
    """
    instances: dict[str, InstanceScores] = {}
    for name in sequence_names(reference):
        truth = load_truth(reference, name)
        prediction = load_prediction(predicted, name, truth)
        try:
            K = number_of_instances(truth[0])
        except ValueError as error:
            raise ValueError(f"{truth.where[0]}: {error}") from error
        instances |= score_sequence(name, truth, prediction, K, prediction.where)
    return Scores(instances)


def number_of_instances(first: Labels) -> int:
    """The largest label of the first true frame (H, W), void left out. Raises ValueError when there is none."""
    K = int(np.max(first, initial=0, where=first != VOID))
    if K == 0:
        hint = ", and 255 is void (DAVIS 2016 marks its instance so: relabel it to 1)" if np.any(first == VOID) else ""
        raise ValueError(f"the first true frame shows no instance{hint}")
    return K


def score_sequence(
    name: str, truth: Frames, predicted: Frames, K: int | None = None, where: Sequence[str] | None = None
) -> dict[str, InstanceScores]:
    """The scores of one sequence, keyed "<name>_<k>", k from 1 to K.

    truth, predicted: labels (H, W) of all N >= 3 frames, or arrays (N, H, W); the first and the last frame do not count
    and their predictions are not looked at. K: number of instances, that of the first true frame when not given. where:
    what to call each predicted frame in an error.
    Raises ValueError for numbers of frames or sizes that differ and for a predicted label above K.
    """
    N = len(truth)
    if N < 3 or len(predicted) != N:
        raise ValueError(f"sequence {name}: expected equal numbers of frames, at least 3, found {N}, {len(predicted)}")
    K = number_of_instances(truth[0]) if K is None else K
    where = [f"sequence {name}, frame {i}" for i in range(N)] if where is None else where
    visible = np.empty((K, N), dtype=bool)
    values = np.zeros((K, N, 2))
    for i in range(N):
        true_masks = _masks(truth[i], K)
        visible[:, i] = [mask.any() for mask in true_masks]
        if 0 < i < N - 1:
            predicted_masks = _masks(_checked(predicted[i], true_masks[0].shape, K, where[i]), K)
            values[:, i] = [score_frame(*pair) for pair in zip(true_masks, predicted_masks, strict=True)]
    return {f"{name}_{k + 1}": _instance(values[k, 1:-1], visible[k]) for k in range(K)}


def score_instance(truth: Masks, predicted: Masks) -> tuple[Values, Values]:
    """J and F, each (N,), of one instance in every frame given, none left out; truth, predicted: (N, H, W), bool."""
    values = [score_frame(t, p) for t, p in zip(truth, predicted, strict=True)]
    J, F = np.array(values).reshape(-1, 2).T
    return J, F


def score_frame(truth: Mask, predicted: Mask) -> tuple[float, float]:
    """J and F of one instance in one frame; truth, predicted: (H, W), bool.

    Both are measured inside the smallest box that holds both masks and one pixel more where the image has one. Nothing
    is lost: boundary pixels lie at most one pixel outside of a mask, and a box that does not end with the image ends in
    background, where the last row and column have no boundary.
    """
    x, y, width, height = cv2.boundingRect(np.bitwise_or(truth, predicted).view(np.uint8))
    window = slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)
    radius = boundary_radius(truth.shape)
    return region(truth[window], predicted[window]), boundary(truth[window], predicted[window], radius)


def region(truth: Mask, predicted: Mask) -> float:
    """J: intersection over union of two masks (H, W), bool; 1 when both are empty."""
    union = np.count_nonzero(truth | predicted)
    return np.count_nonzero(truth & predicted) / union if union else 1.0


def boundary(truth: Mask, predicted: Mask, radius: int) -> float:
    """F: harmonic mean of precision and recall of the boundary pixels of two masks (H, W), bool.

    A boundary pixel is found when the other boundary passes within `radius` pixels. 1 when neither mask has a boundary,
    0 when one has none. (A mask that fills the frame has none either, in the official program as here.)
    """
    stride = truth.shape[1] + radius
    true_edge, predicted_edge = (as_bits(boundary_pixels(mask), stride) for mask in (truth, predicted))
    if not true_edge or not predicted_edge:
        return float(true_edge == predicted_edge)
    precision = (predicted_edge & dilate(true_edge, radius, stride)).bit_count() / predicted_edge.bit_count()
    recall = (true_edge & dilate(predicted_edge, radius, stride)).bit_count() / true_edge.bit_count()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_pixels(mask: Mask) -> Mask:
    """(H, W), bool: the pixels that differ from their right, lower or lower right neighbour inside the image."""
    block = np.ones((2, 2), dtype=np.uint8)
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, block, anchor=(0, 0)).astype(bool)


def as_bits(mask: Mask, stride: int) -> int:
    """The mask (H, W) as one integer of `stride` >= W bits a row: pixel (x, y) is bit y * stride + x.

    Adding d to x or to y of all pixels is then one shift of a few kilobytes, by d or by d * stride.
    """
    padded = np.zeros((mask.shape[0], stride), dtype=bool)
    padded[:, : mask.shape[1]] = mask
    return int.from_bytes(np.packbits(padded, bitorder="little").tobytes(), "little")


def dilate(bits: int, radius: int, stride: int) -> int:
    """All pixels at most `radius` away from one of `bits`: the union of the rows of a disk, each a run of shifts.

    The last `radius` pixels of each row of `bits` must be empty, so that a shift never reaches into the next row.
    """
    runs = [bits]
    for dx in range(1, radius + 1):
        runs.append(runs[-1] | bits << dx | bits >> dx)
    disk = runs[radius]
    for dy in range(1, radius + 1):
        run = runs[math.isqrt(radius**2 - dy**2)]
        disk |= run << dy * stride | run >> dy * stride
    return disk


def boundary_radius(shape: tuple[int, ...]) -> int:
    """How far apart, in pixels, two boundaries may lie in an image of this (H, W): 8 at 480 x 854."""
    return int(np.ceil(BOUNDARY_TOLERANCE * np.linalg.norm(shape)))


def _masks(labels: Labels, K: int) -> list[Mask]:
    return [labels == k for k in range(1, K + 1)]


def _instance(values: NDArray[np.float64], visible: NDArray[np.bool_]) -> InstanceScores:
    """values: J and F (N - 2, 2) of the counted frames. visible: (N,), of all frames, for what came before them."""
    seen = np.logical_or.accumulate(visible)
    lost = np.logical_or.accumulate(seen & ~visible)
    return InstanceScores(values[:, 0], values[:, 1], visible[1:-1], (visible & lost)[1:-1])


def _checked(predicted: Labels, shape: tuple[int, ...], K: int, where: str) -> Labels:
    if predicted.shape != shape:
        raise ValueError(f"{where}: expected shape {shape}, found {predicted.shape}")
    if predicted.max() > K or predicted.min() < 0:
        extra = ", ".join(str(label) for label in np.unique(predicted) if not 0 <= label <= K)
        raise ValueError(f"{where}: expected labels 0 to {K}, as in the first true frame, found {extra}")
    return predicted
