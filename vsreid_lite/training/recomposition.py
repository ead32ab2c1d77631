"""New pictures of annotated frames: instances pasted into other frames, and recompositions of one frame.

Pasting is after "Simple Copy-Paste" (Ghiasi et al. 2021), its sizes and light are ours: N_reid shall learn instances,
and not what is behind them. A recomposition has the frame's instances moved, turned and relit over its own inpainted
background. Its recipe is that of Lucid Dreaming (Khoreva et al. 2017, the paper's [6]), and so are the constants of
background and light. Those of instances are ours: it turns them by 30 degrees, scales them by 15 % and bends them
with a spline.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.training.clips import Clip, mask_box
from vsreid_lite.video.masks import Frame, Mask

BACKGROUND = (3.0, 0.05, 0.05)  # degrees, scale, shift as a share of the frame
INSTANCE = (25.0, 0.25, 0.30)  # degrees, scale, shift as a share of the instance
STEP = (5.0, 0.05, 0.10)  # between the two frames of a pair
INPAINTING_HEIGHT = 120  # the hole is filled at this height: it only has to look like background
PASTED_SIZES = 0.1, 0.55  # a pasted instance's longer side, as a share of the frame's height
ENLARGED = 2.0  # at most so many times, or it would be known by its blur
SOFTNESS = 0.8  # pixels: spread of the blur of its rim

Image = NDArray[np.float32]
Motion = NDArray[np.float64]  # (2, 3), an affine map of pixels


def paste(frame: Frame, donor: Clip, index: int, label: int, rng: np.random.Generator) -> tuple[Frame, Mask]:
    """A copy of frame (H, W, 3) with an instance of frame `index` of another clip, and where it is: (H, W), 0 or 1.

    That frame must show it. It gets another size, place, side and brightness; its centre stays inside the frame.
    """
    shown = donor.labels[index] == label
    box = mask_box(shown)
    assert box is not None
    height, width = frame.shape[:2]
    scale = min(rng.uniform(*PASTED_SIZES) * height / max(box.width, box.height), ENLARGED)
    mirror = rng.choice([-1, 1])
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    move = np.array(
        [
            [mirror * scale, 0, x - mirror * scale * (box.x0 + box.x1) / 2],
            [0, scale, y - scale * (box.y0 + box.y1) / 2],
        ]
    )
    colours = donor.frames[index].astype(np.float32)
    if scale < 1:  # a linear warp would alias
        colours = cv2.GaussianBlur(colours, (0, 0), 0.4 / scale)
    alpha = cv2.warpAffine(shown.astype(np.float32), move, (width, height), flags=cv2.INTER_LINEAR)
    surface = cv2.warpAffine(colours, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    surface = surface * rng.uniform(0.8, 1.2)
    return np.clip(lay_over(frame, surface, alpha), 0, 255).astype(np.uint8), (alpha > 0.5).astype(np.uint8)


def lay_over(image: NDArray, surface: Image, alpha: Image) -> Image:
    """`surface` (H, W, 3) in front of an image (H, W, 3) where alpha (H, W) is 1, with a soft rim."""
    soft = cv2.GaussianBlur(alpha, (0, 0), SOFTNESS)[..., None]
    return image + soft * (surface - image)


def recompose(frame: Frame, labels: Mask, count: int, seed: int) -> Clip:
    """A clip of `count` pairs of recompositions of a frame (H, W, 3) with labels (H, W); each pair moves a little."""
    rng = np.random.default_rng((9, seed))
    background = fill_holes(frame, labels > 0)
    pairs = [image for _ in range(count) for image in _pair(rng, frame, labels, background)]
    frames, masks = zip(*pairs, strict=True)
    return Clip("first frame", frames, masks, ((),) * len(frames))


def fill_holes(frame: Frame, holes: NDArray[np.bool_]) -> Frame:
    """The frame (H, W, 3) with its holes (H, W) inpainted."""
    size = (max(1, round(frame.shape[1] * INPAINTING_HEIGHT / frame.shape[0])), INPAINTING_HEIGHT)
    grown = cv2.dilate(holes.astype(np.uint8), np.ones((9, 9), np.uint8))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    hole = (cv2.resize(grown.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    filled = cv2.resize(cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), frame.shape[1::-1])
    return np.where(grown[..., None] > 0, filled, frame)


def _pair(rng: np.random.Generator, frame: Frame, labels: Mask, background: Frame) -> list[tuple[Frame, Mask]]:
    instances = [label for label in np.unique(labels).tolist() if label]
    order = rng.permutation(instances).tolist()
    boxes = {label: mask_box(labels == label) for label in instances}
    height, width = labels.shape
    whole = (np.array([width, height]) / 2, np.array([width, height]))
    centres = {
        k: (np.array([b.x0 + b.x1, b.y0 + b.y1]) / 2, np.array([b.width, b.height])) for k, b in boxes.items() if b
    }
    motions = {k: _motion(rng, *centres[k], INSTANCE) for k in instances}
    camera = _motion(rng, *whole, BACKGROUND)
    light, lights = _light(rng), {k: _light(rng) for k in instances}
    made = []
    for step in range(2):
        image, mask = _move(_relight(background, light), camera, cv2.BORDER_REFLECT), np.zeros_like(labels)
        for k in order:
            surface = _move(_relight(frame, lights[k]), motions[k], cv2.BORDER_REPLICATE)
            alpha = _move((labels == k).astype(np.float32), motions[k], cv2.BORDER_CONSTANT)
            image = lay_over(image, surface, alpha)
            mask[alpha > 0.5] = k
        made.append(((np.clip(image, 0, 1) * 255).astype(np.uint8), mask))
        if step == 0:
            motions = {k: _then(motions[k], _motion(rng, *centres[k], STEP)) for k in instances}
            camera = _then(camera, _motion(rng, *whole, tuple(value / 4 for value in BACKGROUND)))
    return made


def _motion(rng: np.random.Generator, centre: NDArray, size: NDArray, reach: tuple[float, ...]) -> Motion:
    degrees, scale, shift = (rng.uniform(-1, 1, n) * limit for n, limit in zip((1, 1, 2), reach, strict=True))
    matrix = cv2.getRotationMatrix2D(centre.tolist(), float(degrees[0]), 1 + float(scale[0]))
    matrix[:, 2] += shift * size
    return matrix


def _then(first: Motion, second: Motion) -> Motion:
    square = np.vstack([first, [0, 0, 1]])
    return second @ square


def _move(image: Image, motion: Motion, border: int) -> Image:
    return cv2.warpAffine(image, motion, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=border)


def _light(rng: np.random.Generator) -> tuple[float, float, float]:
    return 1 + rng.uniform(-0.05, 0.05), 1 + rng.uniform(-0.3, 0.3), rng.uniform(-0.07, 0.07)


def _relight(frame: Frame, light: tuple[float, float, float]) -> Image:
    """a x^b + c of saturation and value."""
    gain, power, offset = light
    curve = np.clip(gain * (np.arange(256) / 255) ** power + offset, 0, 1) * 255
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    hsv[..., 1:] = cv2.LUT(hsv[..., 1:], curve.astype(np.uint8))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32) / 255
