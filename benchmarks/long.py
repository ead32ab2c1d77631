"""How time and memory of the engine grow with frames and instances, and whether a run that is killed goes on.

    .venv/bin/python benchmarks/long.py                                        # the table of docs/results.md
    .venv/bin/python benchmarks/long.py --frames 2000 --instances 3 --shape 480x854
    .venv/bin/python benchmarks/long.py --kills 20     # of `vsreid segment`, real networks on a mini scene

Frames are drawn when they are read, and their flow is known. N_mp, N_det and N_reid are stand-ins that cost next to
nothing: what is measured is all the rest. Each instance leaves the picture once and is found again.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from vsreid_lite import journal
from vsreid_lite.commands.cli import main as vsreid
from vsreid_lite.config import LITE, ReidConfig, with_propagation
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.video.frame_cache import Frames
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment

FRAMES, INSTANCES, SHAPE = (100, 200, 400, 800), (1, 3, 10), (120, 214)
AWAY = slice(5, 6)  # tenths of the video in which no instance is in sight
BRIGHT, STEP = 0.55, 0.04  # grey levels: above that of the background, and from one square to the next
CROWD = 2  # a mini scene with four instances


@dataclass(frozen=True)
class Moving:
    """Squares that go round; the frames are dark while they are away. The first pixel holds the number of the frame."""

    frames: int
    instances: int
    shape: tuple[int, int]

    def boxes(self, i: int) -> list[Box]:
        height, width = self.shape
        side, found = height // 5, []
        for k in range(self.instances):
            angle = 2 * np.pi * k / self.instances + 0.02 * i
            x = int((width - side - 1) * (0.5 + 0.49 * np.cos(angle)))
            y = int((height - side - 1) * (0.5 + 0.49 * np.sin(angle)))
            found.append(Box(x, y, x + side, y + side))
        return found

    def away(self, i: int) -> bool:
        return AWAY.start <= 10 * i // self.frames < AWAY.stop

    def draw(self, i: int) -> np.ndarray:
        texture = cv2.resize(np.random.default_rng(0).integers(60, 120, (24, 43, 3), np.uint8), self.shape[::-1])
        for k, b in enumerate(self.boxes(i)):
            texture[b.y0 : b.y1, b.x0 : b.x1] = round(255 * (BRIGHT + (k + 1) * STEP))
        if self.away(i):
            texture[:] = 0
        texture[0, 0] = np.frombuffer(i.to_bytes(3, "big"), np.uint8)
        return texture

    def every(self) -> Iterator[np.ndarray]:
        return map(self.draw, range(self.frames))

    def reach(self, i: int, _: Callable) -> Iterator[tuple[int, np.ndarray]]:
        yield i, self.draw(i)

    def __call__(self, frame: np.ndarray) -> list[Box]:
        """N_det: where the squares are, but for the frames without them."""
        i = int.from_bytes(frame[0, 0].tobytes(), "big")
        return [] if self.away(i) else self.boxes(i)

    def embed(self, frame: np.ndarray, boxes: list[Box]) -> torch.Tensor:
        """N_reid: one axis for each square."""
        places = self(frame)
        return torch.eye(self.instances)[[places.index(box) for box in boxes]]

    def predict(self, image: torch.Tensor, flow: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """N_mp: the square of the grey level that the guide covers, whole, so that no map drifts."""
        grey = image.mean(1)
        share = guide[:, 0] * (grey > BRIGHT)
        level = (share * grey).sum((1, 2), keepdim=True) / share.sum((1, 2), keepdim=True).clamp(min=1e-6)
        return ((grey > BRIGHT) & ((grey - level).abs() < STEP / 2)).float()

    def flow(self, _: object, target: int, source: int) -> torch.Tensor:
        """F: how the squares move."""
        flow = torch.zeros(2, *self.shape)
        for b, before in zip(self.boxes(target), self.boxes(source), strict=True):
            flow[0, b.y0 : b.y1, b.x0 : b.x1], flow[1, b.y0 : b.y1, b.x0 : b.x1] = before.x0 - b.x0, before.y0 - b.y0
        return flow


def run(N: int, K: int, shape: tuple[int, int], cache: int | None) -> tuple[float, float, int]:
    """Seconds of processor time in one thread, peak memory in MiB, and rounds of one video, in a process of its own."""
    inside, outside = os.pipe()
    if (child := os.fork()) == 0:
        scene = Moving(N, K, shape)
        mask = np.zeros(shape, np.uint8)
        for k, b in enumerate(scene.boxes(0)):
            mask[b.y0 : b.y1, b.x0 : b.x1] = k + 1
        config = with_propagation(replace(LITE, device="cpu", matching=ReidConfig(0.5, 0.3), cache=cache), patch=32)
        started = time.process_time()
        video = Video("moving", Frames(scene, cache), mask)
        result = segment(video, config, Networks(scene, scene, scene), scene.flow)
        seconds, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.write(outside, f"{seconds} {peak} {len(result.rounds)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(outside)
    with os.fdopen(inside) as pipe:
        seconds, peak, rounds = pipe.read().split()
    return float(seconds), float(peak), int(rounds)


def print_growth(cache: int | None) -> None:
    """Seconds and memory of every N and K, and the exponents that fit best."""
    print(f"frames of {SHAPE[1]} x {SHAPE[0]}, load {os.getloadavg()[0]:.1f}; processor time in s / peak memory in MiB")
    print("| N | " + " | ".join(f"K = {K}" for K in INSTANCES) + " |\n|---|" + "---|" * len(INSTANCES))
    found = {}
    for N in FRAMES:
        found |= {(N, K): run(N, K, SHAPE, cache) for K in INSTANCES}
        print(
            f"| {N} | " + " | ".join("{:.1f} / {:.0f}".format(*found[N, K][:2]) for K in INSTANCES) + " |", flush=True
        )
    rounds = [found[FRAMES[-1], K][2] for K in INSTANCES]
    logs = np.log([[N, K, *found[N, K][:2]] for N, K in found])
    for K in INSTANCES:
        of_K = logs[np.isclose(logs[:, 1], np.log(K))]
        slopes = [np.polyfit(of_K[:, 0], of_K[:, column], 1)[0] for column in (2, 3)]
        print(f"K = {K}: time as N^{slopes[0]:.2f}, memory as N^{slopes[1]:.2f}")
    of_N = logs[np.isclose(logs[:, 0], np.log(FRAMES[-1]))]
    print(f"N = {FRAMES[-1]}: time as K^{np.polyfit(of_N[:, 1], of_N[:, 2], 1)[0]:.2f}; rounds {rounds}")


def kill_repeatedly(times: int) -> None:
    """Kill `vsreid segment` at random moments; print how often, and whether all results are those of a whole run."""
    folder = Path(tempfile.mkdtemp(prefix="vsreid-kills-"))
    video = mini_video("val", CROWD)
    write_benchmark([replace(video, name="scene")], folder)
    parts = [folder / kind / "480p" / "scene" for kind in ("JPEGImages", "Annotations")]
    command = ["segment", parts[0], "--first-mask", parts[1] / "00000.png", "--no-adapt", "--weights", "lite"]
    command += ["--set", "matching.rho_reid=0.3", "--output"]
    journal.EVERY = 0.2
    started = time.perf_counter()
    start([*command, folder / "whole"])()
    whole, chance, found = time.perf_counter() - started, random.Random(0), []
    expected = {path.name: path.read_bytes() for path in (folder / "whole").glob("*.png")}
    kills, began, states = 0, 0, []
    while kills < times:
        wait = start([*command, folder / "out"], chance.uniform(0.1, 0.5) * whole)
        if wait() == 0:
            began += 1
            found.append({path.name: path.read_bytes() for path in (folder / "out").glob("*.png")})
            shutil.rmtree(folder / "out")
        else:
            kills += 1
            states.append(len(list((folder / "out" / ".unfinished").glob("*.safetensors"))))
    start([*command, folder / "out"])()
    found.append({path.name: path.read_bytes() for path in (folder / "out").glob("*.png")})
    print(f"{kills} kills of a run of {whole:.1f} s, files left {states}; {len(found)} finished, ", end="")
    print(f"all as the whole run: {all(one == expected for one in found)}")
    shutil.rmtree(folder)


def start(command: list, killed_after: float | None = None, said: str | Path = os.devnull) -> Callable[[], int]:
    """Start a command in a process of its own, whose output goes into the file `said`.

    Returns a function that waits for its end, or kills it after so many seconds, and returns the exit code.
    """
    gc.collect()
    if (child := os.fork()) == 0:
        gc.freeze()  # what the parent has left, such as decoders with threads, cannot be freed here
        sys.stdout = sys.stderr = open(said, "w", buffering=1)  # noqa: SIM115
        code = 70
        try:
            code = vsreid([str(part) for part in command])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def wait() -> int:
        end = None if killed_after is None else time.perf_counter() + killed_after
        while end is not None and time.perf_counter() < end:
            if (status := os.waitpid(child, os.WNOHANG))[0]:
                return os.waitstatus_to_exitcode(status[1])
            time.sleep(0.01)
        if end is not None:
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return wait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--instances", type=int, default=3)
    parser.add_argument("--shape", default="480x854")
    parser.add_argument("--cache", type=int)
    parser.add_argument("--kills", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)  # before the first fork: threads do not survive it
    cv2.setNumThreads(1)
    if options.kills:
        kill_repeatedly(options.kills)
    elif options.frames:
        height, width = map(int, options.shape.split("x"))
        seconds, peak, rounds = run(options.frames, options.instances, (height, width), options.cache)
        print(
            f"{options.frames} frames of {width} x {height}, {options.instances} instances: ",
            end="",
        )
        print(f"{seconds:.1f} s of processor time, {rounds} rounds, peak memory {peak / 1024:.2f} GiB")
    else:
        print_growth(options.cache)


if __name__ == "__main__":
    main()
