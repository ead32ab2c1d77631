"""Table 1, ours beside the paper's, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsreid_lite.evaluation.paper import boost_errata, table1

HEADER = ("", "paper", "boost", "ours", "boost", "95 %", "J", "F", "J again")
LEGEND = "95 %: interval of our boost, bootstrapped over instances. J again: after an instance has re-appeared."


def format_table(results: Mapping[str, Any]) -> str:
    """The results of an ablation as an aligned table: global-means and boosts, the paper's on DAVIS 2017 test-dev.

    What was not measured is a dash, with the reason below. A star marks rows of weights that have seen the sequences.
    """
    lines = [HEADER, *table_cells(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    text = [f"Table 1 on {results['dataset']}, weights {results['weights']} (paper: DAVIS 2017 test-dev, global-mean)"]
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append("  ".join([line[0].ljust(widths[0]), *cells]).rstrip())
    text.append(LEGEND)
    text += [f"{row['name']}: {row['note']}" for row in results["rows"] if row["note"]]
    for slip in boost_errata(table1()):
        text.append(f"{slip.row}: the paper prints {slip.printed:+.3f}, its own column gives {slip.recomputed:+.3f}")
    seen = sorted({source for sources in results["seen-in-training"].values() for source in sources})
    if seen:
        text.append(f"* these weights have seen {', '.join(seen)} in training: no fair test")
    return "\n".join(text)


def table_cells(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The rows of Table 1 as text, one tuple with the columns of `HEADER` for each."""
    printed = {row.name: row for row in table1()}
    mark = " *" if results["seen-in-training"] else ""
    cells: list[tuple[str, ...]] = []
    for row in results["rows"]:
        paper = printed.get(row["name"])
        cells.append(
            (
                row["name"] + (mark if row["global-mean"] is not None else ""),
                _number(paper.global_mean if paper else None),
                _number(paper.boost if paper else None, signed=True),
                _number(row["global-mean"]),
                _number(row["boost"], signed=True),
                _interval(row["interval"]),
                _number(row["J-mean"]),
                _number(row["F-mean"]),
                _number(row["J-after-reappearance"]),
            )
        )
    return cells


def _number(value: float | None, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _interval(interval: list[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"
