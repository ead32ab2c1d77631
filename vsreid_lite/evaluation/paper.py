"""The tables printed in the paper, from `data/paper`, and the arithmetic that their columns must obey."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from vsreid_lite.evaluation.metrics import Statistics
from vsreid_lite.system.files import PAPER_DATA


@dataclass(frozen=True)
class AblationRow:
    """A row of Table 1, DAVIS 2017 test-dev; all in [0, 1]; the boost as printed, None for the baseline."""

    name: str
    J_mean: float
    F_mean: float
    global_mean: float
    boost: float | None


@dataclass(frozen=True)
class ChallengeEntry:
    """A column of Table 2, DAVIS 2017 test-challenge; all in per cent."""

    team: str
    ranking: int
    global_mean: float
    J: Statistics
    F: Statistics


@dataclass(frozen=True)
class Erratum:
    """A printed value that its own table contradicts."""

    row: str
    printed: float
    recomputed: float


def table1(path: Path = PAPER_DATA / "table1.csv") -> list[AblationRow]:
    """Table 1, the ablation, as printed."""
    return [
        AblationRow(
            row["name"],
            float(row["J-mean"]),
            float(row["F-mean"]),
            float(row["global-mean"]),
            float(row["boost"]) if row["boost"] else None,
        )
        for row in _rows(path)
    ]


def table2(path: Path = PAPER_DATA / "table2.csv") -> list[ChallengeEntry]:
    """Table 2, the challenge, as printed: one entry for each of its 22 columns."""
    measures = {row.pop("Measure"): row for row in _rows(path)}

    def statistics(measure: str, team: str) -> Statistics:
        return Statistics(*(float(measures[f"{measure} {part}"][team]) for part in ("Mean", "Recall", "Decay")))

    return [
        ChallengeEntry(
            team, int(rank), float(measures["Global Mean"][team]), statistics("J", team), statistics("F", team)
        )
        for team, rank in measures["Ranking"].items()
    ]


def global_mean(J: float, F: float) -> float:
    """(J + F) / 2, by which both tables rank."""
    return (J + F) / 2


def boosts(global_means: Sequence[float]) -> list[float | None]:
    """Gain of each row of Table 1 over the row before, to the three decimals printed; None for the first."""
    return [None, *(round(after - before, 3) for before, after in pairwise(global_means))]


def boost_errata(rows: Sequence[AblationRow]) -> list[Erratum]:
    """The printed boosts that differ from their column: in Table 1, "+ flow-stream" alone (+0.007 for +0.029)."""
    recomputed = boosts([row.global_mean for row in rows])
    return [
        Erratum(row.name, row.boost, boost)
        for row, boost in zip(rows, recomputed, strict=True)
        if row.boost is not None and boost is not None and row.boost != boost
    ]


def gain(rows: Sequence[AblationRow], before: str, after: str) -> float:
    """What the row named `after` has over the one named `before` in the column of global means, to three decimals."""
    means = {row.name: row.global_mean for row in rows}
    return round(means[after] - means[before], 3)


def arithmetic(rows: Sequence[AblationRow]) -> dict[str, object]:
    """Table 1's boosts by its column, the sum of the printed ones beside the whole gain, and the boosts that differ."""
    return {
        "boosts": boosts([row.global_mean for row in rows]),
        "printed-sum": round(sum(row.boost for row in rows if row.boost is not None), 3),
        "gain": gain(rows, rows[0].name, rows[-1].name),
        "errata": [asdict(erratum) for erratum in boost_errata(rows)],
    }


def entries(rows: Sequence[AblationRow]) -> dict[str, dict[str, float | None]]:
    """Table 1 by the names of its rows, for JSON: as printed, the boost by its column, and whether that is another."""
    recomputed = boosts([row.global_mean for row in rows])
    return {
        row.name: {
            "J-mean": row.J_mean,
            "F-mean": row.F_mean,
            "global-mean": row.global_mean,
            "boost": row.boost,
            "boost-recomputed": boost,
            "boost-erratum": row.boost != boost,
        }
        for row, boost in zip(rows, recomputed, strict=True)
    }


def global_mean_errata(rows: Sequence[AblationRow] | Sequence[ChallengeEntry]) -> list[Erratum]:
    """The printed global means that are not (J + F) / 2 of their row, rounded either way: none in the two tables."""
    found = []
    for row in rows:
        name, J, F, unit = _means(row)
        if abs(row.global_mean - global_mean(J, F)) > unit / 2 + 1e-9:
            found.append(Erratum(name, row.global_mean, global_mean(J, F)))
    return found


def _means(row: AblationRow | ChallengeEntry) -> tuple[str, float, float, float]:
    """Name, J, F and the last decimal printed."""
    if isinstance(row, AblationRow):
        return row.name, row.J_mean, row.F_mean, 0.001
    return row.team, row.J.mean, row.F.mean, 0.1


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
