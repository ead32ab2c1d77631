"""`vsreid segment` for a folder of videos: finished ones are skipped, failed ones stop no other."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vsreid_lite import __version__
from vsreid_lite.commands.errors import INTERRUPTED, explain
from vsreid_lite.config import Config
from vsreid_lite.system.cluster import open_workers
from vsreid_lite.system.files import fingerprint, visible_files, write_text
from vsreid_lite.system.wording import counted
from vsreid_lite.system.workers import Workers, recorded, run_jobs

EXTRAS = ("overlay", "json", "coco", "cutouts")  # options whose paths lie in each result folder
FINISHED = ".finished"  # in a result folder that is complete: the key of what it was made from


def segment_folder(
    options: argparse.Namespace, config: Config, read: Sequence[Path], segment: Callable[[argparse.Namespace], bool]
) -> None:
    """Segment each video of a folder, with the mask NAME.png beside it, into the folder NAME below the output.

    Args:
        options: of `vsreid segment`, without a first mask.
        config: what they say, for the key of a result.
        read: the files of weights and flow that it reads.
        segment: what segments one video, by options of its own; False where it has not adapted with all steps.

    Raises:
        ValueError: videos and masks do not pair, before anything is written; or some videos failed, after all others.
    """
    from vsreid_lite.video.frame_folders import videos_with_masks
    from vsreid_lite.video.outputs import check_coco, check_outputs, check_video

    if Path(config.flow).is_dir():
        raise ValueError(f"--flow {config.flow}: a folder holds the flow of one video; segment each by itself")
    if options.overlay:
        check_video(options.overlay)
    if options.coco:
        check_coco(options.coco)
    pairs = videos_with_masks(options.input, options.output)
    check_outputs([], options.output, [options.input, *(path for pair in pairs for path in pair)])
    every = [_of_one(options, video, mask) for video, mask in pairs][options.shard or slice(None)]
    with open_workers(options.workers, options.scheduler, 1) as workers:
        failed = list(_segment_each(every, _Job(config, tuple(read), segment, quiet=workers != 1), workers))
    if failed:
        count = f"{len(failed)} of {counted(len(every), 'video')}"
        raise ValueError(f"{options.input}: {count} failed, see above: {', '.join(failed)}; run again when mended")


class _Done(NamedTuple):
    """What came of one video.

    Attributes:
        said: what was printed, where that was not seen.
        key: of a result that is new.
        error: in one line.
    """

    said: str
    key: str = ""
    error: str = ""


@dataclass(frozen=True)
class _Job:
    """Segments one video by its options, unless that is finished. A job writes below the output folder of its video.

    Attributes:
        config: of all.
        read: the files that all read.
        segment: as `segment_folder` takes it.
        quiet: whether what is printed is returned, without bars: several write to one terminal.
    """

    config: Config
    read: tuple[Path, ...]
    segment: Callable[[argparse.Namespace], bool]
    quiet: bool

    def __call__(self, one: argparse.Namespace) -> _Done:
        said = io.StringIO()
        with redirect_stdout(said) if self.quiet else nullcontext():
            try:
                key, error = self._made(argparse.Namespace(**{**vars(one), "quiet": self.quiet})), ""
            except Exception as raised:
                verdict = explain(raised)
                if verdict is None or verdict[0] == INTERRUPTED:
                    raise
                key, error = "", verdict[1]
        return _Done(said.getvalue(), key, error)

    def live(self, one: argparse.Namespace) -> tuple[_Done, list[str]]:
        """As `recorded` has it, where all was said when it happened."""
        return self(one), []

    def _made(self, one: argparse.Namespace) -> str:
        key = _key(one, self.config, self.read)
        if _is_finished(one, key):
            print(f"{one.input.name}: finished before: {one.output}")
            return ""
        (one.output / FINISHED).unlink(missing_ok=True)
        if self.segment(one):
            return key
        print(f"{one.input.name}: adaptation was stopped; the same command makes this result again")
        return ""


def _segment_each(every: Sequence[argparse.Namespace], job: _Job, workers: Workers) -> Iterator[str]:
    """Segment what is not finished; the names of those that fail, whose errors are printed."""
    with closing(
        run_jobs(partial(recorded, job) if job.quiet else job.live, every, workers, lambda one: one.input.name)
    ) as jobs:
        for one, (done, texts) in jobs:
            print(done.said, end="", flush=True)
            for text in texts:
                warnings.warn(text, stacklevel=1)
            if done.key:
                write_text(one.output / FINISHED, done.key)
            if done.error:
                print(f"vsreid: {done.error}", file=sys.stderr)
                yield one.input.name


def _of_one(options: argparse.Namespace, video: Path, mask: Path) -> argparse.Namespace:
    """The options of one video."""
    output = options.output / mask.stem
    given = {name: path for name in EXTRAS if (path := getattr(options, name)) is not None}
    for name, path in given.items():
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"--{name} {path}: expected a name inside each result folder, as {path.name}")
    extras = {name: output / path for name, path in given.items()}
    return argparse.Namespace(**{**vars(options), "input": video, "first_mask": mask, "output": output, **extras})


def _is_finished(one: argparse.Namespace, key: str) -> bool:
    """Whether a result folder is that of the key, and what was asked for is still there."""
    finished = one.output / FINISHED
    asked = [path for name in EXTRAS if (path := getattr(one, name)) is not None]
    there = any(one.output.glob("*.png")) and all(path.exists() for path in asked)
    return there and finished.is_file() and finished.read_bytes() == key.encode()


def _key(one: argparse.Namespace, config: Config, read: Sequence[Path]) -> str:
    """Changes with everything that the result of one video depends on."""
    frames = visible_files(one.input) if one.input.is_dir() else [one.input]
    content = fingerprint(path for path in (*frames, one.first_mask, *read) if path.is_file())
    extras = [str(getattr(one, name)) for name in EXTRAS]
    made = json.dumps([__version__, asdict(replace(config, cache=None)), one.year, extras, content])
    return hashlib.sha256(made.encode()).hexdigest()
