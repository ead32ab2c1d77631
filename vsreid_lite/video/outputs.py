"""What a command is about to write, checked before its long run: can it be written, and does it spare the inputs?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsreid_lite.system.files import atomic_path, cannot_write_into, write_json, write_trial
from vsreid_lite.system.workers import uninterrupted
from vsreid_lite.video.frame_folders import KINDS
from vsreid_lite.video.masks import Frame, Mask, write_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEVICES = Path("/dev")  # its links, as /dev/stdout, would be replaced by a file
DEEPEST = 4  # VOCdevkit/VOC2012/JPEGImages/NAME.jpg


def check_folder(path: Path) -> None:
    """Check that a folder can be written, or made, at `path`; leaves no trace.

    Raises:
        OSError: it cannot; one line that names it.
    """
    parents = (path, *path.absolute().parents)
    existing = next((parent for parent in parents if parent.exists()), parents[-1])
    with cannot_write_into(path, "" if existing == path else f" below {existing}"):
        write_trial(existing)


def check_outputs(files: Sequence[Path], folder: Path | None = None, inputs: Iterable[Path] = ()) -> None:
    """Check that all outputs of a command can be written, and that none is an input or another output.

    Args:
        files: to write; an older one may be there.
        folder: to write into; it may hold some of `files`.
        inputs: files and folders that are read. Links are followed on both sides.

    Raises:
        OSError: a name is too long, or a folder cannot be written.
        ValueError: a folder or device is where a file is wanted, or an output is an input or another output.
    """
    for path in files:
        if _exists(path) and (not path.is_file() or path.parent.resolve() == DEVICES):
            raise ValueError(f"{path}: expected a file to write, found {'a folder' if path.is_dir() else 'a device'}")
    outputs = [*files, *([] if folder is None else [folder])]
    _refuse_inputs(outputs, inputs)
    _refuse_one_place(files, folder)
    for parent in dict.fromkeys([path.parent for path in files] + outputs[len(files) :]):
        check_folder(parent)


def _refuse_inputs(outputs: Sequence[Path], inputs: Iterable[Path]) -> None:
    """What does not exist yet can be no input; of what exists, the file itself is compared, not its name."""
    existing: dict[tuple[int, int], Path] = {}
    for path in outputs:
        if _exists(path) and existing.setdefault(_identity(path), path) is not path:
            raise ValueError(f"{path}: is the same file as {existing[_identity(path)]}; give each output its own")
    for source in inputs if existing else ():
        output = existing.get(_identity(source)) if source.exists() else None
        if output is not None:
            raise ValueError(f"{output}: the output is the input {source}; give another, inputs stay untouched")


def _refuse_one_place(files: Sequence[Path], folder: Path | None) -> None:
    """Two files of one name, and a file where a folder is wanted for another output."""
    parents = {parent: parent.resolve() for parent in {path.parent for path in files}}
    places: dict[Path, Path] = {}
    for path in files:
        other = places.setdefault(parents[path.parent] / path.name, path)
        if other is not path:
            raise ValueError(f"{path}: two outputs would be this one file; give each a name of its own")
    folders = [*parents.values(), *([] if folder is None else [folder.resolve()])]
    for place in dict.fromkeys(parent for one in folders for parent in (one, *one.parents)):
        if place in places:
            raise ValueError(f"{places[place]}: is to be a file, and another output lies in it; give it another place")


def _exists(path: Path) -> bool:
    """Also of a path by way of a folder that is not there. Raises OSError for names too long and links in a circle."""
    try:
        for way in (path, path.resolve()):
            with suppress(FileNotFoundError, NotADirectoryError):
                way.stat()
                return True
        return False
    except (OSError, RuntimeError) as error:
        raise OSError(f"{path}: {getattr(error, 'strerror', error)}; give another name") from error


def _identity(path: Path) -> tuple[int, int]:
    status = (path if path.exists() else path.resolve()).stat()
    return status.st_dev, status.st_ino


def pictures(*folders: Path) -> Iterator[Path]:
    """Every picture below some folders, by way of links too; nothing is listed unless it is asked for."""
    patterns = ["/".join("*" * depth) for depth in range(1, DEEPEST + 1)]
    return (p for folder in folders for pattern in patterns for p in folder.glob(pattern) if p.suffix.lower() in KINDS)


def check_video(path: Path) -> None:
    """Check that a video can be written.

    Raises:
        ValueError: the name does not end in .mp4, or PyAV is not installed.
    """
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"{path}: expected a file name that ends in .mp4")
    if find_spec("av") is None:
        raise ValueError(f"{path}: videos need PyAV, which is not installed (python -m pip install av)")


def check_coco(path: Path) -> None:
    """Check that COCO's run lengths can be written. Raises ValueError where pycocotools is not installed."""
    if find_spec("pycocotools") is None:
        raise ValueError(
            f"{path}: COCO's run lengths need pycocotools, which is not installed (python -m pip install pycocotools)"
        )


def write_masks(
    folder: Path, names: Sequence[str], masks: Sequence[Mask], palette: NDArray[np.uint8] | None = None
) -> None:
    """Write one indexed PNG for each frame into `folder`: all of them, or none.

    Args:
        folder: made if it is missing.
        names: of the frames.
        masks: labels (H, W), as many.
        palette: (n, 3), uint8, the colours of the labels; those of DAVIS when not given.

    Raises:
        OSError: as `atomic_path`.
    """
    with all_or_none(folder) as temporary:
        for name, mask in zip(names, masks, strict=True):
            write_mask(temporary / f"{name}.png", mask, palette)


def write_cutouts(
    folder: Path, names: Sequence[str], frames: Iterable[Frame], masks: Sequence[Mask], labels: Sequence[int]
) -> None:
    """Write each instance alone, in its place on a transparent ground: `folder`/LABEL/NAME.png, all or none.

    Args:
        folder: made if it is missing.
        names: of the frames.
        frames: (H, W, 3), uint8, RGB, as many.
        masks: labels (H, W), as many.
        labels: of the instances.

    Raises:
        OSError: as `atomic_path`.
    """
    with all_or_none(folder) as temporary:
        for name, frame, mask in zip(names, frames, masks, strict=True):
            for label in labels:
                inside = (mask == label).astype(np.uint8)[..., None]
                with atomic_path(temporary / str(label) / f"{name}.png") as path:
                    Image.fromarray(np.dstack([frame * inside, 255 * inside])).save(path, format="PNG")


@contextmanager
def all_or_none(folder: Path) -> Iterator[Path]:
    """A temporary folder: the files that the body writes below it move below `folder` when it ends without error."""
    with cannot_write_into(folder):
        folder.mkdir(parents=True, exist_ok=True)
        made = TemporaryDirectory(dir=folder, prefix=".", suffix=".part")
    with made as temporary:
        yield Path(temporary)
        with uninterrupted(), cannot_write_into(folder):
            for path in [path for path in Path(temporary).rglob("*") if path.is_file()]:
                target = folder / path.relative_to(temporary)
                target.parent.mkdir(exist_ok=True)
                os.replace(path, target)


def write_coco(path: Path, files: Sequence[str], masks: Sequence[Mask], labels: Sequence[int]) -> None:
    """Write the masks as COCO's JSON, atomically: an image for each frame, in it each instance as run lengths.

    `track_id` is the label of an instance in all frames; all are of one category.

    Args:
        path: of the file.
        files: the file name of each frame.
        masks: labels (H, W), as many.
        labels: of the instances.

    Raises:
        OSError: as `atomic_path`.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for i, (name, mask) in enumerate(zip(files, masks, strict=True)):
        size = {"height": mask.shape[0], "width": mask.shape[1]}
        images.append({"id": i + 1, "file_name": name, **size, "frame_id": i})
        for label in labels:
            if (inside := mask == label).any():
                found = {"id": len(annotations) + 1, "image_id": i + 1, "category_id": 1, "track_id": label}
                annotations.append({**found, **_run_lengths(inside), "iscrowd": 0})
    categories = [{"id": 1, "name": "instance"}]
    write_json(path, {"images": images, "annotations": annotations, "categories": categories})


def _run_lengths(inside: NDArray[np.bool_]) -> dict[str, object]:
    from pycocotools import mask as coco

    coded = coco.encode(np.asfortranarray(inside, np.uint8))
    segmentation = {"size": coded["size"], "counts": coded["counts"].decode("ascii")}
    return {"segmentation": segmentation, "area": int(coco.area(coded)), "bbox": coco.toBbox(coded).tolist()}


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG as `atomic_path` does; the same figure gives the same file."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
