"""The warp under the magnifying glass: one sampled point between its pixels, and guided maps beside the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vsreid_lite.evaluation.metrics import region
from vsreid_lite.plots.colours import BEFORE
from vsreid_lite.plots.panels import Map, new_figure, panel_grid
from vsreid_lite.plots.warping_plots import Area, show_differences
from vsreid_lite.video.masks import Frame

REACH = 3  # pixels of the map shown around a sampled point
SCALES = {1: 1.6, 2: 1.6, 3: 1.33}  # of the panels, by their number


def plot_sampling(P: Map, x: float, y: float) -> Figure:
    """The pixels of the map P (H, W) around a point, their values, and the four that the point lies between.

    Each of the four says its weight: how near it is, across times down.
    """
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    across, down = x - x0, y - y0
    weights = {(0, 0): (1 - across) * (1 - down), (1, 0): across * (1 - down)}
    weights |= {(0, 1): (1 - across) * down, (1, 1): across * down}
    listed = ", ".join(f"{weight:.2f} of pixel ({x0 + dx}, {y0 + dy})" for (dx, dy), weight in weights.items())
    figure = new_figure(4.4, 4.2, f"The point ({x:.2f}, {y:.2f}) between its four pixels: {listed}.", "constrained")
    axes = figure.subplots()
    axes.imshow(P, cmap="Greys", vmin=0, vmax=1.6)
    axes.set(xlim=(x0 - REACH + 0.5, x0 + REACH + 0.5), ylim=(y0 + REACH + 0.5, y0 - REACH + 0.5))
    for v in range(max(y0 - REACH + 1, 0), min(y0 + REACH + 1, P.shape[0])):
        for u in range(max(x0 - REACH + 1, 0), min(x0 + REACH + 1, P.shape[1])):
            weight = weights.get((u - x0, v - y0))
            text = f"{P[v, u]:.2f}" + ("" if weight is None else f"\n× {weight:.2f}")
            axes.text(u, v, text, ha="center", va="center", fontsize=7, weight="normal" if weight is None else "bold")
    axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), 2, 2, fill=False, edgecolor=BEFORE, linewidth=2))
    axes.plot([x], [y], "+", color=BEFORE, markersize=14, markeredgewidth=2.5)
    axes.set_title(f"$P$ around ({x:.2f}, {y:.2f}); weights of its four pixels", fontsize=9)
    axes.tick_params(labelsize=7)
    return figure


def plot_compared(frame: Frame, truth: Area, maps: Mapping[str, Map], title: str) -> Figure:
    """Maps (H, W) by name, above 0.5, beside the truth (H, W) over one frame: what is missed, what is too much, J."""
    scored = {name: region(truth, P > 0.5) for name, P in maps.items()}
    alternative = f"{title}. J with the truth: {', '.join(f'{name} {J:.2f}' for name, J in scored.items())}."
    scale = SCALES.get(len(maps), 1.33)
    figure, grid = panel_grid(1, len(maps), frame.shape, alternative, scale, title)
    for axes, (name, P) in zip(grid[0], maps.items(), strict=True):
        show_differences(axes, frame, truth, P > 0.5, f"{name}: J {scored[name]:.2f}")
    return figure
