"""A layered renderer of articulated, textured, deforming instances, with exact masks and exact flow.

Every surface point has a canonical position u on its part; a part's forward map takes u to the frame at any time, and
its inverse takes a pixel back. So the flow of a pixel of frame j towards frame i is forward_i(inverse_j(x)) - x,
whatever hides the point there. Surfaces are recoloured photos, fractal noise and regular patterns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Array = NDArray[np.floating[Any]]
Image = NDArray[np.float32]  # (H, W, 3), RGB in [0, 1]
BACKGROUND = -1
INVERSE_STEPS = 12  # fixed-point steps of the inverse deformation: it contracts by at least 0.3 a step
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


@dataclass(frozen=True)
class Track:
    """Values (T, D) at `times` (T,), interpolated linearly in time and smoothed at the key frames."""

    times: Array
    values: Array

    def at(self, time: float) -> Array:
        """The value (D,) at a frame time, which may lie between frames."""
        smooth = np.array([-0.75, -0.25, 0.25, 0.75]) + time
        columns = [np.interp(smooth, self.times, column).mean() for column in self.values.T]
        return np.asarray(columns, np.float32)


@dataclass(frozen=True)
class Part:
    """A limb: a lobed superellipse that swings about its joint. Lengths in canonical pixels of the body."""

    joint: Array  # (2,) in body coordinates
    centre: Array  # (2,) of the superellipse, seen from the joint
    radii: Array  # (2,)
    exponent: float
    lobes: tuple[int, float, float]  # number, depth, phase
    angle: float
    swing: tuple[float, float, float]  # amplitude in radians, radians a frame, phase
    texture_offset: Array  # (2,)
    tint: float
    surface: Image | None = None  # its own, instead of the body's

    def turn(self, time: float) -> Array:
        """The rotation (2, 2) of the limb at `time`."""
        amplitude, speed, phase = self.swing
        angle = self.angle + amplitude * np.sin(speed * time + phase)
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)

    def inside(self, u: Array) -> Array:
        """Approximate signed distance (…,) to the outline in canonical pixels, positive inside, of points u (…, 2)."""
        x, y = np.moveaxis((u - self.centre) / self.radii, -1, 0)
        radius = (np.abs(x) ** self.exponent + np.abs(y) ** self.exponent) ** (1 / self.exponent)
        number, depth, phase = self.lobes
        outline = 1 + depth * np.sin(number * np.arctan2(y, x) + phase) if depth else 1.0
        return (outline - radius) * self.radii.min()


@dataclass(frozen=True)
class Body:
    """An instance, a distractor or an occluder (the last two with label 0): parts that share a surface and a motion."""

    label: int
    depth: float  # smaller is nearer to the camera
    parts: tuple[Part, ...]
    surface: Image
    motion: Track  # x, y, scale, angle (radians) in world coordinates
    wave: tuple[float, float, float, float] = (0.0,) * 4  # amplitude px, radians a px, direction, radians a frame
    light: Array = field(default_factory=lambda: np.zeros(2, np.float32))
    drift: Array = field(default_factory=lambda: np.zeros((3, 3), np.float32))  # of RGB: reach, radians a frame, phase
    rim: float = 0.35  # how much darker the outline is than the middle

    def deform(self, v: Array, time: float) -> Array:
        """The bending (…, 2) that is added to body coordinates v (…, 2)."""
        amplitude, number, direction, speed = self.wave
        along = np.array([np.cos(direction), np.sin(direction)], np.float32)
        across = np.array([-along[1], along[0]], np.float32)
        first = np.sin(number * (v @ along) + speed * time)[..., None] * across
        second = np.sin(0.7 * number * (v @ across) + 1.3 * speed * time)[..., None] * along
        return (amplitude * (first + np.float32(0.5) * second)).astype(np.float32)

    def unbend(self, bent: Array, time: float) -> Array:
        """Body coordinates v (…, 2) with v + deform(v) = `bent`."""
        if not self.wave[0]:
            return bent
        v = bent
        for _ in range(INVERSE_STEPS):
            v = bent - self.deform(v, time)
        return v

    def gain(self, time: float) -> Array:
        """The factors (3,) on the body's colour at `time`: the light on it changes slowly."""
        reach, speed, phase = self.drift.T
        return (1 + reach * np.sin(speed * time + phase)).astype(np.float32)

    def radius(self) -> float:
        """A circle about the body's origin that holds every part at every time, in canonical pixels."""
        reach = [np.hypot(*p.joint) + np.hypot(*p.centre) + p.radii.max() * (1 + p.lobes[1]) * 1.2 for p in self.parts]
        return float(max(reach)) + 2 * self.wave[0]


@dataclass(frozen=True)
class Rendered:
    """One frame: image uint8 (H, W, 3), labels uint8 (H, W), and the part that owns each pixel, int16 (H, W)."""

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    owner: NDArray[np.int16]


@dataclass(frozen=True)
class Scene:
    """A video that can be rendered at any time: `render(t)` and `flow(target, source)` agree exactly."""

    shape: tuple[int, int]
    frames: int
    backdrop: Image  # centred on the world's origin
    bodies: tuple[Body, ...]
    camera: Track  # x, y, zoom, angle
    blur: int = 1  # sub-frames averaged over half a frame time: motion blur
    noise: float = 0.01
    jpeg: int = 0  # quality, 0 for none
    seed: int = 0

    def render(self, index: int) -> Rendered:
        """Frame `index`; its labels are those at the exact frame time, whatever the blur."""
        image, owner = self._paint(float(index))
        if self.blur > 1:
            offsets = [t for t in np.linspace(-0.25, 0.25, self.blur) if t]
            image = np.mean([image, *(self._paint(index + t)[0] for t in offsets)], axis=0)
        bodies = np.array([0, *(body.label for body in self.bodies for _ in body.parts)], np.uint8)
        return Rendered(self._expose(image, index), bodies[owner + 1], owner)

    def flow(self, target: int, source: int) -> Array:
        """Exact flow (2, H, W) in pixels: where each pixel of frame `target` was in frame `source`."""
        owner = self._paint(float(target), colours=False)[1]
        pixels = _pixel_grid(0, 0, self.shape[1], self.shape[0])
        matrix, shift = self._camera_step(target, source)
        where = pixels @ matrix.T + shift
        part = 0
        for body in self.bodies:
            for limb in body.parts:
                own = owner == part
                if own.any():
                    u = self._to_part(body, limb, pixels[own], target)
                    where[own] = self._from_part(body, limb, u, source)
                part += 1
        return np.ascontiguousarray(np.moveaxis(where - pixels, -1, 0), np.float32)

    def _camera_step(self, target: float, source: float) -> tuple[Array, Array]:
        to, shift = _affine(self.camera.at(target), self.shape)
        back, back_shift = _affine(self.camera.at(source), self.shape)
        matrix = back @ np.linalg.inv(to)
        return matrix, back_shift - matrix @ shift

    def _placement(self, body: Body, time: float) -> tuple[Array, Array]:
        camera, camera_shift = _affine(self.camera.at(time), self.shape)
        x, y, scale, angle = body.motion.at(time)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32) * scale
        return camera @ turn, camera @ np.array([x, y], np.float32) + camera_shift

    def _to_body(self, body: Body, pixels: Array, time: float) -> Array:
        matrix, shift = self._placement(body, time)
        return body.unbend((pixels - shift) @ np.linalg.inv(matrix).T.astype(np.float32), time)

    def _to_part(self, body: Body, part: Part, pixels: Array, time: float) -> Array:
        return (self._to_body(body, pixels, time) - part.joint) @ part.turn(time)

    def _from_part(self, body: Body, part: Part, u: Array, time: float) -> Array:
        v = u @ part.turn(time).T + part.joint
        matrix, shift = self._placement(body, time)
        return (v + body.deform(v, time)) @ matrix.T + shift

    def _paint(self, time: float, colours: bool = True) -> tuple[Image, NDArray[np.int16]]:
        height, width = self.shape
        image = self._paint_backdrop(time) if colours else np.zeros((height, width, 3), np.float32)
        owner = np.full(self.shape, BACKGROUND, np.int16)
        starts = np.cumsum([0, *(len(body.parts) for body in self.bodies)])
        for index in sorted(range(len(self.bodies)), key=lambda i: -self.bodies[i].depth):
            self._paint_body(self.bodies[index], time, int(starts[index]), image, owner, colours)
        return image, owner

    def _paint_backdrop(self, time: float) -> Image:
        matrix, shift = _affine(self.camera.at(time), self.shape)
        centre = np.array(self.backdrop.shape[1::-1], np.float32) / 2
        inverse = np.linalg.inv(matrix)
        to_canvas = np.hstack([inverse, (centre - inverse @ shift)[:, None]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(self.backdrop, to_canvas, self.shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)

    def _paint_body(
        self, body: Body, time: float, first: int, image: Image, owner: NDArray[np.int16], colours: bool
    ) -> None:
        matrix, shift = self._placement(body, time)
        reach = body.radius() * float(np.sqrt(abs(np.linalg.det(matrix))))
        x0, y0 = np.maximum(np.floor(shift - reach).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(shift + reach).astype(int) + 1, self.shape[::-1])
        if x0 >= x1 or y0 >= y1:
            return
        v = self._to_body(body, _pixel_grid(x0, y0, x1, y1), time)
        window, owned = image[y0:y1, x0:x1], owner[y0:y1, x0:x1]
        gain = body.gain(time)
        for offset, part in enumerate(body.parts):
            u = (v - part.joint) @ part.turn(time)
            distance = part.inside(u) * np.float32(np.sqrt(abs(np.linalg.det(matrix))))
            owned[distance > 0] = first + offset
            if colours:
                alpha = np.clip(distance + 0.5, 0, 1)[..., None]
                window += alpha * (_shade(body, part, u, v, distance) * gain - window)

    def _expose(self, image: Image, index: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng((self.seed, index))
        noisy = image + rng.standard_normal(image.shape, np.float32) * np.float32(self.noise)
        exposed = (np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8)
        if not self.jpeg:
            return exposed
        _, encoded = cv2.imencode(".jpg", exposed[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
        return np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])


def _shade(body: Body, part: Part, u: Array, v: Array, distance: Array) -> Image:
    where = (u + part.texture_offset).astype(np.float32)
    surface = body.surface if part.surface is None else part.surface
    size = surface.shape[0]
    where = np.abs((where + size) % (2 * size) - size) * np.float32((size - 1) / size)  # mirrored tiles
    colour = cv2.remap(surface, where[..., 0], where[..., 1], cv2.INTER_LINEAR)
    rounding = 1 - np.float32(body.rim) * np.exp(-np.maximum(distance, 0) / np.float32(3))
    light = np.clip(1 + part.tint + v @ body.light, 0.4, 1.6) * rounding
    return colour * light[..., None].astype(np.float32)


def _affine(values: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    """The camera's map of the world to the frame: rotation and zoom (2, 2), shift (2,)."""
    x, y, zoom, angle = values
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32) * zoom
    return matrix, np.array([shape[1] / 2, shape[0] / 2], np.float32) - matrix @ np.array([x, y], np.float32)


def _pixel_grid(x0: int, y0: int, x1: int, y1: int) -> Array:
    x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    return np.stack([x, y], -1)


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
