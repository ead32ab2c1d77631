"""Speed at 480 x 854: the initial propagation with DIS, online adaptation; and the peak memory of a complete run.

The initial propagation is timed with as many threads as cores, and with one thread, where flow is computed ahead on a
core of its own: in turns with each flow computed when it is asked for. And where its time goes.
"""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from PIL import Image

from vsreid_lite.config import LITE, Config, ReidConfig
from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.flow import CachedFlow, get_flow
from vsreid_lite.merging import merge
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.training.adaptation import adapt
from vsreid_lite.video.frame_cache import Frames
from vsreid_lite.video.video import Video, load_frames
from vsreid_lite.vsreid import segment

SHAPE = (480, 854)
CROWD, EXIT = 2, 7  # mini scenes with four and three instances


def main() -> None:
    """Print machine and figures; memory last, because the peak of a process only grows."""
    print(
        f"machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    networks = load_networks(LITE)
    for weights, goals in (("lite", (24, 15)), ("lite-real", (8, 5))):
        config = with_stored_settings(replace(LITE, weights=weights, reid=False))
        for instances, goal in zip((1, 3), goals, strict=True):
            measure_propagation(enlarged(CROWD, instances, 40), config, goal)
    for instances in (1, 3):
        print_times_of_parts(instances, frames=16)

    config = with_stored_settings(replace(LITE, adapt=True))
    learner = load_networks(config).propagation  # its normalisation is not folded yet
    started = time.perf_counter()
    adapt(learner, enlarged(CROWD, 1, 3), config.adaptation, config.propagation)
    seconds = time.perf_counter() - started
    print(f"online adaptation, {config.adaptation.steps} steps, 1 instance: {seconds:.1f} s (goal 30)")
    result = segment(enlarged(EXIT, 3, 100), LITE, networks)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"100 frames, 3 instances, {len(result.rounds)} rounds: peak memory {peak:.2f} GiB (goal 2)")


def enlarged(index: int, instances: int, frames: int, shape: tuple[int, int] = SHAPE) -> Video:
    """The first `instances` instances of a mini scene at 480 x 854, played to and fro for `frames` frames."""
    mini = mini_video("val", index)
    order = [i % (2 * mini.N - 2) for i in range(frames)]
    turned = [i if i < mini.N else 2 * mini.N - 2 - i for i in order]
    images = [cv2.resize(np.asarray(mini.frames[i]), shape[::-1], interpolation=cv2.INTER_CUBIC) for i in turned]
    mask = cv2.resize(mini.first_mask, shape[::-1], interpolation=cv2.INTER_NEAREST)
    return Video(f"{mini.name} at {shape[0]}p", images, mask, labels=tuple(range(1, instances + 1)))


def measure_propagation(sequence: Video, config: Config, goal: float, repeats: int = 3) -> dict[str, float]:
    """Print and return the frames a second of the initial propagation, by threads and flow: the best of some runs."""
    networks, threads = load_networks(config), torch.get_num_threads()
    ways = {"all threads": (threads, CachedFlow.prefetch), "one thread, flow ahead": (1, CachedFlow.prefetch)}
    ways["one thread, flow on demand"] = (1, lambda *_: None)
    best = dict.fromkeys(ways, 0.0)
    for _ in range(repeats):
        for name, (count, prefetch) in ways.items():
            torch.set_num_threads(count)
            with patch.object(CachedFlow, "prefetch", prefetch):
                seconds = segment(sequence, config, networks).seconds["initial"]
            best[name] = max(best[name], (sequence.N - 1) / seconds)
    torch.set_num_threads(threads)
    found = ", ".join(f"{name} {rate:.1f}" for name, rate in best.items())
    print(f"initial propagation, {config.weights}, {sequence.K} instance(s), frames/s (goal {goal}): {found}")
    return best


def print_times_of_parts(instances: int, frames: int = 40, shape: tuple[int, int] = SHAPE) -> None:
    """Print where the processor time of the initial propagation and the candidates goes, frames read from files."""
    sequence, spent = enlarged(CROWD, instances, frames, shape), Counter[str]()
    config = with_stored_settings(replace(LITE, matching=ReidConfig(rho_reid=1.0)))  # no cosine exceeds it: no round
    networks = load_networks(config)
    assert networks.detector is not None and networks.identification is not None
    open_calls = [0.0]  # seconds of those that a call has made

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*arguments: Any) -> Any:
            open_calls.append(0.0)
            began = time.process_time()
            result = call(*arguments)
            took = time.process_time() - began
            spent[part] += took - open_calls.pop()
            open_calls[-1] += took
            return result

        return clocked

    with tempfile.TemporaryDirectory() as folder, patch.object(CachedFlow, "prefetch", lambda *_: None):
        for i, frame in enumerate(sequence.frames):
            Image.fromarray(np.asarray(frame)).save(Path(folder, f"{i:05d}.jpg"), quality=95)
        video = replace(sequence, frames=load_frames(Path(folder), 0))
        with (
            patch.object(Frames, "__getitem__", timed("decode", Frames.__getitem__)),
            patch.object(networks.propagation, "predict", timed("N_mp", networks.propagation.predict)),
            patch.object(networks.identification, "embed", timed("candidates", networks.identification.embed)),
            patch("vsreid_lite.vsreid.merge", timed("merge", merge)),
        ):
            detector = timed("candidates", networks.detector)
            clocked = Networks(networks.propagation, detector, networks.identification)
            timed("Python, warp, crop, paste", segment)(video, config, clocked, timed("flow", get_flow(config.flow)))
    print(f"\n{instances} instances, {os.cpu_count()} cores, processor time\n")
    print("| part | ms a frame | share |\n|---|---|---|")
    for part, seconds in spent.most_common():
        print(f"| {part} | {1000 * seconds / (frames - 1):.1f} | {100 * seconds / spent.total():.0f} % |")
    print()


if __name__ == "__main__":
    main()
