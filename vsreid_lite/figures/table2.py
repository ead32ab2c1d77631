"""Table 2, the challenge: its 22 entries as printed, their arithmetic, and beside them ours on other videos."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vsreid_lite.evaluation.metrics import Statistics
from vsreid_lite.evaluation.paper import ChallengeEntry, global_mean, global_mean_errata
from vsreid_lite.figures.drawing import sheet
from vsreid_lite.plots.panels import new_figure

NAMES, CELL, ROW = 1.35, 0.42, 0.2  # inches: the names of the measures, an entry, a line
OURS, APART = 1.15, 0.12  # inches: our column, and its distance
RULES = (1, 3, 6)  # rows below which the paper draws a line


def plot_table2(entries: Sequence[ChallengeEntry], J: Statistics, F: Statistics, where: str) -> Figure:
    """The paper's Table 2 in per cent, with (J + F) / 2 recomputed below the printed Global Mean.

    Bold is the best of the challenge; ours is on other videos and has no rank.

    Args:
        entries: in the order of their ranking.
        J: ours, in [0, 1].
        F: ours, in [0, 1].
        where: what ours was measured on, in a few words.
    """
    slips = {erratum.row for erratum in global_mean_errata(entries)}
    table = _rows(entries, J, F)
    width = NAMES + len(entries) * CELL + APART + OURS
    figure = new_figure(width, (len(table) + 3.9) * ROW, _in_words(entries, J, F, where, slips))
    axes, top = sheet(figure), figure.get_figheight() - 1.75 * ROW
    right = NAMES + len(entries) * CELL
    _write(axes, right / 2, top + 1.05 * ROW, "Table 2. Results on 2017 DAVIS Challenge test-challenge set.", 9)
    bottom = top - (len(table) - 0.5) * ROW
    ground = Rectangle((right + APART, bottom), OURS - 0.05, top + 0.5 * ROW - bottom)
    ground.set(facecolor="0.94", hatch="////", edgecolor="white", linewidth=0)
    axes.add_patch(ground)
    for n, (name, values, best) in enumerate(table):
        y = top - n * ROW
        axes.text(0.05, y, name, fontsize=7.5, va="center")
        for column, value in enumerate(values[:-1]):
            weight = "bold" if column == best else "normal"
            _write(axes, NAMES + (column + 0.5) * CELL, y, value, 7, weight)
        _write(axes, right + APART + OURS / 2, y, values[-1], 7.5)
        if n in RULES:
            axes.plot([0, right], [y - ROW / 2] * 2, color="0.2", linewidth=0.7)
    for y in (top + 0.5 * ROW, top - 0.5 * ROW, bottom):
        axes.plot([0, right], [y, y], color="0.2", linewidth=0.9)
    axes.plot([NAMES - 0.03] * 2, [bottom, top + 0.5 * ROW], color="0.2", linewidth=0.7)
    for n, note in enumerate(_notes(where, slips)):
        axes.text(0.05, bottom - (n + 0.7) * ROW, note, fontsize=7.5, va="center")
    return figure


def _rows(entries: Sequence[ChallengeEntry], J: Statistics, F: Statistics) -> list[tuple[str, list[str], int | None]]:
    """Name, values of all columns, and which is the best; the best decay is not marked, as in the paper."""
    mean = 100 * global_mean(J.mean, F.mean)
    rows: list[tuple[str, list[str], int | None]] = [
        ("Measure", [*(entry.team for entry in entries), "here"], None),
        ("Ranking", [*(str(entry.ranking) for entry in entries), "none"], None),
        _row("Global Mean ↑", [entry.global_mean for entry in entries], mean),
    ]
    recomputed = [f"{global_mean(entry.J.mean, entry.F.mean):.2f}" for entry in entries]
    rows.append(("(J + F) / 2", [*recomputed, f"{mean:.2f}"], None))
    for name, ours in (("J", J), ("F", F)):
        for part in ("mean", "recall", "decay"):
            values = [getattr(getattr(entry, name), part) for entry in entries]
            sign = "↓" if part == "decay" else "↑"
            rows.append(_row(f"{name} {part.capitalize()} {sign}", values, 100 * getattr(ours, part), part != "decay"))
    return rows


def _row(name: str, values: list[float], ours: float, mark: bool = True) -> tuple[str, list[str], int | None]:
    return name, [*(f"{value:.1f}" for value in values), f"{ours:.1f}"], values.index(max(values)) if mark else None


def _write(axes: Axes, x: float, y: float, text: str, size: float, weight: str = "normal") -> None:
    axes.text(x, y, text, fontsize=size, weight=weight, ha="center", va="center")


def _notes(where: str, slips: set[str]) -> list[str]:
    arithmetic = f"not so for {', '.join(sorted(slips))}" if slips else "holds for all, to the decimal that is printed"
    return [
        f"(J + F) / 2, recomputed from the printed means: {arithmetic}. “Ours” is the paper's entry.",
        f"here: measured on {where}. Other videos, other networks: no rank, and no number to compare with the others.",
    ]


def _in_words(entries: Sequence[ChallengeEntry], J: Statistics, F: Statistics, where: str, slips: set[str]) -> str:
    first, last = entries[0], entries[-1]
    return (
        f"Table 2, {len(entries)} entries of the 2017 DAVIS Challenge in per cent, from {first.team} with global mean "
        f"{first.global_mean} to {last.team} with {last.global_mean}; {len(slips)} of them differ from (J + F) / 2. "
        f"Ours, on {where}: global mean {100 * global_mean(J.mean, F.mean):.1f}, J {100 * J.mean:.1f}, "
        f"F {100 * F.mean:.1f}."
    )
