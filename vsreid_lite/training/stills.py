"""Stills of the user's own (section 3.4): PASCAL VOC and COCO as clips without motion, read when they are drawn."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vsreid_lite.training.clips import Clip, Clips
from vsreid_lite.video.masks import Mask, open_image, read_mask, size_text, without_void

SMALLEST = 400  # pixels of an instance that is worth a sample
MOST = 255  # instances of one picture: a label is a byte
LAYOUTS = (
    "PASCAL VOC (JPEGImages and SegmentationObject, here or in VOC2012 or VOCdevkit/VOC2012) or COCO "
    "(annotations/instances_train2017.json and the pictures in train2017)"
)


class Stills(ABC):
    """The pictures of a data set that show an instance of at least 400 pixels; each is a clip of one frame, twice.

    Nothing is held but where the pictures are and the outlines of COCO's file, so a whole data set can be used. name:
    what it is and which part of it, as in "COCO train2017"; that of its folder where it only has the layout of VOC.
    """

    name: str
    pictures: list[Path]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int, /) -> Clip:
        """Picture `index` at its own size, read from its file; the flow is zero, and no stranger is known.

        Raises:
            FileNotFoundError: The picture is not there.
            ValueError: The picture is unreadable, or has not the size of its labels.
        """
        path = self.pictures[index]
        frame = np.asarray(open_image(path).convert("RGB"))
        labels = self._labels(index)
        if labels.shape != frame.shape[:2]:
            expected, found = size_text(labels.shape), size_text(frame.shape)
            raise ValueError(f"{path}: expected {expected}, as its masks have, found {found}")
        rest = np.zeros((2, *labels.shape), np.float16)
        return Clip(path.stem, (frame, frame), (labels, labels), ((), ()), (rest, rest))

    @abstractmethod
    def _labels(self, index: int) -> Mask:
        """The labels (H, W) of picture `index`; 0 is the background."""


class VocStills(Stills):
    """Those pictures of a year of PASCAL VOC that have masks of their objects: its train and val together."""

    def __init__(self, folder: Path) -> None:
        name = folder.resolve().name
        self.name = f"PASCAL {name}" if name.startswith("VOC") else name
        masks = sorted((folder / "SegmentationObject").glob("*.png"))
        self.masks = [mask for mask in masks if _large(mask).any()]
        self.pictures = _there([folder / "JPEGImages" / f"{mask.stem}.jpg" for mask in self.masks], folder)

    def _labels(self, index: int) -> Mask:
        return _large(self.masks[index])


class CocoStills(Stills):
    """The pictures of one of COCO's files of instances; crowds are left out.

    A file of the size of train2017 takes about half a minute to read, and its outlines 2.5 GB of memory (a tenth of it:
    3 s, 0.25 GB).

    Args:
        annotations: The file; its pictures lie in the folder of the split's name beside the file's own folder.
    """

    def __init__(self, annotations: Path) -> None:
        if find_spec("pycocotools") is None:
            raise ValueError(f"{annotations}: COCO's outlines need pycocotools: python -m pip install pycocotools")
        folder = _coco_pictures(annotations)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: expected the pictures of {annotations}, found no such folder")
        self.name = f"COCO {folder.name}"
        try:
            images, outlines = _read_instances(annotations)
            self.pictures = _there([folder / image["file_name"] for image in images], annotations)
            self.sizes = [(int(image["height"]), int(image["width"])) for image in images]
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"{annotations}: expected COCO's instances, with images and annotations, found another file "
                f"({type(error).__name__}: {error}); get it again"
            ) from error
        self.outlines = outlines

    def _labels(self, index: int) -> Mask:
        from pycocotools import mask as coco

        labels = np.zeros(self.sizes[index], np.uint8)
        for label, outline in enumerate(self.outlines[index], 1):
            coded = outline
            if isinstance(outline, list):
                coded = coco.merge(coco.frPyObjects(outline, *labels.shape))
            elif isinstance(outline["counts"], list):
                coded = coco.frPyObjects(outline, *labels.shape)
            labels[coco.decode(coded) > 0] = label
        return labels


class Mixed:
    """Clips of several sources, each drawn as often as any other: clip i is of source i modulo their number."""

    def __init__(self, *sources: Clips) -> None:
        self.sources = sources

    def __len__(self) -> int:
        return len(self.sources) * max(map(len, self.sources))

    def __getitem__(self, index: int, /) -> Clip:
        place, which = divmod(index, len(self.sources))
        source = self.sources[which]
        return source[place % len(source)]


def open_stills(folder: Path) -> Stills:
    """The stills of a folder of PASCAL VOC or COCO: of several years the last, of several splits the first one there.

    Raises:
        FileNotFoundError: The folder is neither, or a picture is missing.
        ValueError: A file is damaged, no instance has 400 pixels, or pycocotools is not installed.
    """
    years = [folder, *sorted(folder.glob("VOC*")), *sorted(folder.glob("VOCdevkit/VOC*"))]
    voc = [year for year in years if (year / "SegmentationObject").is_dir()]
    coco = sorted(folder.glob("annotations/instances_*.json"))
    if not voc and not coco:
        raise FileNotFoundError(f"{folder}: expected {LAYOUTS}, found {'neither' if folder.is_dir() else 'nothing'}")
    source = voc[-1] if voc else next((file for file in coco if _coco_pictures(file).is_dir()), coco[0])
    stills: Stills = VocStills(source) if voc else CocoStills(source)
    if not len(stills):
        raise ValueError(f"{source}: expected instances of at least {SMALLEST} pixels, found none")
    return stills


def _large(path: Path) -> Mask:
    """The labels of a mask of VOC without void and without small instances."""
    labels = without_void(read_mask(path))
    areas = np.bincount(labels.ravel(), minlength=MOST + 1)
    return np.where(areas[labels] < SMALLEST, 0, labels).astype(np.uint8)


def _coco_pictures(annotations: Path) -> Path:
    """The folder of the pictures of COCO's annotations/instances_SPLIT.json."""
    return annotations.parents[1] / annotations.stem.removeprefix("instances_")


def _read_instances(annotations: Path) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """The entries of the pictures with a large instance, and the outlines of each; small ones, in front, come last."""
    content = json.loads(annotations.read_text(encoding="utf-8"))
    shown: dict[int, list[tuple[float, Any]]] = {}
    for one in content["annotations"]:
        if not one.get("iscrowd") and one["area"] >= SMALLEST:
            shown.setdefault(one["image_id"], []).append((one["area"], one["segmentation"]))
    images = [image for image in content["images"] if image["id"] in shown]
    by_area = [sorted(shown[image["id"]], key=lambda pair: -pair[0])[:MOST] for image in images]
    return images, [[outline for _, outline in pairs] for pairs in by_area]


def _there(pictures: list[Path], source: Path) -> list[Path]:
    """`pictures`, when each of them is a file."""
    missing = [path for path in pictures if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{missing[0]}: expected a picture of {source}, found none; {len(missing)} of {len(pictures)} are missing: "
            "get and unpack all of them"
        )
    return pictures
