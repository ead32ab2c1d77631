"""What a command is about to write, checked before its long run: can it be written, and does it spare the inputs?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.files import ADVICE, atomic_path
from vsreid_lite.interrupts import uninterrupted
from vsreid_lite.masks import Mask, write_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_folder(path: Path) -> None:
    """That a folder can be written, or made, at `path`; leaves no trace. Raises OSError that names it."""
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    trial = existing / f".{os.getpid()}.trial.part"
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        place = "" if existing == path else f" below {existing}"
        raise OSError(f"cannot write into the folder {path}{place}: {error.strerror or error}; {ADVICE}") from error


def check_file(path: Path, inputs: Sequence[Path] = ()) -> None:
    """That a file can be written at `path`, and that it is none of `inputs`. Raises OSError or ValueError naming it."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: expected a file to write, found {'a folder' if path.is_dir() else 'a device'}")
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise ValueError(f"{path}: the output is the input {source}; give another, inputs stay untouched")
    check_folder(path.parent)


def check_video(path: Path, inputs: Sequence[Path] = ()) -> None:
    """As `check_file`, for an overlay video: an .mp4, and PyAV to write it with."""
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"{path}: expected a file name that ends in .mp4")
    if find_spec("av") is None:
        raise ValueError(f"{path}: videos need PyAV, which is not installed (python -m pip install av)")
    check_file(path, inputs)


def write_masks(
    folder: Path, names: Sequence[str], masks: Sequence[Mask], palette: NDArray[np.uint8] | None = None
) -> None:
    """Write one indexed PNG a frame into `folder`: all of them, or none. Raises OSError that names the file."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".", suffix=".part") as temporary:
        for name, mask in zip(names, masks, strict=True):
            write_mask(Path(temporary, f"{name}.png"), mask, palette)
        with uninterrupted():
            for name in names:
                os.replace(Path(temporary, f"{name}.png"), folder / f"{name}.png")


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, atomically; the same figure is the same file. Raises OSError as `atomic_path` does."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
