"""Curves: any values over any axis, told apart by dash and marker as well as by colour, and the loss of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d

from vsreid_lite.plots.panels import AFTER, BEFORE, BLACK, INSTANCES, WIDTH, new_figure
from vsreid_lite.training.loop import Curve

STYLES = (
    (AFTER, "-", "o"),
    (BEFORE, "--", "s"),
    (BLACK, ":", "^"),
    (INSTANCES[2], "-.", "D"),
    (INSTANCES[4], "-", "x"),
)
SMOOTHING = 0.15  # of the rows of a log are averaged for the thick curve
COLUMNS = 4  # of panels, at most


def plot_lines(
    x: Sequence[float] | Sequence[str] | NDArray[Any],
    curves: Mapping[str, ArrayLike],
    title: str,
    labels: tuple[str, str],
    hatched: NDArray[np.bool_] | None = None,
    legend: str = "",
    joined: bool = True,
) -> Figure:
    """Curves, or points, by their names over one axis.

    The alternative text gives the first and the last value of each curve, and where they are if not at its ends.

    Args:
        x: (n,), numbers, or words at equal distances.
        curves: (n,) each, by name.
        title: of the figure.
        labels: of the axes x and y.
        hatched: (n,), where to hatch the ground.
        legend: what the hatching means.
        joined: whether lines lead from value to value; not over categories, whose axis begins at 0.

    Raises:
        ValueError: there are more than five curves.
    """
    if len(curves) > len(STYLES):
        raise ValueError(f"{title}: expected at most {len(STYLES)} curves, found {len(curves)}")
    figure = new_figure(WIDTH, 2.5, f"{title}. {_lines_in_words(x, curves, labels)}", "constrained")
    axes = figure.subplots()
    if hatched is not None and hatched.any():
        hatch(axes, np.asarray(x)[hatched], legend)
    _draw_curves(axes, x, curves, joined)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set_title(title, fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_curves(axes: Axes, x: Any, curves: Mapping[str, ArrayLike], joined: bool) -> None:
    for (name, values), (colour, dash, marker) in zip(curves.items(), STYLES, strict=False):
        curve = np.asarray(values, np.float64)
        style, size = (dash, 3.5) if joined else ("none", 7)
        axes.plot(x, curve, color=colour, linestyle=style, marker=marker, markersize=size, linewidth=1.5, label=name)
    if not joined:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.grid(axis="y", color="0.9")


def _lines_in_words(
    x: Sequence[float] | Sequence[str] | NDArray[Any], curves: Mapping[str, ArrayLike], labels: tuple[str, str]
) -> str:
    names = [" ".join(str(value).split()) for value in x]  # words may be broken into lines
    ends = "; ".join(f"{name} {_ends(np.asarray(values), names)}" for name, values in curves.items())
    against = f" against {labels[0]}" if labels[0] else ""
    return f"{labels[1] or 'values'}{against}, {names[0]} to {names[-1]}: {ends}."


def _ends(values: NDArray[Any], names: Sequence[str]) -> str:
    """The first and the last value of a curve over x, whose values are called `names`."""
    there = np.flatnonzero(np.isfinite(values.astype(np.float64)))
    if not len(there):
        return "without values"
    form = "d" if values.dtype.kind in "iu" else ".2f"
    return " ".join(
        f"{word} {values[i]:{form}}" + (f" at {names[i]}" if i != end else "")
        for word, i, end in (("from", there[0], 0), ("to", there[-1], len(values) - 1))
    )


def hatch(axes: Axes, frames: Sequence[int] | NDArray[np.integer], label: str) -> None:
    """The ground hatched at each of these frames, half a frame to both sides; named once in the legend."""
    for i in frames:
        axes.axvspan(i - 0.5, i + 0.5, facecolor="0.93", hatch="///", edgecolor="0.75", linewidth=0, label=label)
        label = "_"


def plot_training(curves: Mapping[str, Curve]) -> Figure:
    """The loss of stages against their steps, one panel each: as logged, thin, and averaged over rows, thick."""
    columns = min(COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    smooth = {name: _smoothed(curve) for name, curve in curves.items()}
    ends = "; ".join(f"{name} from {line[0]:.2f} to {line[-1]:.2f}" for name, line in smooth.items())
    figure = new_figure(max(2.5 * columns, 4), 1.9 * rows, f"Training loss against steps: {ends}.", "constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(curves) :]:
        axes.set_axis_off()
    for axes, (name, curve) in zip(panels.flat, curves.items(), strict=False):
        axes.plot(curve.steps, curve.loss, color="0.7", linewidth=0.8)
        axes.plot(curve.steps, smooth[name], color=AFTER, linewidth=1.8)
        axes.set_title(f"{name}, {curve.seconds[-1] / 60:.0f} min", fontsize=9)
        axes.set_ylim(0, 1.1 * float(np.percentile(curve.loss, 98)))
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("steps", fontsize=9)
    figure.supylabel("loss", fontsize=9)
    return figure


def _smoothed(curve: Curve) -> np.ndarray:
    size = max(1, round(SMOOTHING * len(curve.loss)))
    line: np.ndarray = uniform_filter1d(curve.loss, size, mode="nearest")
    return line
