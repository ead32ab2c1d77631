"""The benchmarks behind one name each: mini, composite, davis-2016, davis-2017."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from vsreid_lite.datasets import DATASETS
from vsreid_lite.datasets.davis import (
    FRAMES,
    MASKS,
    davis_folders,
    input_files,
    list_sequences,
    load_davis,
    read_first,
    render_benchmark,
    split_lists,
)
from vsreid_lite.system.files import MINI, visible_files
from vsreid_lite.system.wording import counted
from vsreid_lite.video.frame_folders import frame_files
from vsreid_lite.video.video import Video, annotation_files

if TYPE_CHECKING:
    from vsreid_lite.datasets.composite import CompositeVideo

FEWEST_FRAMES = 3  # the first and the last do not count


@dataclass(frozen=True)
class Benchmark:
    """Which sequences are scored.

    Attributes:
        dataset: one of DATASETS.
        root: the folder of the data.
        names: of the sequences.
        split: "test", "val", "all" where there is no list of one, or "named".
        scenes: the numbers of mini's scenes, where they were rendered anew.
    """

    dataset: str
    root: Path
    names: tuple[str, ...]
    split: str = "all"
    scenes: tuple[int, ...] = ()

    def load(self, name: str) -> Video:
        """The sequence `name` with its annotations."""
        if self.dataset == "composite":
            return _composites(self.root)[name]
        return load_davis(self.root, _year(self.dataset), name)

    def sources(self, name: str) -> tuple[str, ...]:
        """The real sequences inside `name`: none for mini."""
        if self.dataset == "composite":
            return _composites(self.root)[name].sources
        return () if self.dataset == "mini" else (name,)

    def files(self, name: str) -> list[Path]:
        """The frames and masks that `name` is made from."""
        folders = davis_folders(self.root, _year(self.dataset))
        parts = [folder / part for folder in folders for part in (FRAMES, MASKS)]
        return sorted(
            file for part in parts for source in self.sources(name) or (name,) for file in _inside(part / source)
        )


def open_benchmark(
    dataset: str, root: Path | None = None, names: Sequence[str] = (), split: str | None = None
) -> Benchmark:
    """The benchmark `dataset`: the sequences named, whatever their split, or else those of its split.

    Args:
        dataset: one of DATASETS.
        root: the folder of a DAVIS data set, by default that of the environment's DAVIS_ROOT; mini's own is shipped.
            Where DAVIS has no list of a split, all its sequences are taken.
        names: of sequences.
        split: the name of the list that is scored. When not given: val, of mini test, or the only list that there is.

    Raises:
        FileNotFoundError: the root is missing or holds something else, or has no such list.
        ValueError: an unknown data set or sequence, or a sequence that cannot be scored; composites have no split.
    """
    if dataset not in DATASETS:
        raise ValueError(f"dataset: expected one of {', '.join(DATASETS)}, found {dataset!r}")
    if dataset == "composite" and split is not None:
        raise ValueError(f"--split {split}: composites have no splits; leave it out")
    root = _root(dataset, root)
    known = _known(dataset, root)
    unknown = [name or "''" for name in names if name not in known]
    if unknown:
        raise ValueError(f"{root}: no sequence {', '.join(unknown)} in {dataset}; there are {', '.join(known)}")
    split, listed = ("named", tuple(dict.fromkeys(names))) if names else _split(dataset, root, known, split)
    benchmark = Benchmark(dataset, root, listed, split)
    if dataset != "composite":
        _check_annotations(root, _year(dataset), benchmark.names)
    return benchmark


def open_scenes(scenes: range, folder: Path, names: Sequence[str] = ()) -> Benchmark:
    """Scenes of mini's test split by their numbers, rendered into `folder`: from 12 on, none was ever used.

    A scene is the same each time, so what is rendered over an earlier rendering changes nothing.

    Args:
        scenes: their numbers.
        folder: where they are written.
        names: of the sequences to keep; all when none is given.

    Raises:
        OSError: something cannot be written.
        ValueError: a name is not among the scenes.
    """
    from vsreid_lite.datasets.mini import mini_video

    rendered = render_benchmark(partial(mini_video, "test"), scenes, folder, "test", "mini test")
    benchmark = open_benchmark("mini", folder, names)
    kept = tuple(index for index, name in zip(scenes, rendered, strict=True) if name in benchmark.names)
    return replace(benchmark, split="test", scenes=kept)


def benchmark_inputs(dataset: str, root: Path | None) -> Iterator[Path]:
    """What `open_benchmark` and the sequences of the benchmark are read from, one after the other."""
    yield from input_files(_root(dataset, root), _year(dataset))


def _root(dataset: str, root: Path | None) -> Path:
    if dataset == "mini" and root is None and not MINI.is_dir():
        raise FileNotFoundError(
            f"{MINI}: expected the frozen mini test split, found nothing; it comes with the repository, or write it "
            "with `vsreid render mini --output DIR` and give --root DIR"
        )
    if dataset == "mini":
        return root or MINI
    chosen = root or os.environ.get("DAVIS_ROOT")
    if not chosen:
        raise ValueError(f"--dataset {dataset} needs --root, the folder that holds JPEGImages and Annotations")
    return Path(chosen)


def _year(dataset: str) -> int:
    return 2016 if dataset in ("composite", "davis-2016") else 2017


def _known(dataset: str, root: Path) -> list[str]:
    """Every sequence that is there."""
    if dataset == "composite":
        return list(_composites(root))
    folders = davis_folders(root, _year(dataset))
    return sorted({path.name for folder in folders for path in _inside(folder / FRAMES) if path.is_dir()})


def _split(dataset: str, root: Path, known: list[str], split: str | None) -> tuple[str, tuple[str, ...]]:
    """The split that is scored, and its sequences."""
    if dataset == "composite":
        return "all", tuple(known)
    year = _year(dataset)
    if split is None:
        if not any((folder / "ImageSets").is_dir() for folder in davis_folders(root, year)):
            warnings.warn(
                f"{root}: expected ImageSets with a list of a split, found none; all sequences count", stacklevel=2
            )
            return "all", tuple(known)
        split, there = "test" if dataset == "mini" else "val", split_lists(root, year)
        if split not in there and len(there) == 1:
            split = next(iter(there))
    return split, tuple(list_sequences(root, year, split))


def _check_annotations(root: Path, year: int, names: Sequence[str]) -> None:
    """Before a long run: whether each sequence has a first mask and enough true masks; says which have not all."""
    sparse = {}
    for name in names:
        folder = next(folder for folder in davis_folders(root, year) if (folder / FRAMES / name).is_dir())
        frames, masks = frame_files(folder / FRAMES / name), folder / MASKS / name
        paths = annotation_files(masks, [frame.stem for frame in frames])
        annotated = [path is not None for path in paths]
        read_first(paths[0] or masks / f"{frames[0].stem}.png", year)
        if sum(annotated) < FEWEST_FRAMES:
            raise ValueError(
                f"{masks}: expected true masks of at least {FEWEST_FRAMES} frames, as the first and last do not count, "
                f"found {sum(annotated)}; without the truth a sequence can be segmented (`vsreid segment`), but not "
                "scored"
            )
        if not all(annotated):
            sparse[name] = f"{name} {sum(annotated)} of {len(frames)}"
    if sparse:
        warnings.warn(
            f"{root}: {counted(len(sparse), 'sequence')} with true masks for some frames only, which are those that "
            f"count: {', '.join([*sparse.values()][:5])}{', ...' if len(sparse) > 5 else ''}",
            stacklevel=3,
        )


def _inside(folder: Path) -> list[Path]:
    return visible_files(folder) if folder.is_dir() else []


@lru_cache(maxsize=1)
def _composites(root: Path) -> dict[str, CompositeVideo]:
    from vsreid_lite.datasets.composite import composite_videos

    return {video.name: video for video in composite_videos(root)}
