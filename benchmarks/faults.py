"""Faults: damaged files, processes killed at random moments, full disks; prints the tables of docs/reliability.md.

    .venv/bin/python benchmarks/faults.py                          # all: 2,000 inputs a reader, 50 kills, each command
    .venv/bin/python benchmarks/faults.py --only files --inputs 200

Every input is a whole file with some bytes changed, drawn from its number. A reader must return, or raise what the
command line tells in one line that names the file, within five seconds of processor time.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import random
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from long import start
from PIL import Image
from safetensors.torch import load, save
from torch import nn

from vsreid_lite import journal
from vsreid_lite.commands.errors import explain
from vsreid_lite.config import Config
from vsreid_lite.datasets import mini
from vsreid_lite.datasets.davis import list_sequences, write_benchmark
from vsreid_lite.engine import Engine, _tensors
from vsreid_lite.evaluation import ablation, selection
from vsreid_lite.flow.known import read_flo, write_flo
from vsreid_lite.geometry import Box, SparseMap
from vsreid_lite.journal import Journal, MapStore, State
from vsreid_lite.networks import Networks
from vsreid_lite.networks.checkpoints import load_weights, read_checkpoint, save_weights
from vsreid_lite.networks.weight_files import Provenance
from vsreid_lite.system.files import write_json
from vsreid_lite.training import loop
from vsreid_lite.training.adaptation import ADAPTED, _packed, _resume
from vsreid_lite.training.loop import _Run, append_to_log, read_log
from vsreid_lite.training.processes import ALONE
from vsreid_lite.training.stages import STAGES, Plan
from vsreid_lite.training.stills import open_stills
from vsreid_lite.video.masks import read_first_mask, write_mask
from vsreid_lite.video.movies import first_frame, frame_rate, read_video, write_video
from vsreid_lite.video.video import Video, load_frames
from vsreid_lite.vsreid import _adapted_before

Mutation = Callable[[bytes], bytes]
SHAPE = (48, 64)
LONGEST = 5  # seconds of processor time for one input
PATIENCE = 60  # seconds until an input that takes none counts as hanging
BATCH = 250  # inputs that one process reads
SIZES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
TOKENS = [b"null", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'"', b"\0", b"\xff\xfe", b"0", b"true", b"9" * 5000]
TOKENS += [b"[" * 100_000, b",", b"\n", b"../../x", b"/", b" " * 300, b"x" * 300, b'{"a":' * 30_000]


# Damaged files


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A copy with one to three faults: bits, a cut, a run put in or left out or said twice, a huge size, a token."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at, run = chance.randrange(len(out) + 1), chance.randrange(1, 64)
        if chance.random() < 0.5:
            at = min(at, chance.randrange(64))  # headers come first
        kind = chance.randrange(8)
        if kind == 0:
            for place in range(at, min(at + chance.randrange(1, 5), len(out))):
                out[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            out[at:at] = chance.choice((bytes(run), b"\xff" * run, chance.randbytes(run)))
        elif kind == 3:
            del out[at : at + run]
        elif kind == 4:
            out[at:at] = out[at : at + run] * chance.randrange(1, 20)
        elif kind in (5, 6):
            order = chance.choice(("<", ">"))
            size = chance.choice(SIZES)
            value = struct.pack(order + ("I" if size < 1 << 32 else "Q"), size)
            out[at : at + len(value)] = value
        else:
            out[at : at + chance.randrange(0, 12)] = chance.choice(TOKENS)
    return bytes(out)


def in_png(data: bytes, mutate: Mutation, chance: random.Random) -> bytes:
    """A PNG with faults in one chunk, whose checksum is right."""
    chunks, at = [], 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    chosen = chance.randrange(len(chunks))
    chunks = [(kind, mutate(body) if i == chosen else body) for i, (kind, body) in enumerate(chunks)]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return data[:8] + b"".join(parts)


def in_zip(data: bytes, mutate: Mutation, chance: random.Random) -> bytes:
    """An archive of torch.save with faults in its pickle, or in a tensor, whose checksums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as copy:
        names = archive.namelist()
        chosen = next(n for n in names if n.endswith("data.pkl")) if chance.random() < 0.8 else chance.choice(names)
        for name in names:
            copy.writestr(name, mutate(archive.read(name)) if name == chosen else archive.read(name))
    return out.getvalue()


def in_header(data: bytes, mutate: Mutation, _: random.Random) -> bytes:
    """A safetensors file with faults in its header, whose length is right."""
    size = int.from_bytes(data[:8], "little")
    header = mutate(data[8 : 8 + size])
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def in_state(data: bytes, mutate: Mutation, chance: random.Random) -> bytes:
    """A state of the adaptation with faults as of `in_zip` in the archive that it holds."""
    state = in_zip(load(data)["state"].numpy().tobytes(), mutate, chance)
    return save({"state": torch.frombuffer(bytearray(state), dtype=torch.uint8)}, {"note": "1"})


def in_all(data: bytes, mutate: Mutation, _: random.Random) -> bytes:
    return mutate(data)


@dataclass(frozen=True)
class Reader:
    """One of the readers: how a whole file is made in a folder, which is returned, and read; where else faults go."""

    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    inside: Callable[[bytes, Mutation, random.Random], bytes] = in_all


def frame(i: int) -> np.ndarray:
    return cv2.resize(np.random.default_rng(i).integers(0, 256, (6, 8, 3), np.uint8), SHAPE[::-1])


def labels() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[8:24, 8:24], mask[30:40, 40:60] = 1, 2
    return mask


def tiny_video(name: str = "scene") -> Video:
    return Video(name, [frame(i) for i in range(3)], labels(), annotations=[labels()] * 3)


def make_flo(folder: Path) -> Path:
    write_flo(folder / "a.flo", torch.randn(2, 24, 32))
    return folder / "a.flo"


def make_png(folder: Path) -> Path:
    write_mask(folder / "a.png", labels())
    return folder / "a.png"


def make_jpegs(folder: Path) -> Path:
    for i in range(3):
        Image.fromarray(frame(i)).save(folder / f"{i}.jpg", progressive=bool(i))
    return folder / "1.jpg"


def make_video(folder: Path) -> Path:
    write_video(folder / "a.mp4", [frame(i) for i in range(12)])
    return folder / "a.mp4"


def read_movie(path: Path) -> None:
    first_frame(path), frame_rate(path)
    frames = read_video(path, cache=0)
    frames[0], frames[len(frames) - 1], frames[len(frames) // 2]


def make_checkpoint(folder: Path) -> Path:
    torch.save({"state_dict": nn.Linear(8, 8).state_dict(), "epoch": 3}, folder / "a.pth")
    return folder / "a.pth"


def make_old_checkpoint(folder: Path) -> Path:
    torch.save(nn.Linear(8, 8).state_dict(), folder / "a.pth", _use_new_zipfile_serialization=False)
    return folder / "a.pth"


def training(path: Path) -> _Run:
    return _Run(nn.Linear(8, 8), lambda _: torch.zeros(1), Plan(3, 1e-3), path, ALONE, "vsreid train")


def make_state(folder: Path) -> Path:
    training(folder / "a.state").save()
    return folder / "a.state"


def make_weights(folder: Path) -> Path:
    save_weights(
        folder / "a.safetensors", nn.Linear(8, 8), Provenance("rgb", "none", "none", 0, 0, sequences=("bear",))
    )
    return folder / "a.safetensors"


def make_log(folder: Path) -> Path:
    for step in range(50, 400, 50):
        append_to_log(folder / "a.csv", step, 1.0 / step, float(step))
    return folder / "a.csv"


def make_result(folder: Path) -> Path:
    values, shown = [0.5, 0.25, 1.0], [True, False, True]
    scores = {"J": values, "F": values, "visible": shown, "reappeared": shown}
    write_json(folder / "a.json", {"seconds": 1.5, "instances": {"bear_1": scores, "bear_2": scores}})
    return folder / "a.json"


def make_coco(folder: Path) -> Path:
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 48, "width": 64} for i in range(2)]
    square = {"segmentation": [[2, 2, 40, 2, 40, 40, 2, 40]], "area": 1444, "iscrowd": 0}
    write_json(
        folder / "annotations" / "instances_a.json",
        {"images": images, "annotations": [square | {"image_id": i} for i in range(2)]},
    )
    (folder / "a").mkdir()
    for i in range(2):
        Image.fromarray(frame(i)).save(folder / "a" / f"{i}.jpg")
    return folder / "annotations" / "instances_a.json"


def maps_in(folder: Path) -> MapStore:
    return MapStore(3, 1, SHAPE, torch.device("cpu"), 0, Journal(folder, {}))


def make_state_of_segment(folder: Path) -> Path:
    maps = maps_in(folder)
    maps._journal._begin()
    for i in range(3):
        maps[i, 0] = SparseMap(SHAPE, Box(2, 2, 30, 40), torch.rand(38, 28))
    maps._write([*maps._new], State(np.zeros((3, 1), np.int64), np.zeros((3, 1, 4), np.int64), steps=2))
    return sorted(folder.glob("maps-*"))[-1]


def read_state_of_segment(path: Path) -> None:
    maps = maps_in(path.parent)
    maps.restore()
    [maps[i, 0].dense() for i in range(3)]


def make_adapted(folder: Path) -> Path:
    return Journal(folder, {}).write(ADAPTED, nn.ModuleList([nn.Linear(8, 8)]).state_dict())


def learner(path: Path) -> SimpleNamespace:
    parts = training(path).parts
    return SimpleNamespace(network=parts["model"], optimiser=parts["optimiser"], schedule=parts["schedule"])


def make_state_of_adaptation(folder: Path) -> Path:
    return Journal(folder, {}).write(ADAPTED, {"state": _packed([learner(folder)])}, 1)


def read_adaptation(path: Path) -> None:
    """As a run does that goes on: an adapted network, or else the state of its adaptation."""
    one, journal = learner(path), Journal(path.parent, {})
    _adapted_before(one.network, 1, journal) or _resume([one], journal)


def engine_in(folder: Path) -> Engine:
    """An engine whose N_det finds both instances, and whose N_reid tells them by their places."""
    embed = SimpleNamespace(embed=lambda _, boxes: torch.tensor([(b.x0, b.y0, 1.0) for b in boxes]))
    networks = Networks(None, lambda _: [Box(8, 8, 24, 24), Box(40, 30, 60, 40)], embed)
    return Engine(tiny_video(), networks, Config(device="cpu"), None, False, False, Journal(folder, {}))


def make_candidates(folder: Path) -> Path:
    engine = engine_in(folder)
    return engine.journal.write("candidates-0", _tensors(next(engine._searches())), 2)


def read_candidates(path: Path) -> None:
    """As a run does that goes on: those of the other frames are found, and the best of all is retrieved."""
    engine = engine_in(path.parent)
    engine._retrieve(next(engine._searches()))


def make_list(folder: Path) -> Path:
    write_benchmark([tiny_video(name) for name in ("bear", "camel", "dance-jump")], folder, "val")
    return folder / "ImageSets" / "2017" / "val.txt"


READERS = {
    ".flo": Reader(make_flo, read_flo),
    "PNG mask": Reader(make_png, read_first_mask, in_png),
    "JPEG folder": Reader(make_jpegs, lambda path: load_frames(path.parent)),
    "video": Reader(make_video, read_movie),
    "checkpoint (.pth)": Reader(make_checkpoint, read_checkpoint, in_zip),
    "checkpoint (old .pth)": Reader(make_old_checkpoint, read_checkpoint),
    "state of training": Reader(make_state, lambda path: training(path).resume(), in_zip),
    "safetensors": Reader(make_weights, lambda path: load_weights(path, nn.Linear(8, 8)), in_header),
    "state of segment": Reader(make_state_of_segment, read_state_of_segment, in_header),
    "adapted network": Reader(make_adapted, read_adaptation, in_header),
    "state of adaptation": Reader(make_state_of_adaptation, read_adaptation, in_state),
    "candidates": Reader(make_candidates, read_candidates, in_header),
    "JSON of a result": Reader(make_result, ablation._read),
    "JSON of COCO": Reader(make_coco, lambda path: open_stills(path.parents[1])[0]),
    "log of a training": Reader(make_log, read_log),
    "split list": Reader(make_list, lambda path: list_sequences(path.parents[2], 2017, "val")),
}


class Outcome(NamedTuple):
    """What came of one input: "read", "refused" or what is wrong; seconds of processor time; MiB of memory at most."""

    number: int
    what: str
    seconds: float
    memory: float


def outcomes(name: str, count: int) -> Iterator[Outcome]:
    """Of `count` inputs of a reader, each read in a process that may die of it."""
    done = 0
    while done < count:
        inside, outside = os.pipe()
        gc.collect()
        if (child := os.fork()) == 0:
            gc.freeze()  # what the parent has left, such as decoders with threads, cannot be freed here
            try:
                read_some(name, done, min(done + BATCH, count), outside)
                os._exit(0)
            finally:
                os._exit(1)
        os.close(outside)
        with os.fdopen(inside) as pipe:
            while select.select([pipe], [], [], PATIENCE)[0] and (line := pipe.readline()):
                yield Outcome(*json.loads(line))
                done += 1
        os.kill(child, signal.SIGKILL)  # where it hangs; one that has ended waits to be asked
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code and done < count:
            yield Outcome(done, "hangs" if -code in (signal.SIGPROF, signal.SIGKILL) else f"dies ({code})", LONGEST, 0)
            done += 1


def read_some(name: str, first: int, end: int, outside: int) -> None:
    """Write an outcome a line."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    reader, folder = READERS[name], Path(tempfile.mkdtemp(prefix="vsreid-damaged-"))
    path = reader.make(folder)
    whole = path.read_bytes()
    for _ in range(5):
        reader.read(path)
    peak = memory()
    for number in range(first, end):
        path.write_bytes(input_of(reader, whole, f"{name} {number}"))
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        what = read_one(reader, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        one = Outcome(number, what, time.process_time() - began, memory() - peak)
        os.write(outside, f"{json.dumps(one)}\n".encode())
    shutil.rmtree(folder)


def input_of(reader: Reader, whole: bytes, seed: str) -> bytes:
    """The input of a seed: faults anywhere in the file, or where its checksums do not tell."""
    chance = random.Random(seed)
    place = reader.inside if chance.random() < 0.6 else in_all
    return place(whole, lambda data: damaged(data, chance), chance)


def read_one(reader: Reader, path: Path) -> str:
    try:
        reader.read(path)
    except (KeyboardInterrupt, Exception) as error:
        verdict = explain(error)
        if verdict is None:
            return f"{type(error).__name__}: {error}"[:300]
        named = any(str(one) in verdict[1] for one in (path, path.parent)) and len(verdict[1]) < 2000
        return "refused" if named else f"unclear: {verdict[1]}"[:300]
    return "read"


def memory() -> float:
    """The most that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def damage_files(count: int) -> list[str]:
    """The table of damaged files; the names of the readers that went wrong."""
    wrong = []
    print("| reader | inputs | read | refused with a line | other | longest, s | memory, MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in READERS:
        found = list(outcomes(name, count))
        kinds = Counter(one.what if one.what in ("read", "refused") else "other" for one in found)
        longest, most = max(one.seconds for one in found), max(one.memory for one in found)
        print(f"| {name} | {len(found)} | {kinds['read']} | {kinds['refused']} | {kinds['other']} | ", end="")
        print(f"{longest:.2f} | {most:.0f} |", flush=True)
        for one in [one for one in found if one.what not in ("read", "refused")][:20]:
            print(f"    {one.number}: {one.what}", file=sys.stderr)
        wrong += [name] if kinds["other"] else []
    return wrong


# Killed processes, and full disks


@dataclass(frozen=True)
class Run:
    """A command: its arguments, the last of which names what it writes, and what must be the same each time."""

    arguments: list[object]
    kept: str = "*"
    output: str = "out"

    def content(self, folder: Path) -> dict[str, object]:
        """What it has written below a folder; without the times that it took."""
        files = sorted(path for path in folder.rglob(self.kept) if path.is_file() and ".part" not in str(path))
        return {str(path.relative_to(folder)): timeless(path) for path in files}


def timeless(path: Path) -> object:
    if path.suffix == ".csv":
        return [line.split(",")[:2] for line in path.read_text().splitlines()]
    return without_seconds(json.loads(path.read_text())) if path.suffix == ".json" else path.read_bytes()


def without_seconds(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_seconds(one) for name, one in value.items() if name not in ("seconds", "total")}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def is_damaged(path: Path) -> bool:
    """Whether a file that has its name is no whole one."""
    try:
        if path.suffix in (".png", ".jpg"):
            Image.open(path).load()
        elif path.suffix in (".json", ".unfinished", ".ipynb"):
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            read_checkpoint(path)
        elif path.suffix == ".state":
            torch.load(path, weights_only=True)
        elif path.suffix == ".mp4":
            read_video(path)
        return False
    except Exception:
        return True


def finished_files(folder: Path) -> list[Path]:
    """The files of a run that have their names."""
    return [path for path in folder.rglob("*") if path.is_file() and ".part" not in str(path)]


def prepare(folder: Path) -> None:
    """The inputs of all commands in `folder`; and states are kept often, since the runs are short."""
    for name in PRELOADED:
        import_module(f"vsreid_lite.{name}")
    journal.EVERY, loop.CHECKPOINT_SECONDS = 0.1, 0.1
    stage = STAGES["lite-box"]
    STAGES["lite-box"] = replace(
        stage, start="lite-baseline", plan=Plan(12, 1e-4), mini=1, footage=0, batch=2, patches=(64,)
    )
    mini.mini_video = selection.mini_video = small_scene
    write_benchmark([tiny_video(name) for name in ("bear", "camel", "dog")], folder, "val")
    frames, masks = folder / "JPEGImages" / "480p", folder / "Annotations" / "480p"
    for name in ("bear", "camel"):
        shutil.copytree(frames / name, folder / "videos" / name)
        shutil.copy(masks / name / "00000.png", folder / "videos" / f"{name}.png")
    shutil.copytree(masks, folder / "predicted")
    make_log(folder)


def runs_in(folder: Path) -> dict[str, Run]:
    """A small run of each command, with the inputs that `prepare` has made."""
    frames, masks = folder / "JPEGImages" / "480p", folder / "Annotations" / "480p"
    segment = ["segment", frames / "bear", "--first-mask", masks / "bear" / "00000.png", "--set", "reid=false"]
    short = [f"adaptation.{one}" for one in ("batch=1", "patch=64", "recompositions=2")]
    adapted = [*segment, "--adapt-steps", 3, *(part for one in short for part in ("--set", one))]
    table = f"ablation --dataset davis-2017 --root {folder} --workers 1 --rows 1,2,3 --device cpu".split()
    return {
        "train": Run(["train", "lite-box", "--output"], "a.safetensors", "out/a.safetensors"),
        "segment with adaptation": Run([*adapted, "--output"], "*.png"),
        "ablation": Run([*table, "--output"], "results.json"),
        "render": Run(["render", "mini", "--count", 5, "--output"], "*.*g"),
        "segment": Run(
            [*segment, "--no-adapt", "--cutouts", folder / "out" / "c", "--coco", folder / "out" / "c.json", "--output"]
        ),
        "segment, a folder": Run(
            ["segment", folder / "videos", "--no-adapt", "--set", "reid=false", "--output"], "*.png"
        ),
        "segment, overlay": Run([*segment, "--no-adapt", "--output", folder / "masks", "--overlay"], "*", "out/a.mp4"),
        "evaluate": Run(["evaluate", masks, folder / "predicted", "--json"], "*", "out/a.json"),
        "figures": Run(["figures", "--only", "training", "--training", folder, "--output"], "*.png"),
        "choose": Run(
            ["choose", "lite", "--sequences", 1, "--workers", 1, "--table", folder / "out" / "a.csv", "--output"],
            "*",
            "out/a.safetensors",
        ),
        "notebooks": Run(["notebooks"]),
    }


# Imported before the fork, so that no run spends its time on imports.
PRELOADED = ("vsreid", "evaluation.report", "figures.table1", "training.running", "networks.loading")
KILLED = ("train", "segment with adaptation", "ablation", "render")


def small_scene(split: str, index: int) -> Video:
    """In place of a scene of mini: small, and slow enough to be killed."""
    time.sleep(0.1)
    return tiny_video(f"articulation-{index}")


def kills(times: int, names: tuple[str, ...] = KILLED) -> list[str]:
    """The table of runs that are killed at random moments until they are done; the names of those that went wrong."""
    print("| command | kills | a whole run, s | lost, s: median, most | runs done | files damaged | same result |")
    print("|---|---|---|---|---|---|---|", flush=True)
    wrong = []
    for i, name in enumerate(names):
        wanted = times // len(names) + (i < times % len(names))
        with tempfile.TemporaryDirectory(prefix="vsreid-kills-") as folder:
            prepare(Path(folder))
            line, right = kill(name, runs_in(Path(folder))[name], Path(folder), wanted)
        print(f"| {name} | {line} |", flush=True)
        wrong += [] if right else [name]
    return wrong


def kill(name: str, run: Run, folder: Path, times: int) -> tuple[str, bool]:
    chance, out, lost, done, damage = random.Random(name), folder / "out", list[float](), 0, 0
    command = [*run.arguments, folder / run.output]
    began = time.perf_counter()
    assert start(command)() == 0, name
    whole, expected, same = time.perf_counter() - began, run.content(out), True
    shutil.rmtree(out)
    while len(lost) < times or out.exists():
        started = time.time()
        code = start(command, chance.uniform(0.2, 1.0) * whole if len(lost) < times else None)()
        if code == -signal.SIGKILL:
            lost.append(time.time() - max([started, *(path.stat().st_mtime for path in finished_files(out))]))
            damage += sum(map(is_damaged, finished_files(out)))
            continue
        done, same = done + 1, same and code == 0 and run.content(out) == expected
        shutil.rmtree(out)
    median = sorted(lost)[len(lost) // 2]
    line = f"{len(lost)} | {whole:.1f} | {median:.1f}, {max(lost):.1f} | {done} | {damage} | {'yes' if same else 'no'}"
    return line, same and not damage


@contextlib.contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A file system of so many bytes at `folder`; what makes it larger. Only root may mount one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield lambda new: subprocess.run(["mount", "-o", f"remount,size={new}", folder], check=True) and None
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def disks(names: tuple[str, ...] = ()) -> list[str]:
    """The table of commands whose disk fills on the way; the names of those that went wrong."""
    print("| command | room, of kB needed | exit code, lines of error | files half written | with room, again |")
    print("|---|---|---|---|---|", flush=True)
    wrong = []
    for name in names or FILLED:
        with tempfile.TemporaryDirectory(prefix="vsreid-disks-") as folder:
            prepare(Path(folder))
            line, right = fill(name, runs_in(Path(folder))[name], Path(folder))
        print(f"| {name} | {line} |", flush=True)
        wrong += [] if right else [name]
    return wrong


def fill(name: str, run: Run, folder: Path) -> tuple[str, bool]:
    out, said = folder / "out", folder / "said"
    command = [*run.arguments, folder / run.output]
    start(command)()
    expected = run.content(out)
    pages = [-(-path.stat().st_size // 4096) for path in finished_files(out) if path.stat().st_size]
    shutil.rmtree(out)
    room = round(random.Random(name).uniform(0.3, 0.8) * sum(pages)) if sum(pages) > 1 else 0
    with disk(out, 4096 * max(room, 1)) as resize:
        if not room:  # the least that a file system can have is a page
            (out / "filler").write_bytes(bytes(4096))
        code = start(command, said=said)()
        lines = [line for line in said.read_text().replace("\r", "\n").splitlines() if "error" in line.lower()]
        clear = bool(lines) and all(line.startswith("vsreid: error: ") for line in lines) and str(out) in lines[0]
        half = sum(map(is_damaged, finished_files(out))) + len([p for p in out.rglob("*") if ".part" in p.name])
        resize(1 << 28)
        again = start(command)() == 0 and {k: v for k, v in run.content(out).items() if k in expected} == expected
    line = (
        f"{4 * room} of {4 * sum(pages)} | {code}, {len(lines)} | {half} | {'as without' if again else 'not the same'}"
    )
    if not clear:
        print(f"    {name}: {lines}", file=sys.stderr)
    return line, code == 2 and clear and not half and again


FILLED = (*KILLED, "segment", "segment, a folder", "segment, overlay", "evaluate", "figures", "choose", "notebooks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", choices=("files", "kills", "disks"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # before the first fork: threads do not survive it
    cv2.setNumThreads(1)
    tables = {"files": lambda: damage_files(options.inputs), "kills": lambda: kills(options.kills), "disks": disks}
    wrong = [one for name, make in tables.items() if options.only in (None, name) for one in make()]
    sys.exit(f"wrong: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
