"""What the size of the network's input costs before any network runs: instances small or large, boxes with a margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vsreid_lite.config import PropagationConfig
from vsreid_lite.evaluation.metrics import BinaryMask, score_frame
from vsreid_lite.flow import CachedFlow, FlowEstimator
from vsreid_lite.geometry import Box, crop, cut, paste, warp
from vsreid_lite.video.video import Video

SMALLEST = 200  # visible pixels of an instance that is looked at
ENLARGE = PropagationConfig.enlarge


@dataclass(frozen=True, eq=False)
class Seen:
    """An instance as one frame shows it. mask: (H, W). box: its box, enlarged."""

    frame: int
    label: int
    mask: BinaryMask
    box: Box

    @property
    def area(self) -> int:
        """In pixels."""
        return int(np.count_nonzero(self.mask))


def seen_instances(sequence: Video, every: int = 1) -> list[Seen]:
    """Each instance in every such annotated frame that shows enough of it, smallest first."""
    annotations = enumerate(sequence.annotations or [])
    frames = [(i, labels) for i, labels in annotations if labels is not None and i % every == 0]
    masks = [(i, label, labels == label) for i, labels in frames for label in sequence.labels]
    found = [Seen(i, label, mask, _box(mask)) for i, label, mask in masks if np.count_nonzero(mask) >= SMALLEST]
    return sorted(found, key=lambda seen: seen.area)


def resizing_scores(instances: Sequence[Seen], cells: Sequence[int], boxed: bool) -> NDArray[np.float64]:
    """Mean J and F (len(cells), 2) of true masks that were shrunk to n x n cells and enlarged again, for each n.

    boxed: the part inside the instance's box, instead of the full image.
    """
    scores = [[_resized(seen, n, boxed) for seen in instances] for n in cells]
    return np.mean(scores, axis=1)


def margin_costs(sequence: Video, flow: FlowEstimator, margins: Sequence[float]) -> NDArray[np.float64]:
    """For each margin (len(margins), 2): the share of boxes that cut something off, and how full of instance they are.

    The boxes are those of true masks, warped from the frame before, and enlarged by the margin. A box cuts something
    off when it leaves out a pixel of the true mask of its own frame; the second share is the mean over all boxes.
    """
    cached = CachedFlow(flow, list(sequence.frames))
    pairs = [(box, seen.mask) for seen in seen_instances(sequence) if (box := _guided_box(sequence, seen, cached))]
    costs = np.zeros((len(margins), len(pairs), 2))
    for row, margin in zip(costs, margins, strict=True):
        for cost, (box, mask) in zip(row, pairs, strict=True):
            grown = box.enlarge(margin, (mask.shape[0], mask.shape[1]))
            inside = int(cut(torch.from_numpy(mask), grown).sum())
            cost[:] = inside < np.count_nonzero(mask), inside / grown.area
    return costs.mean(1)


def _box(mask: BinaryMask) -> Box:
    box = Box.from_probability(torch.from_numpy(mask))
    assert box is not None
    return box.enlarge(ENLARGE, (mask.shape[0], mask.shape[1]))


def _resized(seen: Seen, n: int, boxed: bool) -> tuple[float, float]:
    shape = (seen.mask.shape[0], seen.mask.shape[1])
    box = seen.box if boxed else Box.full(shape)
    patch = crop(torch.from_numpy(seen.mask.astype(np.float32))[None], box, n)[0]
    return score_frame(seen.mask, (paste(patch, box, shape) > 0.5).numpy())


def _guided_box(sequence: Video, seen: Seen, cached: CachedFlow) -> Box | None:
    """The box of the instance's mask of the frame before, warped; None where it has none there."""
    before = None if sequence.annotations is None or not seen.frame else sequence.annotations[seen.frame - 1]
    if before is None:
        return None
    P = torch.from_numpy((before == seen.label).astype(np.float32))
    return Box.from_probability(warp(P, cached.flow(seen.frame, seen.frame - 1)))
