"""The DAVIS 2017 measures, region similarity J and boundary measure F, what DAVIS prints of them, and `evaluate`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.evaluation.labels import (
    LabelFrames,
    Labels,
    Source,
    count_frames,
    existing_folder,
    load_prediction,
    load_truth,
    sequence_names,
)
from vsreid_lite.system.wording import counted
from vsreid_lite.system.workers import Workers, recorded, run_jobs

if TYPE_CHECKING:
    from vsreid_lite.video.video import Video

Values = NDArray[np.float64]  # (n,): one value in [0, 1] for each counted frame
DECAY_BINS = 4
RECALL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Statistics:
    """Mean, recall and decay of one measure.

    Attributes:
        mean: in [0, 1].
        recall: share of the frames with a value above 0.5.
        decay: in [-1, 1], above 0 if the end is worse.
    """

    mean: float
    recall: float
    decay: float

    @classmethod
    def of_frames(cls, values: Values) -> Statistics:
        """Statistics of one instance from its values (n,), n >= 1."""
        return cls(float(np.mean(values)), float(np.mean(values > RECALL_THRESHOLD)), decay(values))

    @classmethod
    def of_instances(cls, statistics: list[Statistics]) -> Statistics:
        """Mean over instances, not over sequences, of each entry."""
        mean, recall, fall = np.mean([(s.mean, s.recall, s.decay) for s in statistics], axis=0)
        return cls(float(mean), float(recall), float(fall))


def decay(values: Values) -> float:
    """Mean of the first of four bins minus the mean of the last; `values` is (n,), n >= 1."""
    first, last = decay_bins(len(values))
    return float(np.mean(values[first]) - np.mean(values[last]))


def decay_bins(n: int) -> tuple[slice, slice]:
    """The first and the last of the four bins of n >= 1 values. Neighbouring bins share the frame at their edge.

    The official program keeps the edges as uint8, which wrap round when more than 256 frames are counted (255 with
    numpy 2): from there on its decay is wrong, and this one is right.
    """
    edges = [int(edge) - 1 for edge in np.round(np.linspace(1, n, DECAY_BINS + 1) + 1e-10)]
    return slice(edges[0], edges[1] + 1), slice(edges[-2], edges[-1] + 1)


@dataclass(frozen=True, eq=False)
class InstanceScores:
    """One instance in the n counted frames of its sequence.

    Attributes:
        J: (n,), region similarity of each frame.
        F: (n,), boundary measure of each frame.
        visible: (n,), whether the truth is non-empty.
        reappeared: (n,), the visible frames from the first re-appearance after an absence on.
    """

    J: Values
    F: Values
    visible: NDArray[np.bool_]
    reappeared: NDArray[np.bool_]

    @property
    def visible_J(self) -> float | None:
        """Mean J of the frames that show the instance: an empty prediction earns nothing while it is out of sight."""
        return _mean_or_none(self.J[self.visible])

    @property
    def reappeared_J(self) -> float | None:
        """Mean J of the visible frames after the first re-appearance: what re-identification is for."""
        return _mean_or_none(self.J[self.reappeared])

    def to_json(self) -> dict[str, object]:
        """The statistics and values of this instance, and the two means above."""
        return {
            "J": {**asdict(Statistics.of_frames(self.J)), "per_frame": self.J.tolist()},
            "F": {**asdict(Statistics.of_frames(self.F)), "per_frame": self.F.tolist()},
            "J-visible": self.visible_J,
            "J-after-reappearance": self.reappeared_J,
        }


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a set of sequences.

    Attributes:
        instances: those of each instance, keyed "<sequence>_<k>", k from 1; at least one.
    """

    instances: dict[str, InstanceScores]

    @property
    def J(self) -> Statistics:
        """Region similarity, mean over instances."""
        return Statistics.of_instances([Statistics.of_frames(i.J) for i in self.instances.values()])

    @property
    def F(self) -> Statistics:
        """Boundary measure, mean over instances."""
        return Statistics.of_instances([Statistics.of_frames(i.F) for i in self.instances.values()])

    @property
    def global_mean(self) -> float:
        """The number challenges rank by: (mean J + mean F) / 2."""
        return (self.J.mean + self.F.mean) / 2

    @property
    def visible_J(self) -> float | None:
        """Mean over the instances that are seen in a counted frame."""
        return _mean_or_none([i.visible_J for i in self.instances.values() if i.visible_J is not None])

    @property
    def reappeared_J(self) -> float | None:
        """Mean over the instances that re-appear; None when none does."""
        return _mean_or_none([i.reappeared_J for i in self.instances.values() if i.reappeared_J is not None])

    def to_json(self) -> dict[str, dict[str, object]]:
        """Plain values for `json.dump`; what is undefined is None, so the JSON never holds a NaN."""
        return {
            "global": {
                "J": asdict(self.J),
                "F": asdict(self.F),
                "global-mean": self.global_mean,
                "J-visible": self.visible_J,
                "J-after-reappearance": self.reappeared_J,
            },
            "instances": {name: instance.to_json() for name, instance in self.instances.items()},
        }


def _mean_or_none(values: Values | list[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


BinaryMask = NDArray[np.bool_]  # (H, W)
BinaryMasks = NDArray[np.bool_]  # (N, H, W)


@dataclass(frozen=True, eq=False)
class FrameScores:
    """J and F of each instance in each frame, (K, N), and whether it is in sight; the ends count in no benchmark."""

    J: Values
    F: Values
    visible: NDArray[np.bool_]

    def of(self, instance: int | None) -> tuple[Values, Values]:
        """J and F (N,) of instance k, or, for None, their means over all instances."""
        return (self.J.mean(0), self.F.mean(0)) if instance is None else (self.J[instance], self.F[instance])

    def mean(self, instance: int | None) -> float:
        """The mean of J and F over the counted frames, of instance k or, for None, of all instances."""
        J, F = self.of(instance)
        return float(np.mean((J[1:-1], F[1:-1])))


Frames = Sequence[Labels] | NDArray[np.integer] | LabelFrames
Truth = Frames | Sequence[Labels | None]
VOID = 255
BOUNDARY_TOLERANCE = 0.008  # of the image's diagonal


def evaluate(
    reference: Source,
    predicted: Source,
    sequences: Sequence[str] = (),
    year: int | None = None,
    workers: Workers = 1,
) -> Scores:
    """The semi-supervised DAVIS 2017 scores of a prediction, as the official program computes them.

    The first and last frame of a sequence do not count and need no prediction; 255 in the truth is void and counts as
    background; the number of instances is the largest label of the first true frame, and a label missing from the
    prediction counts as empty. Where the truth has masks for some frames only, these are the sequence, with a warning.

    Two things differ from the official program. Frames are in natural order ("2.png" before "10.png"), where it sorts
    names as text; this matters for names without leading zeros, and is warned of. And masks of 0 and 255 alone, which
    it refuses, are taken as those of one instance (DAVIS 2016).

    Args:
        reference: a folder of sequence folders of indexed PNGs, or a dict from sequence name to labels (N, H, W).
        predicted: the same; it may hold more sequences and frames.
        sequences: the names of those that are scored; all of the reference when none is given.
        year: 2016 unites the instances of both sides, 2017 always takes 255 as void; by the files when not given.
        workers: the number of processes, or an executor, as `run_jobs` takes it; a job is a sequence.

    Raises:
        FileNotFoundError: a folder or frame is missing.
        ValueError: a file is damaged, a size differs, a true first frame shows no instance, the prediction has a label
            that the truth has not, both sides are one folder, or a name of `sequences` is unknown. Each names the file.
    """
    names = _chosen(reference, predicted, sequences)
    found: dict[str, _Scored] = {}
    with closing(run_jobs(partial(recorded, _Scoring(reference, predicted, year)), names, workers)) as jobs:
        for name, (scored, texts) in jobs:
            found[name] = scored
            for text in texts:
                warnings.warn(text, stacklevel=2)
    if sparse := [found[name].sparse for name in names if found[name].sparse]:
        listed = ", ".join(sparse[:5]) + (", ..." if len(sparse) > 5 else "")
        warnings.warn(f"{reference}: true masks for some predicted frames only: {listed}; these count", stacklevel=2)
    return Scores({key: one for name in names for key, one in found[name].instances.items()})


class _Scored(NamedTuple):
    """One sequence: its scores, and what to say where the truth has masks for some of its frames only."""

    instances: dict[str, InstanceScores]
    sparse: str


@dataclass(frozen=True)
class _Scoring:
    """Scores one sequence of `evaluate`."""

    reference: Source
    predicted: Source
    year: int | None

    def __call__(self, name: str) -> _Scored:
        truth = load_truth(self.reference, name, self.year)
        K = _instances(truth)
        prediction = load_prediction(self.predicted, name, truth, self.year, K)
        more = 0 if isinstance(self.predicted, Mapping) else count_frames(Path(self.predicted, name), truth.names)
        sparse = f"{name} {len(truth)} of {more}" if more > len(truth) else ""
        return _Scored(score_sequence(name, truth, prediction, K, prediction.where), sparse)


def _chosen(reference: Source, predicted: Source, sequences: Sequence[str]) -> list[str]:
    """The sequences to score, all of which must be on both sides."""
    there = sequence_names(reference)
    folders = not isinstance(reference, Mapping) and not isinstance(predicted, Mapping)
    if folders and existing_folder(predicted).samefile(reference):  # type: ignore[arg-type]
        raise ValueError(f"{predicted}: the prediction is the reference; give the folder of predicted masks")
    if unknown := [name for name in sequences if name not in there]:
        raise ValueError(f"{reference}: no sequence {', '.join(unknown)}; there are {', '.join(there)}")
    names = list(dict.fromkeys(sequences)) or there
    if not isinstance(predicted, Mapping):
        missing = [name for name in names if not Path(predicted, name).is_dir()]
        if missing and len(missing) < len(names):
            others = ",".join(name for name in names if name not in missing)
            others = others if len(others) < 100 else "A,B,... or --split FILE"
            raise FileNotFoundError(
                f"{Path(predicted, missing[0])}: there is no such folder; {len(missing)} of {len(names)} sequences "
                f"have no prediction: score the others alone with --sequences {others}"
            )
    return names


def _instances(truth: LabelFrames) -> int:
    """`number_of_instances` of the first true frame; warns where it shows fewer, and names it in an error."""
    try:
        K = number_of_instances(truth[0])
    except ValueError as error:
        raise ValueError(f"{truth.where[0]}: {error}") from error
    shown = len(np.setdiff1d(truth[0], [0, VOID]))
    if shown < K:
        warnings.warn(
            f"{truth.where[0]}: shows {counted(shown, 'instance')}, but its largest label is {K}; as in the official "
            f"program {K} are scored, and where one is neither true nor predicted it scores 1",
            stacklevel=3,
        )
    return K


def number_of_instances(first: Labels) -> int:
    """The largest label of the first true frame (H, W), void left out.

    Raises:
        ValueError: there is none.
    """
    K = int(np.max(first, initial=0, where=first != VOID))
    if K == 0:
        hint = ", and 255 is void (in DAVIS 2016 it is the instance: year 2016)" if np.any(first == VOID) else ""
        raise ValueError(f"the first true frame shows no instance{hint}")
    return K


def score_sequence(
    name: str, truth: Truth, predicted: Frames, K: int | None = None, where: Sequence[str] | None = None
) -> dict[str, InstanceScores]:
    """The scores of one sequence, keyed "<name>_<k>", k from 1 to K.

    Args:
        name: of the sequence.
        truth: labels (H, W) of all N frames, or an array (N, H, W). Where some are None, the annotated frames are the
            sequence, with a warning; at least 3. The first and the last do not count.
        predicted: as many labels (H, W); those of frames that do not count are not looked at.
        K: the number of instances; that of the first true frame when not given.
        where: what to call each predicted frame in an error.

    Raises:
        ValueError: numbers of frames or sizes differ, or a predicted label is above K.
    """
    N = len(truth)
    if len(predicted) != N:
        raise ValueError(f"sequence {name}: expected equal numbers of frames, found {N}, {len(predicted)}")
    annotated = _annotated(name, truth)
    truth = cast("Frames", truth)
    K = number_of_instances(truth[annotated[0]]) if K is None else K
    where = [f"sequence {name}, frame {i}" for i in range(N)] if where is None else where
    visible = np.empty((K, len(annotated)), dtype=bool)
    values = np.zeros((K, len(annotated), 2))
    for at, i in enumerate(annotated):
        true_masks = _masks(truth[i], K)
        visible[:, at] = [mask.any() for mask in true_masks]
        if 0 < at < len(annotated) - 1:
            predicted_masks = _masks(_checked(predicted[i], true_masks[0].shape, K, where[i]), K)
            values[:, at] = [score_frame(*pair) for pair in zip(true_masks, predicted_masks, strict=True)]
    return {f"{name}_{k + 1}": _instance(values[k, 1:-1], visible[k]) for k in range(K)}


def _annotated(name: str, truth: Truth) -> list[int]:
    """The frames that have a true mask; says so where others have none."""
    found = list(range(len(truth)))
    if not isinstance(truth, LabelFrames):
        found = [i for i in found if truth[i] is not None]
    if len(found) < 3:
        raise ValueError(
            f"sequence {name}: expected true masks of at least 3 frames, as the first and last do not count, found "
            f"{len(found)}"
        )
    if len(found) < len(truth):
        warnings.warn(
            f"sequence {name}: {len(found)} of {len(truth)} frames have a true mask; these count", stacklevel=3
        )
    return found


def score_instance(truth: BinaryMasks, predicted: BinaryMasks) -> tuple[Values, Values]:
    """J and F of one instance in every frame given, none left out.

    Args:
        truth: (N, H, W), bool.
        predicted: (N, H, W), bool.

    Returns:
        J and F, (N,) each.
    """
    values = [score_frame(t, p) for t, p in zip(truth, predicted, strict=True)]
    J, F = np.array(values).reshape(-1, 2).T
    return J, F


def score_frames(video: Video, masks: Sequence[Labels]) -> FrameScores:
    """The scores of N masks (H, W) of a sequence with annotations. Raises ValueError for one without."""
    truth = video.truth
    if len(truth) < video.N or len(masks) != video.N:
        raise ValueError(
            f"sequence {video.name}: expected {video.N} true and as many found masks, "
            f"found {len(truth)} and {len(masks)}"
        )
    both = np.array(truth), np.array(masks)
    scores = [score_instance(both[0] == label, both[1] == label) for label in video.labels]
    visible = np.stack([(both[0] == label).any((1, 2)) for label in video.labels])
    return FrameScores(np.array([J for J, _ in scores]), np.array([F for _, F in scores]), visible)


def frame_gains(a: FrameScores, b: FrameScores, instance: int | None) -> Values:
    """The mean of J and F (N,) of b minus that of a, of instance k or, for None, all; 0 where nothing is in sight."""
    visible = a.visible.any(0) if instance is None else a.visible[instance]
    return np.where(visible, np.mean(b.of(instance), 0) - np.mean(a.of(instance), 0), 0.0)


def score_frame(truth: BinaryMask, predicted: BinaryMask) -> tuple[float, float]:
    """J and F of one instance in one frame, of masks (H, W), bool.

    Both are measured inside the smallest box that holds both masks and one pixel more where the image has one. Nothing
    is lost: boundary pixels lie at most one pixel outside of a mask, and a box that does not end with the image ends in
    background, where the last row and column have no boundary.
    """
    x, y, width, height = cv2.boundingRect(np.bitwise_or(truth, predicted).view(np.uint8))
    window = slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)
    radius = boundary_radius(truth.shape)
    return region(truth[window], predicted[window]), boundary(truth[window], predicted[window], radius)


def region(truth: BinaryMask, predicted: BinaryMask) -> float:
    """J: intersection over union of two masks (H, W), bool; 1 when both are empty."""
    union = np.count_nonzero(truth | predicted)
    return np.count_nonzero(truth & predicted) / union if union else 1.0


def boundary(truth: BinaryMask, predicted: BinaryMask, radius: int) -> float:
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


def boundary_pixels(mask: BinaryMask) -> BinaryMask:
    """(H, W), bool: the pixels that differ from their right, lower or lower right neighbour inside the image."""
    block = np.ones((2, 2), dtype=np.uint8)
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, block, anchor=(0, 0)).astype(bool)


def near_boundary(mask: BinaryMask, radius: int) -> BinaryMask:
    """(H, W), bool: where a boundary pixel counts as found for F, at most `radius` from a boundary pixel of `mask`."""
    height, width = mask.shape
    stride = width + radius
    near = dilate(as_bits(boundary_pixels(mask), stride), radius, stride) & ((1 << height * stride) - 1)
    octets = np.frombuffer(near.to_bytes(-(-height * stride // 8), "little"), np.uint8)
    bits = np.unpackbits(octets, count=height * stride, bitorder="little")
    return bits.reshape(height, stride)[:, :width].astype(bool)


def as_bits(mask: BinaryMask, stride: int) -> int:
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


def _masks(labels: Labels, K: int) -> list[BinaryMask]:
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
