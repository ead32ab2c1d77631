"""The maps P[i][k] of a run: the latest in memory, the others in files, from which a run that was killed goes on.

A file holds the maps that are new since the file before it. Some also hold the state of the run after a whole step of
the initial propagation or a whole round; a run goes on from the last of these. Files are written whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import Any
from weakref import WeakValueDictionary, finalize

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vsreid_lite.config import Config
from vsreid_lite.flow import flow_file
from vsreid_lite.geometry import Box, Shape, SparseMap
from vsreid_lite.networks.weight_files import network_files
from vsreid_lite.reidentification import Boxes, Place, Retrieval, Starts, as_row
from vsreid_lite.result import Round
from vsreid_lite.system.files import fingerprint, write_bytes, write_json, write_text
from vsreid_lite.system.workers import code_version
from vsreid_lite.video.frame_cache import Frames, checksum
from vsreid_lite.video.video import Video

EVERY = 10.0  # seconds from one state that is written to the next: what a killed run loses; a shorter run writes none
HEADER = "run.json"
OWNER = "owner.txt"  # which process writes here
FILE_BYTES = 64 << 20  # of maps in one file: writing it takes twice as much memory
FILES = (HEADER, OWNER, "maps-*.safetensors", "candidates-*.safetensors", "adapted.safetensors", ".*.part")  # of a run

Tensors = Mapping[str, Tensor]


class Journal:
    """The files of one run, in a folder of their own.

    Args:
        folder: where they lie; None: in a temporary folder, from which no run goes on.
        header: what the run is made from (`header_of`). Of other files a warning says that they will be removed; they
            are when the first one is written.
    """

    def __init__(self, folder: Path | None = None, header: Mapping[str, object] | None = None) -> None:
        self.keeps, self._folder, self._header = folder is not None, folder, header or {}
        self._first: dict[str, Tensors] = {}
        self._written = time.monotonic()
        self._owner = token_hex(8)
        self.begun = folder is not None and self._is_ours()
        if self.begun:
            write_text(self.folder / OWNER, self._owner)

    @cached_property
    def folder(self) -> Path:
        """Where the files lie; a temporary one is made when it is asked for, and goes with the run."""
        if self._folder is not None:
            return self._folder
        folder = mkdtemp(prefix="vsreid-")
        finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def _is_ours(self) -> bool:
        try:
            found = json.loads((self.folder / HEADER).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):  # nothing was begun
            return False
        if not isinstance(found, dict):  # damaged
            return False
        if changed := [name for name, value in self._header.items() if found.get(name) != value]:
            warnings.warn(f"{self.folder}: was begun with other {' and '.join(changed)}; starting anew", stacklevel=4)
        return not changed

    def due(self) -> bool:
        """Whether it is time to write a state."""
        return self.keeps and time.monotonic() - self._written >= EVERY

    @contextmanager
    def warns_if_unwritable(self) -> Iterator[None]:
        """A full disk in the body gives a warning: the run continues, but can no longer be resumed."""
        try:
            yield
        except OSError as error:
            self.keeps = False
            warnings.warn(f"{error}; a killed run will not go on from here", stacklevel=1)

    def write_first(self, name: str, tensors: Tensors) -> None:
        """Write a file before all others; where no other is written, it is not either."""
        self._first[name] = tensors
        with self.warns_if_unwritable():
            if self.keeps and self.begun:
                self._write(name, tensors)
            elif self.due():
                self._begin()

    def try_to_write(self, name: str, tensors: Tensors, note: object) -> None:
        """As `write`, but where the file cannot be written, only warn."""
        with self.warns_if_unwritable():
            self.write(name, tensors, note)

    def write(self, name: str, tensors: Tensors, note: object = None) -> Path:
        """Write a file, atomically; with a note (in JSON) it is a state. Raises OSError where it cannot be written."""
        if self.keeps and not self.begun:
            self._begin()
        path = self._write(name, tensors, note)
        if note is not None:
            self._written = time.monotonic()
        return path

    def _begin(self) -> None:
        if self._folder is not None:
            for path in [path for kind in FILES for path in self._folder.glob(kind)]:
                path.unlink()
        write_text(self.folder / OWNER, self._owner)
        for name, tensors in self._first.items():
            self._write(name, tensors)
        write_json(self.folder / HEADER, self._header)  # last: where it is, all these are
        self.begun = True

    def check_owner(self) -> None:
        """Raises ValueError where another run has taken the folder over in the meantime."""
        path = self.folder / OWNER
        if self.keeps and not (path.is_file() and path.read_bytes() == self._owner.encode()):
            raise ValueError(f"{self.folder}: another run has begun here; give each run an output folder of its own")

    def _write(self, name: str, tensors: Tensors, note: object = None) -> Path:
        self.check_owner()
        path = self.path(name)
        kept = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        write_bytes(path, save(kept, {"note": json.dumps(note)}))
        return path

    def read(self, name: str, without: str = "") -> tuple[dict[str, Tensor], Any] | None:
        """The tensors of a file, but for one, and its note; None where there is no such file, or none that is whole."""
        if not self.begun:
            return None
        try:
            with safe_open(self.path(name), "pt") as file:
                tensors = {key: file.get_tensor(key).clone() for key in file.keys() if key != without}  # noqa: SIM118
                return tensors, json.loads(file.metadata()["note"])
        except (OSError, SafetensorError, LookupError, TypeError, ValueError, RecursionError):
            return None

    def drop_from(self, file: int) -> None:
        """Remove the files of maps from number `file` on, which lie behind the last state."""
        if self.begun:
            for path in self.folder.glob("maps-*.safetensors"):
                if path.stem >= _name(file):
                    path.unlink()

    def path(self, name: str) -> Path:
        """Of a file."""
        return self.folder / f"{name}.safetensors"


@dataclass
class State:
    """Where a run is.

    Attributes:
        start: c_{i,k}, (N, K).
        boxes: Box(P_{i,k} > 0.5), (N, K, 4).
        steps: of the initial propagation that are done.
        search: which search of candidates it is at.
        rounds: those that are done.
    """

    start: Starts
    boxes: Boxes
    steps: int = 0
    search: int = 0
    rounds: list[Round] = field(default_factory=list)


class MapStore:
    """P[i, k], each a `SparseMap`, empty at first; those used least recently are in files alone.

    Args:
        N: the number of frames.
        K: the number of instances.
        shape: (H, W) of the maps.
        device: where they lie.
        max_bytes: what those in memory may take.
        journal: of the run.
    """

    def __init__(self, N: int, K: int, shape: Shape, device: torch.device, max_bytes: int, journal: Journal) -> None:
        self._N, self._K, self._empty, self._max_bytes = N, K, SparseMap.empty(shape, device), max_bytes
        self._journal, self._files, self._noted = journal, 0, 0  # files, and rounds that are in them
        self._kept: OrderedDict[Place, SparseMap] = OrderedDict()
        self._alive: WeakValueDictionary[Place, SparseMap] = WeakValueDictionary()  # also those that others hold
        self._bytes = 0
        self._new: dict[Place, None] = {}  # those that no file holds as they are
        self._filed: dict[Place, tuple[int, int, Box | None]] = {}  # file, offset in its values, box

    def __getitem__(self, place: Place) -> SparseMap:
        if place not in self._kept:
            if place not in self._filed:
                return self._empty
            held = self._alive.get(place)
            self._keep(place, self._read(*self._filed[place]) if held is None else held)
        self._kept.move_to_end(place)
        return self._kept[place]

    def __setitem__(self, place: Place, P: SparseMap) -> None:
        self._new[place] = None
        self._keep(place, P)

    def __iter__(self) -> Iterator[list[SparseMap]]:
        return map(self.of_frame, range(self._N))

    def of_frame(self, i: int) -> list[SparseMap]:
        """P[i][k] of all instances."""
        return [self[i, k] for k in range(self._K)]

    def commit(self, state: State, part: bool = False) -> None:
        """Write what is new, with the state of the run, where it is time to.

        Args:
            state: of the run.
            part: whether a part of the run is over; then it is time, unless so far nothing was written.
        """
        if self._journal.due() or (part and self._journal.begun):
            with self._journal.warns_if_unwritable():
                while len(places := self._next_file()) < len(self._new):
                    self._write(places)
                self._write(places, state)

    def restore(self) -> State | None:
        """The state that an earlier run has left; its maps are here then. None where it has left none."""
        state, filed, files, rounds = None, dict(self._filed), 0, list[Round]()
        while found := self._journal.read(_name(files), without="values"):
            tensors, note = found
            try:
                filed |= _places(tensors, files)
                if note is not None:
                    rounds = [*rounds, *_rounds(tensors["starts"], note["rounds"])]
                    state = self._checked(tensors["start"], tensors["shown"], note["steps"], note["search"], rounds)
            except (LookupError, TypeError, ValueError):  # damaged
                break
            files += 1
            if note is not None:
                self._filed, self._files, self._noted = dict(filed), files, len(rounds)
        self._journal.drop_from(self._files)
        return state

    def _checked(self, start: Tensor, boxes: Tensor, steps: object, search: object, rounds: list[Round]) -> State:
        """The state of a file. Raises ValueError where it is not one of this video."""
        shapes = [(array.dtype, array.shape) for array in (start, boxes)]
        fits = shapes == [(torch.int64, (self._N, self._K)), (torch.int64, (self._N, self._K, 4))]
        if not fits or not isinstance(steps, int) or not isinstance(search, int) or min(steps, search) < 0:
            raise ValueError("damaged")
        return State(start.numpy(), boxes.numpy(), steps, search, rounds)

    def _keep(self, place: Place, P: SparseMap) -> None:
        if place in self._kept:
            self._bytes -= self._kept[place].values.nbytes
        self._kept[place] = self._alive[place] = P
        self._kept.move_to_end(place)
        self._bytes += P.values.nbytes
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            if next(iter(self._kept)) in self._new:
                self._write(self._next_file())
            self._bytes -= self._kept.popitem(last=False)[1].values.nbytes

    def _next_file(self) -> list[Place]:
        """Of the maps that no file holds so far, those used least recently: `FILE_BYTES` bytes of them, or one."""
        new = [place for place in self._kept if place in self._new]
        ends = np.cumsum([self._kept[place].values.nbytes for place in new])
        return new[: max(1, int(np.searchsorted(ends, FILE_BYTES, "right")))]

    def _write(self, places: list[Place], state: State | None = None) -> None:
        """A file of some maps, and of a state."""
        new = {place: self._kept[place] for place in places}
        tensors = {
            "places": torch.tensor([*new], dtype=torch.int64).reshape(-1, 2),
            "boxes": torch.tensor([as_row(P.box) for P in new.values()], dtype=torch.int64).reshape(-1, 4),
            "values": torch.cat([self._empty.values.flatten(), *(P.values.flatten() for P in new.values())]),
        }
        note = None
        if state is not None:
            rounds = state.rounds[self._noted :]
            starts = np.array([round.start for round in rounds], np.int64).reshape(-1, *state.start.shape)
            arrays = {"start": state.start, "shown": state.boxes, "starts": starts}
            tensors |= {name: torch.from_numpy(array) for name, array in arrays.items()}
            note = {"steps": state.steps, "search": state.search, "rounds": [*map(_to_json, rounds)]}
        self._journal.write(_name(self._files), tensors, note)
        self._filed |= _places(tensors, self._files)
        self._files += 1
        self._noted = self._noted if state is None else len(state.rounds)
        for place in places:
            del self._new[place]

    def _read(self, file: int, offset: int, box: Box | None) -> SparseMap:
        if box is None:
            return self._empty
        self._journal.check_owner()
        path = self._journal.path(_name(file))
        try:
            with safe_open(path, "pt") as opened:
                values = opened.get_slice("values")[offset : offset + box.area].clone().reshape(box.height, box.width)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"{path}: damaged ({error}); delete {path.parent} and run again") from error
        return replace(self._empty, box=box, values=values.to(self._empty.values.device))


def header_of(video: Video, config: Config, device: torch.device) -> dict[str, object]:
    """What the result of a run depends on, each part by a name for the warning where it has changed."""
    frames = video.frames.checksums if isinstance(video.frames, Frames) else map(checksum, video.frames)
    given = [(i, checksum(mask)) for i, mask in video.given.items()]
    seen = json.dumps([video.shape, video.labels, given, *frames])
    return {
        "versions": [code_version(), torch.__version__, cv2.__version__],
        "settings": json.loads(json.dumps(asdict(replace(config, cache=None, device=str(device))))),
        "weights": fingerprint(path for path in (*network_files(config).all, flow_file(config.flow)) if path),
        "frames or masks": sha256(seen.encode()).hexdigest(),
    }


def _name(file: int) -> str:
    return f"maps-{file:06d}"


def _places(tensors: Tensors, file: int) -> dict[Place, tuple[int, int, Box | None]]:
    """Where the maps of a file are."""
    found: dict[Place, tuple[int, int, Box | None]] = {}
    offset = 0
    for (i, k), row in zip(tensors["places"].tolist(), tensors["boxes"].tolist(), strict=True):
        box = Box(*row) if row[2] else None  # a box of zeros is none
        found[i, k] = file, offset, box
        offset += 0 if box is None else box.area
    return found


def _to_json(round: Round) -> dict[str, object]:
    return {"retrieval": asdict(round.retrieval), "updated": round.updated, "seconds": round.seconds}


def _rounds(starts: Tensor, notes: list[dict[str, Any]]) -> Iterator[Round]:
    for start, note in zip(starts.numpy(), notes, strict=True):
        retrieval = note["retrieval"]
        found = Retrieval(**retrieval | {"box": Box(**retrieval["box"])})
        yield Round(found, tuple(note["updated"]), start.copy(), note["seconds"])
