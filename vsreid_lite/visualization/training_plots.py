"""Figures of training: the curve of each stage, and what becomes of a network that was trained to copy its guide."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d

from vsreid_lite.evaluation.collapse import Collapse
from vsreid_lite.training.log import Curve
from vsreid_lite.visualization.colours import AFTER, BEFORE, BLACK
from vsreid_lite.visualization.panels import WIDTH, new_figure
from vsreid_lite.wording import counted

SMOOTHING = 0.15  # of the rows of a log are averaged for the thick curve
COLUMNS = 4


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
        _bare(axes)
    figure.supxlabel("steps", fontsize=9)
    figure.supylabel("loss", fontsize=9)
    return figure


def plot_collapse(collapse: Collapse) -> Figure:
    """J with the truth over the frames: trained with deformed guides, with true ones, and the first mask left still."""
    last = {"deformed": collapse.deformed.truth[-1], "true": collapse.true.truth[-1], "still": collapse.still[-1]}
    frames = np.arange(1, len(collapse.still) + 1)
    alternative = (
        f"J with the true masks after {counted(len(frames), 'frame')}: {last['deformed']:.2f} for a network trained "
        f"with deformed guides, {last['true']:.2f} for one trained with true masks as guides, {last['still']:.2f} for "
        "the first mask left where it was. J of the second network's masks with their own guides is "
        f"{collapse.true.guide.mean():.2f}."
    )
    figure = new_figure(WIDTH, 2.6, alternative, "constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, part, title in ((left, "truth", "J with the true mask"), (right, "guide", "J with its own guide")):
        axes.plot(frames, getattr(collapse.deformed, part), "-", color=AFTER, linewidth=1.8, label="deformed guides")
        axes.plot(frames, getattr(collapse.true, part), "--", color=BEFORE, linewidth=1.8, label="true masks as guides")
        axes.set(ylim=(0, 1.02), xlabel="frame", xlim=(1, len(frames)))
        axes.set_title(title, fontsize=9)
        _bare(axes)
    left.plot(frames, collapse.still, ":", color=BLACK, linewidth=1.5, label="first mask left still")
    left.set_ylabel("J")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside right upper")
    return figure


def _smoothed(curve: Curve) -> np.ndarray:
    size = max(1, round(SMOOTHING * len(curve.loss)))
    line: np.ndarray = uniform_filter1d(curve.loss, size, mode="nearest")
    return line


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
