"""DAVIS 2016 and 2017: where their files lie, their splits and masks; and other videos written in that layout.

In both layouts frames are `JPEGImages/480p/<sequence>/` and masks `Annotations/480p/<sequence>/`. In the masks of 2016
255 is the instance; in those of 2017 it is void. Test-dev has a mask for the first frame only.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from itertools import product
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from vsreid_lite.datasets.download import DAVIS_2016, TEST_DEV, TRAINVAL
from vsreid_lite.system.files import STREET, write_bytes, write_json, write_text
from vsreid_lite.system.workers import Workers, code_version, run_jobs
from vsreid_lite.video.masks import Frame, Mask, read_labels, to_instances, write_mask
from vsreid_lite.video.video import Video, annotation_files, read_frames

FRAMES, MASKS = Path("JPEGImages", "480p"), Path("Annotations", "480p")
ARCHIVES_OF = {2017: (TRAINVAL.name, TEST_DEV.name), 2016: (DAVIS_2016.name,)}
LONGEST_NAME = 255  # bytes, of a folder
JPEG_QUALITY = 92  # the mini test split takes 5 MB with it


def davis_folders(root: Path | str, year: int) -> list[Path]:
    """The folders under `root` that hold DAVIS of a year, most direct first: `root` itself, DAVIS, 2017/trainval, ...

    Raises:
        FileNotFoundError: there is none.
        ValueError: another year than 2016 and 2017.
    """
    if year not in ARCHIVES_OF:
        raise ValueError(f"expected DAVIS of 2016 or 2017, found {year}")
    root = Path(root)
    inside = ["", f"{year}", f"{year}/trainval", f"{year}/test-dev", "trainval", "test-dev", *ARCHIVES_OF[year]]
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

    Raises:
        FileNotFoundError: there is no such list, or none of its sequences.
    """
    folders, lists = davis_folders(root, year), split_lists(root, year)
    if split not in lists:
        path = split_file(folders[0], split, "2016" if year == 2016 else "2017")
        raise FileNotFoundError(
            f"{path}: expected the list of split {split}, found {sorted(lists) or 'no list at all'}"
        )
    path = lists[split]
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


def split_lists(root: Path | str, year: int) -> dict[str, Path]:
    """The lists of splits that are there, by their names."""
    places = ["2016", "480p"] if year == 2016 else ["2017"]  # 480p: the first release
    lists: dict[str, Path] = {}
    for folder, place in product(davis_folders(root, year), places):
        for path in sorted((folder / "ImageSets" / place).glob("*.txt")):
            lists.setdefault(path.stem, path)
    return lists


def load_davis(root: Path | str, year: int, name: str) -> Video:
    """One sequence with its first mask and what annotations there are; frames without one get None.

    Args:
        root: a folder that `davis_folders` knows its way in.
        year: 2016 makes one instance, label 1, of whatever is not background (255, or the instances of 2017 together).
            2017 takes labels as they are, void (255) becomes background. The instances are those of the first frame.
        name: of the sequence.

    Raises:
        FileNotFoundError: there is no such sequence, or no mask of its first frame.
        ValueError: a frame or mask is damaged, or does not fit the others.
    """
    folders = davis_folders(root, year)
    folder = next((folder for folder in folders if (folder / FRAMES / name).is_dir()), None)
    if folder is None:
        there = sorted(path.name for path in (folders[0] / FRAMES).iterdir() if path.is_dir())
        raise FileNotFoundError(
            f"{folders[0] / FRAMES / name}: expected a sequence of DAVIS {year}, found nothing; "
            f"there are {', '.join(there)}"
        )
    frames, names = read_frames(folder / FRAMES / name)
    paths, shape = annotation_files(folder / MASKS / name, names), frames[0].shape
    first = read_first(paths[0] or folder / MASKS / name / f"{names[0]}.png", year, shape)
    others = [None if path is None else to_instances(read_labels(path, shape), year) for path in paths[1:]]
    return Video(name, frames, first, annotations=[first, *others], frame_names=names)


def street_video(frames: Sequence[int] = range(60), labels: Sequence[int] = (1, 2, 3, 4)) -> Video:
    """The real clip that ships with the package (`data/README.md`): four people in a street, 60 frames (320, 576, 3).

    Frames 0, 30, 50 and 59 have true masks, the others None.

    Args:
        frames: those to keep; the first one needs a true mask.
        labels: of the people to keep.

    Raises:
        ValueError: the first frame has no true mask, or none of these people.
    """
    whole = load_davis(STREET, 2017, "street")
    masks = whole.annotations or []
    truth = [None if (mask := masks[i]) is None else mask * np.isin(mask, labels) for i in frames]
    if truth[0] is None:
        raise ValueError(f"street: expected a first frame with a true mask (0, 30, 50 or 59), found {frames[0]}")
    names = [whole.frame_names[i] for i in frames]
    return Video("street", [whole.frames[i] for i in frames], truth[0], annotations=truth, frame_names=names)


def read_first(path: Path, year: int, shape: tuple[int, ...] | None = None) -> Mask:
    """The mask (H, W) of the first frame of a sequence, which shows at least one instance.

    Args:
        path: of the mask.
        year: the convention, 2016 or 2017.
        shape: the (H, W, ...) that it must have; any when not given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `read_labels`, and for a mask without instance.
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
    """What DAVIS of a year is read from: its folders, frames and masks."""
    yield Path(root)
    for folder in davis_folders(root, year):
        yield folder
        yield from (
            path for part in (FRAMES, MASKS) for inside in ("", "*", "*/*") for path in folder.glob(f"{part}/{inside}")
        )


def read_split(path: Path) -> list[str]:
    """The sequences of a list, one a line; in DAVIS's first release, a line has the paths of a frame and its mask.

    Raises:
        ValueError: the file is no text in UTF-8, or names no sequence.
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
    if odd := next((name for name in names if "\0" in name or len(name.encode()) > LONGEST_NAME), None):
        raise ValueError(
            f"{path}: expected the name of a sequence on each line, found {odd[:40]!a}, no name of a folder"
        )
    return list(dict.fromkeys(name for name in names if name))


def write_benchmark(videos: Iterable[Video], root: Path | str, split: str = "test") -> list[str]:
    """Write videos below `root` in the layout of DAVIS 2017, with their list as `split`.

    Frames become JPEGs, masks indexed PNGs; frames without annotation get no mask, the first one always has one. Every
    file is written atomically and the list comes last, so a run that broke off leaves no list and can be repeated.

    Returns:
        The names of the videos, in their order.

    Raises:
        FileExistsError: the folder of a video holds files that would not be replaced.
        OSError: as `atomic_path`.
    """
    names = []
    for video in videos:
        _write_video(video, Path(root))
        names.append(video.name)
    return _write_list(names, root, split)


def render_benchmark(
    render: Callable[[int], Video],
    indices: Sequence[int],
    root: Path | str,
    split: str,
    made_from: str,
    workers: Workers = 1,
) -> list[str]:
    """As `write_benchmark`, of videos that are rendered one by one, by workers as `run_jobs` takes them.

    While it runs, the hidden file `.unfinished` in `root` lists the complete videos. The same run after a kill renders
    only the others; another run begins anew, since its videos may have the same names.

    Args:
        render: makes the video of an index.
        indices: of all videos.
        root: the folder that they are written below.
        split: the name of their list.
        made_from: what the videos depend on beside their indices and the code of the package.
        workers: the number of processes, or an executor.
    """
    from tqdm.auto import tqdm

    unfinished, made_by = Path(root) / ".unfinished", f"{code_version()} {split} {made_from}"
    names = {i: name for i, name in _finished(unfinished, made_by).items() if Path(root, MASKS, name).is_dir()}
    if not names:
        unfinished.unlink(missing_ok=True)
    missing = [index for index in indices if index not in names]
    with closing(run_jobs(render, missing, workers)) as rendered:
        for index, video in tqdm(rendered, "rendering", len(missing)):
            _write_video(video, Path(root))
            names[index] = video.name
            write_json(unfinished, {"made by": made_by, "names": names})
    _write_list([names[index] for index in indices], root, split)
    unfinished.unlink(missing_ok=True)
    return [names[index] for index in indices]


def _finished(unfinished: Path, made_by: str) -> dict[int, str]:
    """The names of the videos that a rendering which broke off has written whole, by their indices."""
    try:
        found = json.loads(unfinished.read_text(encoding="utf-8"))
        return {int(index): str(name) for index, name in found["names"].items()} if found["made by"] == made_by else {}
    except (OSError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return {}


def _write_list(names: list[str], root: Path | str, split: str) -> list[str]:
    write_text(split_file(Path(root), split), "".join(f"{name}\n" for name in names))
    return names


def split_file(root: Path, split: str, place: str = "2017") -> Path:
    """Where `write_benchmark` puts the list of a split."""
    return root / "ImageSets" / place / f"{split}.txt"


def read_benchmark(root: Path | str, split: str = "test") -> list[Video]:
    """The videos of a split below `root`, with all their annotations, in the order of its list.

    Raises:
        FileNotFoundError, ValueError: as `list_sequences` and `load_davis`.
    """
    return [load_davis(root, 2017, name) for name in list_sequences(root, 2017, split)]


def _write_video(video: Video, root: Path) -> None:
    frames, masks = root / FRAMES / video.name, root / MASKS / video.name
    _refuse_leftovers(frames, {f"{name}.jpg" for name in video.frame_names})
    _refuse_leftovers(masks, {f"{name}.png" for name in video.frame_names})
    annotations = video.annotations or [None] * video.N
    for i, name in enumerate(video.frame_names):
        write_bytes(frames / f"{name}.jpg", encode_jpeg(video.frames[i]))
        labels = video.first_mask if i == 0 else annotations[i]
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
    others = sorted(path.name for path in folder.iterdir() if path.name not in expected and path.suffix != ".part")
    if others:
        raise FileExistsError(
            f"{folder}: expected an empty or new folder, found {len(others)} files that are not part of this "
            f"rendering ({others[0]}, ...); give another output folder"
        )
