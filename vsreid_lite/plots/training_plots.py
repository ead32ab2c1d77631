"""The training curve of each stage."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d

from vsreid_lite.plots.colours import AFTER
from vsreid_lite.plots.panels import new_figure
from vsreid_lite.training.loop import Curve

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
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("steps", fontsize=9)
    figure.supylabel("loss", fontsize=9)
    return figure


def _smoothed(curve: Curve) -> np.ndarray:
    size = max(1, round(SMOOTHING * len(curve.loss)))
    line: np.ndarray = uniform_filter1d(curve.loss, size, mode="nearest")
    return line
