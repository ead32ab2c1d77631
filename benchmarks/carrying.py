"""How well each DIS carries a true mask to the next frame: J without any network, and the time of a flow.

    .venv/bin/python benchmarks/carrying.py [--root DAVIS]

Twelve sequences of mini-val, every second frame; every eighth of DAVIS 2016 below the root, where it is.
"""

import argparse
import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from vsreid_lite.config import Config
from vsreid_lite.datasets.composite import single_instance_sequences
from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.datasets.mini import CHALLENGES, mini_sequence
from vsreid_lite.evaluation.steps import WARPED, one_step_scores
from vsreid_lite.flow import get_flow
from vsreid_lite.sequence import Sequence

FLOWS = ("dis", "dis-medium")


def main() -> None:
    """Print one line for each flow on each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    root = parser.parse_args().root
    measure("mini-val", [mini_sequence("val", index) for index in range(len(CHALLENGES))], every=2)
    if root.is_dir():
        measure("DAVIS 2016", [load_davis(root, 2016, name) for name in single_instance_sequences(root)], every=8)


def measure(dataset: str, sequences: Iterable[Sequence], every: int) -> None:
    """The mean over sequences of J, and the mean time of one flow with the threads that OpenCV takes."""
    found: dict[str, list[float]] = {name: [] for name in FLOWS}
    seconds: dict[str, list[float]] = {name: [] for name in FLOWS}
    for sequence in tqdm(sequences, desc=dataset):
        for name in FLOWS:
            flow = get_flow(name)
            found[name].append(float(np.nanmean(one_step_scores(sequence, flow, {}, Config(), every)[WARPED])))
            started = time.perf_counter()
            flow(sequence.frames, target=1, source=0)
            seconds[name].append(time.perf_counter() - started)
    for name in FLOWS:
        print(f"{dataset:<11}{name:<11} J {np.mean(found[name]):.3f}  {1000 * np.mean(seconds[name]):.0f} ms a flow")


if __name__ == "__main__":
    main()
