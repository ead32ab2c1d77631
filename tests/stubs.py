"""Small stand-ins for the networks and the flow: deterministic, random by seed, and computed pixel by pixel.

A frame carries its own index in its first pixel, so that a stub knows which frame it sees. Nothing in a stub depends on
what else is in a batch: equality with the reference can be asked for bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.video.video import Video

SQUARE = Box(4, 4, 12, 12)


def frame_index(frame) -> int:
    return int(frame[0, 0, 0])


def blank_frames(N, shape=(20, 30), values=None):
    """N frames of one grey value each."""
    frames = [np.full((*shape, 3), 128 if values is None else values[i], np.uint8) for i in range(N)]
    for i, frame in enumerate(frames):
        frame[0, 0, 0] = i
    return frames


def square_mask(shape=(20, 30), boxes=(SQUARE,), labels=None):
    mask = np.zeros(shape, np.uint8)
    for k, box in enumerate(boxes):
        mask[box.y0 : box.y1, box.x0 : box.x1] = k + 1 if labels is None else labels[k]
    return mask


class ZeroFlow:
    """Nothing moves."""

    def __call__(self, frames, target, source):
        return torch.zeros(2, *frames[target].shape[:2])


class SpyFlow(ZeroFlow):
    """Remembers the pairs (target, source) it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, frames, target, source):
        self.asked.append((target, source))
        return super().__call__(frames, target, source)


@dataclass
class RandomFlow:
    seed: int
    size: float = 1.5

    def __call__(self, frames, target, source):
        generator = torch.Generator().manual_seed(self.seed * 10007 + target * 101 + source)
        shift = torch.randn(2, 1, 1, generator=generator) * self.size
        return shift + torch.randn(2, *frames[target].shape[:2], generator=generator) * 0.3


class Batches:
    """A part that answers several questions at once, too; `sizes` has how many each time."""

    def __init__(self, part):
        self.part, self.sizes, self.embed = part, [], getattr(part, "embed", None)

    def __call__(self, *arguments):
        return self.part(*arguments)

    def in_batch(self, *arguments):
        self.sizes.append(len(arguments[0]))
        return [*map(self.embed or self.part, *arguments)]


class CopyGuide:
    """Returns the guide where the image is bright: on a dark frame the instance vanishes."""

    def __init__(self):
        self.batches = []

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        self.batches.append(len(image))
        return guide[:, 0] * (image[:, 1] > 0.1)


class NeverSeesAnything:
    """An N_mp that answers zero everywhere."""

    def predict(self, image, flow, guide):
        return torch.zeros_like(guide[:, 0])


@dataclass(frozen=True)
class PixelwiseNetwork:
    """A mixture of its three inputs, pixel by pixel; may lose the instance, and grow or shift it."""

    gain: float = 1.1

    def predict(self, image, flow, guide):
        return (self.gain * guide[:, 0] + 0.9 * image[:, 0] - 0.5 * image[:, 1] + 0.02 * flow[:, 0]).clamp(0, 1)


@dataclass
class ListedDetector:
    """The candidates written down for each frame."""

    boxes: dict[int, list[Box]]
    calls: int = 0

    def __call__(self, frame):
        self.calls += 1
        return self.boxes.get(frame_index(frame), [])


@dataclass
class RandomDetector:
    """None to four boxes anywhere in the frame."""

    seed: int

    def __call__(self, frame):
        rng = np.random.default_rng([self.seed, frame_index(frame)])
        height, width = frame.shape[:2]
        x, y = rng.integers(0, width - 1, 4), rng.integers(0, height - 1, 4)
        w, h = rng.integers(1, width, 4), rng.integers(1, height, 4)
        boxes = [
            Box(*(int(v) for v in (x[j], y[j], min(x[j] + w[j], width), min(y[j] + h[j], height)))) for j in range(4)
        ]
        return boxes[: rng.integers(0, 5)]


@dataclass
class ListedScores:
    """Scores written down for (frame, instance), the same for every candidate of the frame; else -1.

    Templates are the axes of a space, and a candidate's row has the scores as coordinates: any cosine, exactly enough.
    """

    scores: dict[tuple[int, int], float]
    template_boxes: list[Box]
    calls: int = 0

    def embed(self, frame, boxes):
        self.calls += 1
        i, K = frame_index(frame), len(self.template_boxes)
        rows = torch.zeros(len(boxes), K + 1)
        for row, box in zip(rows, boxes, strict=True):
            if i == 0:
                row[self.template_boxes.index(box)] = 1
                continue
            row[:K] = torch.tensor([self.scores.get((i, k), 0.0) for k in range(K)])
            row[K] = (1 - (row[:K] ** 2).sum()).clamp(0).sqrt()
        return rows


@dataclass
class ListedRows:
    """The embeddings written down for each frame and box."""

    rows: dict[tuple[int, Box], list[float]]

    def embed(self, frame, boxes):
        return torch.tensor([self.rows[frame_index(frame), box] for box in boxes])


@dataclass
class RandomIdentification:
    """Rows drawn from a small grid by frame and box, so that equal scores do happen."""

    seed: int

    def embed(self, frame, boxes):
        rows = []
        for b in boxes:
            rng = np.random.default_rng([self.seed, frame_index(frame), b.x0, b.y0, b.x1, b.y1])
            rows.append(rng.integers(-1, 3, 3) + np.array([0, 0, 0.5]))
        return torch.nn.functional.normalize(torch.tensor(np.array(rows), dtype=torch.float32).reshape(-1, 3), dim=1)


def random_mask(rng, shape, labels):
    """Boxes, each with a pixel of its own where another was painted over it."""
    mask = np.zeros(shape, np.uint8)
    for label in labels:
        y, x = rng.integers(0, shape[0] - 4), rng.integers(0, shape[1] - 4)
        mask[y : y + rng.integers(4, 12), x : x + rng.integers(4, 12)] = label
    for k, label in enumerate(labels):
        if not (mask == label).any():
            mask[-1, k] = label
    return mask


def random_sequence(seed, N, K, shape, later=False):
    """Frames of noise with a brightness of their own, and K instances that are boxes, all visible in the first mask.

    later: two later masks show some of them again, or for the first time.
    """
    rng = np.random.default_rng(seed)
    brightness = rng.integers(0, 256, (N, 1, 1, 3))
    frames = (rng.integers(128, 256, (N, *shape, 3)) * brightness // 256).astype(np.uint8)
    frames[:, 0, 0, 0] = np.arange(N)
    labels = sorted(int(label) for label in rng.choice(np.arange(1, 255), K, replace=False))
    mask = random_mask(rng, shape, labels)
    kept = tuple(label for label in labels if (mask == label).any())
    masks = {}
    for i in rng.permutation(np.arange(1, N))[: 2 * later].tolist():
        shown = rng.permutation(kept)[: rng.integers(1, len(kept) + 1)]
        masks[i] = random_mask(rng, shape, shown.tolist())
        mask[np.isin(mask, np.intersect1d(shown[::2], masks[i]))] = 0  # every other one enters later
    return Video("random", list(frames), mask, labels=kept, later_masks=masks)


def random_networks(seed, adapted=0):
    """adapted: the number of instances that have an N_mp of their own."""
    own = tuple(PixelwiseNetwork(1.0 + 0.1 * k) for k in range(adapted))
    return Networks(PixelwiseNetwork(), RandomDetector(seed), RandomIdentification(seed), adapted=own)
