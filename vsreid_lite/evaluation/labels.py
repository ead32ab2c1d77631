"""The label maps that are compared: folders of sequence folders of indexed PNGs, or arrays in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.system.files import visible_files
from vsreid_lite.video.frame_folders import masks_by_frame, name_kind, series
from vsreid_lite.video.masks import read_labels, read_mask, single_instance, to_instances_as, year_of

Labels = NDArray[np.integer]  # (H, W): 0 background, k for instance k from 1, 255 void (in the truth only)
Source = str | Path | Mapping[str, NDArray[np.integer]]


@dataclass(frozen=True, eq=False)
class LabelFrames:
    """The N label maps of one sequence, each read from its file when it is asked for.

    Attributes:
        contents: a file or the labels (H, W) for each frame.
        shape: the (H, W) that each must have.
        names: of the frames, as "00003".
        where: what to call each frame in an error.
        year: the convention, None for labels as they are.
        said: whether the year was given, or found out.
    """

    contents: Sequence[Path | Labels]
    shape: tuple[int, ...]
    names: list[str]
    where: list[str]
    year: int | None = None
    said: bool = True

    def __len__(self) -> int:
        """N."""
        return len(self.contents)

    def __getitem__(self, i: int) -> Labels:
        """Labels (H, W) of frame i.

        Raises:
            FileNotFoundError: its file is missing.
            ValueError: its file is damaged, or of another size or convention.
        """
        content = self.contents[i]
        labels = read_labels(content) if isinstance(content, Path) else content
        if labels.shape != self.shape:
            raise ValueError(f"{self.where[i]}: expected {_size(self.shape)}, found {_size(labels.shape)}")
        if self.year is None or self.said:
            return single_instance(labels) if self.year == 2016 else labels  # 255 is no instance: it does not count
        where = self.where[i]
        folder = str(content.parent) if isinstance(content, Path) else where.rpartition(",")[0]
        return to_instances_as(labels, self.year, where, folder)


@dataclass(frozen=True, eq=False)
class OneInstance(LabelFrames):
    """As `LabelFrames`, of a prediction of one instance: a frame of 0 and 255 alone shows it as 255."""

    def __getitem__(self, i: int) -> Labels:
        labels = super().__getitem__(i)
        return single_instance(labels) if year_of(labels) == 2016 else labels


def sequence_names(source: Source) -> list[str]:
    """The sequences of a reference, in order.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no sequence.
    """
    if isinstance(source, Mapping):
        names = sorted(source)
    else:
        names = sorted(path.name for path in visible_files(existing_folder(source)) if path.is_dir())
    if not names:
        raise ValueError(f"{_describe(source)}: expected one folder of indexed PNGs for each sequence, found none")
    return names


def load_truth(source: Source, name: str, year: int | None = None) -> LabelFrames:
    """All frames of one sequence of the reference, in natural order; at least 3, as the first and last do not count.

    Of a folder, the numbered series of PNGs; other ones beside it are left out with a warning (`frame_folders.series`).

    Args:
        source: of the reference.
        name: of the sequence.
        year: 2016 unites all instances, 2017 takes 255 as void; when not given, the first frame decides
            (`masks.year_of`).

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds too few frames, and as `read_mask` for the first.
    """
    if isinstance(source, Mapping):
        truth, what = _from_array(source[name], name), f"sequence {name}"
    else:
        truth, what = _from_folder(existing_folder(Path(source) / name)), str(Path(source) / name)
    if len(truth) < 3:
        raise ValueError(f"{what}: expected at least 3 frames, as the first and last do not count, found {len(truth)}")
    return replace(truth, year=year or year_of(truth[0]), said=year is not None)


def load_prediction(source: Source, name: str, truth: LabelFrames, year: int | None, K: int) -> LabelFrames:
    """The frames predicted for one sequence of the reference; those of a folder by the file names of the reference.

    Args:
        source: of the prediction.
        name: of the sequence.
        truth: its true frames.
        year: as for `load_truth`; when not given, a frame of 0 and 255 alone shows the instance, if K is 1.
        K: the number of true instances.

    Raises:
        FileNotFoundError: the folder is missing.
        ValueError: the sequence is missing, or has another number of frames.
    """
    if isinstance(source, Mapping):
        if name not in source:
            raise ValueError(f"the prediction has no sequence {name}, only {', '.join(sorted(source)) or 'none'}")
        predicted = _from_array(source[name], name)
        if len(predicted) != len(truth):
            raise ValueError(f"sequence {name}: expected {len(truth)} predicted frames, found {len(predicted)}")
    else:
        folder = existing_folder(Path(source) / name)
        there = masks_by_frame(folder)
        files = [there.get(frame, folder / f"{frame}.png") for frame in truth.names]
        predicted = LabelFrames(files, truth.shape, truth.names, [str(file) for file in files])
    kind = OneInstance if year is None and K == 1 else LabelFrames
    return kind(predicted.contents, truth.shape, predicted.names, predicted.where, 2016 if year == 2016 else None)


def count_frames(folder: Path, names: Sequence[str]) -> int:
    """The number of PNGs in a folder that are named as the frames `names`."""
    kinds = {name_kind(Path(f"{name}.png")) for name in names}
    return sum(name_kind(path) in kinds for path in masks_by_frame(folder).values())


def existing_folder(path: str | Path) -> Path:
    """`path`, which must be a folder."""
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    return folder


def _from_folder(folder: Path) -> LabelFrames:
    files = list(masks_by_frame(folder).values())
    if not files:
        raise ValueError(f"{folder}: expected the indexed PNGs of one sequence, found none")
    files = series(folder, files)
    by_text = sorted(files)
    if (by_text[0], by_text[-1]) != (files[0], files[-1]):
        warnings.warn(
            f"{folder}: {files[0].name} and {files[-1].name} do not count, the first and the last by number; the "
            f"official program sorts names as text and leaves {by_text[0].name} and {by_text[-1].name} out",
            stacklevel=4,
        )
    first = read_mask(files[0])  # refuses soft edges, whose shades would be instances
    return LabelFrames([first, *files[1:]], first.shape, [path.stem for path in files], [str(path) for path in files])


def _from_array(labels: NDArray[np.integer], name: str) -> LabelFrames:
    labels = np.asarray(labels)
    if labels.ndim != 3 or labels.dtype.kind not in "biu":
        raise ValueError(f"sequence {name}: expected integer labels (N, H, W), found {labels.dtype} {labels.shape}")
    names = [f"{i:05d}" for i in range(len(labels))]
    return LabelFrames(
        list(labels), labels.shape[1:], names, [f"sequence {name}, frame {i}" for i in range(len(labels))]
    )


def _describe(source: Source) -> str:
    return "the reference" if isinstance(source, Mapping) else str(source)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} (width x height)"
