"""The composite benchmark: real instances recomposed over another sequence, scripted to cross, hide, leave and return.

Texture and motion are real (a cut-out plays its own frames), the truth is exact. The instance that the background
sequence itself shows stays where it is, behind all others: a real distractor, never annotated, since inpainting would
leave smears that mark the place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from vsreid_lite.datasets.cutouts import Array, Footage, bounce, cut_out, read_footage
from vsreid_lite.datasets.davis import FRAMES as FRAMES_FOLDER
from vsreid_lite.datasets.davis import MASKS, davis_folders
from vsreid_lite.datasets.mini import SMALLEST, SPLITS
from vsreid_lite.datasets.scenes import Track
from vsreid_lite.datasets.scripts import SCRIPTS
from vsreid_lite.video.masks import Mask, read_mask
from vsreid_lite.video.video import Video

FRAMES = 50
SIZE = (58, 72)  # pixels: side of the square as large as an instance at scale 1
LARGEST_SCALE = 1.5  # of any script
SHORTEST = 15  # frames that a cut-out of the benchmark must have
ATTEMPTS = 20

Paint = Callable[[Array, Mask, int], None]  # image (H, W, 3) float32 and labels (H, W), changed in place; time


@dataclass(frozen=True, eq=False)
class CompositeSequence(Video):
    """A sequence with the real sequences that went into it: those of instances 1, 2, ..., then the background's."""

    sources: tuple[str, ...] = ()


def composite_sequences(
    root: Path | str,
    seed: int = 0,
    split: str = "test",
    names: Sequence[str] | None = None,
    count: int = len(SCRIPTS),
    year: int = 2016,
) -> list[CompositeSequence]:
    """`count` composites of 50 frames, 240 pixels high, of the single-instance sequences of DAVIS below `root`.

    The result depends on the arguments and the sequences alone. split: "train", "val" or "test" are other draws from
    the same sequences. names: the sequences to use, by default all of one instance. Raises ValueError for another
    split's name and for fewer than three sequences (two instances and a background), and as `load_davis` does.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, found {split!r}")
    chosen = single_instance_sequences(root, year) if names is None else sorted(set(names))
    if len(chosen) < 3:
        raise ValueError(f"{root}: expected at least 3 single-instance sequences to recompose, found {len(chosen)}")
    footage = cache(lambda name: read_footage(root, name, year))
    made = []
    for index in range(count):
        sequence = _draw((SPLITS[split], seed, index), list(SCRIPTS)[index % len(SCRIPTS)], chosen, footage)
        made.append(sequence if index < len(SCRIPTS) else replace(sequence, name=f"{sequence.name}-{index:02d}"))
    return made


def composite_scene(
    rng: np.random.Generator, script: str, instances: Sequence[Footage], background: Footage, frames: int = FRAMES
) -> CompositeSequence:
    """One composite of given footage: instance k comes from `instances[k]`; roles and paths are drawn from `rng`.

    script: one of SCRIPTS, whatever the number of instances. Raises ValueError for footage that never shows its
    instance whole, and when no draw shows every instance in frame 0 and does what the script says.
    """
    for _ in range(ATTEMPTS):
        sequence = _compose(rng, script, instances, background, frames)
        if sequence is not None:
            return sequence
    sources = ", ".join(footage.name for footage in instances)
    raise ValueError(f"composite {script} of {sources}: {ATTEMPTS} draws gave none that follows its script")


def single_instance_sequences(root: Path | str, year: int = 2016) -> list[str]:
    """The sequences of DAVIS below `root` whose first mask shows one instance (in 2016: all), in alphabetical order."""
    folders = davis_folders(root, year)
    found = {path.name: path for folder in folders for path in (folder / FRAMES_FOLDER).iterdir() if path.is_dir()}
    if year == 2016:
        return sorted(found)
    masks = {name: path.parents[2] / MASKS / name / "00000.png" for name, path in found.items()}
    return sorted(name for name, path in masks.items() if path.is_file() and read_mask(path).max() == 1)


def _draw(key: tuple[int, ...], script: str, names: list[str], footage: Callable[[str], Footage]) -> CompositeSequence:
    """The first of a row of draws that follows its script."""
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng((*key, attempt))
        instances, background = _cast(rng, SCRIPTS[script].instances, names, footage)
        sequence = _compose(rng, script, instances, background, FRAMES)
        if sequence is not None:
            return sequence
    raise ValueError(f"composite {script} of {', '.join(names)}: {ATTEMPTS} draws gave none that follows its script")


def _cast(
    rng: np.random.Generator, wanted: int, names: list[str], footage: Callable[[str], Footage]
) -> tuple[list[Footage], Footage]:
    """`wanted` instances that can be cut out, or as many as leave another sequence for the background, and that one."""
    order = [names[i] for i in rng.permutation(len(names))]
    instances: list[Footage] = []
    for name in order:
        if len(instances) < min(wanted, len(names) - 1) and len(footage(name).whole()) >= SHORTEST:
            instances.append(footage(name))
    if len(instances) < 2:
        raise ValueError(
            f"expected two sequences that show their instance for {SHORTEST} frames with no border cutting it, "
            f"found {len(instances)} among {', '.join(names)}"
        )
    used = {instance.name for instance in instances}
    return instances, footage(next(name for name in reversed(order) if name not in used))


def _compose(
    rng: np.random.Generator, script: str, instances: Sequence[Footage], background: Footage, frames: int
) -> CompositeSequence | None:
    """One draw, or None when it does not follow the script."""
    roles = rng.permutation(len(instances))
    actors = [
        _actor(rng, footage, k + 1, script, int(role), len(instances), background.shape, frames)
        for k, (footage, role) in enumerate(zip(instances, roles, strict=True))
    ]
    images, masks = [], []
    for time in range(frames):
        image = background.frames[bounce(time, len(background.frames))].astype(np.float32)
        labels = np.zeros(background.shape, np.uint8)
        for k in np.argsort(-roles):  # role 0 is in front
            actors[k](image, labels, time)
        images.append(np.clip(image + 0.5, 0, 255).astype(np.uint8))
        masks.append(labels)
    areas = np.array([np.bincount(m.ravel(), minlength=len(instances) + 1)[1:] for m in masks])
    lowest = (areas / np.maximum(areas[0], 1)).min()
    if areas[0].min() < SMALLEST or lowest > SCRIPTS[script].remains:
        return None
    sources = tuple(footage.name for footage in instances)
    return CompositeSequence(
        "-".join([script, *sources]), images, masks[0], annotations=masks, sources=(*sources, background.name)
    )


def _actor(
    rng: np.random.Generator,
    footage: Footage,
    label: int,
    script: str,
    role: int,
    K: int,
    shape: tuple[int, int],
    frames: int,
) -> Paint:
    """What paints one instance into a frame."""
    cut = cut_out(footage, rng.uniform(*SIZE))
    outside = 0.5 + (LARGEST_SCALE * cut.reach + 2) / shape[1]
    times, points = SCRIPTS[script].path(rng, role, K, outside)
    x, y, scale = np.asarray(points, np.float32).T
    centres = np.stack([(x + 0.5) * shape[1], (y + 0.5) * shape[0], scale], 1).astype(np.float32)
    track = Track(np.asarray(times, np.float32) * (frames - 1), centres)
    first, mirror = int(rng.integers(len(cut.alphas))), rng.choice([-1, 1])

    def paint(image: Array, labels: Mask, time: int) -> None:
        pose = track.at(time) * np.array([1, 1, mirror], np.float32)
        cut.draw(image, labels, label, bounce(first + time, len(cut.alphas)), pose)

    return paint
