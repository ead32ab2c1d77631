"""A video with its first-frame mask: `Sequence`."""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Frame = NDArray[np.uint8]  # (H, W, 3), RGB
Mask = NDArray[np.uint8]  # (H, W), labels, 0 is the background


@dataclass(frozen=True, eq=False)
class Sequence:
    """A video, the mask of its first frame and, where they exist, the true masks.

    name: of the sequence, used in outputs. frames: N frames (H, W, 3), uint8, RGB, as a list or as an array (N, H, W, 3).
    first_mask: (H, W), uint8 labels. labels: those of the K instances, ascending; instance k has label `labels[k]`; when
    not given, all labels of `first_mask`. Labels outside `labels` count as background. annotations: for each frame the
    true mask (H, W), or None where there is none. frame_names: one for each frame, "00000", "00001", ... when not given.

    Raises ValueError for sizes or types that do not fit, and for an instance absent from the first mask (repair R4).
    """

    name: str
    frames: Ordered[Frame] | NDArray[np.uint8]
    first_mask: Mask
    labels: tuple[int, ...] = ()
    annotations: Ordered[Mask | None] | None = None
    frame_names: Ordered[str] = ()

    def __post_init__(self) -> None:
        self._check_frames()
        self._check_mask(self.first_mask, "the first mask")
        labels = tuple(sorted({int(label) for label in self.labels})) or _labels_of(self.first_mask)
        self._check_labels(labels)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "frame_names", list(self.frame_names) or [f"{i:05d}" for i in range(self.N)])
        self._check_length(self.frame_names, "frame names")
        if self.annotations is not None:
            self._check_length(self.annotations, "annotations")
            for name, annotation in zip(self.frame_names, self.annotations, strict=True):
                if annotation is not None:
                    self._check_mask(annotation, f"the annotation of frame {name}")

    @property
    def N(self) -> int:
        """The number of frames."""
        return len(self.frames)

    @property
    def K(self) -> int:
        """The number of instances."""
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of every frame."""
        height, width = self.frames[0].shape[:2]
        return height, width

    def first_probabilities(self) -> Tensor:
        """P_{1,k} of every instance: (K, H, W), float32, 0 or 1."""
        labels = np.asarray(self.labels, dtype=np.uint8)[:, None, None]
        return torch.from_numpy((self.first_mask[None] == labels).astype(np.float32))

    def _check_frames(self) -> None:
        if self.N == 0:
            raise ValueError(f"sequence {self.name}: expected at least one frame, found none")
        for i, frame in enumerate(self.frames):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise ValueError(
                    f"sequence {self.name}, frame {i}: expected uint8 (H, W, 3), found {frame.dtype} {frame.shape}"
                )
            if frame.shape[:2] != self.shape:
                raise ValueError(
                    f"sequence {self.name}, frame {i}: expected {_size(self.shape)} as in frame 0, found {_size(frame.shape)}"
                )

    def _check_mask(self, mask: Mask, what: str) -> None:
        if mask.dtype != np.uint8 or mask.shape != self.shape:
            raise ValueError(
                f"sequence {self.name}: {what} must hold uint8 labels and be {_size(self.shape)} as the frames, "
                f"found {mask.dtype} and shape {mask.shape}"
            )

    def _check_labels(self, labels: tuple[int, ...]) -> None:
        if not labels:
            raise ValueError(f"sequence {self.name}: the first mask holds no instance, it is background only")
        for label in labels:
            if not 1 <= label <= 255:
                raise ValueError(f"sequence {self.name}: instance labels lie between 1 and 255, found {label}")
            if not np.any(self.first_mask == label):
                raise ValueError(f"sequence {self.name}: instance {label} is absent from the first mask")

    def _check_length(self, values: Ordered[object], what: str) -> None:
        if len(values) != self.N:
            raise ValueError(f"sequence {self.name}: expected {self.N} {what}, one for each frame, found {len(values)}")


def _labels_of(mask: Mask) -> tuple[int, ...]:
    return tuple(int(label) for label in np.unique(mask) if label)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} (width x height)"
