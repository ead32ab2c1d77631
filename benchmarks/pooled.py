"""The boosts of Table 1 on the sequences of several ablations together, with two 95 % intervals each.

    .venv/bin/python benchmarks/pooled.py [RESULTS.json …]

By default mini and 24 new scenes, as `vsreid ablation --dataset mini`, with and without `--scenes 24:48`, writes them.
bootstrap: over sequences with all their instances, as in every table. t: Student's, over sequences, too.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vsreid_lite.evaluation.summary import by_sequence, mean_interval, t_interval

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


def pooled_means(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """(J + F) / 2 of the instances of several ablations together, for each row that all of them have measured.

    Args:
        results: contents of results JSONs.

    Raises:
        ValueError: a sequence is in two of them and would count twice.
    """
    counts = Counter(name for one in results for name in one["sequences"])
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"results together: expected each sequence once, found {', '.join(twice)} more often")
    tables = [{row["name"]: row["instances"] for row in one["rows"] if row["instances"]} for one in results]
    return {
        row: {name: (one["J-mean"] + one["F-mean"]) / 2 for table in tables for name, one in table[row].items()}
        for row in tables[0]
        if all(row in table for table in tables)
    }


if __name__ == "__main__":
    main()
