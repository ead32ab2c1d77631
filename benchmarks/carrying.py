"""How well each DIS carries a true mask to the next frame: J without any network, the time of a flow, and its error.

    .venv/bin/python benchmarks/carrying.py [--root DAVIS]

Twelve sequences of mini-val, every second frame; every eighth of DAVIS 2016 below the root, where it is, and once more
with each frame a tenth brighter than the one before. The error is against mini-val's exact flow, every ninth frame.
"""

import argparse
import os
import time
from collections import abc
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from vsreid_lite.config import Config
from vsreid_lite.datasets.composite import single_instance_sequences
from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.datasets.mini import CHALLENGES, mini_scene, mini_video
from vsreid_lite.evaluation.steps import WARPED, one_step_scores
from vsreid_lite.flow import FlowEstimator, get_flow
from vsreid_lite.lessons.flow_and_warping import flow_pair, mean_errors
from vsreid_lite.video.masks import Frame
from vsreid_lite.video.video import Video

FLOWS = ("dis", "dis-tuned", "dis-medium")


def main() -> None:
    """Print one line for each flow on each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    root = parser.parse_args().root
    measure("mini-val", [mini_video("val", index) for index in range(len(CHALLENGES))], every=2)
    if root.is_dir():
        real = [load_davis(root, 2016, name) for name in single_instance_sequences(root)]
        measure("DAVIS 2016", real, every=8)
        measure("brighter", real, every=8, light=1.1)
    errors()


def measure(dataset: str, sequences: abc.Iterable[Video], every: int, light: float = 1.0) -> None:
    """The mean over sequences of J, and the mean time of one flow with the threads that OpenCV takes.

    light: of a frame, where the one before it has 1.
    """
    found: dict[str, list[float]] = {name: [] for name in FLOWS}
    seconds: dict[str, list[float]] = {name: [] for name in FLOWS}
    for sequence in tqdm(sequences, desc=dataset):
        for name in FLOWS:
            flow = get_flow(name)
            steps = one_step_scores(sequence, brightened(flow, light), {}, Config(), every)
            found[name].append(float(np.nanmean(steps[WARPED])))
            started = time.perf_counter()
            flow(sequence.frames, target=1, source=0)
            seconds[name].append(time.perf_counter() - started)
    for name in FLOWS:
        print(f"{dataset:<11}{name:<11} J {np.mean(found[name]):.3f}  {1000 * np.mean(seconds[name]):.0f} ms a flow")


def brightened(flow: FlowEstimator, light: float) -> FlowEstimator:
    """`flow` of a source as it is and a target under other light."""

    def estimate(frames: abc.Video[Frame], target: int, source: int) -> Tensor:
        other = np.clip(np.asarray(frames[target]) * light, 0, 255).astype(np.uint8)
        return flow([other, np.asarray(frames[source])], 0, 1)

    return estimate


def errors() -> None:
    """The mean end-point error, pixels, in the whole frame and in instances."""
    pairs = [flow_pair(mini_scene("val", index), t, t - 1) for index in range(len(CHALLENGES)) for t in range(1, 40, 9)]
    for name in FLOWS:
        flow = get_flow(name)
        error, inside = mean_errors([flow(pair.frames, 0, 1) for pair in pairs], pairs)
        print(f"{'mini-val':<11}{name:<11} error {error:.2f} pixels, in instances {inside:.2f}")


if __name__ == "__main__":
    main()
