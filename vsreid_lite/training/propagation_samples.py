"""Training samples of N_mp: patch, guide and truth, as Algorithms 1 and 3 will show them to the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vsreid_lite.config import PropagationConfig
from vsreid_lite.geometry import Box
from vsreid_lite.training.clips import Clip, Clips, mask_box
from vsreid_lite.training.deformation import deform_mask
from vsreid_lite.training.stages import STILLS, Mixture
from vsreid_lite.video.masks import Frame, Mask

WINDOW = 176  # pixels: the side of the square in which guides are deformed, for patches of up to 128
CONTEXT = 0.6  # of the instance on each side of it, inside the window
SMALLEST = 60  # pixels of an instance that is worth a sample
CAMERA = 3.0  # pixels of the patch: spread of the constant flow that is added to some samples

PATCH = PropagationConfig().side

Array = NDArray[np.float32]
Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """image (S, S, 3), RGB in [0, 1]; flow (S, S, 2), pixels of the patch; guide and truth (S, S), in [0, 1]."""

    image: Array
    flow: Array
    guide: Array
    truth: Array


class PropagationBatches(Dataset[Batch]):
    """Batch number `step` is drawn from (seed, step) alone, so training can resume anywhere.

    A batch holds "image" (B, 3, S, S) RGB in [0, 1], "flow" (B, 2, S, S) in pixels of the patch, "guide" (B, 1, S, S)
    and "truth" (B, S, S), 0 or 1.

    Args:
        clips: What samples are drawn from.
        batch: B.
        config: Side and margin of the patch, or, without `use_box`, the whole frame as the patch (Table 1, the
            baseline), which knows no recovery.
        seed: Of all draws.
        mixture: Of the guides.
        smallest: Instances of fewer pixels are passed over.
        label: The only instance that samples are drawn of; None: all.
    """

    def __init__(
        self,
        clips: Clips,
        batch: int,
        config: PropagationConfig,
        seed: int,
        mixture: Mixture = STILLS,
        smallest: int = SMALLEST,
        label: int | None = None,
    ) -> None:
        self.clips, self.batch, self.config, self.seed, self.label = clips, batch, config, seed, label
        self.mixture = mixture if config.use_box else replace(mixture, recovery=0.0)
        self.smallest = smallest
        self.side = max(WINDOW, WINDOW * config.side // PATCH)  # of the window, so that it shows what a patch can

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        samples: list[Sample] = []
        while len(samples) < self.batch:
            sample = self._draw(rng)
            if sample is not None:
                samples.append(sample)
        image, flow, guide, truth = (
            torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))
            for name in ("image", "flow", "guide", "truth")
        )
        return {
            "image": image.permute(0, 3, 1, 2),
            "flow": flow.permute(0, 3, 1, 2),
            "guide": guide[:, None],
            "truth": (truth > 0.5).float(),
        }

    def _draw(self, rng: np.random.Generator) -> Sample | None:
        clip = self.clips[int(rng.integers(len(self.clips)))]
        instances = clip.instances if self.label is None else [x for x in clip.instances if x == self.label]
        if not instances:  # a still whose outlines hold no pixel
            return None
        label = int(rng.choice(instances))
        index = int(rng.integers(len(clip.frames)))
        frame, truth = clip.frames[index], clip.labels[index] == label
        flow = clip.flows[index].transpose(1, 2, 0)
        kind = rng.random()
        if kind < self.mixture.recovery:
            other = clip.labels[int(rng.integers(len(clip.frames)))] == label
            sample = self._recovery(rng, frame, flow, truth, other)
        else:
            source, keep = truth.astype(np.float32), False
            if kind < self.mixture.recovery + self.mixture.neighbour:
                source, keep = self._neighbour(rng, clip, index, label)
            source = self._leaking(rng, source, clip.labels[index], label)
            draw = self._propagation if self.config.use_box else self._whole_frame
            sample = draw(rng, frame, flow, truth, source, keep)
        return _augment(sample, rng) if sample is not None else None

    def _neighbour(self, rng: np.random.Generator, clip: Clip, index: int, label: int) -> tuple[Array, bool]:
        """The neighbour's mask, warped or as it is, and whether it may stay so."""
        mask = (clip.labels[index ^ 1] == label).astype(np.float32)
        if rng.random() >= self.mixture.warped:
            return mask, False
        y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
        dx, dy = clip.flows[index].astype(np.float32)
        return cv2.remap(mask, x + dx, y + dy, cv2.INTER_LINEAR), bool(rng.random() < self.mixture.kept)

    def _leaking(self, rng: np.random.Generator, source: Array, labels: Mask, label: int) -> Array:
        """The guide (H, W); in a share of the draws also with a part of another instance beside it, as after drift."""
        box = mask_box(labels == label)
        if not self.mixture.leaking or box is None:
            return source
        x0, y0, x1, y1 = (max(int(end), 0) for end in _stretch(box, CONTEXT))
        beside = labels[y0:y1, x0:x1]
        others = [other for other in np.unique(beside).tolist() if other not in (0, label)]
        if not others or rng.random() >= self.mixture.leaking:
            return source
        y, x = np.nonzero(beside == rng.choice(others))
        angle = rng.uniform(0, 2 * np.pi)
        along = x * np.cos(angle) + y * np.sin(angle)
        part = along >= np.quantile(along, rng.uniform())
        leaking = source.copy()
        leaking[y0 + y[part], x0 + x[part]] = 1
        return leaking

    def _propagation(
        self, rng: np.random.Generator, frame: Frame, flow: NDArray, truth: NDArray, source: Array, keep: bool
    ) -> Sample | None:
        box = mask_box(source > 0.5)
        if box is None or source.sum() < self.smallest:
            return None
        window = _stretch(box, CONTEXT)
        guide = cut_window(source, window, self.side)
        if not keep:
            guide = deform_mask(guide, rng, hard=rng.random() < self.mixture.hard)
        inside = cut_window(np.ones(truth.shape, np.float32), window, self.side) > 0.5
        seen = mask_box((guide > 0.5) & inside)
        visible = mask_box(inside)
        if seen is None or visible is None or seen.width < 4 or seen.height < 4:
            return None
        patch = _clip(_stretch_box(seen, self.config.enlarge), visible)
        x0, y0, x1, y1 = window
        pixels = np.array([(x1 - x0) / self.side, (y1 - y0) / self.side], np.float32)  # of the frame, in one of these
        image, moved, mask = (cut_window(part, window, self.side) for part in (frame, flow, truth))
        parts = image, moved / pixels, guide, mask
        return self._sample(*(part[patch.y0 : patch.y1, patch.x0 : patch.x1] for part in parts))

    def _whole_frame(
        self, rng: np.random.Generator, frame: Frame, flow: NDArray, truth: NDArray, source: Array, keep: bool
    ) -> Sample | None:
        if source.sum() < self.smallest:
            return None
        sample = self._sample(frame.astype(np.float32) / np.float32(255), flow, source, truth)
        return (
            sample if keep else replace(sample, guide=deform_mask(sample.guide, rng, rng.random() < self.mixture.hard))
        )

    def _recovery(
        self, rng: np.random.Generator, frame: Frame, flow: NDArray, truth: NDArray, other: NDArray
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
        image, moved, mask = (p[found.y0 : found.y1, found.x0 : found.x1] for p in (frame, flow, truth))
        cut = other[template.y0 : template.y1, template.x0 : template.x1]
        return self._sample(image.astype(np.float32) / np.float32(255), moved, cut, mask)

    def _sample(self, image: NDArray, flow: NDArray, guide: NDArray, truth: NDArray) -> Sample:
        """Parts of any size, the flow in pixels of its part, as patches; the flow is rescaled with its patch."""
        size = self.config.side
        scale = np.array([size / flow.shape[1], size / flow.shape[0]], np.float32)
        image, flow, guide, truth = (_resize(p.astype(np.float32), size) for p in (image, flow, guide, truth))
        return Sample(image, flow * scale, guide, truth)


class AnySize(Dataset[Batch]):
    """Batch number `step` is that of one of several datasets, which is drawn from (seed, step) alone."""

    def __init__(self, sizes: Sequence[PropagationBatches], seed: int) -> None:
        self.sizes, self.seed = sizes, seed

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((12, self.seed, step))
        return self.sizes[int(rng.integers(len(self.sizes)))][step]


def cut_window(image: NDArray, window: tuple[float, float, float, float], side: int = WINDOW) -> Array:
    """What `image` (H, W) or (H, W, C) shows in a window (x0, y0, x1, y1), which may leave it: (S, S) or (S, S, C).

    Args:
        image: uint8 becomes float32 in [0, 1], other values stay what they are.
        window: In pixels of the image.
        side: S, in pixels.
    """
    x0, y0, x1, y1 = window
    left, top = max(int(x0) - 2, 0), max(int(y0) - 2, 0)
    part = image[top : max(int(y1) + 3, top + 1), left : max(int(x1) + 3, left + 1)]
    values = part.astype(np.float32) * np.float32(1 / 255 if image.dtype == np.uint8 else 1)
    sx, sy = (x1 - x0) / side, (y1 - y0) / side
    if max(sx, sy) > 1.5:  # a linear warp would alias
        values = cv2.blur(values, (max(round(sx), 1), max(round(sy), 1)))
    matrix = np.array([[sx, 0, x0 - left + sx / 2 - 0.5], [0, sy, y0 - top + sy / 2 - 0.5]])
    return cv2.warpAffine(values, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _stretch(box: Box, margin: float) -> tuple[float, float, float, float]:
    dx, dy = margin * box.width, margin * box.height
    return box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy


def _stretch_box(box: Box, margin: float) -> Box:
    return Box(*(round(corner) for corner in _stretch(box, margin)))


def _clip(box: Box, limits: Box) -> Box:
    x0, x1 = (min(max(x, limits.x0), limits.x1) for x in (box.x0, box.x1))
    y0, y1 = (min(max(y, limits.y0), limits.y1) for y in (box.y0, box.y1))
    return Box(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))


def _resize(image: Array, size: int) -> Array:
    shrinks = image.shape[0] > size or image.shape[1] > size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirrored half of the time; other light, blur and noise; other camera motion."""
    image, flow = sample.image, sample.flow
    if rng.random() < 0.5:
        image, guide, truth = (np.ascontiguousarray(p[:, ::-1]) for p in (image, sample.guide, sample.truth))
        sample = replace(sample, guide=guide, truth=truth)
        flow = flow[:, ::-1] * np.array([-1, 1], np.float32)
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.88, 1.12, 3)
    image = np.clip(image, 0, 1) ** np.float32(rng.uniform(0.75, 1.35)) * gain.astype(np.float32)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2))
    image = image + rng.normal(0, rng.uniform(0, 0.03), image.shape).astype(np.float32)
    if rng.random() < 0.1:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    flow = flow * np.float32(rng.uniform(0.5, 1.5)) if rng.random() < 0.3 else flow
    flow = flow + rng.normal(0, CAMERA, 2).astype(np.float32) if rng.random() < 0.3 else flow
    return replace(sample, image=np.clip(image, 0, 1).astype(np.float32), flow=flow.astype(np.float32))
