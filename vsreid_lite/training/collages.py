"""Collages: real instances cut out of stills, moving over real backgrounds (section 3.4: stills before video).

After Lucid Dreaming (Khoreva et al. 2017, the paper's [6]) and "Simple Copy-Paste" (Ghiasi et al. 2021). What is real
is texture and silhouette; motion is drawn: instances turn, bend, grow, cover one another and leave the frame, and some
of them have a twin. Sizes and reaches are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.datasets.composite import tile
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.recomposition import fill_holes
from vsreid_lite.training.stills import Stills, open_stills
from vsreid_lite.video.masks import Frame, Mask, open_image

STAMPS = Path(__file__).parent / "stamps.txt"  # photographs among the stamps of Tux Paint, chosen by eye
SHAPE = 320, 480  # (H, W) of every frame
PAIRS = 3  # pairs of neighbouring frames in a clip
SMALLEST = 2500  # pixels of an instance that is worth to be cut out
PICTURES = 1000  # whose instances are cut out; more would not fit into memory
SHOWN = 400  # pixels of a picture's own instance that is annotated
CUT_OUTS = 4  # at most so many in a scene
SIZES = 0.15, 0.8  # of an instance: the longer side, as a share of the frame's height
ENLARGED = 1.6  # at most so many times, or an instance would be known by its blur
TWINS = 0.25  # of the scenes show an instance twice
FREED = 0.5  # of the scenes move the picture's own instances over its inpainted background
GRID = 4  # control points of a bend, each way
BETWEEN = (25.0, 0.25, 0.035)  # degrees, scale, bend (share of the size): between the pairs of a clip
WITHIN = (5.0, 0.06, 0.012)  # between the two frames of a pair
FARTHEST = 0.35  # of its size that an instance moves within a pair
CAMERA = (3.0, 0.04, 0.04)  # degrees, scale, shift (share of the frame): of the background within a pair
BLURRED = 0.3  # of the pairs are blurred by motion

Image = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CutOut:
    """An instance without its surroundings.

    Attributes:
        colours: (h, w, 3), float32, 0 to 255; carried over the edge.
        alpha: (h, w), float32, 0 to 1.
    """

    colours: Image
    alpha: Image

    def scaled(self, side: float) -> CutOut:
        """The same with a longer side of `side` pixels, or as large as may be."""
        scale = min(side / max(self.alpha.shape), ENLARGED)
        size = max(round(self.alpha.shape[1] * scale), 2), max(round(self.alpha.shape[0] * scale), 2)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return CutOut(
            cv2.resize(self.colours, size, interpolation=how), cv2.resize(self.alpha, size, interpolation=how)
        )


def read_stamps(folder: Path) -> list[CutOut]:
    """The photographs among the stamps of Tux Paint.

    Args:
        folder: Its folder `stamps`, as the Debian package `tuxpaint-stamps-default` has it.

    Raises:
        FileNotFoundError: One of the listed stamps is not there.
    """
    return [_stamp(path) for path in stamp_files(folder)]


def stamp_files(folder: Path) -> list[Path]:
    """The files of the photographs in the folder of stamps; errors as of `read_stamps`."""
    names = [line for line in STAMPS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    paths = [folder / name for name in names]
    if missing := [path for path in paths if not path.is_file()]:
        raise FileNotFoundError(
            f"{missing[0]}: expected a stamp of tuxpaint-stamps-default 2022.06.04, found no such file; --stamps is "
            "its folder usr/share/tuxpaint/stamps"
        )
    return paths


def _stamp(path: Path) -> CutOut:
    rgba = np.asarray(open_image(path).convert("RGBA"))
    colours, alpha, _ = tile(np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]))
    return CutOut(colours, alpha)


def cut_outs(stills: Stills) -> Iterator[CutOut]:
    """The instances that no border cuts off and that have at least 2,500 pixels, of 1,000 pictures at most."""
    for index in np.linspace(0, len(stills) - 1, min(len(stills), PICTURES)).astype(int).tolist():
        clip = stills[index]
        for label in clip.instances:
            shown = clip.labels[0] == label
            edge = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]])
            if shown.sum() >= SMALLEST and not edge.any():
                colours, alpha, _ = tile(clip.frames[0], shown.astype(np.uint8) * np.uint8(255))
                yield CutOut(colours, alpha)


def collage_clip(index: int, stills: Path, stamps: Path) -> Clip:
    """Clip `index` of collages: three pairs of neighbouring frames of one scene.

    Instances of the stills and stamps move over a still, whose own instances are annotated too, where they have at
    least 400 pixels.

    Args:
        index: Another index, another scene.
        stills: A folder of PASCAL VOC or COCO (`open_stills`).
        stamps: As of `read_stamps`.
    """
    return collage(index, *_material(stills, stamps))


@cache
def _material(stills: Path, stamps: Path) -> tuple[list[CutOut], Stills]:
    opened = open_stills(stills)
    return [*read_stamps(stamps), *cut_outs(opened)], opened


def collage(index: int, pool: list[CutOut], stills: Stills) -> Clip:
    """Clip `index` of given material: what is pasted, and the backgrounds."""
    rng = np.random.default_rng((11, index))
    frame, labels = _background(stills[int(rng.integers(len(stills)))], rng)
    count = min(int(rng.integers(1, CUT_OUTS + 1)), len(pool))
    chosen = rng.choice(len(pool), count, replace=False).tolist()
    if rng.random() < TWINS:
        chosen.append(chosen[0])
    actors = [pool[i].scaled(SHAPE[0] * np.exp(rng.uniform(*np.log(SIZES)))) for i in chosen]
    if rng.random() < FREED:
        frame, labels, freed = _free(frame, labels)
        actors += freed
    made = [part for _ in range(PAIRS) for part in _pair(rng, frame, labels, actors)]
    frames, masks = zip(*made, strict=True)
    first = int(labels.max()) + 1  # the label of the first actor
    identities = {first + k: f"cut-out {i}" for k, i in enumerate(chosen)}
    return Clip(f"collage {index}", frames, masks, ((),) * len(frames), identities=identities)


def _background(clip: Clip, rng: np.random.Generator) -> tuple[Frame, Mask]:
    """A part of a picture as large as a frame, mirrored half of the time, and its labels."""
    frame, labels = clip.frames[0], clip.labels[0]
    height, width = SHAPE
    scale = max(height / frame.shape[0], width / frame.shape[1]) * rng.uniform(1, 1.3)
    size = max(round(frame.shape[1] * scale), width), max(round(frame.shape[0] * scale), height)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    frame, labels = (
        cv2.resize(frame, size, interpolation=how),
        cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST),
    )
    x, y = int(rng.integers(size[0] - width + 1)), int(rng.integers(size[1] - height + 1))
    frame, labels = frame[y : y + height, x : x + width], labels[y : y + height, x : x + width]
    if rng.random() < 0.5:
        frame, labels = frame[:, ::-1], labels[:, ::-1]
    areas = np.bincount(labels.ravel(), minlength=256)
    numbers = np.zeros(256, np.uint8)
    kept = [label for label in range(1, 256) if areas[label] >= SHOWN]
    numbers[kept] = np.arange(1, len(kept) + 1)
    return np.ascontiguousarray(frame), numbers[labels]


def _free(frame: Frame, labels: Mask) -> tuple[Frame, Mask, list[CutOut]]:
    """The picture without its instances, and these."""
    freed = []
    for label in range(1, int(labels.max()) + 1):
        shown = labels == label
        if shown.sum() >= SMALLEST:
            colours, alpha, _ = tile(frame, shown.astype(np.uint8) * np.uint8(255))
            freed.append(CutOut(colours, alpha))
    return fill_holes(frame, labels > 0), np.zeros_like(labels), freed[:CUT_OUTS]


@dataclass(frozen=True, eq=False)
class _Pose:
    """Where an instance is: its centre in the frame, an angle in degrees, a scale, its bend (G, G, 2), its light."""

    centre: Array
    angle: float
    scale: float
    bend: Array
    light: Array

    def moved(self, rng: np.random.Generator, size: float) -> _Pose:
        """A little later; the same light."""
        angle, scale, bend = WITHIN
        reach = size * FARTHEST * rng.uniform(0, 1) ** 2
        way = rng.uniform(0, 2 * np.pi)
        return _Pose(
            self.centre + reach * np.array([np.cos(way), np.sin(way)]),
            self.angle + rng.uniform(-angle, angle),
            self.scale * (1 + rng.uniform(-scale, scale)),
            self.bend + rng.normal(0, bend, self.bend.shape),
            self.light,
        )


def _pose(rng: np.random.Generator) -> _Pose:
    angle, scale, bend = BETWEEN
    return _Pose(
        rng.uniform(0.05, 0.95, 2) * SHAPE[::-1],
        rng.uniform(-angle, angle),
        1 + rng.uniform(-scale, scale),
        rng.normal(0, bend, (GRID, GRID, 2)),
        np.array([rng.uniform(0.75, 1.2), *rng.uniform(0.94, 1.06, 3)]),
    )


def _pair(rng: np.random.Generator, frame: Frame, labels: Mask, actors: list[CutOut]) -> list[tuple[Frame, Mask]]:
    """Two neighbouring frames and their labels."""
    order = rng.permutation(len(actors))
    poses, mirrors = [_pose(rng) for _ in actors], rng.random(len(actors)) < 0.3
    camera = _camera(rng, 1.5)
    made: list[tuple[Frame, Mask]] = []
    blur = rng.random() < BLURRED
    for step in range(2):
        image = cv2.warpAffine(frame, camera, SHAPE[::-1], borderMode=cv2.BORDER_REFLECT).astype(np.float32)
        mask = cv2.warpAffine(labels, camera, SHAPE[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
        first = int(labels.max()) + 1
        for k in order.tolist():
            draw(image, mask, first + k, actors[k], poses[k], bool(mirrors[k]))
        if blur:
            image = _blurred(image, rng)
        made.append((np.clip(image + 0.5, 0, 255).astype(np.uint8), mask))
        if step == 0:
            poses = [pose.moved(rng, max(a.alpha.shape)) for pose, a in zip(poses, actors, strict=True)]
            camera = _after(camera, _camera(rng, 1.0))
    return made


def draw(image: Image, labels: Mask, label: int, actor: CutOut, pose: _Pose, mirror: bool) -> None:
    """Paint an instance over an image (H, W, 3), and its label where it covers more than half of a pixel; in place."""
    height, width = actor.alpha.shape
    reach = pose.scale * np.hypot(height, width) * 0.65
    low = np.maximum(np.floor(pose.centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(pose.centre + reach), SHAPE[::-1]).astype(int)
    if (high <= low).any():
        return
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    cos, sin = (float(f(np.deg2rad(pose.angle))) / pose.scale for f in (np.cos, np.sin))
    dx, dy = x - np.float32(pose.centre[0]), y - np.float32(pose.centre[1])
    u, v = (cos * dx + sin * dy) * (-1 if mirror else 1), cos * dy - sin * dx
    bend = cv2.resize(pose.bend.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC) * max(height, width)
    u, v = u + np.float32(width / 2), v + np.float32(height / 2)
    shift = cv2.remap(bend, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    u, v = u + shift[..., 0], v + shift[..., 1]
    alpha = cv2.remap(actor.alpha, u, v, cv2.INTER_LINEAR)
    colours = cv2.remap(actor.colours, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    lit = colours * (pose.light[0] * pose.light[1:]).astype(np.float32)
    image[window] += alpha[..., None] * (lit - image[window])
    labels[window][alpha > 0.5] = label


def _camera(rng: np.random.Generator, reach: float) -> Array:
    degrees, scale, shift = CAMERA
    turn = cv2.getRotationMatrix2D(
        (SHAPE[1] / 2, SHAPE[0] / 2), reach * rng.uniform(-degrees, degrees), 1 + reach * rng.uniform(0, scale)
    )
    turn[:, 2] += reach * rng.uniform(-shift, shift, 2) * SHAPE[::-1]
    return turn


def _after(first: Array, second: Array) -> Array:
    return second @ np.vstack([first, [0, 0, 1]])


def _blurred(image: Image, rng: np.random.Generator) -> Image:
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    way = rng.uniform(0, np.pi)
    ends = np.array([np.cos(way), np.sin(way)]) * (length - 1) / 2
    middle = (length - 1) / 2
    cv2.line(kernel, *(tuple(np.round(middle + s * ends).astype(int).tolist()) for s in (-1, 1)), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
