"""Training samples of N_det and N_reid: whole frames with boxes, and crops with identities."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vsreid_lite.geometry import Box, iou, resize
from vsreid_lite.networks.identification import CROP
from vsreid_lite.training.clips import Clip, mask_box
from vsreid_lite.training.recomposition import paste
from vsreid_lite.video.masks import Frame, Mask

SMALLEST = 60  # visible pixels of an instance that a network can be asked for
STRANGER = -1
MISPLACED = 0.4  # of the instances also give a box that misses them
PASTED = 0.5  # of the instances also give a crop from a frame of another clip

REGIONS = 8  # of a frame, as many in each: processes that share a batch must get as much
SEEN = 562, 1000  # pixels (H, W) of a frame for the Identification Net, whatever its shape: 16:9, as it sees DAVIS

Detection = tuple[list[Tensor], list[dict[str, Tensor]]]
Regions = tuple[Tensor, Tensor, Tensor]


class DetectionBatches(Dataset[Detection]):
    """Batch `step`: frames (3, H, W) in [0, 1]; for each the "boxes" (M, 4) and "labels" (M,) of torchvision."""

    def __init__(self, clips: list[Clip], batch: int, seed: int) -> None:
        self.clips, self.batch, self.seed = clips, batch, seed

    def __getitem__(self, step: int) -> Detection:
        rng = np.random.default_rng((self.seed, step))
        images: list[Tensor] = []
        targets: list[dict[str, Tensor]] = []
        while len(images) < self.batch:
            clip = self.clips[int(rng.integers(len(self.clips)))]
            index = int(rng.integers(len(clip.frames)))
            boxes = [*instance_boxes(clip.labels[index]).values(), *clip.strangers[index]]
            image, corners = _jitter_frame(clip.frames[index], boxes, rng)
            images.append(image)
            targets.append({"boxes": corners, "labels": torch.ones(len(corners), dtype=torch.int64)})
        return images, targets


class IdentityBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batch `step`: crops (B, 3, 96, 96) in [0, 1] and identities (B,), -1 for strangers and background.

    Crops of one video come together, so that its look-alikes meet in the loss.
    """

    def __init__(self, clips: list[Clip], batch: int, seed: int) -> None:
        self.clips, self.batch, self.seed = clips, batch, seed
        self.identities = _numbered(clips)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, step))
        crops: list[NDArray[np.float32]] = []
        names: list[int] = []
        while len(crops) < self.batch:
            clip = self.clips[int(rng.integers(len(self.clips)))]
            for index in rng.choice(len(clip.frames), 2, replace=False):
                self._add(clip, int(index), rng, crops, names)
        images = torch.from_numpy(np.stack(crops[: self.batch])).permute(0, 3, 1, 2)
        return images, torch.tensor(names[: self.batch])

    def _add(
        self, clip: Clip, index: int, rng: np.random.Generator, crops: list[NDArray[np.float32]], names: list[int]
    ) -> None:
        frame = clip.frames[index]
        height, width = frame.shape[:2]
        instances = instance_boxes(clip.labels[index])
        found = [(self.identities[clip.identity(label)], box) for label, box in instances.items()]
        found += [(STRANGER, box) for box in clip.strangers[index]]
        for identity, box in [*found, *_wrong(found, width, height, rng)]:
            crops.append(_augmented_crop(frame, box, rng))
            names.append(identity)
        for label in instances:
            if rng.random() < PASTED:
                other = self.clips[int(rng.integers(len(self.clips)))]
                elsewhere, mask = paste(other.frames[0], clip, index, label, rng)
                for box in instance_boxes(mask).values():
                    crops.append(_augmented_crop(elsewhere, box, rng))
                    names.append(self.identities[clip.identity(label)])


class RegionBatches(Dataset[Regions]):
    """Batch `step` for the Identification Net: frames (B, 3, 562, 1000) in [0, 1], boxes (B, 8, 4), identities (B, 8).

    Boxes in pixels of the frame, first and last pixel inclusive; identities as in `IdentityBatches`. Two frames of one
    video come together; into half of the frames an instance of another video is pasted.
    """

    def __init__(self, clips: list[Clip], batch: int, seed: int) -> None:
        self.clips, self.batch, self.seed = clips, batch, seed
        self.identities = _numbered(clips)

    def __getitem__(self, step: int) -> Regions:
        rng = np.random.default_rng((self.seed, step))
        samples: list[Regions] = []
        while len(samples) < self.batch:
            clip = self.clips[int(rng.integers(len(self.clips)))]
            for index in rng.choice(len(clip.frames), 2, replace=False):
                samples += self._draw(clip, int(index), rng)
        images, boxes, identities = zip(*samples[: self.batch], strict=True)
        return torch.stack(images), torch.stack(boxes), torch.stack(identities)

    def _draw(self, clip: Clip, index: int, rng: np.random.Generator) -> list[Regions]:
        """A frame with eight of its boxes, some more than once where it has fewer; none for one without any."""
        frame, labels = clip.frames[index], clip.labels[index]
        found = [(STRANGER, box) for box in clip.strangers[index]]
        if rng.random() < PASTED:
            donor = self.clips[int(rng.integers(len(self.clips)))]
            shown = instance_boxes(donor.labels[0])
            if shown:
                label = int(rng.choice(list(shown)))
                frame, mask = paste(frame, donor, 0, label, rng)
                labels = np.where(mask > 0, 0, labels).astype(np.uint8)
                found += [(self.identities[donor.identity(label)], box) for box in instance_boxes(mask).values()]
        found += [(self.identities[clip.identity(label)], box) for label, box in instance_boxes(labels).items()]
        found += _wrong(found, frame.shape[1], frame.shape[0], rng)
        if not found:
            return []
        chosen = [found[i] for i in rng.choice(len(found), REGIONS, replace=len(found) < REGIONS)]
        image, corners = _jitter_frame(frame, [box for _, box in chosen], rng)
        return [_seen(image, corners, rng) + (torch.tensor([identity for identity, _ in chosen]),)]


def _seen(image: Tensor, corners: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """An image (3, H, W) at the size of `SEEN`, and there the corners (M, 4) of boxes, moved a little."""
    height, width = image.shape[1:]
    sides = (corners[:, 2:] - corners[:, :2]).repeat(1, 2)
    moved = corners + torch.from_numpy(rng.normal(0, 0.07, sides.shape)).float() * sides
    limits = torch.tensor([width, height] * 2) - 1
    inside = torch.minimum((moved - torch.tensor([0.0, 0, 1, 1])).clamp(min=0), limits)
    scale = torch.tensor([SEEN[1] / width, SEEN[0] / height] * 2)
    return resize(image, SEEN), inside * scale


def _numbered(clips: list[Clip]) -> dict[str, int]:
    """The number of each identity."""
    names = sorted({clip.identity(label) for clip in clips for label in clip.instances})
    return {name: number for number, name in enumerate(names)}


def _wrong(found: list[tuple[int, Box]], width: int, height: int, rng: np.random.Generator) -> list[tuple[int, Box]]:
    """Boxes that miss all those of a frame, as strangers: one of its background, and some beside an instance."""
    wrong = [_background_box(rng, width, height)]
    wrong += [_misplaced(rng, box, width, height) for _, box in found if rng.random() < MISPLACED]
    return [(STRANGER, x) for x in wrong if min(x.width, x.height) >= 8 and all(iou(x, y) < 0.35 for _, y in found)]


def _background_box(rng: np.random.Generator, width: int, height: int) -> Box:
    """A box anywhere, its sides a tenth to 0.45 of the frame's height, but narrower than the frame."""
    w, h = (max(1, int(rng.uniform(0.1, 0.45) * height)) for _ in range(2))
    w = min(w, width - 1)
    x, y = int(rng.integers(width - w)), int(rng.integers(height - h))
    return Box(x, y, x + w, y + h)


def _misplaced(rng: np.random.Generator, box: Box, width: int, height: int) -> Box:
    """A part of an instance, a window that it is lost in, or one beside it: what a detector offers too."""
    scale = rng.choice([0.5, 1.0, 2.0]) * rng.uniform(0.8, 1.2)
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    x, y = x + rng.uniform(-0.6, 0.6) * box.width, y + rng.uniform(-0.6, 0.6) * box.height
    w, h = scale * box.width / 2, scale * box.height / 2
    x0, x1 = (int(np.clip(corner, 0, width - 1)) for corner in (x - w, x + w))
    y0, y1 = (int(np.clip(corner, 0, height - 1)) for corner in (y - h, y + h))
    return Box(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))


def instance_boxes(labels: Mask) -> dict[int, Box]:
    """The box of every instance that shows at least 60 pixels in labels (H, W)."""
    counts = np.bincount(labels.ravel())
    boxes = {label: mask_box(labels == label) for label in range(1, len(counts)) if counts[label] >= SMALLEST}
    return {label: box for label, box in boxes.items() if box is not None and min(box.width, box.height) >= 4}


def _augmented_crop(frame: Frame, box: Box, rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = frame.shape[:2]
    dx, dy = rng.normal(0, 0.07, 2) * box.width, rng.normal(0, 0.07, 2) * box.height
    x0, x1 = int(np.clip(box.x0 + dx[0], 0, width - 4)), int(np.clip(box.x1 + dx[1], 4, width))
    y0, y1 = int(np.clip(box.y0 + dy[0], 0, height - 4)), int(np.clip(box.y1 + dy[1], 4, height))
    part = frame[y0 : max(y1, y0 + 4), x0 : max(x1, x0 + 4)]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    crop = cv2.resize(np.ascontiguousarray(part), (CROP, CROP), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if rng.random() < 0.3:
        y, x = rng.integers(0, CROP // 2, 2)
        crop[y : y + CROP // 3, x : x + CROP // 3] = crop.mean((0, 1))
    return _jitter_light(crop, rng)


def _jitter_frame(frame: Frame, boxes: list[Box], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    image = _jitter_light(frame.astype(np.float32) / np.float32(255), rng)
    corners = np.array([[b.x0, b.y0, b.x1, b.y1] for b in boxes], np.float32).reshape(-1, 4)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        corners[:, [0, 2]] = frame.shape[1] - corners[:, [2, 0]]
    return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(corners)


def _jitter_light(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    gain = np.float32(rng.uniform(0.75, 1.25)) * rng.uniform(0.92, 1.08, 3).astype(np.float32)
    noisy = image * gain + rng.normal(0, rng.uniform(0, 0.02), image.shape).astype(np.float32)
    return np.clip(noisy, 0, 1).astype(np.float32)
