"""A video with the masks that are given of its instances, `Video`, and how it is read from folders and files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.video.frame_cache import Frames
from vsreid_lite.video.frame_folders import KINDS, frame_files, masks_by_frame
from vsreid_lite.video.masks import (
    FirstMask,
    Frame,
    Mask,
    check_size,
    open_image,
    read_given_masks,
    read_mask,
    size_text,
    to_instances,
    to_instances_as,
    year_of,
)
from vsreid_lite.video.movies import read_video

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")
EIGHT_BIT = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr")  # modes; transparency is dropped


@dataclass(frozen=True, eq=False)
class Video:
    """A video, the mask of its first frame, masks of later frames on request, and the true masks where they exist.

    Attributes:
        name: used in outputs and messages.
        frames: N frames (H, W, 3), uint8, RGB, as a list, one array (N, H, W, 3), or `Frames`, which are read when
            they are needed.
        first_mask: (H, W), uint8 labels. With `later_masks` it may show no instance.
        labels: those of the K instances, ascending; instance k has label `labels[k]`. When not given, all labels of
            the given masks; others count as background.
        annotations: for each frame the true mask (H, W), or None where there is none.
        frame_names: one for each frame, by default "00000", "00001", ...
        later_masks: masks (H, W) of other frames than the first, by the index of the frame, for instances that enter
            later and for corrections. Each speaks for the instances that it shows, and says nothing of the others.

    Raises:
        ValueError: sizes or types do not fit, or an instance is absent from the given masks (repair R4).
    """

    name: str
    frames: Sequence[Frame] | NDArray[np.uint8]
    first_mask: Mask
    labels: tuple[int, ...] = ()
    annotations: Sequence[Mask | None] | None = None
    frame_names: Sequence[str] = ()
    later_masks: Mapping[int, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.frames, Frames):  # which were checked when they were read
            self._check_frames()
            if any(min(frame.strides) < 0 for frame in self.frames):  # as image[..., ::-1] of OpenCV; torch takes none
                object.__setattr__(self, "frames", [np.ascontiguousarray(frame) for frame in self.frames])
        self._check_mask(self.first_mask, "the first mask")
        object.__setattr__(self, "later_masks", dict(sorted(self.later_masks.items())))
        self._check_later_masks()
        labels = tuple(sorted({int(label) for label in self.labels})) or _labels_of(np.stack([*self.given.values()]))
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

    def annotated(self, values: Sequence[Value]) -> list[Value]:
        """Of values, one for each frame, those of the frames that have a true mask."""
        given = self.annotations or [None] * self.N
        return [value for value, mask in zip(values, given, strict=True) if mask is not None]

    @property
    def given(self) -> dict[int, Mask]:
        """The given masks (H, W) by the index of their frame, ascending: `first_mask`, then `later_masks`."""
        return {0: self.first_mask, **self.later_masks}

    @property
    def starts(self) -> NDArray[np.int64]:
        """c_{i,k} before any retrieval, (N, K): the nearest frame whose mask shows the instance, of two the earlier."""
        shown = [np.array([i for i, mask in self.given.items() if np.any(mask == label)]) for label in self.labels]
        distances = [np.abs(frames - np.arange(self.N)[:, None]) for frames in shown]
        return np.stack([frames[d.argmin(1)] for frames, d in zip(shown, distances, strict=True)], 1)

    def first_probabilities(self) -> Tensor:
        """P_{1,k} of every instance: (K, H, W), float32, 0 or 1."""
        import torch  # takes seconds; a video is read and checked without it

        labels = np.asarray(self.labels, dtype=np.uint8)[:, None, None]
        return torch.from_numpy((self.first_mask[None] == labels).astype(np.float32))

    def given_probabilities(self) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """(i, k) and P_{i,k}, (H, W), float32, 0 or 1, of every instance in each given mask that shows it, in order."""
        import torch

        for i, mask in self.given.items():
            for k, label in enumerate(self.labels):
                if np.any(mask == label):
                    yield (i, k), torch.from_numpy((mask == label).astype(np.float32))

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

    def _check_later_masks(self) -> None:
        for i, mask in self.later_masks.items():
            if not 1 <= i < self.N:
                raise ValueError(
                    f"sequence {self.name}: a later mask lies in frame 1 to {self.N - 1}, found one for frame {i}"
                )
            self._check_mask(mask, f"the mask of frame {i}")
            if not np.any(np.isin(mask, self.labels or range(1, 256))):
                raise ValueError(f"sequence {self.name}: the mask of frame {i} shows none of the instances")

    def _check_labels(self, labels: tuple[int, ...]) -> None:
        masks = "given masks" if self.later_masks else "first mask"
        if not labels:
            raise ValueError(f"sequence {self.name}: the first mask holds no instance, it is background only")
        for label in labels:
            if not 1 <= label <= 255:
                raise ValueError(f"sequence {self.name}: instance labels lie between 1 and 255, found {label}")
            if not any(np.any(mask == label) for mask in self.given.values()):
                raise ValueError(f"sequence {self.name}: instance {label} is absent from the {masks}")

    def _check_length(self, values: Sequence[object], what: str) -> None:
        if len(values) != self.N:
            raise ValueError(f"sequence {self.name}: expected {self.N} {what}, one for each frame, found {len(values)}")


def _labels_of(mask: Mask) -> tuple[int, ...]:
    return tuple(int(label) for label in np.unique(mask) if label)


def load_video(
    source: Path | str,
    first_mask: Path | str | None,
    annotations: Path | str | None = None,
    year: int | None = None,
    later_masks: Mapping[str, Path | str] | None = None,
    cache: int | None = None,
) -> Video:
    """The video in a folder of frames or a file, with the PNG mask of its first frame and those of later ones.

    Args:
        source: the folder or the file. Given masks may lie among the frames, and are none of them.
        first_mask: 8-bit indexed, or grey: labels 1, 2, ... of the instances, where 255 is void; or 0 and 255 alone,
            one instance, which has label 1 here. None where later masks show all instances.
        annotations: a folder of true masks named as the frames; frames without one get None. Of 0 and 255 alone they
            show the one instance of the first mask.
        year: 2016 takes whatever is not background as one instance, 2017 takes 255 as void; by the files when not
            given, for the given masks and the annotations alone.
        later_masks: masks of other frames, like the first, by the name of the frame or the number that ends it: 42 is
            frame 00042 or img_0042. In a file frames have the numbers 0, 1, ...
        cache: bytes, as `Config.cache`; a third of it holds frames, and the others are read again when needed.

    Raises:
        FileNotFoundError, ValueError: with the file, what was expected and what was found.
    """
    source, later = Path(source), {str(name): path for name, path in (later_masks or {}).items()}
    paths = [path for path in (first_mask, *later.values()) if path is not None]
    masks, _ = read_given_masks(paths, year)  # a bad mask is reported before the video is read
    frames, names = read_frames(source, first_mask, [*later.values()], cache)
    for path, mask in zip(paths, masks, strict=True):
        check_size(path, mask.labels, frames[0].shape)
    given = {i: masks[paths.index(path)].labels for i, path in mask_frames(names, first_mask, later).items()}
    first = given.pop(0, np.zeros(frames[0].shape[:2], np.uint8))
    truth = None
    if annotations is not None:
        every = replace(masks[0], labels=np.stack([mask.labels for mask in masks]))
        truth = _read_annotations(Path(annotations), names, every, year)
    return Video(source.resolve().stem, frames, first, annotations=truth, frame_names=names, later_masks=given)


def mask_frames(
    names: Sequence[str], first_mask: Path | str | None, later_masks: Mapping[str, Path | str]
) -> dict[int, Path | str]:
    """The files of the given masks by the index of their frame.

    Args:
        names: of the frames.
        first_mask: of frame 0, if any.
        later_masks: by the name of the frame, or the number that ends it.

    Raises:
        ValueError: no frame, or more than one, has such a name; or two masks are of one frame.
    """
    found: dict[int, Path | str] = {} if first_mask is None else {0: first_mask}
    for wanted, path in later_masks.items():
        i = _frame_index(names, wanted, path)
        if i in found:
            raise ValueError(f"{path}: expected one mask for frame {names[i]}, found {found[i]} for it, too")
        found[i] = path
    return found


def _frame_index(names: Sequence[str], wanted: str, path: Path | str) -> int:
    if wanted in names:
        return names.index(wanted)
    last = [re.findall(r"\d+", name)[-1:] for name in names]
    found = [i for i, number in enumerate(last) if wanted.isdecimal() and number and int(number[0]) == int(wanted)]
    if len(found) > 1:
        raise ValueError(f"{path}: is for frame {wanted}, which {len(found)} names have; give the whole name")
    if not found:
        raise ValueError(f"{path}: is for frame {wanted}, which is not there: the frames are {names[0]} to {names[-1]}")
    return found[0]


def load_frames(source: Path | str, cache: int | None = None) -> Frames:
    """The frames of a folder of images, in natural order, or of a video: N times (H, W, 3), uint8, RGB.

    Args:
        source: the folder or the file.
        cache: bytes, as `Config.cache`.

    Raises:
        FileNotFoundError: as `frame_files` and `read_video`.
        ValueError: as these, and for an unreadable or truncated image and frames of different sizes.
    """
    return read_frames(Path(source), cache=cache)[0]


def read_frames(
    source: Path, first_mask: Path | str | None = None, later_masks: Sequence[Path | str] = (), cache: int | None = None
) -> tuple[Frames, list[str]]:
    """As `load_frames`, with the name of each frame: the stem of its file, or its number in the video.

    Args:
        source: the folder or the file.
        first_mask: a file that is no frame, should it lie among them.
        later_masks: others.
        cache: bytes, as `Config.cache`.
    """
    if source.is_file():
        if source.suffix.lower() in KINDS:
            raise ValueError(f"{source}: expected a folder of frames or a video file, found one image; give its folder")
        frames = read_video(source, cache)
        return frames, [f"{i:05d}" for i in range(len(frames))]
    files = frame_files(source, first_mask, later_masks)
    return Frames(FolderReader(files), cache), [path.stem for path in files]


@dataclass(frozen=True)
class FolderReader:
    """The frames in the files of a folder."""

    files: Sequence[Path]

    def every(self) -> Iterator[Frame]:
        """All frames. Raises ValueError where they have not one size."""
        shapes = []
        for path in self.files:
            frame = read_frame(path)
            shapes.append(frame.shape)
            yield frame
        usual = Counter(shapes).most_common(1)[0][0]
        for path, shape in zip(self.files, shapes, strict=True):
            if shape != usual:
                raise ValueError(
                    f"{path}: expected {size_text(usual)} as {self.files[shapes.index(usual)].name}, "
                    f"found {size_text(shape)}; all frames must have one size"
                )

    def reach(self, i: int, right: Callable[[int, Frame], bool]) -> Iterator[tuple[int, Frame]]:
        """As `video.frame_cache.Reader`."""
        frame = read_frame(self.files[i])
        if not right(i, frame):
            raise ValueError(f"{self.files[i]}: is not the picture that it was at first; start again")
        yield i, frame


def read_frame(path: Path) -> Frame:
    """One frame, (H, W, 3), uint8, RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `open_image`, and for a picture that is not of 8 bits.
    """
    image = open_image(path)
    if image.mode not in EIGHT_BIT:
        raise ValueError(f"{path}: expected an 8-bit colour image, found mode {image.mode}; convert it to 8-bit RGB")
    return np.array(image.convert("RGB"))


def annotation_files(folder: Path, names: Sequence[str]) -> list[Path | None]:
    """The true mask of each frame, by its name and whatever the case of its ending; None where there is none."""
    masks = masks_by_frame(folder) if folder.is_dir() else {}
    return [masks.get(name) for name in names]


def _read_annotations(folder: Path, names: list[str], first: FirstMask, year: int | None) -> list[Mask | None]:
    """The true masks in the labels of the given masks. first: what these hold, labels (n, H, W)."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of annotations (.png), found nothing")
    paths = annotation_files(folder, names)
    if not any(paths):
        raise FileNotFoundError(f"{folder}: expected annotations named as the frames ({names[0]}.png, ...), found none")
    stored = [None if path is None else read_mask(path, first.labels.shape[-2:]) for path in paths]
    start = next((i for i, labels in enumerate(stored) if labels is not None and labels.any()), None)
    if start is None:
        return stored
    labels, path = stored[start], paths[start]
    assert labels is not None and path is not None
    said, year = year, year or year_of(labels)
    label = _label_of_the_instance(path, first, year, labels)
    masks = [
        mask
        if mask is None
        else to_instances(mask, year)
        if said
        else to_instances_as(mask, year, str(at), str(folder))
        for at, mask in zip(paths, stored, strict=True)
    ]
    return masks if label is None else [None if mask is None else mask * np.uint8(label) for mask in masks]


def _label_of_the_instance(path: Path, first: FirstMask, year: int, stored: Mask) -> int | None:
    """The label that instance 1 of annotations of 0 and 255 has in the first mask; None where labels are labels."""
    drawn, annotated = _labels_of(first.labels), _labels_of(to_instances(stored, year))
    if year == 2016 and len(drawn) == 1:
        return drawn[0]
    if year == 2016 or (first.year == 2016 and annotated != drawn):
        ours = "0 and 255" if first.year == 2016 else f"instances {', '.join(map(str, drawn))}"
        theirs = "0 and 255" if year == 2016 else f"instances {', '.join(map(str, annotated))}"
        raise ValueError(
            f"{path}: expected the instances of the first mask, which holds {ours}, found {theirs}; with year 2016 all "
            "instances of both are one"
        )
    return None
