"""The clips of a run of stages: each made once and kept, generated ones in several processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tqdm.auto import tqdm

from vsreid_lite.training.clips import Clip, footage_clip, mini_clip, real_clips
from vsreid_lite.workers import MOST, each

WORTH = 24  # clips that take longer to render than processes to start


class ClipStore:
    """Clips by their scenes: what one stage has asked for, the next ones need not wait for.

    workers: processes to render with, at most eight; the clips do not depend on them. quiet: without progress bars.
    """

    def __init__(self, workers: int = 1, quiet: bool = False) -> None:
        self.workers, self.quiet = min(workers, MOST), quiet
        self._scenes: dict[tuple[str, int], Clip] = {}
        self._real: dict[tuple[Path, tuple[str, ...], int], list[Clip]] = {}

    def mini(self, count: int) -> list[Clip]:
        """Of the first `count` scenes of mini-train."""
        return self._rendered("mini", mini_clip, count)

    def footage(self, count: int) -> list[Clip]:
        """Of the first `count` scenes in the style of footage."""
        return self._rendered("footage", footage_clip, count)

    def real(self, root: Path, names: tuple[str, ...], each_of: int) -> list[Clip]:
        """`each_of` clips of every DAVIS 2016 sequence named."""
        key = root, names, each_of
        if key not in self._real:
            self._real[key] = real_clips(root, list(names), each_of)
        return self._real[key]

    def _rendered(self, kind: str, render: Callable[[int], Clip], count: int) -> list[Clip]:
        missing = [index for index in range(count) if (kind, index) not in self._scenes]
        workers = self.workers if len(missing) >= WORTH else 1
        bar = tqdm(total=len(missing), desc=f"rendering {kind}", mininterval=2, disable=self.quiet or not missing)
        with bar, closing(each(render, missing, workers)) as rendered:
            for index, clip in rendered:
                self._scenes[kind, index] = clip
                bar.update()
        return [self._scenes[kind, index] for index in range(count)]
