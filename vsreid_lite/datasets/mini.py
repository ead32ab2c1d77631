"""The embedded benchmark: generated sequences, each built around one challenge of video object segmentation.

Train and validation scenes come from seeds, on the fly; the test split is frozen in data/mini.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vsreid_lite.datasets.davis import read_benchmark
from vsreid_lite.datasets.scenes import Array, Body, Part, Scene, Track, backdrop, random_colour, skin
from vsreid_lite.system.files import MINI
from vsreid_lite.video.video import Video

SHAPE = (192, 320)
FRAMES = 40
SPLITS = {"train": 1, "val": 2, "test": 3}
SMALLEST = 150  # pixels of every instance that frame 0 must show


@dataclass(frozen=True)
class Challenge:
    """What a sequence is hard for. Lengths in pixels of a 192 x 320 frame, times in frames."""

    instances: int = 2
    distractors: int = 0  # unannotated bodies
    alike: bool = False  # one mean colour for every body: identity is in the pattern alone
    path: str = "wander"
    size: tuple[float, float] = (22, 32)  # torso radius
    zoom: tuple[float, float] = (0.85, 1.2)  # scale of a body over its track
    pillars: int = 0
    pan: float = 12  # reach of the camera
    shake: float = 0
    swing: float = 0.5  # of the limbs, radians
    wave: float = 1.5  # of the bodies' bending, pixels
    blur: int = 1


CHALLENGES = {
    "articulation": Challenge(instances=2, swing=1.2, path="wander"),
    "camera-motion": Challenge(instances=2, pan=70, shake=3, path="wander", blur=3),
    "crowd": Challenge(instances=4, distractors=2, path="cross", size=(20, 28)),
    "deformation": Challenge(instances=2, wave=5, path="cross"),
    "exit-and-return": Challenge(instances=2, distractors=1, path="exit"),
    "fast-motion": Challenge(instances=2, path="fast", blur=3),
    "look-alike-crossing": Challenge(instances=2, distractors=2, alike=True, path="cross"),
    "look-alike-exit": Challenge(instances=3, distractors=1, alike=True, path="exit"),
    "look-alike-pillars": Challenge(instances=2, distractors=2, alike=True, path="pillar", pillars=2),
    "occlusion": Challenge(instances=2, distractors=1, path="pillar", pillars=2),
    "scale-change": Challenge(instances=2, zoom=(0.5, 2.0), path="wander", pillars=1),
    "small-and-fast": Challenge(instances=3, size=(13, 17), path="fast", distractors=1, blur=3),
}


def mini_scene(split: str, index: int) -> Scene:
    """Scene `index` of a split ("train", "val", "test"): the challenge is index modulo twelve, the rest is drawn.

    Raises:
        ValueError: another split's name.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, found {split!r}")
    challenge = CHALLENGES[challenge_name(index)]
    for attempt in range(100):
        rng = np.random.default_rng((SPLITS[split], index, attempt))
        scene = _draw(rng, challenge)
        counts = np.bincount(scene.render(0).labels.ravel(), minlength=challenge.instances + 1)
        if counts[1 : challenge.instances + 1].min() >= SMALLEST:
            return scene
    raise RuntimeError(f"mini {split} {index}: no draw shows every instance in frame 0")


def challenge_name(index: int) -> str:
    """The challenge of scene `index`."""
    return list(CHALLENGES)[index % len(CHALLENGES)]


def mini_video(split: str, index: int) -> Video:
    """Scene `index` of a split, rendered and annotated."""
    scene = mini_scene(split, index)
    rendered = [scene.render(i) for i in range(scene.frames)]
    masks = [frame.labels for frame in rendered]
    name = challenge_name(index) if index < len(CHALLENGES) else f"{challenge_name(index)}-{index:04d}"
    return Video(
        name=name,
        frames=[frame.image for frame in rendered],
        first_mask=masks[0],
        labels=tuple(range(1, int(masks[0].max()) + 1)),
        annotations=masks,
        frame_names=[f"{i:05d}" for i in range(scene.frames)],
    )


def mini_test(root: Path | str = MINI) -> list[Video]:
    """The twelve frozen sequences of the mini test split; `mini_scene("test", i)` is the scene of sequence i.

    Raises:
        FileNotFoundError: they are not there.
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"{root}: expected the frozen mini test split, found nothing; it comes with the repository, "
            "or write it anew with `vsreid render mini --output DIR`"
        )
    return read_benchmark(root, "test")


def _draw(rng: np.random.Generator, challenge: Challenge) -> Scene:
    mean = random_colour(rng)
    bodies = []
    for order in range(challenge.instances + challenge.distractors):
        label = order + 1 if order < challenge.instances else 0
        colour = mean if challenge.alike else random_colour(rng)
        size = rng.uniform(*challenge.size)
        motion = _track(rng, challenge, order, size)
        bodies.append(make_body(rng, challenge, label, 1 + rng.random(), colour, size, motion))
    moving = len(bodies)
    bodies += [_pillar(rng, i, challenge.pillars) for i in range(challenge.pillars)]
    scene = Scene(
        shape=SHAPE,
        frames=FRAMES,
        backdrop=backdrop(rng, (int(SHAPE[0] * 1.8), int(SHAPE[1] * 1.8))),
        bodies=tuple(bodies),
        camera=_camera(rng, challenge),
        blur=challenge.blur,
        noise=rng.uniform(0.005, 0.02),
        jpeg=int(rng.integers(70, 95)),
        seed=int(rng.integers(2**31)),
    )
    lit = [replace(body, drift=_light_drift(rng, challenge)) for body in bodies[:moving]]
    return replace(scene, bodies=(*lit, *bodies[moving:]))


def _light_drift(rng: np.random.Generator, challenge: Challenge) -> Array:
    """Look-alikes stand in light of changing colour, so that no colour tells them apart for long."""
    reach = rng.uniform(0.6, 1, 3) * (0.22 if challenge.alike else 0.06)
    return np.stack([reach, rng.uniform(0.1, 0.35, 3), rng.uniform(0, 2 * np.pi, 3)], 1).astype(np.float32)


def make_body(
    rng: np.random.Generator, challenge: Challenge, label: int, depth: float, colour: Array, size: float, motion: Track
) -> Body:
    """An animal-like body: a torso of radius `size`, a head and two to five limbs."""
    torso = _part(rng, np.zeros(2), np.zeros(2), np.array([size, size * rng.uniform(0.5, 0.95)]), 0.1)
    parts = [torso]
    for _ in range(int(rng.integers(2, 6))):
        angle = rng.uniform(0, 2 * np.pi)
        joint = np.array([np.cos(angle), np.sin(angle)]) * torso.radii * 0.8
        length, width = size * rng.uniform(0.3, 0.6), size * rng.uniform(0.12, 0.26)
        limb = _part(rng, joint, np.array([length * 0.9, 0]), np.array([length, width]), challenge.swing, angle)
        parts.insert(int(rng.integers(0, 2)) * len(parts), limb)
    if rng.random() < 0.7:
        radius = size * rng.uniform(0.3, 0.5)
        joint = torso.radii * (rng.choice([-1, 1]) * 0.9, -0.4)
        parts.append(_part(rng, joint, np.zeros(2), np.array([radius, radius * rng.uniform(0.7, 1)]), 0.2))
    wave = (
        challenge.wave * rng.uniform(0.5, 1),
        0.2 / max(challenge.wave, 1),
        rng.uniform(0, np.pi),
        rng.uniform(0.1, 0.4),
    )
    if challenge.alike:
        parts = [replace(part, tint=0.0) for part in parts]
    light = np.asarray(rng.normal(0, 0.15 / size, 2), np.float32)
    return Body(label, depth, tuple(parts), skin(rng, colour), motion, wave, light)


def _part(
    rng: np.random.Generator, joint: Array, centre: Array, radii: Array, swing: float, angle: float = 0.0
) -> Part:
    return Part(
        joint=np.asarray(joint, np.float32),
        centre=np.asarray(centre, np.float32),
        radii=np.asarray(radii, np.float32),
        exponent=rng.uniform(1.8, 3.5),
        lobes=(int(rng.integers(2, 7)), rng.uniform(0, 0.12), rng.uniform(0, 2 * np.pi)),
        angle=angle,
        swing=(swing * rng.uniform(0.5, 1), rng.uniform(0.15, 0.5), rng.uniform(0, 2 * np.pi)),
        texture_offset=np.asarray(rng.uniform(0, 128, 2), np.float32),
        tint=rng.uniform(-0.15, 0.15),
    )


def _pillar(rng: np.random.Generator, order: int, count: int) -> Body:
    width = rng.uniform(26, 38) if count > 1 else rng.uniform(14, 24)
    column = _part(rng, np.zeros(2), np.zeros(2), np.array([width, SHAPE[0] * 1.2]), 0.0)
    x = SHAPE[1] * ((order + 1) / (count + 1) - 0.5) + rng.uniform(-15, 15)
    still = Track(np.zeros(1, np.float32), np.array([[x, 0, 1, rng.uniform(-0.15, 0.15)]], np.float32))
    return Body(0, rng.random() * 0.5, (column,), skin(rng, random_colour(rng)), still)


def _camera(rng: np.random.Generator, challenge: Challenge) -> Track:
    times = np.linspace(0, FRAMES - 1, 6 if not challenge.shake else FRAMES)
    slow = np.stack([np.interp(times, np.linspace(0, FRAMES - 1, 6), rng.normal(0, 0.4, 6)) for _ in range(2)], 1)
    shift = slow * challenge.pan + rng.normal(0, challenge.shake + 1e-6, (len(times), 2))
    zoom = 1 + 0.002 * challenge.pan * rng.normal(0, 0.5, (len(times), 1)) * (not challenge.shake)
    angle = rng.normal(0, 0.02, (len(times), 1)) * (not challenge.shake)
    return Track(times.astype(np.float32), np.hstack([shift, zoom, angle]).astype(np.float32))


def _track(rng: np.random.Generator, challenge: Challenge, order: int, size: float) -> Track:
    times, points = PATHS[challenge.path](rng, order, size)
    zoom = rng.uniform(*challenge.zoom, len(times))
    angle = np.cumsum(rng.normal(0, 0.25, len(times))) + rng.uniform(-0.5, 0.5)
    values = np.column_stack([points, zoom, angle])
    return Track(np.asarray(times, np.float32), values.astype(np.float32))


def _spot(rng: np.random.Generator, reach: float = 0.36) -> Array:
    return rng.uniform(-reach, reach, 2) * SHAPE[::-1]


def _wander(rng: np.random.Generator, order: int, size: float) -> tuple[Array, Array]:
    """A slow walk that stays in the middle of the frame."""
    times = np.linspace(0, FRAMES - 1, 5)
    steps = np.array([_spot(rng, 0.3), *(_spot(rng, 0.2) for _ in times[1:])])
    reach = np.array(SHAPE[::-1]) * 0.36
    return times, np.clip(np.cumsum(steps, 0), -reach, reach)


def _fast(rng: np.random.Generator, order: int, size: float) -> tuple[Array, Array]:
    times = np.arange(0.0, FRAMES + 4, 5)
    return times, np.array([_spot(rng, 0.42) for _ in times])


def _cross(rng: np.random.Generator, order: int, size: float) -> tuple[Array, Array]:
    """From one side to the other and back, through the middle at the same time as the others."""
    side = (-1) ** order
    reach = SHAPE[1] * rng.uniform(0.2, 0.32)
    times = np.array([0, 13, 20, 27, FRAMES - 1]) + np.array([0, *rng.uniform(-2, 2, 3), 0])
    x = np.array([-side * reach, 0, side * reach, 0, -side * reach]) * rng.uniform(0.8, 1, 5)
    y = SHAPE[0] * (rng.uniform(-0.28, 0.28) + rng.uniform(-0.12, 0.12, 5))
    return times, np.stack([x, y], 1)


def _exit(rng: np.random.Generator, order: int, size: float) -> tuple[Array, Array]:
    """Out of the frame between frames 10 and 15, back over any border five to ten frames later."""
    leave = rng.uniform(8, 13) + 2 * order
    back = leave + rng.uniform(11, 15)
    times = np.array([0, leave - 6, leave, back - 6, back, FRAMES + 8])
    points = np.array([_spot(rng), _spot(rng), _outside(rng, size), _outside(rng, size), _spot(rng, 0.25), _spot(rng)])
    return times, points


def _outside(rng: np.random.Generator, size: float) -> Array:
    point = _spot(rng, 0.3)
    axis, side = int(rng.random() < 0.4), rng.choice([-1, 1])
    point[axis] = side * (SHAPE[1 - axis] / 2 + 3.2 * size)
    return point


def _behind_pillars(rng: np.random.Generator, order: int, size: float) -> tuple[Array, Array]:
    """From one side of the frame to the other, slowly where the pillars are."""
    side = (-1) ** order
    thirds = np.array([-0.42, -0.19, -0.14, 0.0, 0.14, 0.19, 0.42]) * SHAPE[1] * side
    times = np.array([0, 7, 13, 20, 25, 32, FRAMES + 2]) + np.array([0, *rng.uniform(-1.5, 1.5, 6)])
    y = SHAPE[0] * (rng.uniform(-0.25, 0.25) + rng.uniform(-0.06, 0.06, 7))
    return times, np.stack([thirds, y], 1)


PATHS = {"wander": _wander, "fast": _fast, "cross": _cross, "exit": _exit, "pillar": _behind_pillars}
