"""DAVIS 2016 and 2017: where their files lie, their splits, and their masks.

In both layouts frames are `JPEGImages/480p/<sequence>/` and masks `Annotations/480p/<sequence>/`. In the masks of 2016
255 is the instance; in those of 2017 it is void. Test-dev has a mask for the first frame only.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vsreid_lite.datasets.download import download
from vsreid_lite.video.masks import Mask, read_labels, to_instances
from vsreid_lite.video.video import Video, annotation_files, read_frames

__all__ = ["davis_folders", "download", "list_sequences", "load_davis"]

DOWNLOADS = {2016: ["davis-2016"], 2017: ["davis-2017-trainval-480p", "davis-2017-test-dev-480p"]}
FRAMES, MASKS = Path("JPEGImages", "480p"), Path("Annotations", "480p")


def davis_folders(root: Path | str, year: int) -> list[Path]:
    """The folders under `root` that hold DAVIS of a year, most direct first: `root` itself, DAVIS, 2017/trainval, ...

    Raises ValueError for another year than 2016 and 2017, FileNotFoundError when there is none.
    """
    if year not in DOWNLOADS:
        raise ValueError(f"expected DAVIS of 2016 or 2017, found {year}")
    root = Path(root)
    inside = ["", f"{year}", f"{year}/trainval", f"{year}/test-dev", "trainval", "test-dev", *DOWNLOADS[year]]
    folders = [root / place / name for place in inside for name in ("", "DAVIS")]
    found = [folder for folder in folders if (folder / FRAMES).is_dir()]
    if not found:
        there = "another folder" if root.is_dir() else "a file" if root.exists() else "nothing"
        raise FileNotFoundError(
            f"{root}: expected DAVIS {year} with {FRAMES.as_posix()} and {MASKS.as_posix()}, found {there}; give its "
            f"folder as root, or run `vsreid download davis-{year}` first"
        )
    return found


def list_sequences(root: Path | str, year: int, split: str = "val") -> list[str]:
    """The sequences of a split that are there, in the order of the split's list. Warns of those that are missing.

    Raises FileNotFoundError when there is no such list, or none of its sequences.
    """
    folders = davis_folders(root, year)
    places = ["2016", "480p"] if year == 2016 else ["2017"]  # 480p: the first release
    lists = [folder / "ImageSets" / place / f"{split}.txt" for folder in folders for place in places]
    path = next((path for path in lists if path.is_file()), None)
    if path is None:
        other = sorted({p.stem for candidate in lists for p in candidate.parent.glob("*.txt")})
        raise FileNotFoundError(f"{lists[0]}: expected the list of split {split}, found {other or 'no list at all'}")
    names = read_split(path)
    there = [name for name in names if any((folder / FRAMES / name).is_dir() for folder in folders)]
    missing = [name for name in names if name not in there]
    if not there:
        raise FileNotFoundError(f"{folders[0] / FRAMES}: expected the sequences of {path}, found none of {len(names)}")
    if missing:
        warnings.warn(
            f"{path}: {len(missing)} of {len(names)} sequences are left out, they have no folder in "
            f"{folders[0] / FRAMES}: {', '.join(missing)}",
            stacklevel=2,
        )
    return there


def load_davis(root: Path | str, year: int, sequence: str) -> Video:
    """One sequence with its first mask and what annotations there are; frames without one get None.

    2016: one instance, label 1, whatever is not background (255, or the instances of 2017 together).
    2017: labels as they are, void (255) becomes background. Raises FileNotFoundError and ValueError with path, expected
    and found; the instances are those of the first frame.
    """
    folders = davis_folders(root, year)
    folder = next((folder for folder in folders if (folder / FRAMES / sequence).is_dir()), None)
    if folder is None:
        there = sorted(path.name for path in (folders[0] / FRAMES).iterdir() if path.is_dir())
        raise FileNotFoundError(
            f"{folders[0] / FRAMES / sequence}: expected a sequence of DAVIS {year}, found nothing; "
            f"there are {', '.join(there)}"
        )
    frames, names = read_frames(folder / FRAMES / sequence)
    paths, shape = annotation_files(folder / MASKS / sequence, names), frames[0].shape
    first = read_first(paths[0] or folder / MASKS / sequence / f"{names[0]}.png", year, shape)
    others = [None if path is None else to_instances(read_labels(path, shape), year) for path in paths[1:]]
    return Video(sequence, frames, first, annotations=[first, *others], frame_names=names)


def read_first(path: Path, year: int, shape: tuple[int, ...] | None = None) -> Mask:
    """The mask (H, W) of the first frame of a sequence, with an instance; shape: as for `read_labels`.

    Raises FileNotFoundError where there is none, and ValueError as `read_labels` and for a mask without instance.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected the mask of the first frame, found nothing")
    stored = read_labels(path, shape)
    mask = to_instances(stored, year)
    if not mask.any():
        found = "only void (255, which is the instance in DAVIS 2016)" if stored.any() else "background only"
        raise ValueError(f"{path}: expected an instance in the mask of the first frame, found {found}")
    return mask


def input_files(root: Path | str, year: int) -> Iterator[Path]:
    """What DAVIS of a year is read from: its folders, frames and masks. Raises as `davis_folders`."""
    yield Path(root)
    for folder in davis_folders(root, year):
        yield folder
        yield from (
            path for part in (FRAMES, MASKS) for inside in ("", "*", "*/*") for path in folder.glob(f"{part}/{inside}")
        )


def read_split(path: Path) -> list[str]:
    """The sequences of a list, one a line; in DAVIS's first release, a line has the paths of a frame and its mask.

    Raises ValueError for a file that is no text in UTF-8, or names no sequence.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected a list of sequences in UTF-8, found other bytes ({error.reason})"
        ) from error
    frames = [re.match(r"\S*JPEGImages/\S*", line) for line in lines]
    names = [PurePosixPath(frame[0]).parent.name if frame else line for frame, line in zip(frames, lines, strict=True)]
    if not any(names):
        raise ValueError(f"{path}: expected the name of a sequence on each line, found none")
    return list(dict.fromkeys(name for name in names if name))
