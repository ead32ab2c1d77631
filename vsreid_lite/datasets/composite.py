"""The composite benchmark: real instances recomposed over another sequence, scripted to cross, hide, leave and return.

Texture and motion are real (a cut-out plays its own frames), the truth is exact. The instance that the background
sequence itself shows stays where it is, behind all others: a real distractor, never annotated, since inpainting would
leave smears that mark the place.

A script says who goes where, and when. Its path is (times, points): times (T,) as shares of the video, points (T, 3)
x, y, scale; x and y from the centre of the frame as shares of its width and height. `outside` is the |x| at which an
instance is out of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.datasets.davis import FRAMES as FRAMES_FOLDER
from vsreid_lite.datasets.davis import MASKS, davis_folders, load_davis
from vsreid_lite.datasets.mini import SMALLEST, SPLITS
from vsreid_lite.datasets.scenes import Track
from vsreid_lite.video.masks import Frame, Mask, read_mask
from vsreid_lite.video.video import Video

FRAMES = 50
HEIGHT = 240  # pixels: half of DAVIS 480p
SIZE = (58, 72)  # pixels: side of the square as large as an instance at scale 1
LARGEST_SCALE = 1.5  # of any script
SHORTEST = 15  # frames that a cut-out of the benchmark must have
ATTEMPTS = 20
MARGIN = 4  # pixels kept around a cut-out
SOFTNESS = 0.6  # of the edge, standard deviation in pixels
INSET = 0.65  # coverage at which the edge is drawn: a little inside of the annotation, whose pixels may show background
STEADY = 9  # frames: the centre of an instance is smoothed, so that only slower motion is replaced by the script
ABOVE = -1.5  # y of what is out of the frame

Array = NDArray[np.floating]  # float32 in all images
Points = NDArray[np.float64]
Way = tuple[Points, Points]  # times (T,), points (T, 3)
ScriptedPath = Callable[[np.random.Generator, int, int, float], Way]  # rng, role, number of roles, outside
Paint = Callable[[Array, Mask, int], None]  # image (H, W, 3) float32 and labels (H, W), changed in place; time


@dataclass(frozen=True)
class Script:
    """Where each instance of a composite goes.

    Attributes:
        instances: how many it is written for.
        path: the way of each role; role 0 is in front of role 1, and so on.
        remains: the share of its first area that some instance must fall to at least once (0: it leaves or is hidden).
    """

    instances: int
    path: ScriptedPath
    remains: float


def _cross(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """Through the middle, where all meet, to the other side and back."""
    angle = 2 * np.pi * role / K + rng.uniform(-0.2, 0.2)
    reach = np.array([0.32, 0.24]) * rng.uniform(0.9, 1.1)
    there = np.array([-1, 0, 1, 0, -1])[:, None] * np.array([np.cos(angle), np.sin(angle)]) * reach
    times = np.array([0, 0.28, 0.5, 0.74, 1]) + np.array([0, *rng.uniform(-0.02, 0.02, 3), 0])
    return times, _with_scale(rng, there + rng.uniform(-0.04, 0.04, (5, 2)))


def _hide(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """Role 0 stays near the middle; the others go behind it, wait there, come out on the other side, and go back."""
    times = np.array([0, 0.26, 0.44, 0.66, 0.86, 1])
    if role == 0:
        return times, np.column_stack([rng.uniform(-0.02, 0.02, (6, 2)), np.full(6, 1.5)])
    side = (-1) ** role
    x = np.array([0.36, 0, 0, -0.36, -0.02, 0.12]) * side
    y = np.array([0.12, 0, 0, -0.1, 0, 0.05]) * rng.uniform(-1, 1) + 0.02
    late = np.array([0, 0.02, 0.02, 0.02, 0.02, 0]) * (role - 1)
    return times + late, np.column_stack([x, y, np.full(6, rng.uniform(0.6, 0.7))])


def _exit(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """Role 0 leaves on one side and comes back on either; the others walk."""
    return _leave(rng, 0.34, outside) if role == 0 else _walk(rng, role)


def _turns(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """One leaves after the other, each comes back later."""
    return _leave(rng, 0.24 + 0.33 * role / max(K - 1, 1), outside)


def _swap(rng: np.random.Generator, role: int, K: int, outside: float) -> Way:
    """All leave on their own side at the same time and come back on the opposite one."""
    side = (-1) ** role
    return _away(rng, 0.36, side * np.array([0.2, 0.12]), side * outside, -side * outside, _lane(rng, role, 2))


def _leave(rng: np.random.Generator, start: float, outside: float) -> Way:
    home, lane = rng.uniform(-0.22, 0.22, (2, 2))
    leave, back = rng.choice([-outside, outside], 2)
    return _away(rng, start, home, leave, back, lane)


def _away(rng: np.random.Generator, gone: float, x: Points, leave: float, back: float, y: Points) -> Way:
    """Out of the frame at time `gone` on the side `leave`, in again about a sixth of the sequence later at `back`.

    x, y (2,): two places before it, mirrored after it if the side changes. It goes round the frame, above the image.
    """
    times = np.array([0, gone - 0.2, gone, gone + 0.04, gone + 0.12, gone + 0.16, gone + 0.36, 1.1])
    turn = np.sign(leave * back)
    xs = np.array([*x, leave, leave, back, back, *(turn * x[::-1])])
    ys = np.array([*y, y[1], ABOVE, ABOVE, y[0], *y])
    return times, _with_scale(rng, np.column_stack([xs, ys]))


def _walk(rng: np.random.Generator, role: int) -> Way:
    x = rng.uniform(0.1, 0.3, 4) * (-1) ** role * np.array([1, 1, -1, -1])
    return np.array([0, 0.3, 0.7, 1]), _with_scale(rng, np.column_stack([x, _lane(rng, role, 4)]))


def _lane(rng: np.random.Generator, role: int, steps: int) -> Points:
    return 0.12 * (-1) ** role + rng.uniform(-0.08, 0.08, steps)


def _with_scale(rng: np.random.Generator, points: Points) -> Points:
    return np.column_stack([points, rng.uniform(0.85, 1.15, len(points))])


SCRIPTS = {
    "cross": Script(2, _cross, remains=0.5),
    "hide": Script(2, _hide, remains=0.1),
    "exit": Script(2, _exit, remains=0.0),
    "crowd": Script(3, _cross, remains=0.4),
    "turns": Script(3, _turns, remains=0.0),
    "swap": Script(2, _swap, remains=0.0),
}


@dataclass(frozen=True, eq=False)
class Footage:
    """A real single-instance sequence at working size.

    Attributes:
        name: of the sequence.
        frames: (H, W, 3) each, uint8, RGB.
        coverage: (H, W) each, how much of a pixel the instance covers, 0..255.
    """

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
    """n frames of an instance, each in a tile of its own.

    Attributes:
        colours: (h, w, 3) each, float32.
        alphas: (h, w) each, in [0, 1].
        centres: (n, 2), x, y in the tile.
        reach: the farthest that the instance extends from its centre in x or y, pixels.
    """

    colours: list[Array]
    alphas: list[Array]
    centres: Array
    reach: float

    def draw(self, image: Array, labels: Mask, label: int, index: int, pose: Array) -> None:
        """Paint one frame of the instance over an image, and its label where alpha > 1/2.

        Args:
            image: (H, W, 3), float32, changed in place.
            labels: (H, W), changed in place.
            label: of the instance.
            index: the frame of the cut-out.
            pose: x, y of the centre in pixels, and scale, negative to mirror.
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

    Raises:
        FileNotFoundError: as `load_davis`.
        ValueError: as `load_davis`, and for a sequence of more than one instance.
    """
    video = load_davis(root, year, name)
    if video.K > 1:
        raise ValueError(f"sequence {name}: expected one instance to cut out, found {video.K}")
    size = (round(video.shape[1] * height / video.shape[0]), height)
    frames = [cv2.resize(np.asarray(frame), size, interpolation=cv2.INTER_AREA) for frame in video.frames]
    masks = [np.zeros(video.shape, np.uint8) if m is None else m for m in video.annotations or ()]
    coverage = [cv2.resize((m > 0).astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) for m in masks]
    return Footage(name, frames, coverage)


def cut_out(footage: Footage, size: float) -> CutOut:
    """The instance of the frames that show it whole, about as large as a square of side `size` pixels in all of them.

    Approaching and receding are levelled out (a script sets the scale), a change of shape is kept.

    Raises:
        ValueError: no frame shows the instance whole.
    """
    run = footage.whole()
    if not run:
        raise ValueError(f"sequence {footage.name}: expected frames that show its instance whole, found none")
    tiles = [tile(footage.frames[i], footage.coverage[i]) for i in run]
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


def tile(frame: Frame, coverage: Mask) -> tuple[Array, Array, tuple[int, int]]:
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


@dataclass(frozen=True, eq=False)
class CompositeVideo(Video):
    """A video with the real sequences that went into it: those of instances 1, 2, ..., then the background's."""

    sources: tuple[str, ...] = ()


def composite_videos(
    root: Path | str,
    seed: int = 0,
    split: str = "test",
    names: Sequence[str] | None = None,
    count: int = len(SCRIPTS),
    year: int = 2016,
) -> list[CompositeVideo]:
    """`count` composites of 50 frames, 240 pixels high, of the single-instance sequences of DAVIS below `root`.

    The result depends on the arguments and the sequences alone.

    Args:
        root: a DAVIS root.
        seed: another seed, other draws.
        split: "train", "val" or "test": other draws from the same sequences.
        names: the sequences to use; all of one instance when not given.
        count: the number of composites; the scripts take turns.
        year: 2016 or 2017, of the DAVIS root.

    Raises:
        FileNotFoundError: as `load_davis`.
        ValueError: another split's name, fewer than three sequences (two instances and a background), and as
            `load_davis`.
    """
    compose = Composer.of(root, seed, split, names, year)
    return [compose(index) for index in range(count)]


@dataclass(frozen=True)
class Composer:
    """Makes composite `index`, which depends on it and these alone; footage that was read is kept.

    Attributes:
        root: a DAVIS root.
        key: the number of the split, and the seed.
        names: the sequences to use.
        year: 2016 or 2017, of the DAVIS root.
    """

    root: Path | str
    key: tuple[int, int]
    names: tuple[str, ...]
    year: int

    @classmethod
    def of(
        cls, root: Path | str, seed: int = 0, split: str = "test", names: Sequence[str] | None = None, year: int = 2016
    ) -> Composer:
        """As `composite_videos`, whose arguments and errors these are."""
        if split not in SPLITS:
            raise ValueError(f"split: expected one of {', '.join(SPLITS)}, found {split!r}")
        chosen = single_instance_sequences(root, year) if names is None else sorted(set(names))
        if len(chosen) < 3:
            raise ValueError(f"{root}: expected at least 3 single-instance sequences to recompose, found {len(chosen)}")
        return cls(root, (SPLITS[split], seed), tuple(chosen), year)

    def __call__(self, index: int) -> CompositeVideo:
        script = list(SCRIPTS)[index % len(SCRIPTS)]
        video = _draw((*self.key, index), script, list(self.names), self._footage)
        return video if index < len(SCRIPTS) else replace(video, name=f"{video.name}-{index:02d}")

    @cached_property
    def _footage(self) -> Callable[[str], Footage]:
        return cache(lambda name: read_footage(self.root, name, self.year))


def composite_scene(
    rng: np.random.Generator, script: str, instances: Sequence[Footage], background: Footage, frames: int = FRAMES
) -> CompositeVideo:
    """One composite of given footage; roles and paths are drawn.

    Args:
        rng: the source of all draws.
        script: one of SCRIPTS, whatever the number of instances.
        instances: instance k is cut out of `instances[k]`.
        background: what they are drawn over.
        frames: the length of the composite.

    Raises:
        ValueError: footage never shows its instance whole, or no draw shows every instance in frame 0 and does what
            the script says.
    """
    for _ in range(ATTEMPTS):
        video = _compose(rng, script, instances, background, frames)
        if video is not None:
            return video
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


def _draw(key: tuple[int, ...], script: str, names: list[str], footage: Callable[[str], Footage]) -> CompositeVideo:
    """The first of a row of draws that follows its script."""
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng((*key, attempt))
        instances, background = _cast(rng, SCRIPTS[script].instances, names, footage)
        video = _compose(rng, script, instances, background, FRAMES)
        if video is not None:
            return video
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
) -> CompositeVideo | None:
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
    return CompositeVideo(
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
