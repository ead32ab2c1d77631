"""What a prediction scored: each counted frame of each instance, and the summary DAVIS prints of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]  # (n,): one value in [0, 1] for each counted frame
DECAY_BINS = 4
RECALL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Statistics:
    """Mean, recall and decay of one measure.

    mean: in [0, 1]. recall: share of the frames with a value above 0.5. decay: in [-1, 1], above 0 if the end is worse.
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

    J, F: (n,), region similarity and boundary measure of each frame. visible: (n,), whether the truth is non-empty.
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
        """The entry of this instance, as DESIGN section 8 has it, and the two means above."""
        return {
            "J": {**asdict(Statistics.of_frames(self.J)), "per_frame": self.J.tolist()},
            "F": {**asdict(Statistics.of_frames(self.F)), "per_frame": self.F.tolist()},
            "J-visible": self.visible_J,
            "J-after-reappearance": self.reappeared_J,
        }


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a set of sequences. instances: keyed "<sequence>_<k>", k from 1, at least one."""

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
        """Plain values for `json.dump` (DESIGN section 8); what is undefined is None, so the JSON never holds a NaN."""
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


@dataclass(frozen=True, eq=False)
class FrameScores:
    """J and F of each instance in each frame, (K, N), in [0, 1]; the first and the last frame count in no benchmark."""

    J: Values
    F: Values

    def of(self, instance: int | None) -> tuple[Values, Values]:
        """J and F (N,) of instance k, or, for None, their means over all instances."""
        return (self.J.mean(0), self.F.mean(0)) if instance is None else (self.J[instance], self.F[instance])

    def mean(self, instance: int | None) -> float:
        """The mean of J and F over the counted frames, of instance k or, for None, of all instances."""
        J, F = self.of(instance)
        return float(np.mean((J[1:-1], F[1:-1])))


def _mean_or_none(values: Values | list[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
