"""From scores to the results of an ablation: boosts, their intervals, and what the paper has beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, t

from vsreid_lite import __version__
from vsreid_lite.config import changed_settings
from vsreid_lite.datasets.benchmarks import Benchmark
from vsreid_lite.evaluation.ladder import PRINTED_ROWS, Row, training_budget
from vsreid_lite.evaluation.metrics import InstanceScores, Scores
from vsreid_lite.evaluation.paper import arithmetic, entries, gain, table1
from vsreid_lite.networks.weight_files import UNTRAINED

FEWEST = 3  # sequences for an interval
ENDS = (0.025, 0.975)  # of Student's t, for 95 %
SCORES = ("J-mean", "F-mean", "J", "F", "global-mean", "global-mean-interval", "J-after-reappearance", "seconds") + (
    "sequences",
    "instances",
)
SETTINGS = ("propagation.enlarge", "propagation.patch", "propagation.autocast", "matching.", "release.", "adaptation.")
BOOST = ("boost", "boost-over", "interval", "t-interval", "excludes-zero", "sign-agrees")
Seen = Mapping[str, list[str]]  # real sequences inside a sequence that the weights have seen in training


@dataclass(frozen=True, eq=False)
class Measured:
    """A row with its scores.

    Attributes:
        row: of the table.
        scores: None where the row is not measured.
        seconds: of all sequences, one process each; None where a part goes on from what a killed run has left.
    """

    row: Row
    scores: Scores | None = None
    seconds: float | None = 0.0


def summarise(benchmark: Benchmark, rows: list[Measured], adapted: list[Measured], seen: Seen) -> dict[str, object]:
    """The content of the results JSON.

    Args:
        benchmark: what was measured on.
        rows: of Table 1, and ours.
        adapted: none, or the paper's rows with adaptation, each beside the row without.
        seen: as `seen_sequences` returns it.
    """
    config = rows[0].row.config
    without = {row.row.name: row.scores for row in rows}
    return {
        "dataset": benchmark.dataset,
        "split": benchmark.split,
        "scenes": list(benchmark.scenes) or None,
        "sequences": list(benchmark.names),
        "preset": config.preset,
        "weights": config.weights,
        "untrained": config.weights == UNTRAINED,
        "detector": config.detector_weights,
        "identification": config.identification_weights,
        "flow": config.flow,
        "seed": config.seed,
        "settings": [one for one in changed_settings(config) if one.startswith(SETTINGS)],
        "version": __version__,
        "seen-in-training": dict(seen),
        "rows": _entries(rows, seen),
        "total": _total(rows),
        "adapted-rows": [
            {**entry, **_gain_by_adaptation(row.scores, without[row.row.name])}
            for entry, row in zip(_entries(adapted, seen), adapted, strict=True)
        ],
        "adapted-total": _total(adapted) if adapted else None,
        "paper": arithmetic(table1()),
        "training": training_budget([row.row for row in rows]),
    }


def _entries(rows: list[Measured], seen: Seen) -> list[dict[str, object]]:
    table: list[dict[str, object]] = []
    before: Measured | None = None
    for row in rows:
        entry = {"name": row.row.name, **_scores(row), **_boost(row, before), "paper": _paper(row, before)}
        note = row.row.missing or row.row.note
        table.append({**entry, "seen-in-training": _has_seen(row, seen), "note": note})
        before = before if row.scores is None else row
    return table


def _has_seen(row: Measured, seen: Seen) -> bool | None:
    """None: not known, since a file of the row has no header that tells it."""
    if row.scores is None:
        return False
    return True if seen else False if row.row.documented else None


def _scores(row: Measured) -> dict[str, object]:
    if row.scores is None:
        return dict.fromkeys(SCORES)
    means = instance_means(row.scores)
    instances = {
        name: {"J-mean": float(one.J.mean()), "F-mean": float(one.F.mean())}
        for name, one in row.scores.instances.items()
    }
    return {
        "J-mean": row.scores.J.mean,
        "F-mean": row.scores.F.mean,
        "J": asdict(row.scores.J),
        "F": asdict(row.scores.F),
        "global-mean": row.scores.global_mean,
        "global-mean-interval": mean_interval(means),
        "J-after-reappearance": row.scores.reappeared_J,
        "seconds": row.seconds,
        "sequences": {name: float(np.mean(values)) for name, values in by_sequence(means).items()},
        "instances": instances,
    }


def _boost(row: Measured, before: Measured | None) -> dict[str, object]:
    """The gain over the last row that was measured. excludes-zero: both intervals do, None where there are none."""
    if row.scores is None or before is None or before.scores is None:
        return dict.fromkeys(BOOST)
    paper = (_paper(row, before) or {}).get("gain")
    boost, gained = row.scores.global_mean - before.scores.global_mean, _gains(before.scores, row.scores)
    interval, student = mean_interval(gained), t_interval(gained)
    return {
        "boost": boost,
        "boost-over": before.row.name,
        "interval": interval,
        "t-interval": student,
        "excludes-zero": None if interval is None or student is None else _excludes_zero(interval, student),
        "sign-agrees": None if paper is None else bool(np.sign(boost) == np.sign(paper)),
    }


def _paper(row: Measured, before: Measured | None) -> dict[str, float | None] | None:
    """The row as printed; its boost by the paper's own column, and whether the printed one is another.

    gain: by that column too, over the row that ours is compared with.
    """
    entry = entries(table1()).get(row.row.name)
    if entry is None:
        return None
    return {**entry, "gain": None if before is None else gain(table1(), before.row.name, row.row.name)}


def _total(rows: list[Measured]) -> dict[str, object]:
    """What the paper's whole ladder gains, ours and the paper's; None where an end of it is not measured."""
    first, last = rows[0], rows[PRINTED_ROWS - 1]
    names = {"from": first.row.name, "to": last.row.name, "paper": gain(table1(), first.row.name, last.row.name)}
    if first.scores is None or last.scores is None:
        return {**names, "gain": None, "interval": None}
    interval = boost_interval(first.scores, last.scores)
    return {**names, "gain": last.scores.global_mean - first.scores.global_mean, "interval": interval}


def _gain_by_adaptation(adapted: Scores | None, without: Scores | None) -> dict[str, object]:
    if adapted is None or without is None:
        return {"adaptation-gain": None, "adaptation-interval": None}
    interval = boost_interval(without, adapted)
    return {"adaptation-gain": adapted.global_mean - without.global_mean, "adaptation-interval": interval}


def boost_interval(before: Scores, after: Scores) -> list[float] | None:
    """The 95 % interval of a boost, in pairs: that of the mean of what each instance gains (`mean_interval`)."""
    return mean_interval(_gains(before, after))


def _gains(before: Scores, after: Scores) -> dict[str, float]:
    means = instance_means(after)
    return {name: means[name] - mean for name, mean in instance_means(before).items()}


def _excludes_zero(*intervals: list[float]) -> bool:
    return all(low > 0 or high < 0 for low, high in intervals)


def mean_interval(values: Mapping[str, float]) -> list[float] | None:
    """The 95 % interval of a mean over instances, bootstrapped over sequences, as every table and figure has it.

    The instances of one sequence share its scene, its camera and each other, so they are not independent: drawing them
    one by one would make the interval too narrow. Each of 9,999 resamplings draws as many sequences as there are, with
    replacement and each with all its instances, and takes the mean over the instances drawn, as DAVIS takes it.
    Percentiles 2.5 and 97.5; the draws are the same each time.

    For few sequences it is still narrow: of three it goes from the least mean of a sequence to the greatest. So zero
    counts as excluded only where `t_interval` excludes it, too.

    Args:
        values: of each instance, keyed "<sequence>_<k>".

    Returns:
        Both ends; None for fewer than three sequences.
    """
    sums, counts = _sums_and_counts(values)
    if len(sums) < FEWEST:
        return None
    options: dict[str, Any] = {"paired": True, "method": "percentile", "n_resamples": 9999, "rng": 0}
    interval = bootstrap((sums, counts), _mean_of_drawn, **options).confidence_interval
    return [float(interval.low), float(interval.high)]


def t_interval(values: Mapping[str, float]) -> list[float] | None:
    """The 95 % interval of the same mean by Student's t over sequences; None for fewer than three sequences.

    A sequence moves the mean over instances, a sum over a count, by how far its own sum is from its count times that
    mean. With one instance in every sequence this is the t interval of their mean.
    """
    sums, counts = _sums_and_counts(values)
    if len(sums) < FEWEST:
        return None
    mean = sums.sum() / counts.sum()
    moves = (sums - counts * mean) / counts.mean()
    error = moves.std(ddof=1) / np.sqrt(len(moves))
    return [float(mean + quantile * error) for quantile in t.ppf(ENDS, len(moves) - 1)]


def _sums_and_counts(values: Mapping[str, float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of the instances of each sequence."""
    sequences = by_sequence(values).values()
    return np.array([sum(some) for some in sequences]), np.array([len(some) for some in sequences])


def _mean_of_drawn(sums: NDArray[np.float64], counts: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    return np.asarray(sums.sum(axis) / counts.sum(axis))


def by_sequence(values: Mapping[str, float]) -> dict[str, list[float]]:
    """The values of each sequence's instances, in their order; keys "<sequence>_<k>"."""
    sequences: dict[str, list[float]] = {}
    for name, value in values.items():
        sequences.setdefault(name.rpartition("_")[0], []).append(value)
    return sequences


def instance_means(scores: Scores) -> dict[str, float]:
    """(J + F) / 2 of each instance; their mean is the global-mean."""
    return {name: _mean(one) for name, one in scores.instances.items()}


def _mean(instance: InstanceScores) -> float:
    return float(instance.J.mean() + instance.F.mean()) / 2
