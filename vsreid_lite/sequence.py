"""A video with its first-frame mask, `Sequence`, and how it is read from folders and files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps
from torch import Tensor

from vsreid_lite.masks import (
    Frame,
    Mask,
    open_image,
    read_first_mask,
    read_mask,
    single_instance,
    size_text,
    without_void,
)
from vsreid_lite.video import read_video

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")
EIGHT_BIT = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr")  # modes that turn into RGB without loss


@dataclass(frozen=True, eq=False)
class Sequence:
    """A video, the mask of its first frame and, where they exist, the true masks.

    name: of the sequence, used in outputs. frames: N frames (H, W, 3), uint8, RGB, as a list or one array (N, H, W, 3).
    first_mask: (H, W), uint8 labels. labels: those of the K instances, ascending; instance k has label `labels[k]`;
    when not given, all labels of `first_mask`. Labels outside `labels` count as background. annotations: for each frame
    the true mask (H, W), or None where there is none. frame_names: one for each frame, by default "00000", "00001", ...

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
        if any(min(frame.strides) < 0 for frame in self.frames):  # as image[..., ::-1] of OpenCV; torch takes none
            object.__setattr__(self, "frames", [np.ascontiguousarray(frame) for frame in self.frames])
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

    @property
    def truth(self) -> list[Mask]:
        """The true masks (H, W) of the frames that have one, in order."""
        return [mask for mask in self.annotations or () if mask is not None]

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
                    f"sequence {self.name}, frame {i}: expected {size_text(self.shape)} as frame 0, "
                    f"found {size_text(frame.shape)}"
                )

    def _check_mask(self, mask: Mask, what: str) -> None:
        if mask.dtype != np.uint8 or mask.shape != self.shape:
            raise ValueError(
                f"sequence {self.name}: expected {what} as uint8 {self.shape}, the size of the frames, "
                f"found {mask.dtype} {mask.shape}"
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


def load_sequence(source: Path | str, first_mask: Path | str, annotations: Path | str | None = None) -> Sequence:
    """The sequence of a folder of frames or a video file, and the PNG mask of its first frame.

    first_mask: 8-bit indexed, or grey with 0 and 255 (one instance, label 1); beside other labels 255 is void.
    annotations: a folder of true masks named as the frames; frames without one get None.
    Raises FileNotFoundError and ValueError with the file, what was expected and what was found.
    """
    source = Path(source)
    frames, names = read_frames(source)
    mask, single = read_first_mask(first_mask, frames[0].shape)
    truth = None if annotations is None else _read_annotations(Path(annotations), names, frames[0].shape, single)
    return Sequence(source.resolve().stem, frames, mask, annotations=truth, frame_names=names)


def load_frames(source: Path | str) -> list[Frame]:
    """The frames of a folder of JPEG or PNG images, in natural order, or of a video: N times (H, W, 3), uint8, RGB.

    Warns of gaps in the numbering. Raises FileNotFoundError, and ValueError for an unreadable or truncated image, for
    frames of different sizes and for a damaged video.
    """
    return read_frames(Path(source))[0]


def frame_files(folder: Path | str) -> list[Path]:
    """The frames of a folder in natural order ("2.jpg" before "10.jpg"). Warns of gaps in the numbering.

    Raises FileNotFoundError for a missing or empty folder, ValueError for one that mixes JPEG and PNG images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of frames (.jpg or .png) or a video file, found nothing")
    files = [p for p in folder.iterdir() if p.suffix.lower() in FRAME_SUFFIXES and not p.name.startswith(".")]
    if not files:
        raise FileNotFoundError(f"{folder}: expected frames (.jpg or .png), found none")
    if len({path.suffix.lower() == ".png" for path in files}) == 2:
        raise ValueError(
            f"{folder}: expected frames of one kind, found .jpg and .png files; keep masks in another folder"
        )
    files.sort(key=lambda path: (_natural(path.stem), path.name))
    _warn_of_gaps(folder, [path.stem for path in files])
    return files


def read_frames(source: Path) -> tuple[list[Frame], list[str]]:
    """As `load_frames`, with the name of each frame: the stem of its file, or its number in the video."""
    if source.is_file():
        if source.suffix.lower() in FRAME_SUFFIXES:
            raise ValueError(f"{source}: expected a folder of frames or a video file, found one image; give its folder")
        frames = read_video(source)
        return frames, [f"{i:05d}" for i in range(len(frames))]
    files = frame_files(source)
    frames = [_read_frame(path) for path in files]
    for path, frame in zip(files, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise ValueError(
                f"{path}: expected {size_text(frames[0].shape)} as {files[0].name}, "
                f"found {size_text(frame.shape)}; all frames must have one size"
            )
    return frames, [path.stem for path in files]


def _read_frame(path: Path) -> Frame:
    image = open_image(path)
    if image.mode not in EIGHT_BIT:
        raise ValueError(f"{path}: expected an 8-bit colour image, found mode {image.mode}; convert it to 8-bit RGB")
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _read_annotations(folder: Path, names: list[str], shape: tuple[int, ...], single: bool) -> list[Mask | None]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of annotations (.png), found nothing")
    paths = [folder / f"{name}.png" for name in names]
    if not any(path.is_file() for path in paths):
        raise FileNotFoundError(
            f"{folder}: expected annotations named as the frames ({paths[0].name}, ...), found none"
        )
    clean = single_instance if single else without_void
    return [clean(read_mask(path, shape)) if path.is_file() else None for path in paths]


def _natural(stem: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", stem) if part]


def _warn_of_gaps(folder: Path, stems: list[str]) -> None:
    """Every step above one is a gap, unless all are alike (every fifth frame, say)."""
    matches = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in stems]
    found = [(match[1], match[2]) for match in matches if match]
    if len(found) < len(stems) or len({prefix for prefix, _ in found}) > 1:
        return
    numbers = [int(digits) for _, digits in found]
    if len(numbers) > 2 and len(set(np.diff(numbers))) == 1:
        return
    width = len(found[0][1])
    pairs = [(a + 1, b - 1) for a, b in zip(numbers, numbers[1:], strict=False) if b > a + 1]
    gaps = [f"{a:0{width}d}" if a == b else f"{a:0{width}d} to {b:0{width}d}" for a, b in pairs]
    if gaps:
        listed = ", ".join(gaps[:5]) + (f" and {len(gaps) - 5} more" if len(gaps) > 5 else "")
        warnings.warn(f"{folder}: frames are missing from the numbering: {listed}", stacklevel=2)
