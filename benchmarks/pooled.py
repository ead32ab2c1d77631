"""The boosts of Table 1 on the sequences of several ablations together, with two 95 % intervals each.

    .venv/bin/python benchmarks/pooled.py [RESULTS.json …]

By default mini and 24 new scenes, as `vsreid ablation --dataset mini`, with and without `--scenes 24:48`, writes them.
bootstrap: over sequences with all their instances, as in every table. t: Student's, over sequences, too.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsreid_lite.evaluation.summary import by_sequence, mean_interval, pooled_means, t_interval

RESULTS = ("runs/mini-lite/results.json", "runs/mini-24-48-lite/results.json")


def main() -> None:
    """Print one line for each row over the row before, and one for the last over the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path, default=[Path(name) for name in RESULTS])
    options = parser.parse_args()
    if missing := [path for path in options.results if not path.is_file()]:
        print(f"{missing[0]}: no results of `vsreid ablation` here, nothing pooled")
        return
    means = pooled_means([json.loads(path.read_text(encoding="utf-8")) for path in options.results])
    rows = list(means)
    for before, row in [*pairwise(rows), (rows[0], rows[-1])]:
        gains = {name: mean - means[before][name] for name, mean in means[row].items()}
        ends = [" to ".join(f"{end:+.3f}" for end in some(gains) or ()) or "-" for some in (mean_interval, t_interval)]
        counts = f"{len(gains)} instances, {len(by_sequence(gains))} sequences"
        print(f"{before} to {row}: {np.mean(list(gains.values())):+.3f}, bootstrap {ends[0]}, t {ends[1]} ({counts})")


if __name__ == "__main__":
    main()
