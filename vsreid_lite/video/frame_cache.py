"""The frames of a video, read when they are needed: `Frames`, a sequence that keeps only as many as memory allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from operator import index
from threading import RLock
from typing import Protocol, overload
from zlib import crc32

import numpy as np

from vsreid_lite.system.machine import cache_share
from vsreid_lite.video.masks import Frame

LEAST = 2  # frames that are always kept: flow looks at two
LOCK = RLock()  # one thread reads at a time


class Reader(Protocol):
    """How the frames of a video are read."""

    def every(self) -> Iterable[Frame]:
        """All frames in order, which are checked on the way."""
        ...

    def reach(self, i: int, right: Callable[[int, Frame], bool]) -> Iterable[tuple[int, Frame]]:
        """Frame i with its number, after those that have to be decoded for it.

        Args:
            i: The number of the frame.
            right: Whether a frame is the one that `every` gave under this number.

        Raises:
            ValueError: The frame is another one now.
        """
        ...


class Frames(Sequence[Frame]):
    """N frames (H, W, 3), uint8, RGB. All are read and checked once, and again when one is needed that was not kept.

    The first ones are kept until the cache is full; from then on, the least recently used go first.

    Args:
        reader: How they are read.
        max_bytes: What caches may hold together, as `Config.cache`; a third of it is for frames.

    Attributes:
        checksums: CRC-32 of each frame.
    """

    def __init__(self, reader: Reader, max_bytes: int | None = None) -> None:
        self._reader, self._max_bytes = reader, cache_share(max_bytes)
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        self._bytes = 0
        self.checksums: list[int] = []
        for i, frame in enumerate(reader.every()):
            self.checksums.append(checksum(frame))
            if i < LEAST or self._bytes + frame.nbytes <= self._max_bytes:
                self._keep(i, frame)

    def __len__(self) -> int:
        return len(self.checksums)

    @overload
    def __getitem__(self, i: int) -> Frame: ...

    @overload
    def __getitem__(self, i: slice) -> list[Frame]: ...

    def __getitem__(self, i: int | slice) -> Frame | list[Frame]:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        i = range(len(self))[index(i)]  # counted from the end where it is negative
        with LOCK:
            if i not in self._kept:
                for j, frame in self._reader.reach(i, self.right):
                    self._keep(j, frame)
            self._kept.move_to_end(i)
            return self._kept[i]

    def all_kept(self) -> bool:
        """Whether no frame has to be read again."""
        return len(self._kept) == len(self)

    def right(self, i: int, frame: Frame) -> bool:
        """Whether this is frame i as it was read at first."""
        return checksum(frame) == self.checksums[i]

    def _keep(self, i: int, frame: Frame) -> None:
        if i not in self._kept:
            self._bytes += frame.nbytes
        self._kept[i] = frame
        self._kept.move_to_end(i)
        while self._bytes > self._max_bytes and len(self._kept) > LEAST:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


def checksum(frame: Frame) -> int:
    """CRC-32 of the pixels of a frame."""
    return crc32(np.ascontiguousarray(frame).data)
