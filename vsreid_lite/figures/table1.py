"""Table 1, the ablation: every column of the paper and of ours, the boosts drawn, and every sequence by itself."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vsreid_lite.evaluation.paper import entries, table1
from vsreid_lite.evaluation.report import (
    ERRATUM,
    MISSING,
    agreement,
    describe_run,
    mark_of_seen,
    number,
    printed_boost,
    remarks,
    signed,
)
from vsreid_lite.figures.drawing import sheet
from vsreid_lite.plots.panels import ADAPTED, BLACK, OURS, PAPER, new_figure

Entry = Mapping[str, Any]
LINE, APART, HEAD, AXIS, NOTE = 0.235, 0.13, 0.62, 0.42, 0.17  # inches: a line, between rows, above, below, a note
LEFT, CHART, RIGHT = 0.15, 2.75, 0.2  # inches: margins, and the width of the boosts that are drawn
TABLE = 9.65  # inches: where the boosts that are drawn begin
CHARACTERS = 200  # of a note
CROSS = "×: the boost by the paper's own column, where it prints another"
MINUS = "\u2212"  # as wide as a plus


@dataclass(frozen=True)
class Column:
    """A heading, where its cells end (inches), and what they say for the paper and for ours."""

    heading: str
    right: float
    paper: Callable[[Entry], str]
    ours: Callable[[Entry], str]


@dataclass(frozen=True)
class Line:
    """One line of a row of Table 1: the paper's, ours, or ours adapted; entry: as in the results."""

    whose: str
    entry: Entry
    colour: str
    marker: str


Row = tuple[str, list[Line]]  # of Table 1: its name, and its lines


def plot_table1(results: Mapping[str, Any]) -> Figure:
    """Everything that `vsreid ablation` measures for Table 1, a line for the paper, for ours and for ours adapted.

    At the right the boosts with their 95 % intervals. A cross is the paper's boost by its own column where it prints
    another. What was not measured says so; all remarks of the other outputs stand below.
    """
    rows = [(row["name"] + mark_of_seen(row), _lines(row, results)) for row in results["rows"]]
    notes = [line for remark in [*remarks(results), CROSS] for line in textwrap.wrap(remark, CHARACTERS)]
    body = sum(map(_depth, rows))
    width, height = TABLE + CHART + RIGHT, HEAD + body + AXIS + NOTE * (len(notes) + 0.5)
    alternative = f"Table 1 on {describe_run(results)}: {'; '.join(map(_in_words, results['rows']))}."
    figure = new_figure(width, height, alternative)
    axes, bottom = sheet(figure), height - HEAD - body
    chart = figure.add_axes((TABLE / width, bottom / height, CHART / width, body / height))
    chart.set(ylim=(bottom, bottom + body), yticks=[], facecolor="none")  # in inches, as the sheet
    _head(axes, height, describe_run(results))
    _rows(axes, chart, rows, height - HEAD)
    chart.axvline(0, color=BLACK, linewidth=0.8, zorder=0)
    chart.margins(x=0.06)
    chart.spines[["top", "right", "left"]].set_visible(False)
    chart.tick_params(axis="x", labelsize=8.5)
    for n, note in enumerate(notes):
        axes.text(LEFT, bottom - AXIS - (n + 0.3) * NOTE, note, va="center", fontsize=8)
    return figure


def plot_ladder_by_sequence(results: Mapping[str, Any]) -> Figure:
    """The global-mean of every row on every sequence, as a table whose colours are its figures: light is good."""
    rows, names = results["rows"], results["sequences"]
    means = np.array([[(row.get("sequences") or {}).get(name, np.nan) for name in names] for row in rows])
    last = max((n for n, row in enumerate(means) if np.isfinite(row).any()), default=0)
    best = [f"{name} {mean:.2f}" for name, mean in zip(names, means[last], strict=True) if np.isfinite(mean)]
    alternative = f"Global-mean of each row of Table 1 on each sequence; {rows[last]['name']}: {', '.join(best)}."
    figure = new_figure(max(2.6 + 0.62 * len(names), 6.5), 1.9 + 0.42 * len(rows), alternative, "constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.93")
    image = axes.imshow(means, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (row, column), mean in np.ndenumerate(means):
        text = f"{mean:.2f}" if np.isfinite(mean) else "–"
        ink = "white" if mean < 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=9)
    axes.set_title(f"global-mean on {results['dataset']}, weights {results['weights']} (–: not measured)", fontsize=10)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    return figure


def _depth(row: Row) -> float:
    return len(row[1]) * LINE + APART


def _rows(axes: Axes, chart: Axes, rows: list[Row], y: float) -> None:
    """All rows downwards from y, every second one on grey."""
    for number_of_row, row in enumerate(rows):
        name, lines = row
        if number_of_row % 2 == 0:
            ground = Rectangle((0, y - _depth(row)), TABLE + CHART + RIGHT, _depth(row))
            axes.add_patch(ground).set(facecolor="0.95", edgecolor="none")
        first = y - (APART + LINE) / 2
        axes.text(LEFT, first, name, va="center", fontsize=9.5, weight="bold")
        for n, line in enumerate(lines):
            _write(axes, first - n * LINE, line)
            _draw(chart, first - n * LINE, line)
        y -= _depth(row)


def _lines(row: Entry, results: Mapping[str, Any]) -> list[Line]:
    paper = entries(table1()).get(row["name"])
    lines = [Line("paper", paper, PAPER, "s")] if paper else []
    lines.append(Line("ours", row, OURS, "o"))
    adapted = (Line("adapted", one, ADAPTED, "D") for one in results["adapted-rows"] if one["name"] == row["name"])
    return [*lines, *adapted]


def _head(axes: Axes, height: float, where: str) -> None:
    axes.text(LEFT, height - 0.18, f"Table 1 on {where}; the paper's on DAVIS 2017 test-dev", va="center", fontsize=10)
    y = height - HEAD + 0.14
    for column in COLUMNS:
        axes.text(column.right, y, column.heading, ha="right", va="center", fontsize=9, color="0.3")
    axes.text(TABLE, y, "boost over the row measured before, 95 %", va="center", fontsize=9, color="0.3")


def _write(axes: Axes, y: float, line: Line) -> None:
    ink = "0.35" if line.whose == "paper" else BLACK
    axes.plot(WHOSE - 0.12, y, line.marker, color=line.colour, markeredgecolor=BLACK, markersize=5)
    axes.text(WHOSE, y, line.whose, va="center", fontsize=9, color=ink)
    if line.entry["global-mean"] is None:
        axes.text(COLUMNS[0].right - 0.42, y, "not measured", va="center", fontsize=9, style="italic")
        return
    for column in COLUMNS:
        text = (column.paper if line.whose == "paper" else column.ours)(line.entry)
        digits = "" if text == MISSING else text.removesuffix(ERRATUM).replace("-", MINUS)
        axes.text(column.right, y, digits, ha="right", va="center", fontsize=9, color=ink)
        axes.text(column.right, y, ERRATUM * text.endswith(ERRATUM), va="center", fontsize=9, color=ink)


def _draw(chart: Axes, y: float, line: Line) -> None:
    boost, interval = line.entry["boost"], line.entry.get("interval")
    if boost is None:
        return
    if interval:
        chart.plot(interval, [y, y], color=line.colour, linewidth=2.2)
    if line.entry.get("boost-erratum"):
        column = line.entry["boost-recomputed"]
        chart.plot([boost, column], [y, y], color=line.colour, linewidth=1.2)
        chart.plot(column, y, "x", color=BLACK, markersize=5.5)
    chart.plot(boost, y, line.marker, color=line.colour, markeredgecolor=BLACK, markersize=6)


def _in_words(row: Entry) -> str:
    if row["global-mean"] is None:
        return f"{row['name']} not measured"
    boost = "" if row["boost"] is None else f" ({row['boost']:+.3f})"
    return f"{row['name']} {row['global-mean']:.3f}{boost}"


def _interval(interval: list[float] | None, form: str) -> str:
    return "" if interval is None else " to ".join(format(value, form) for value in interval)


def _sign(boost: float | None) -> str:
    return "" if boost is None else "+" if boost > 0 else MINUS if boost < 0 else "0"


WHOSE = 2.65  # inches: where "paper", "ours" and "adapted" begin
COLUMNS = (
    Column("J-mean", 3.65, lambda row: number(row["J-mean"]), lambda row: number(row["J-mean"])),
    Column("F-mean", 4.2, lambda row: number(row["F-mean"]), lambda row: number(row["F-mean"])),
    Column("global-mean", 5.1, lambda row: number(row["global-mean"]), lambda row: number(row["global-mean"])),
    Column("95 %", 6.15, lambda row: "", lambda row: _interval(row["global-mean-interval"], ".3f")),
    Column("J again", 6.7, lambda row: "", lambda row: number(row["J-after-reappearance"])),
    Column("boost", 7.32, printed_boost, lambda row: signed(row["boost"])),
    Column("95 %", 8.58, lambda row: "", lambda row: _interval(row["interval"], "+.3f")),
    Column("sign", 8.95, lambda row: _sign(row["boost"]), lambda row: _sign(row["boost"])),
    Column("agrees", 9.47, lambda row: "", agreement),
)
