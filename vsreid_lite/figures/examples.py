"""A segmented video as the figures take it, and which of its frames and rounds tell most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsreid_lite.evaluation.metrics import Scores, score_sequence
from vsreid_lite.merge import merge
from vsreid_lite.reidentification import Retrieval
from vsreid_lite.result import Result
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video


@dataclass(frozen=True, eq=False)
class Example:
    """A video and what VS-ReID made of it. before: N masks (H, W) of the initial propagation, without any round."""

    sequence: Video
    result: Result
    before: list[Mask]

    @classmethod
    def of(cls, sequence: Video, result: Result) -> Example:
        """From a run that kept its maps. Raises ValueError for one that did not."""
        result.probabilities  # noqa: B018 (says so where they were not kept)
        return cls(sequence, result, [merge(maps, result.labels) for maps in result.snapshots[0]])

    @property
    def after(self) -> list[Mask]:
        """N masks (H, W) after the last round."""
        return self.result.masks

    def scores(self, masks: list[Mask]) -> Scores:
        """The scores of `before` or `after`. Raises ValueError for a video without truth in every frame."""
        return Scores(score_sequence(self.sequence.name, self.sequence.truth, self.sequence.annotated(masks)))

    def retrieved_in(self, frame: int) -> list[Retrieval]:
        """The retrievals in one frame, each instance's last."""
        return list({r.instance: r for r in self.result.retrievals if r.frame == frame}.values())


def even_frames(N: int, count: int) -> list[int]:
    """At most `count` frames of N from the first to the last, at equal distances."""
    return sorted({int(i) for i in np.linspace(0, N - 1, count).round()})


def telling_frames(example: Example, count: int) -> list[int]:
    """Frame 0, and of each of count - 1 equal parts of the rest the frame that the rounds changed most.

    In the part of the retrieval with the highest score it is that retrieval's frame.
    """
    changed = [int(np.count_nonzero(a != b)) for a, b in zip(example.before, example.after, strict=True)]
    parts = [part.tolist() for part in np.array_split(np.arange(1, example.sequence.N), count - 1) if len(part)]
    best = max(example.result.retrievals, key=lambda r: r.score, default=None)
    frames = [0]
    for part in parts:
        frames.append(best.frame if best and best.frame in part else max(part, key=changed.__getitem__))
    return frames


def telling_rounds(result: Result, count: int) -> list[int]:
    """The numbers, from 1, of the `count` rounds that changed most pixels of the masks, in their order."""
    changed = []
    for number, this in enumerate(result.rounds, 1):
        pairs = ([merge(result.snapshots[n][i], result.labels) for n in (number - 1, number)] for i in this.updated)
        changed.append(sum(int(np.count_nonzero(a != b)) for a, b in pairs))
    order = np.argsort(-np.array(changed), kind="stable")[:count]
    return sorted(int(n) + 1 for n in order)
