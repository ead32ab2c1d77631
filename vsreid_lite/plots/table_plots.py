"""Figures of Table 1 from the results of `vsreid ablation`: ours beside the paper's, and sequence by sequence."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsreid_lite.evaluation.paper import table1
from vsreid_lite.evaluation.report import describe_run
from vsreid_lite.plots.colours import ADAPTED, BLACK, OURS, PAPER
from vsreid_lite.plots.panels import new_figure

Results = Mapping[str, Any]
HEIGHT = 0.8  # of a row's bars together; the distance of two rows is 1
LINE = 118  # characters of a footnote


@dataclass(frozen=True)
class Series:
    """Bars and points of one kind, one for each row of Table 1 that it has. entries: as the rows of the results."""

    label: str
    entries: Mapping[str, Mapping[str, Any]]
    colour: str
    hatch: str
    marker: str


def plot_table1(results: Results) -> Figure:
    """Table 1: at the left global-means, at the right boosts over the row measured before, with 95 % intervals.

    The paper's beside ours and, where they were measured, the rows with adaptation. Where the paper's printed boost is
    not that of its own column, both are drawn. A row that was not measured says so; a star marks weights that have seen
    the sequences.
    """
    names = [row["name"] for row in results["rows"]]
    alternative = "Table 1, global-mean and boost: " + "; ".join(map(in_words, results["rows"])) + "."
    notes = _footnotes(results)
    figure = new_figure(9.8, 0.72 * len(names) + 1.35 + 0.17 * len(notes), alternative, "constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.2, 1))
    series = _series(results)
    height = HEIGHT / len(series)
    for number, one in enumerate(series):
        offset = (number + 0.5) * height - HEIGHT / 2
        for y, name in enumerate(names):
            if name in one.entries:
                _draw_mean(left, y + offset, height * 0.92, one.entries[name], one)
                _draw_boost(right, y + offset, one.entries[name], one)
        left.barh(0, 0, label=one.label, **_style(one))
    left.set_yticks(range(len(names)), names, fontsize=10)
    left.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xticks=np.linspace(0, 1, 6))
    right.axvline(0, color=BLACK, linewidth=0.8)
    right.margins(x=0.12)
    left.set_title("global-mean", fontsize=10)
    right.set_title("boost over the row measured before", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", labelsize=9)
    figure.legend(*left.get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside upper left", ncols=3)
    figure.supxlabel("\n".join(notes), fontsize=8.5, x=0.01, ha="left")
    return figure


def plot_ladder_by_sequence(results: Results) -> Figure:
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


def _series(results: Results) -> list[Series]:
    star = " *" if results["seen-in-training"] else ""
    none: dict[str, float | None] = dict.fromkeys(("global-mean-interval", "interval", "recomputed"))
    paper = {row.name: {**none, "global-mean": row.global_mean, "boost": row.boost} for row in table1()}
    for slip in results["paper"]["errata"]:
        paper[slip["row"]]["recomputed"] = slip["recomputed"]
    ours = {row["name"]: row for row in results["rows"]}
    adapted = {row["name"]: row for row in results["adapted-rows"]}
    series = [
        Series("paper: DAVIS 2017 test-dev", paper, PAPER, "///", "s"),
        Series(f"ours: {describe_run(results)}{star}", ours, OURS, "", "o"),
    ]
    return [*series, Series(f"ours, each row adapted{star}", adapted, ADAPTED, "...", "D")] if adapted else series


def _style(series: Series) -> dict[str, Any]:
    return {"facecolor": series.colour, "hatch": series.hatch, "edgecolor": "white"}


def _draw_mean(axes: Axes, y: float, height: float, entry: Mapping[str, Any], series: Series) -> None:
    value, interval = entry["global-mean"], entry["global-mean-interval"]
    if value is None:
        axes.text(0.01, y, "not measured", va="center", fontsize=9, style="italic")
        return
    axes.barh(y, value, height, **_style(series))
    if interval:
        axes.plot(interval, [y, y], color=BLACK, linewidth=1.2, marker="|", markersize=5)
    axes.text(max([value, *(interval or [])]) + 0.01, y, f"{value:.3f}", va="center", fontsize=9)


def _draw_boost(axes: Axes, y: float, entry: Mapping[str, Any], series: Series) -> None:
    boost, reach = entry["boost"], entry["interval"] or []
    if boost is None:
        return
    text = f"{boost:+.3f}"
    if column := entry.get("recomputed"):
        axes.plot(column, y, "x", color=BLACK, markersize=6)
        text, reach = f"{text} (x: {column:+.3f} by its column)", [column]
    axes.plot([boost, *reach], [y] * (1 + len(reach)), color=series.colour, linewidth=2)
    axes.plot(boost, y, series.marker, color=series.colour, markeredgecolor=BLACK, markersize=7)
    axes.annotate(
        text,
        (max([boost, *reach]), y),
        (7, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        annotation_clip=False,
    )


def in_words(row: Mapping[str, Any]) -> str:
    """A row and its boost, for an alternative text."""
    if row["global-mean"] is None:
        return f"{row['name']} not measured"
    boost = "" if row["boost"] is None else f" ({row['boost']:+.3f})"
    return f"{row['name']} {row['global-mean']:.3f}{boost}"


def _footnotes(results: Results) -> list[str]:
    notes = ["Whiskers: 95 %, bootstrapped over sequences. Other videos and networks than the paper's: compare signs."]
    for slip in results["paper"]["errata"]:
        notes.append(
            f'"{slip["row"]}": the paper prints {slip["printed"]:+.3f}, its column gives {slip["recomputed"]:+.3f}.'
        )
    notes += [f"{row['name']}: {row['note']}" for row in results["rows"] if row["note"]]
    if results["seen-in-training"]:
        notes.append("* These weights have seen sequences of this benchmark in training: no fair test.")
    return [line for note in notes for line in textwrap.wrap(note, LINE)]
