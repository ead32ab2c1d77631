"""The three learned parts, each on its own: the README's table of components.

    .venv/bin/python benchmarks/components.py [--weights lite] [--root DAVIS]

N_det and N_reid also on 24 sequences of mini-val and on composites of real video, other draws than the benchmark's.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vsreid_lite.config import Config
from vsreid_lite.datasets.composite import composite_sequences
from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.evaluation.components import detector_recall, identification_rank1, score_components
from vsreid_lite.networks.loading import load_networks


def main() -> None:
    """Print the figures beside their goals; without DAVIS 2016 not those of composites."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="lite")
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    options = parser.parse_args()
    config = Config(weights=options.weights, device="cpu")
    scores = score_components(config)
    print(f"weights {options.weights}, mini test split            measured  goal")
    print(f"N_mp, one step, true flow, true mask: mean J    {scores.one_step_J:.3f}  0.85")
    print(f"N_det, recall at IoU 0.5, 20 proposals          {scores.recall:.3f}  0.85")
    print(f"N_reid, rank 1 among the sequence's instances   {scores.rank1:.3f}  0.85")
    others = {"mini-val": [mini_video("val", index) for index in range(24)]}
    if options.root.is_dir():
        others["composites"] = list(composite_sequences(options.root, split="val"))
    networks = load_networks(config)
    for name, sequences in others.items():
        recall, rank1 = detector_recall(sequences, networks), identification_rank1(sequences, networks)
        print(f"{name}: N_det {recall:.3f}, N_reid {rank1:.3f}")


if __name__ == "__main__":
    main()
