"""The boosts of Table 1 on the sequences of several ablations together, with two 95 % intervals each.

    .venv/bin/python benchmarks/pooled.py [RESULTS.json …]

By default mini and 24 new scenes, as `vsreid ablation --dataset mini`, with and without `--scenes 24:48`, writes them.
bootstrap: over sequences with all their instances, as everywhere else. t: Student's, of the mean over sequences of what
their instances gain on average; it counts each sequence once, however many instances it has.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from vsreid_lite.evaluation.summary import by_sequence, mean_interval, pooled_means

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
        sequences = [np.mean(some) for some in by_sequence(gains).values()]
        student = ttest_1samp(sequences, 0).confidence_interval()
        low, high = mean_interval(gains) or (np.nan, np.nan)
        print(
            f"{before} to {row}: {np.mean(list(gains.values())):+.3f}, bootstrap {low:+.3f} to {high:+.3f}, t "
            f"{student.low:+.3f} to {student.high:+.3f} ({len(gains)} instances, {len(sequences)} sequences)"
        )


if __name__ == "__main__":
    main()
