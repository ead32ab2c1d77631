"""The label maps that are compared: folders of sequence folders of indexed PNGs, or arrays in memory."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Labels = NDArray[np.integer]  # (H, W): 0 background, k for instance k from 1, 255 void (in the truth only)
Source = str | Path | Mapping[str, NDArray[np.integer]]
LABEL_MODES = ("P", "L", "1")


@dataclass(frozen=True, eq=False)
class LabelFrames:
    """The N label maps of one sequence, each read from its file when it is asked for.

    contents: a file or the labels (H, W) for each frame. shape: (H, W) that each must have. names: of the frames, as
    "00003". where: what to call each frame in an error.
    """

    contents: Sequence[Path | Labels]
    shape: tuple[int, ...]
    names: list[str]
    where: list[str]

    def __len__(self) -> int:
        """N."""
        return len(self.contents)

    def __getitem__(self, i: int) -> Labels:
        """Labels (H, W) of frame i. Raises FileNotFoundError for a missing, ValueError for a damaged or wrong file."""
        content = self.contents[i]
        labels = read_labels(content) if isinstance(content, Path) else content
        if labels.shape != self.shape:
            raise ValueError(f"{self.where[i]}: expected {_size(self.shape)}, found {_size(labels.shape)}")
        return labels


def sequence_names(source: Source) -> list[str]:
    """The sequences of a reference, in order. Raises FileNotFoundError or ValueError when there is none."""
    if isinstance(source, Mapping):
        names = sorted(source)
    else:
        names = sorted(path.name for path in existing_folder(source).iterdir() if path.is_dir() and path.name[0] != ".")
    if not names:
        raise ValueError(f"{_describe(source)}: expected one folder of indexed PNGs for each sequence, found none")
    return names


def load_truth(source: Source, name: str) -> LabelFrames:
    """All frames of one sequence of the reference, in natural order; at least 3, as the first and last do not count."""
    if isinstance(source, Mapping):
        truth, what = _from_array(source[name], name), f"sequence {name}"
    else:
        truth, what = _from_folder(existing_folder(Path(source) / name)), str(Path(source) / name)
    if len(truth) < 3:
        raise ValueError(f"{what}: expected at least 3 frames, as the first and last do not count, found {len(truth)}")
    return truth


def load_prediction(source: Source, name: str, truth: LabelFrames) -> LabelFrames:
    """The frames predicted for one sequence of the reference; those of a folder by the file names of the reference.

    Raises FileNotFoundError for a missing folder, ValueError for a missing sequence or another number of frames.
    """
    if isinstance(source, Mapping):
        if name not in source:
            raise ValueError(f"the prediction has no sequence {name}, only {', '.join(sorted(source)) or 'none'}")
        predicted = _from_array(source[name], name)
        if len(predicted) != len(truth):
            raise ValueError(f"sequence {name}: expected {len(truth)} predicted frames, found {len(predicted)}")
        return replace(predicted, shape=truth.shape)
    folder = existing_folder(Path(source) / name)
    files = [folder / f"{frame}.png" for frame in truth.names]
    return LabelFrames(files, truth.shape, *_names(files))


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Labels (H, W) of an indexed (or 8-bit grey) PNG, exactly as stored: a palette is never applied.

    Raises FileNotFoundError, or ValueError for a file that is damaged or no label image.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in LABEL_MODES:
                raise ValueError(f"expected an indexed or 8-bit grey PNG, found an image of mode {image.mode}")
            return np.asarray(image, dtype=np.uint8)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: there is no such frame") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as a label image ({error})") from error


def existing_folder(path: str | Path) -> Path:
    """`path`, which must be a folder."""
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    return folder


def _from_folder(folder: Path) -> LabelFrames:
    files = sorted((path for path in folder.glob("*.png") if path.name[0] != "."), key=_natural)
    if not files:
        raise ValueError(f"{folder}: expected the indexed PNGs of one sequence, found none")
    first = read_labels(files[0])
    return LabelFrames([first, *files[1:]], first.shape, *_names(files))


def _names(files: list[Path]) -> tuple[list[str], list[str]]:
    return [path.stem for path in files], [str(path) for path in files]


def _from_array(labels: NDArray[np.integer], name: str) -> LabelFrames:
    labels = np.asarray(labels)
    if labels.ndim != 3 or labels.dtype.kind not in "biu":
        raise ValueError(f"sequence {name}: expected integer labels (N, H, W), found {labels.dtype} {labels.shape}")
    names = [f"{i:05d}" for i in range(len(labels))]
    return LabelFrames(
        list(labels), labels.shape[1:], names, [f"sequence {name}, frame {i}" for i in range(len(labels))]
    )


def _natural(path: Path) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.stem)]


def _describe(source: Source) -> str:
    return "the reference" if isinstance(source, Mapping) else str(source)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} (width x height)"
