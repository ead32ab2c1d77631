"""Speed at 480 x 854: the initial propagation with DIS, online adaptation; and the peak memory of a complete run."""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import replace

import cv2
import numpy as np

from vsreid_lite.config import LITE
from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.training.adaptation import adapt
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment

SHAPE = (480, 854)
CROWD, EXIT = 2, 7  # mini scenes with four and three instances


def main() -> None:
    """Print machine and figures; memory last, because the peak of a process only grows."""
    print(
        f"machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    networks = load_networks(LITE)
    initial = replace(LITE, reid=False)
    for instances, goal in ((1, 12), (3, 7)):
        sequence = enlarged(CROWD, instances, 40)
        segment(sequence, initial, networks)
        seconds = min(_timed(sequence, initial, networks) for _ in range(3))
        print(f"initial propagation, {instances} instance(s): {(sequence.N - 1) / seconds:5.1f} frames/s (goal {goal})")
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


def _timed(sequence: Video, config: object, networks: object) -> float:
    started = time.perf_counter()
    segment(sequence, config, networks)  # type: ignore[arg-type]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
