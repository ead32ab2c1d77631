"""Generated scenes that look more like footage than mini's: sharp photo surfaces, no drawn outlines, larger frames.

For training only. What a network learns on mini alone does not carry over to real video: every instance has one surface
and a dark rim, so the network cuts off whatever is coloured otherwise (a rider, a dog's white legs), and a patch is a
small crop enlarged. Here an instance wears several surfaces, some of the background, and limbs are long and thin.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vsreid_lite.datasets.mini import SMALLEST, Challenge, make_body
from vsreid_lite.datasets.scenes import (
    Array,
    Body,
    Image,
    Part,
    Scene,
    Track,
    backdrop,
    paint_clutter,
    photo_crop,
    random_colour,
    skin,
)

SHAPE = (256, 448)
FRAMES = 24
TEXTURE = 224  # pixels of a surface's side
SEED = 5


def footage_scene(index: int) -> Scene:
    """Scene `index`: one to three instances and up to two strangers of torso radius 20 to 70 pixels."""
    for attempt in range(100):
        scene = _draw(np.random.default_rng((SEED, index, attempt)))
        labels = scene.render(0).labels
        if all((labels == body.label).sum() >= SMALLEST for body in scene.bodies if body.label):
            return scene
    raise RuntimeError(f"footage {index}: no draw shows every instance in frame 0")


def _draw(rng: np.random.Generator) -> Scene:
    instances = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    strangers = int(rng.integers(0, 3))
    size = rng.uniform(24, 70) if instances == 1 else rng.uniform(20, 48)
    alike = rng.random() < 0.3
    mean = random_colour(rng)
    background = _backdrop(rng)
    bodies = []
    for order in range(instances + strangers):
        colour = mean if alike else random_colour(rng)
        label = order + 1 if order < instances else 0
        bodies.append(_body(rng, label, size * rng.uniform(0.8, 1.2), colour, background))
    return Scene(
        shape=SHAPE,
        frames=FRAMES,
        backdrop=background,
        bodies=tuple(bodies),
        camera=_camera(rng),
        blur=int(rng.choice([1, 3], p=[0.7, 0.3])),
        noise=rng.uniform(0, 0.015),
        jpeg=int(rng.integers(75, 98)),
        seed=int(rng.integers(2**31)),
    )


def _body(rng: np.random.Generator, label: int, size: float, colour: Array, background: Image) -> Body:
    challenge = Challenge(swing=rng.uniform(0.2, 1.2), wave=rng.uniform(0.5, 4))
    body = make_body(rng, challenge, label, 1 + rng.random(), colour, size, _track(rng))
    parts = list(body.parts)
    if rng.random() < 0.3:  # a rider, or a load
        rider = make_body(rng, challenge, label, 1, colour, size * rng.uniform(0.4, 0.6), body.motion)
        above = np.array([rng.uniform(-0.4, 0.4), -1], np.float32) * size
        parts += [replace(part, joint=part.joint + above) for part in rider.parts]
    surfaces = [_surface(rng, colour, background)]
    surfaces += [_surface(rng, random_colour(rng), background) for _ in range(int(rng.integers(0, 4)))]
    reach = rng.uniform(0, 0.15, 3)
    return replace(
        body,
        rim=0.0 if rng.random() < 0.5 else rng.uniform(0, 0.35),
        parts=tuple(_dressed(rng, part, surfaces) for part in parts),
        surface=surfaces[0],
        drift=np.stack([reach, rng.uniform(0.05, 0.3, 3), rng.uniform(0, 2 * np.pi, 3)], 1).astype(np.float32),
    )


def _dressed(rng: np.random.Generator, part: Part, surfaces: list[Image]) -> Part:
    """A part with one of its body's surfaces; limbs get longer or thinner."""
    stretch = np.ones(2, np.float32)
    if part.centre[0] > 0:
        stretch = np.array([rng.uniform(0.8, 2), rng.uniform(0.4, 1.1)], np.float32)
    return replace(
        part,
        centre=part.centre * stretch,
        radii=part.radii * stretch,
        tint=part.tint * rng.choice([0.2, 1]),
        surface=surfaces[int(rng.integers(len(surfaces)))],
    )


def _surface(rng: np.random.Generator, colour: Array, background: Image) -> Image:
    kind = rng.random()
    if kind < 0.2:  # what the background is made of
        y, x = (int(rng.integers(side - TEXTURE)) for side in background.shape[:2])
        return background[y : y + TEXTURE, x : x + TEXTURE].copy()
    surface = (
        photo_crop(rng, (TEXTURE, TEXTURE), 0.3) if kind < 0.5 else skin(rng, np.asarray(colour, np.float32), TEXTURE)
    )
    for _ in range(int(rng.integers(0, 4))):
        paint_clutter(rng, surface)
    return surface


def _backdrop(rng: np.random.Generator) -> Image:
    shape = (int(SHAPE[0] * 1.5), int(SHAPE[1] * 1.5))
    return photo_crop(rng, shape, 0.6) if rng.random() < 0.5 else backdrop(rng, shape)


def _track(rng: np.random.Generator) -> Track:
    """A walk between three to five places; now and then over the border."""
    count = int(rng.integers(3, 6))
    reach = rng.choice([0.25, 0.42])
    spots = rng.uniform(-reach, reach, (count, 2)) * SHAPE[::-1]
    spots[1:] = spots[0] + (spots[1:] - spots[0]) * rng.uniform(0.2, 1)
    zoom = rng.uniform(0.8, 1.25, count)
    angle = np.cumsum(rng.normal(0, 0.2, count)) + rng.uniform(-0.6, 0.6)
    times = np.linspace(0, FRAMES - 1, count)
    return Track(times.astype(np.float32), np.column_stack([spots, zoom, angle]).astype(np.float32))


def _camera(rng: np.random.Generator) -> Track:
    count = 5
    shift = np.cumsum(rng.normal(0, rng.choice([1, 8, 18]), (count, 2)), 0)
    zoom = 1 + rng.normal(0, 0.02, (count, 1))
    angle = rng.normal(0, 0.015, (count, 1))
    return Track(
        np.linspace(0, FRAMES - 1, count).astype(np.float32), np.hstack([shift, zoom, angle]).astype(np.float32)
    )
