"""What the networks learn from: clips of a few annotated frames, rendered or real, and where they are kept."""

from __future__ import annotations

import json
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tqdm.auto import tqdm

from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.datasets.footage import footage_scene
from vsreid_lite.datasets.mini import mini_scene
from vsreid_lite.datasets.scenes import Scene
from vsreid_lite.flow.dis import TUNED, DisFlow
from vsreid_lite.geometry import Box
from vsreid_lite.system.files import PACKAGE, code_of, fingerprint, write_bytes
from vsreid_lite.system.workers import MOST, run_jobs
from vsreid_lite.video.masks import Frame, Mask

Flow = NDArray[np.float16]

LONGEST_STEP = 3  # frames between the two of a pair
WORTH = 24  # clips that take longer to render than processes to start


@dataclass(frozen=True)
class Clip:
    """Frames (H, W, 3) of one video in pairs of neighbours (0 and 1, 2 and 3, …), and their labels (H, W).

    video: its name. strangers: for each frame the boxes of unlabelled bodies. flows: for each frame the flow (2, H, W),
    float16, towards its neighbour; by default that of `dis-tuned`, from which the shipped weights learnt. identities:
    of a label, where its instance has another name than the video and the label; instances of one name are one object.
    """

    video: str
    frames: tuple[Frame, ...]
    labels: tuple[Mask, ...]
    strangers: tuple[tuple[Box, ...], ...]
    flows: tuple[Flow, ...] = ()
    identities: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.flows:
            object.__setattr__(self, "flows", _neighbour_flows(self.frames))

    @cached_property
    def instances(self) -> tuple[int, ...]:
        """Every label of any frame."""
        return tuple(sorted(set().union(*(np.unique(labels).tolist() for labels in self.labels)) - {0}))

    def identity(self, label: int) -> str:
        """What N_reid shall tell from other instances."""
        return self.identities.get(label, f"{self.video} {label}")


class Clips(Protocol):
    """What batches are drawn from: a list of clips, or what reads each when it is asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int, /) -> Clip:
        """Clip `index`, from 0."""


class ClipStore:
    """Clips by their scenes: what one stage has asked for, the next ones need not wait for.

    Args:
        workers: Processes to render with, at most eight; the clips do not depend on them.
        quiet: Without progress bars.
        folder: Where rendered clips are kept for a run that is resumed, and for the next; None: in memory alone.
        keeps: Whether this process writes there, which only one of several that train together should.
    """

    def __init__(self, workers: int = 1, quiet: bool = False, folder: Path | None = None, keeps: bool = True) -> None:
        self.workers, self.quiet, self.folder, self.keeps = min(workers, MOST), quiet, folder, keeps
        self._scenes: dict[tuple[str, int], Clip] = {}
        self._real: dict[tuple[Path, tuple[str, ...], int], list[Clip]] = {}

    def mini(self, count: int) -> list[Clip]:
        """Of the first `count` scenes of mini-train."""
        return self._rendered("mini", mini_clip, count)

    def footage(self, count: int) -> list[Clip]:
        """Of the first `count` scenes in the style of footage."""
        return self._rendered("footage", footage_clip, count)

    def collages(self, count: int, stills: Path, stamps: Path) -> list[Clip]:
        """The first `count` collages of stills and stamps (`collage_clip`)."""
        from vsreid_lite.training.collages import STAMPS, collage_clip, stamp_files

        labels = sorted((*stills.rglob("*.png"), *stills.rglob("*.json")))
        kind = f"collage-{fingerprint((STAMPS, *stamp_files(stamps), *labels))[:8]}"
        return self._rendered(kind, partial(collage_clip, stills=stills, stamps=stamps), count)

    def real(self, root: Path, names: tuple[str, ...], each_of: int) -> list[Clip]:
        """`each_of` clips of every DAVIS 2016 sequence named."""
        key = root, names, each_of
        if key not in self._real:
            self._real[key] = real_clips(root, list(names), each_of)
        return self._real[key]

    def _rendered(self, kind: str, render: Callable[[int], Clip], count: int) -> list[Clip]:
        wanted = [index for index in range(count) if (kind, index) not in self._scenes]
        with tqdm(total=len(wanted), desc=f"clips of {kind}", mininterval=2, disable=self.quiet or not wanted) as bar:
            for index in wanted:
                clip = self._kept(kind, index)
                if clip is not None:
                    self._scenes[kind, index] = clip
                    bar.update()
            missing = [index for index in wanted if (kind, index) not in self._scenes]
            workers = self.workers if len(missing) >= WORTH else 1
            with closing(run_jobs(render, missing, workers)) as rendered:
                for index, clip in rendered:
                    self._scenes[kind, index] = clip
                    self._keep(kind, index, clip)
                    bar.update()
        return [self._scenes[kind, index] for index in range(count)]

    def _kept(self, kind: str, index: int) -> Clip | None:
        return None if self.folder is None else read_clip(_file(self.folder, kind, index), _made_by())

    def _keep(self, kind: str, index: int, clip: Clip) -> None:
        if self.folder is None or not self.keeps:
            return
        try:
            write_clip(_file(self.folder, kind, index), clip, _made_by())
        except OSError as error:
            self.keeps = False
            warnings.warn(f"{error}; clips are not kept for a run that is resumed", stacklevel=2)


def write_clip(path: Path, clip: Clip, made_by: str) -> None:
    """Keep a clip whose frames are of one size, atomically.

    Args:
        path: The file.
        clip: The clip.
        made_by: What `read_clip` must be given.

    Raises:
        OSError: The file cannot be written.
    """
    boxes = [(i, box.x0, box.y0, box.x1, box.y1) for i, found in enumerate(clip.strangers) for box in found]
    arrays: dict[str, NDArray[Any]] = {
        "frames": np.stack(clip.frames),
        "labels": np.stack(clip.labels),
        "flows": np.stack(clip.flows),
        "strangers": np.array(boxes, np.int64).reshape(-1, 5),
    }
    ordered = {name: np.ascontiguousarray(values) for name, values in arrays.items()}  # safetensors ignores strides
    names = json.dumps(dict(clip.identities))
    write_bytes(path, save(ordered, {"video": clip.video, "identities": names, "made_by": made_by}))


def read_clip(path: Path, made_by: str) -> Clip | None:
    """The clip that `write_clip` kept there; None for no such file, a truncated one, and one made by something else."""
    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata() or {}
            if header.get("made_by") != made_by:
                return None
            frames, labels, flows, boxes = (file.get_tensor(x) for x in ("frames", "labels", "flows", "strangers"))
        names = {int(label): name for label, name in json.loads(header["identities"]).items()}
    except (OSError, SafetensorError, LookupError, TypeError, ValueError):
        return None
    strangers = tuple(tuple(Box(*row[1:]) for row in boxes.tolist() if row[0] == i) for i in range(len(frames)))
    return Clip(header["video"], tuple(frames), tuple(labels), strangers, tuple(flows), names)


def mini_clips(count: int, pairs: int = 3, first: int = 0) -> list[Clip]:
    """Clips of the first `count` scenes of mini-train: `pairs` pairs of frames, one to three frames apart."""
    return [mini_clip(index, pairs) for index in range(first, first + count)]


def footage_clips(count: int, pairs: int = 3) -> list[Clip]:
    """Clips of the first `count` scenes in the style of footage, as those of `mini_clips`."""
    return [footage_clip(index, pairs) for index in range(count)]


def mini_clip(index: int, pairs: int = 3) -> Clip:
    """The clip of scene `index` of mini-train."""
    return scene_clip(f"mini-train {index}", mini_scene("train", index), (7, index), pairs)


def footage_clip(index: int, pairs: int = 3) -> Clip:
    """The clip of scene `index` in the style of footage."""
    return scene_clip(f"footage {index}", footage_scene(index), (10, index), pairs)


def scene_clip(name: str, scene: Scene, seed: tuple[int, int], pairs: int = 3) -> Clip:
    """`pairs` pairs of frames of a scene, one to three frames apart, drawn from `seed`."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(scene.frames - LONGEST_STEP, pairs, replace=False))
    rendered = [scene.render(int(t)) for time in times for t in (time, time + rng.integers(1, LONGEST_STEP + 1))]
    unlabelled, part = [], 0
    for body in scene.bodies:
        if body.label == 0 and len(body.parts) > 1:
            unlabelled.append((part, part + len(body.parts)))
        part += len(body.parts)
    strangers = tuple(
        tuple(b for lo, hi in unlabelled if (b := mask_box((r.owner >= lo) & (r.owner < hi))) and b.area > 150)
        for r in rendered
    )
    return Clip(name, tuple(r.image for r in rendered), tuple(r.labels for r in rendered), strangers)


def real_clips(root: Path, names: list[str], each: int, pairs: int = 3, height: int = 320) -> list[Clip]:
    """`each` clips of every DAVIS 2016 sequence named, at a smaller height.

    Args:
        root: A DAVIS 2016 root.
        names: The sequences.
        each: Clips of every sequence.
        pairs: Pairs of frames of a clip.
        height: Of the frames, in pixels.

    Raises:
        ValueError: A sequence has too few frames, or frames without a mask.
    """
    return [clip for name in tqdm(names, desc="reading video") for clip in _real_clips(root, name, each, pairs, height)]


def _real_clips(root: Path, name: str, count: int, pairs: int, height: int) -> Iterator[Clip]:
    sequence = load_davis(root, 2016, name)
    annotated = len(sequence.truth)
    if annotated < sequence.N or pairs + LONGEST_STEP > sequence.N:
        raise ValueError(
            f"{root}: sequence {name}: expected at least {pairs + LONGEST_STEP} frames, each with a mask, to learn "
            f"from, found {sequence.N} frames and {annotated} masks"
        )
    size = (round(sequence.shape[1] * height / sequence.shape[0]), height)
    frames = [cv2.resize(np.asarray(frame), size, interpolation=cv2.INTER_AREA) for frame in sequence.frames]
    masks = [cv2.resize(m, size, interpolation=cv2.INTER_NEAREST_EXACT) for m in sequence.truth]
    for index in range(count):
        rng = np.random.default_rng((8, index, sequence.N))
        times = np.sort(rng.choice(sequence.N - LONGEST_STEP, pairs, replace=False))
        chosen = [int(t) for time in times for t in (time, time + rng.integers(1, LONGEST_STEP + 1))]
        yield Clip(name, tuple(frames[i] for i in chosen), tuple(masks[i] for i in chosen), ((),) * len(chosen))


def _neighbour_flows(frames: tuple[Frame, ...]) -> tuple[Flow, ...]:
    estimate = DisFlow(TUNED)
    return tuple(estimate(frames, i, i ^ 1).numpy().astype(np.float16) for i in range(len(frames)))


def mask_box(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box of a mask (H, W); None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _file(folder: Path, kind: str, index: int) -> Path:
    return folder / f"{kind}-{index:03d}.safetensors"


@cache
def _made_by() -> str:
    """Changes with all code of the package, so that no clip is of an older one, and with the libraries that render."""
    code = fingerprint(code_of(PACKAGE))
    return " ".join((code, np.__version__, cv2.__version__, version("scikit-image"), platform.machine()))
