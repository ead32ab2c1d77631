"""Surfaces of the generated scenes: recoloured photos, fractal noise and regular patterns, as float32 RGB in [0, 1]."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Image = NDArray[np.float32]  # (H, W, 3), RGB in [0, 1]

# Public domain or CC0, and inside scikit-image's wheel: data/README.md has source and licence of each.
PHOTOS = (
    "astronaut",
    "camera",
    "chelsea",
    "coffee",
    "clock",
    "hubble_deep_field",
    "brick",
    "grass",
    "gravel",
    "retina",
)


@lru_cache(maxsize=len(PHOTOS))
def photo(name: str) -> Image:
    """A photo of scikit-image (H, W, 3), at most 640 px wide."""
    image = np.asarray(getattr(data, name)())
    image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]
    scale = min(1.0, 640 / image.shape[1])
    resized = cv2.resize(np.ascontiguousarray(image), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return (resized / np.float32(255)).astype(np.float32)


def fractal_noise(rng: np.random.Generator, shape: tuple[int, int], octaves: int = 5) -> NDArray[np.float32]:
    """Grey fractal noise (H, W) in [0, 1]: octaves of value noise, each half as strong as the one before."""
    total = np.zeros(shape, np.float32)
    first = int(rng.integers(2, 5))
    for octave in range(octaves):
        cells = first * 2**octave
        grid = rng.random((cells + 1, cells + 1), dtype=np.float32)
        total += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC) * np.float32(0.5**octave)
    return cv2.normalize(total, None, 0, 1, cv2.NORM_MINMAX)


def pattern(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """A grey pattern (size, size) in [0, 1]: stripes, dots, checks, rings or blotches, slightly bent."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    bend = 0.08 * (fractal_noise(rng, (size, size), 3) - 0.5)
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(6, 26)
    u = (np.cos(angle) * x + np.sin(angle) * y + bend) * frequency
    v = (-np.sin(angle) * x + np.cos(angle) * y + bend) * frequency * rng.uniform(0.5, 1.5)
    wave_u, wave_v = np.sin(2 * np.pi * u), np.sin(2 * np.pi * v)
    kind = int(rng.integers(5))
    waves = (wave_u, wave_u + wave_v - 0.7, wave_u * wave_v, np.sin(2 * np.pi * np.hypot(u - u.mean(), v - v.mean())))
    grey = waves[kind] if kind < 4 else fractal_noise(rng, (size, size), 6) - 0.5
    sharpness = rng.uniform(1.5, 8)
    return (0.5 + 0.5 * np.tanh(sharpness * grey)).astype(np.float32)


def photo_crop(rng: np.random.Generator, shape: tuple[int, int], smallest: float = 0.25) -> Image:
    """A random, flipped and turned crop (H, W, 3) of a random photo, at least `smallest` of its height high."""
    image = photo(PHOTOS[int(rng.integers(len(PHOTOS)))])
    if rng.random() < 0.5:
        image = image[:, ::-1]
    if rng.random() < 0.25:
        image = np.rot90(image, int(rng.integers(1, 4)))
    height = min(image.shape[0], image.shape[1] * shape[0] / shape[1]) * rng.uniform(smallest, 1)
    h, w = int(height), int(height * shape[1] / shape[0])
    y, x = int(rng.integers(image.shape[0] - h + 1)), int(rng.integers(image.shape[1] - w + 1))
    return cv2.resize(np.ascontiguousarray(image[y : y + h, x : x + w]), shape[::-1], interpolation=cv2.INTER_LINEAR)


def random_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """An RGB colour (3,) of moderate brightness."""
    hsv = np.array([[[rng.uniform(0, 360), rng.uniform(0.1, 0.8), rng.uniform(0.25, 0.85)]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]


def skin(rng: np.random.Generator, mean: NDArray[np.float32], size: int = 128) -> Image:
    """The surface of an instance (size, size, 3) whose mean colour is near `mean`: its identity is in the pattern."""
    if rng.random() < 0.6:
        source = photo_crop(rng, (size, size), 0.15)
        image = source @ _random_colour_mix(rng)
    else:
        grey = pattern(rng, size)[..., None]
        image = grey * random_colour(rng) + (1 - grey) * random_colour(rng)
        image = image + np.float32(0.25) * (fractal_noise(rng, (size, size), 6)[..., None] - 0.5)
    contrast = np.float32(rng.uniform(0.12, 0.24)) / max(float(image.std()), 0.02)
    return np.clip(mean + (image - image.mean((0, 1))) * contrast, 0, 1).astype(np.float32)


def _random_colour_mix(rng: np.random.Generator) -> NDArray[np.float32]:
    return (np.eye(3) * rng.uniform(0.3, 1) + rng.uniform(-0.3, 0.5, (3, 3))).astype(np.float32)


def backdrop(rng: np.random.Generator, shape: tuple[int, int]) -> Image:
    """A cluttered background (H, W, 3): a photo or coloured noise, with patches of other surfaces painted over it."""
    if rng.random() < 0.7:
        mix = np.eye(3, dtype=np.float32) if rng.random() < 0.5 else _random_colour_mix(rng)
        image = np.clip(photo_crop(rng, shape, 0.4) @ mix, 0, 1)
    else:
        grey = fractal_noise(rng, shape, 7)[..., None]
        image = grey * random_colour(rng) + (1 - grey) * random_colour(rng)
    for _ in range(int(rng.integers(0, 8))):
        paint_clutter(rng, image)
    return image.astype(np.float32)


def paint_clutter(rng: np.random.Generator, image: Image) -> None:
    """A polygon of another surface, painted over an image (H, W, 3) in place."""
    height, width = image.shape[:2]
    count = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.04, 0.2) * height * rng.uniform(0.5, 1.2, count)
    centre = rng.uniform(0, 1, 2) * (width, height)
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] * (rng.uniform(0.6, 2), 1) + centre
    alpha = np.zeros((height, width), np.float32)
    cv2.fillPoly(alpha, [points.astype(np.int32)], 1.0, lineType=cv2.LINE_AA)
    surface = cv2.resize(skin(rng, random_colour(rng)), (width, height))
    image += alpha[..., None] * (surface - image)
