"""What a run of VS-ReID leaves behind: masks, rounds, checkpoints, times and, on request, every map and its making."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.geometry import SparseMap
from vsreid_lite.merging import merge
from vsreid_lite.propagation import Propagation
from vsreid_lite.reidentification import Retrieval, Starts, given_starts
from vsreid_lite.video.masks import Mask

Maps = list[list[SparseMap]]  # P[i][k]


@dataclass(frozen=True, eq=False)
class Round:
    """One turn of Algorithm 3's loop: retrieve, recover, propagate both ways.

    Attributes:
        retrieval: what was found.
        updated: the frames where the round wrote the map of its instance, ascending; one interval around the
            retrieval's.
        start: the checkpoints c_{i,k} after the round, (N, K).
        seconds: what the round took.
    """

    retrieval: Retrieval
    updated: tuple[int, ...]
    start: Starts
    seconds: float


@dataclass(frozen=True)
class Record:
    """How one map came about.

    Attributes:
        round: 0 for the initial propagation, r for `rounds[r - 1]`.
        propagation: the map with its guided map, box and patch.
    """

    round: int
    propagation: Propagation


class PackedMasks(Sequence[Mask]):
    """N label masks (H, W), uint8, kept compressed: those of a long video would fill the memory.

    Args:
        masks: all of one size. Each is taken when the one before it is packed.
    """

    def __init__(self, masks: Iterable[Mask]) -> None:
        self._shape: tuple[int, ...] = ()
        self._packed: list[bytes] = []
        for mask in masks:
            self._shape = mask.shape
            self._packed.append(zlib.compress(mask.tobytes(), level=1))

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, i: int) -> Mask: ...

    @overload
    def __getitem__(self, i: slice) -> list[Mask]: ...

    def __getitem__(self, i: int | slice) -> Mask | list[Mask]:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        return np.frombuffer(bytearray(zlib.decompress(self._packed[i])), np.uint8).reshape(self._shape)


@dataclass(eq=False)
class Result:
    """The masks of a video, and how they came about.

    Attributes:
        name: that of the video.
        labels: instance k has label `labels[k]` in the masks.
        masks: N label masks (H, W), uint8; those of the engines are unpacked when they are asked for.
        rounds: in order.
        start: the last checkpoints c_{i,k}, (N, K).
        seconds: of the parts, "loading" the networks, "adaptation", the "initial" propagation, "candidates", "rounds"
            and "merge", and of them all, the "total"; of what this process has done, where it went on from another.
        snapshots: on request, the maps P[i][k] after the initial propagation and after each round.
        records: on request, for each (frame, instance) how each of its maps was made; the last one counts.
        adaptation_stopped: whether Ctrl-C has ended the adaptation before all its steps.
    """

    name: str
    labels: tuple[int, ...]
    masks: Sequence[Mask]
    rounds: list[Round]
    start: NDArray[np.int64]
    seconds: dict[str, float]
    snapshots: list[Maps] = field(default_factory=list)
    records: dict[tuple[int, int], list[Record]] = field(default_factory=dict)
    adaptation_stopped: bool = False

    @property
    def retrievals(self) -> list[Retrieval]:
        """The retrieval of each round."""
        return [round.retrieval for round in self.rounds]

    @property
    def probabilities(self) -> Maps:
        """The final maps P[i][k]. Raises ValueError where the run did not keep them."""
        return self._maps_after(-1)

    def mask_after(self, number: int, frame: int) -> Mask:
        """The labels (H, W) of a frame after round `number`, 0 for the initial propagation.

        Raises:
            ValueError: the run did not keep its maps.
        """
        return merge(self._maps_after(number)[frame], self.labels)

    def start_after(self, number: int, first: Starts) -> Starts:
        """The checkpoints c_{i,k} (N, K) after round `number`; `first` for the initial propagation, 0."""
        return self.rounds[number - 1].start if number else first

    def map_after(self, number: int, frame: int, instance: int) -> SparseMap:
        """P_{i,k} after round `number`, 0 for the initial propagation. Raises ValueError as `mask_after`."""
        return self._maps_after(number)[frame][instance]

    def _maps_after(self, number: int) -> Maps:
        if not self.snapshots:
            raise ValueError("this run kept no probability maps: call segment(..., keep_maps=True)")
        return self.snapshots[number]

    def to_json(self) -> dict[str, object]:
        """Given masks, rounds, retrievals, checkpoints and times, in plain values; frames and instances from 0 on."""
        return {
            "sequence": self.name,
            "frames": len(self.masks),
            "labels": list(self.labels),
            "given": self._given(),
            "rounds": [_round_to_json(round) for round in self.rounds],
            "checkpoints": self.start.tolist(),
            "seconds": self.seconds,
        }

    def _given(self) -> list[dict[str, object]]:
        """The labels that each given mask shows."""
        given = given_starts(self.start, self.retrievals)
        frames = dict.fromkeys(i for i, _ in given)
        return [{"frame": i, "labels": [self.labels[k] for at, k in given if at == i]} for i in frames]


def _round_to_json(round: Round) -> dict[str, object]:
    r = round.retrieval
    box = [r.box.x0, r.box.y0, r.box.x1, r.box.y1]
    retrieval = {"box": box, "score": r.score, "frame": r.frame, "instance": r.instance, "template": r.template}
    return {"retrieval": retrieval, "updated": list(round.updated), "seconds": round.seconds}
