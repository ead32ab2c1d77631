"""Benchmarks as files: sequences written in the layout of DAVIS 2017, and the frozen mini test split."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from vsreid_lite.datasets.davis import FRAMES, MASKS, list_sequences, load_davis
from vsreid_lite.system.files import shipped, write_bytes, write_text
from vsreid_lite.video.masks import Frame, write_mask
from vsreid_lite.video.video import Video

MINI = shipped("data") / "mini"
JPEG_QUALITY = 92  # the mini test split takes 5 MB with it


def write_benchmark(sequences: Iterable[Video], root: Path | str, split: str = "test") -> list[str]:
    """Write sequences below `root` in the layout of DAVIS 2017, with their list as `split`; returns their names.

    Frames become JPEGs, masks indexed PNGs; frames without annotation get no mask, the first one always has one. Every
    file is written atomically and the list comes last, so a run that broke off leaves no list and can be repeated.
    Raises FileExistsError when a sequence's folder holds files that would not be replaced, OSError as `atomic_path`.
    """
    root, names = Path(root), []
    for sequence in sequences:
        _write_sequence(sequence, root)
        names.append(sequence.name)
    write_text(root / "ImageSets" / "2017" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    return names


def read_benchmark(root: Path | str, split: str = "test") -> list[Video]:
    """The sequences of a split below `root`, with all their annotations, in the order of its list.

    Raises FileNotFoundError and ValueError as `list_sequences` and `load_davis` do.
    """
    return [load_davis(root, 2017, name) for name in list_sequences(root, 2017, split)]


def mini_test(root: Path | str = MINI) -> list[Video]:
    """The twelve frozen sequences of the mini test split; `mini_scene("test", i)` is the scene of sequence i.

    Raises FileNotFoundError when they are not there.
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"{root}: expected the frozen mini test split, found nothing; it comes with the repository, "
            "or write it anew with `vsreid render mini --output DIR`"
        )
    return read_benchmark(root, "test")


def _write_sequence(sequence: Video, root: Path) -> None:
    frames, masks = root / FRAMES / sequence.name, root / MASKS / sequence.name
    _refuse_leftovers(frames, {f"{name}.jpg" for name in sequence.frame_names})
    _refuse_leftovers(masks, {f"{name}.png" for name in sequence.frame_names})
    annotations = sequence.annotations or [None] * sequence.N
    for i, name in enumerate(sequence.frame_names):
        write_bytes(frames / f"{name}.jpg", encode_jpeg(sequence.frames[i]))
        labels = sequence.first_mask if i == 0 else annotations[i]
        if labels is not None:
            write_mask(masks / f"{name}.png", labels)


def encode_jpeg(frame: Frame, quality: int = JPEG_QUALITY) -> bytes:
    """The JPEG file of a frame (H, W, 3)."""
    buffer = BytesIO()
    Image.fromarray(np.asarray(frame)).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _refuse_leftovers(folder: Path, expected: set[str]) -> None:
    if not folder.is_dir():
        return
    others = sorted({path.name for path in folder.iterdir()} - expected)
    if others:
        raise FileExistsError(
            f"{folder}: expected an empty or new folder, found {len(others)} files that are not part of this "
            f"rendering ({others[0]}, ...); give another output folder"
        )
