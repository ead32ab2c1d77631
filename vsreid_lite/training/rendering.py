"""The clips of a run of stages: each made once and kept, generated ones in several processes."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable
from contextlib import closing
from functools import cache
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from vsreid_lite.system.files import PACKAGE, fingerprint
from vsreid_lite.system.workers import MOST, in_processes
from vsreid_lite.training.clips import Clip, footage_clip, mini_clip, read_clip, real_clips, write_clip

WORTH = 24  # clips that take longer to render than processes to start


class ClipStore:
    """Clips by their scenes: what one stage has asked for, the next ones need not wait for.

    workers: processes to render with, at most eight; the clips do not depend on them. quiet: without progress bars.
    folder: where rendered clips are kept for a run that is resumed, and for the next; None: in memory alone. keeps:
    whether this process writes there, which only one of several that train together should.
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
            with closing(in_processes(render, missing, workers)) as rendered:
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


def _file(folder: Path, kind: str, index: int) -> Path:
    return folder / f"{kind}-{index:03d}.safetensors"


@cache
def _made_by() -> str:
    """Changes with all code of the package, so that no clip is of an older one, and with the libraries that render."""
    code = fingerprint(sorted(PACKAGE.rglob("*.py")))
    return " ".join((code, np.__version__, cv2.__version__, version("scikit-image"), platform.machine()))
