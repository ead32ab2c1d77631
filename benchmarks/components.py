"""The three learned parts on the mini test split, each on its own: the README's table of components."""

from __future__ import annotations

import argparse

from vsreid_lite.config import Config
from vsreid_lite.evaluation.components import score_components


def main() -> None:
    """Print the three figures beside their goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="lite")
    arguments = parser.parse_args()
    scores = score_components(Config(weights=arguments.weights, device="cpu"))
    print(f"weights {arguments.weights}, mini test split            measured  goal")
    print(f"N_mp, one step, true flow, true mask: mean J    {scores.one_step_J:.3f}  0.85")
    print(f"N_det, recall at IoU 0.5, 20 proposals          {scores.recall:.3f}  0.85")
    print(f"N_reid, rank 1 among the sequence's instances   {scores.rank1:.3f}  0.85")


if __name__ == "__main__":
    main()
