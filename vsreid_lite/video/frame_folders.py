"""Which files of a folder are the frames of a video, and in what order; which are videos with their masks. No torch."""

from __future__ import annotations

import filecmp
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsreid_lite.system.files import natural_key, visible_files
from vsreid_lite.system.wording import counted

KINDS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
READ = ".jpg, .png, .webp, .tif or .bmp"
UNREAD = (
    ".heic",
    ".heif",
    ".avif",
    ".gif",
    ".jp2",
    ".jxl",
    ".ppm",
    ".pgm",
    ".tga",
    ".exr",
    ".dpx",
    ".dng",
    ".cr2",
    ".nef",
)
MOVIES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".3gp", ".gif")
DECIDED = 2  # the series has at least this many times as many files as lie beside it; else the folder is refused


def frame_files(
    folder: Path | str, first_mask: Path | str | None = None, later_masks: Sequence[Path | str] = ()
) -> list[Path]:
    """The frames of a folder in natural order ("2.jpg" before "10.jpg"): the pictures of its numbered series.

    The given masks or copies of them, and the few pictures whose kind of name or format is not that of the series, are
    left out with a warning. Warns of gaps in the numbering.

    Args:
        folder: of the frames.
        first_mask: a file that is no frame, should it lie in the folder.
        later_masks: others.

    Raises:
        FileNotFoundError: the folder is missing or holds no frames.
        ValueError: several series are there, or two frames have one number or one name without its ending.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of frames ({READ}) or a video file, found nothing")
    entries = visible_files(folder)
    found = [path for path in entries if not path.is_dir()]  # a link to nothing too: a frame is missing
    pictures = [path for path in found if path.suffix.lower() in KINDS]
    given = [(first_mask, "the first mask"), *((path, "a later mask") for path in later_masks)]
    masks = {path: what for mask, what in given if mask for path in pictures if _same_file(path, Path(mask))}
    pictures = [path for path in pictures if path not in masks]
    if not pictures:
        raise FileNotFoundError(f"{folder}: expected frames ({READ}), found {_described(entries, masks)}")
    files = series(folder, pictures)
    for path, what in masks.items():
        _warn(f"{folder}: {path.name} is {what}, and no frame")
    if unread := [path for path in found if path.suffix.lower() in UNREAD]:
        _warn(f"{folder}: left out {_listed(unread)}: frames are read from {READ}")
    _refuse_same_frames(folder, files)
    _warn_of_gaps(folder, [path.stem for path in files])
    return files


def series(folder: Path, pictures: list[Path]) -> list[Path]:
    """The pictures that share the kind of name which most have; all, where none has a number and all one format.

    Warns of those that are left out.

    Raises:
        ValueError: those left out are too many to say which are meant.
    """
    names = Counter(map(name_kind, pictures))
    numbered = [kind for kind, _ in names.most_common() if "#" in kind[1]]
    if len(names) == 1 or (not numbered and len({kind for kind, _ in names}) == 1):
        return pictures
    chosen = [path for path in pictures if numbered and name_kind(path) == numbered[0]]
    others = [path for path in pictures if not numbered or name_kind(path) != numbered[0]]
    if len(chosen) < DECIDED * len(others) or _goes_on(chosen, others):
        endings = " and ".join(sorted({path.suffix.lower() for path in pictures}))
        first, second = (next(p.name for p in pictures if name_kind(p) == kind) for kind, _ in names.most_common(2))
        raise ValueError(
            f"{folder}: expected frames of one kind, found "
            f"{f'{endings} files' if ' and ' in endings else f'names as {first} and {second}'}; keep masks and other "
            "pictures in another folder, and number the frames alike"
        )
    _warn(f"{folder}: left out {_listed(others)}: the frames are {chosen[0].name} to {chosen[-1].name}")
    return chosen


def _goes_on(chosen: list[Path], others: list[Path]) -> bool:
    """Whether a file of another format has a number that the series has not: then it may be one of the frames."""
    patterns = {name_kind(path)[1] for path in chosen}
    numbers = [natural_key(path)[0] for path in chosen]
    return any(name_kind(path)[1] in patterns and natural_key(path)[0] not in numbers for path in others)


def name_kind(path: Path) -> tuple[str, str]:
    """The format by its ending, and the name with # in place of each number."""
    return KINDS[path.suffix.lower()], re.sub(r"\d+", "#", path.stem)


def masks_by_frame(folder: Path) -> dict[str, Path]:
    """The PNGs of a folder in natural order, by the names of their frames.

    Raises:
        ValueError: two of them have one name.
    """
    files = [path for path in visible_files(folder) if path.suffix.lower() == ".png" and not path.is_dir()]
    found = {path.stem: path for path in files}
    if len(found) < len(files):
        twice = next(path for path in files if found[path.stem] != path)
        raise ValueError(f"{twice}: expected one mask for a frame, found {found[twice.stem].name} beside it")
    return found


def videos_with_masks(folder: Path, output: Path) -> list[tuple[Path, Path]]:
    """The videos of a folder, each with the mask of its first frame: NAME.mp4 or a folder NAME of frames, and NAME.png.

    Args:
        folder: of the videos and the masks.
        output: a folder that is no video, should it lie in this one.

    Returns:
        Pairs of a video and its mask, in natural order of the videos.

    Raises:
        ValueError: there is no video, one has no mask, a mask has no video, or two videos have one name.
    """
    masks = masks_by_frame(folder) if folder.is_dir() else {}
    entries = visible_files(folder) if folder.is_dir() else []
    videos = [path for path in entries if path.is_dir() or path.suffix.lower() in MOVIES]
    names = {path: path.name if path.is_dir() else path.stem for path in videos}
    inside = output.resolve()
    videos = [path for path in videos if names[path] in masks or not inside.is_relative_to(path.resolve())]
    if not videos:
        raise ValueError(
            f"{folder}: expected --first-mask with the mask of its first frame, or a folder of videos, each with its "
            "mask beside it (NAME.mp4 or a folder NAME of frames, and NAME.png)"
        )
    by_name: dict[str, Path] = {}
    for path in videos:
        if (other := by_name.setdefault(names[path], path)) is not path:
            raise ValueError(f"{folder}: {other.name} and {path.name} would have one mask; rename one of them")
    if alone := [path for path in videos if names[path] not in masks]:
        raise ValueError(f"{folder}: expected a mask beside each video, found none named as {_listed(alone)}")
    if alone := [path for name, path in masks.items() if name not in by_name]:
        raise ValueError(f"{folder}: expected a video beside each mask, found none named as {_listed(alone)}")
    return [(path, masks[names[path]]) for path in videos]


def _refuse_same_frames(folder: Path, files: list[Path]) -> None:
    for path, other in pairwise(files):  # in natural order
        if path.stem == other.stem:
            raise ValueError(
                f"{folder}: {path.name} and {other.name} would have one mask, {path.stem}.png; keep one of the two"
            )
        if natural_key(path)[0] == natural_key(other)[0]:
            raise ValueError(f"{folder}: {path.name} and {other.name} have one number; keep one of the two")


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
    pairs = [(a + 1, b - 1) for a, b in pairwise(numbers) if b > a + 1]
    gaps = [f"{a:0{width}d}" if a == b else f"{a:0{width}d} to {b:0{width}d}" for a, b in pairs]
    if gaps:
        listed = ", ".join(gaps[:5]) + (f" and {len(gaps) - 5} more" if len(gaps) > 5 else "")
        _warn(f"{folder}: frames are missing from the numbering: {listed}")


def _same_file(path: Path, other: Path) -> bool:
    """Whether both are one file, or one is a copy of the other."""
    return path.exists() and other.is_file() and filecmp.cmp(path, other, shallow=False)


def _described(found: list[Path], masks: dict[Path, str]) -> str:
    """What lies in a folder that holds no frames."""
    if masks:
        return f"{' and '.join(f'{what} {path.name}' for path, what in masks.items())} alone"
    kinds = Counter("folder" if path.is_dir() else f"{path.suffix.lower() or 'nameless'} file" for path in found)
    return ", ".join(counted(count, kind) for kind, count in kinds.most_common(5)) or "none"


def _listed(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:3])
    return f"{names} and {len(paths) - 3} more" if len(paths) > 3 else names


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=1)  # one place, so that a text is said once however often a folder is listed
