"""Real instances cut out of single-instance sequences with their annotations, to be drawn over other frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.video.masks import Frame, Mask

Array = NDArray[np.floating]  # float32 in all images
HEIGHT = 240  # pixels: half of DAVIS 480p
MARGIN = 4  # pixels kept around a cut-out
SOFTNESS = 0.6  # of the edge, standard deviation in pixels
INSET = 0.65  # coverage at which the edge is drawn: a little inside of the annotation, whose pixels may show background
STEADY = 9  # frames: the centre of an instance is smoothed, so that only slower motion is replaced by the script


@dataclass(frozen=True, eq=False)
class Footage:
    """A real single-instance sequence at working size. coverage: how much of each pixel the instance covers, 0..255."""

    name: str
    frames: list[Frame]
    coverage: list[Mask]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of every frame."""
        height, width = self.frames[0].shape[:2]
        return height, width

    def whole(self) -> range:
        """The longest run of frames that show the instance and no border cutting it; the earlier one of equals."""
        best = range(0)
        start = 0
        for i, coverage in enumerate(self.coverage):
            if not _is_whole(coverage):
                start = i + 1
            elif i + 1 - start > len(best):
                best = range(start, i + 1)
        return best


@dataclass(frozen=True, eq=False)
class CutOut:
    """n frames of an instance. colours: (h, w, 3) float32; alphas: (h, w) in [0, 1]; centres: (n, 2), x, y in the tile.

    reach: the farthest that the instance extends from its centre in x or y, pixels.
    """

    colours: list[Array]
    alphas: list[Array]
    centres: Array
    reach: float

    def draw(self, image: Array, labels: Mask, label: int, index: int, pose: Array) -> None:
        """Paint frame `index` over image (H, W, 3) and `label` over labels (H, W), both changed in place.

        pose: x, y of the centre in pixels, scale, negative to mirror. The label goes to the pixels with alpha > 1/2.
        """
        x, y, scale = (float(value) for value in pose)
        cx, cy = (float(value) for value in self.centres[index])
        matrix = np.array([[scale, 0, x - scale * cx], [0, abs(scale), y - abs(scale) * cy]])
        size = image.shape[1], image.shape[0]
        alpha = cv2.warpAffine(self.alphas[index], matrix, size)[..., None]
        colours = cv2.warpAffine(self.colours[index], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        image += alpha * (colours - image)
        labels[alpha[..., 0] > 0.5] = label


def bounce(time: int, length: int) -> int:
    """The frame shown at `time` when `length` frames are played forwards and backwards without end."""
    position = time % max(2 * length - 2, 1)
    return min(position, 2 * length - 2 - position)


def read_footage(root: Path | str, name: str, year: int = 2016, height: int = HEIGHT) -> Footage:
    """A sequence of DAVIS below `root`, shrunk to `height`. Frames without annotation count as without instance.

    Raises FileNotFoundError and ValueError as `load_davis`, ValueError for a sequence of more than one instance.
    """
    sequence = load_davis(root, year, name)
    if sequence.K > 1:
        raise ValueError(f"sequence {name}: expected one instance to cut out, found {sequence.K}")
    size = (round(sequence.shape[1] * height / sequence.shape[0]), height)
    frames = [cv2.resize(np.asarray(frame), size, interpolation=cv2.INTER_AREA) for frame in sequence.frames]
    masks = [np.zeros(sequence.shape, np.uint8) if m is None else m for m in sequence.annotations or ()]
    coverage = [cv2.resize((m > 0).astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) for m in masks]
    return Footage(name, frames, coverage)


def cut_out(footage: Footage, size: float) -> CutOut:
    """The instance of the whole frames of `footage`, about as large as a square of side `size` in all of them.

    Approaching and receding are levelled out (a script sets the scale), a change of shape is kept.

    Raises ValueError when no frame shows the instance whole.
    """
    run = footage.whole()
    if not run:
        raise ValueError(f"sequence {footage.name}: expected frames that show its instance whole, found none")
    tiles = [_tile(footage.frames[i], footage.coverage[i]) for i in run]
    scales = size / _trend(np.sqrt([alpha.sum() for _, alpha, _ in tiles]))
    colours = [_scaled(colour, scale) for (colour, _, _), scale in zip(tiles, scales, strict=True)]
    alphas = [_scaled(alpha, scale) for (_, alpha, _), scale in zip(tiles, scales, strict=True)]
    corners = np.array([corner for _, _, corner in tiles], np.float32)
    centres = (_steady(corners + [_centroid(alpha) for _, alpha, _ in tiles]) - corners + 0.5) * scales[:, None] - 0.5
    reach = max(
        np.abs([centre, np.array(alpha.shape[::-1]) - centre]).max()
        for centre, alpha in zip(centres, alphas, strict=True)
    )
    return CutOut(colours, alphas, np.asarray(centres, np.float32), float(reach))


def _is_whole(coverage: Mask) -> bool:
    border = np.concatenate([coverage[0], coverage[-1], coverage[:, 0], coverage[:, -1]])
    return bool(coverage.max() > 127) and not border.any()


def _tile(frame: Frame, coverage: Mask) -> tuple[Array, Array, tuple[int, int]]:
    """Colours (h, w, 3) and alpha (h, w) around the instance, and the tile's corner x, y in the frame."""
    x, y, width, height = cv2.boundingRect(coverage)
    x0, y0 = max(x - MARGIN, 0), max(y - MARGIN, 0)
    window = slice(y0, y + height + MARGIN), slice(x0, x + width + MARGIN)
    share = coverage[window].astype(np.float32) / 255
    alpha = np.clip(0.5 + (cv2.GaussianBlur(share, (0, 0), SOFTNESS) - INSET) / 0.6, 0, 1)
    return _fill_outside(frame[window].astype(np.float32), share), alpha.astype(np.float32), (x0, y0)


def _fill_outside(colours: Array, share: Array) -> Array:
    """The colours of the instance's own pixels carried over its edge: no fringe of the old background."""
    own = (share > 0.98).astype(np.float32)
    weight = cv2.GaussianBlur(own, (0, 0), 1.5)[..., None]
    spread = cv2.GaussianBlur(colours * own[..., None], (0, 0), 1.5) / np.maximum(weight, 1e-3)
    return np.where((own[..., None] == 0) & (weight > 1e-2), spread, colours).astype(np.float32)


def _scaled(image: Array, scale: float) -> Array:
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _trend(sizes: Array) -> Array:
    """The slow part of the sizes (n,): a parabola through their logarithms."""
    time = np.arange(len(sizes))
    return np.exp(np.polyval(np.polyfit(time, np.log(sizes), min(2, len(sizes) - 1)), time))


def _centroid(alpha: Array) -> Array:
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
    return np.array([(x * alpha).sum(), (y * alpha).sum()], np.float32) / alpha.sum()


def _steady(centres: Array) -> Array:
    """Centres (n, 2) averaged over STEADY frames, over fewer near the ends."""
    padded = np.pad(centres, ((STEADY // 2, STEADY // 2), (0, 0)), mode="edge")
    return np.stack([padded[i : i + STEADY].mean(0) for i in range(len(centres))])
