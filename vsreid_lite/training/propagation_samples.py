"""Training samples of N_mp: patch, guide and truth, as Algorithms 1 and 3 will show them to the network."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vsreid_lite.geometry import Box
from vsreid_lite.training.clips import Clip, Frame, mask_box
from vsreid_lite.training.deformation import deform_mask

WINDOW = 176  # pixels: the side of the square in which guides are deformed
CONTEXT = 0.6  # of the instance on each side of it, inside the window
SMALLEST = 60  # pixels of an instance that is worth a sample

Batch = dict[str, Tensor]
Sample = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Mixture:
    """Shares of the three situations: a deformed true mask, the mask of a neighbouring frame, a recovery's template.

    warped: share of the neighbours that are warped by the flow first. kept: share of those that are not deformed then.
    hard: share of the deformed guides that are corrupted hard.
    """

    neighbour: float = 0.3
    recovery: float = 0.2
    hard: float = 0.35
    warped: float = 0.0
    kept: float = 0.0


STILLS = Mixture()  # section 3.4: pre-training with deformed masks
VIDEO = Mixture(neighbour=0.55, recovery=0.15, hard=0.3, warped=0.85, kept=0.4)  # then fine-tuning on video


class PropagationBatches(Dataset[Batch]):
    """Batch number `step` is drawn from (seed, step) alone, so training can resume anywhere.

    A batch holds "image" (B, 3, S, S) RGB in [0, 1], "guide" (B, 1, S, S) and "truth" (B, S, S), 0 or 1.
    Instances of fewer than `smallest` pixels are passed over.
    """

    def __init__(
        self,
        clips: list[Clip],
        batch: int,
        patch: int,
        enlarge: float,
        seed: int,
        mixture: Mixture = STILLS,
        smallest: int = SMALLEST,
    ) -> None:
        self.clips, self.batch, self.patch, self.enlarge, self.seed = clips, batch, patch, enlarge, seed
        self.mixture, self.smallest = mixture, smallest

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        samples: list[Sample] = []
        while len(samples) < self.batch:
            sample = self._draw(rng)
            if sample is not None:
                samples.append(sample)
        images, guides, truths = (np.stack(part) for part in zip(*samples, strict=True))
        return {
            "image": torch.from_numpy(images).permute(0, 3, 1, 2),
            "guide": torch.from_numpy(guides)[:, None],
            "truth": (torch.from_numpy(truths) > 0.5).float(),
        }

    def _draw(self, rng: np.random.Generator) -> Sample | None:
        clip = self.clips[int(rng.integers(len(self.clips)))]
        label = int(rng.choice(clip.instances))
        index = int(rng.integers(len(clip.frames)))
        frame, truth = clip.frames[index], clip.labels[index] == label
        kind = rng.random()
        if kind < self.mixture.recovery:
            other = clip.labels[int(rng.integers(len(clip.frames)))] == label
            sample = self._recovery(rng, frame, truth, other)
        else:
            source, keep = truth.astype(np.float32), False
            if kind < self.mixture.recovery + self.mixture.neighbour:
                source, keep = self._neighbour(rng, clip, index, label)
            sample = self._propagation(rng, frame, truth, source, keep)
        return _augment(sample, rng) if sample is not None else None

    def _neighbour(
        self, rng: np.random.Generator, clip: Clip, index: int, label: int
    ) -> tuple[NDArray[np.float32], bool]:
        """The neighbour's mask, warped or as it is, and whether it may stay so."""
        mask = (clip.labels[index ^ 1] == label).astype(np.float32)
        if rng.random() >= self.mixture.warped:
            return mask, False
        y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
        dx, dy = clip.flows[index].astype(np.float32)
        return cv2.remap(mask, x + dx, y + dy, cv2.INTER_LINEAR), bool(rng.random() < self.mixture.kept)

    def _propagation(
        self,
        rng: np.random.Generator,
        frame: Frame,
        truth: NDArray[np.bool_],
        source: NDArray[np.float32],
        keep: bool,
    ) -> Sample | None:
        box = mask_box(source > 0.5)
        if box is None or source.sum() < self.smallest:
            return None
        window = _stretch(box, CONTEXT)
        guide = cut_window(source, window)
        if not keep:
            guide = deform_mask(guide, rng, hard=rng.random() < self.mixture.hard)
        inside = cut_window(np.ones(truth.shape, np.float32), window) > 0.5
        seen = mask_box((guide > 0.5) & inside)
        visible = mask_box(inside)
        if seen is None or visible is None or seen.width < 4 or seen.height < 4:
            return None
        patch = _clip(_stretch_box(seen, self.enlarge), visible)
        parts = (cut_window(frame, window), guide, cut_window(truth, window))
        return tuple(_resize(p[patch.y0 : patch.y1, patch.x0 : patch.x1], self.patch) for p in parts)  # type: ignore[return-value]

    def _recovery(
        self, rng: np.random.Generator, frame: Frame, truth: NDArray[np.bool_], other: NDArray[np.bool_]
    ) -> Sample | None:
        box, template = mask_box(truth), mask_box(other)
        if box is None or template is None or min(truth.sum(), other.sum()) < self.smallest:
            return None
        jitter = rng.normal(0, 0.08, 4) * (box.width, box.height, box.width, box.height)
        corners = np.array([box.x0, box.y0, box.x1, box.y1]) + np.round(jitter).astype(int)
        limits = Box(0, 0, frame.shape[1], frame.shape[0])
        if corners[2] - corners[0] < 4 or corners[3] - corners[1] < 4:
            return None
        found = _clip(Box(*corners.tolist()), limits)
        cut = other[template.y0 : template.y1, template.x0 : template.x1].astype(np.float32)
        parts = (p[found.y0 : found.y1, found.x0 : found.x1].astype(np.float32) for p in (frame, truth))
        image, mask = (_resize(p, self.patch) for p in parts)
        return image / np.float32(255), _resize(cut, self.patch), mask


def cut_window(image: NDArray, window: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """What `image` (H, W) or (H, W, 3) shows in a window (x0, y0, x1, y1), which may leave it: (S, S) in [0, 1]."""
    x0, y0, x1, y1 = window
    left, top = max(int(x0) - 2, 0), max(int(y0) - 2, 0)
    part = image[top : max(int(y1) + 3, top + 1), left : max(int(x1) + 3, left + 1)]
    values = part.astype(np.float32) * np.float32(1 / 255 if image.ndim == 3 else 1)
    sx, sy = (x1 - x0) / WINDOW, (y1 - y0) / WINDOW
    if max(sx, sy) > 1.5:  # a linear warp would alias
        values = cv2.blur(values, (max(round(sx), 1), max(round(sy), 1)))
    matrix = np.array([[sx, 0, x0 - left + sx / 2 - 0.5], [0, sy, y0 - top + sy / 2 - 0.5]])
    return cv2.warpAffine(values, matrix, (WINDOW, WINDOW), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _stretch(box: Box, margin: float) -> tuple[float, float, float, float]:
    dx, dy = margin * box.width, margin * box.height
    return box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy


def _stretch_box(box: Box, margin: float) -> Box:
    return Box(*(round(corner) for corner in _stretch(box, margin)))


def _clip(box: Box, limits: Box) -> Box:
    x0, x1 = (min(max(x, limits.x0), limits.x1) for x in (box.x0, box.x1))
    y0, y1 = (min(max(y, limits.y0), limits.y1) for y in (box.y0, box.y1))
    return Box(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))


def _resize(image: NDArray, size: int) -> NDArray[np.float32]:
    shrinks = image.shape[0] > size or image.shape[1] > size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _augment(sample: Sample, rng: np.random.Generator) -> Sample:
    image, guide, truth = sample
    if rng.random() < 0.5:
        image, guide, truth = (np.ascontiguousarray(part[:, ::-1]) for part in sample)
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.88, 1.12, 3)
    image = np.clip(image, 0, 1) ** np.float32(rng.uniform(0.75, 1.35)) * gain.astype(np.float32)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2))
    image = image + rng.normal(0, rng.uniform(0, 0.03), image.shape).astype(np.float32)
    if rng.random() < 0.1:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    return np.clip(image, 0, 1).astype(np.float32), guide, truth
