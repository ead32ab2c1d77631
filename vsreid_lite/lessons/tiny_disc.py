"""The example that is carried from notebook 00 to Figure 3 in notebook 07: six frames of 8 x 8 pixels, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from vsreid_lite.config import Config
from vsreid_lite.figures.figure3 import CONFIG, disc_flow, disc_networks, run_figure3
from vsreid_lite.flow import FlowEstimator
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.plots.panels import AFTER, BEFORE, WIDTH, draw_box, new_figure
from vsreid_lite.result import Result
from vsreid_lite.video.video import Video

COLUMNS = 3  # panels in a row
Point = tuple[float, float]  # x, y in pixels


@dataclass(frozen=True)
class TinyExample:
    """Six frames, one disc, and the library's own run of Algorithm 3 on them.

    Attributes:
        video: the frames, with their true masks.
        flow: F, which follows three quarters of a step, and no jump.
        networks: toys for N_mp, N_det and N_reid, a line of arithmetic each.
        config: patches of 5 x 5 pixels, so that nothing is resized, and the two thresholds.
        result: `segment_as_printed` with the repair R1, with its maps.
    """

    video: Video
    flow: FlowEstimator
    networks: Networks
    config: Config
    result: Result


def tiny_example() -> TinyExample:
    """The example, run."""
    video, result = run_figure3()
    return TinyExample(video, disc_flow, disc_networks(), CONFIG, result)


@dataclass(frozen=True)
class Drawn:
    """Numbers of a grid, and what is drawn over them.

    Attributes:
        values: (H, W).
        boxes: in pixels; the first is drawn solid, all others dashed.
        arrow: from a point to another.
    """

    values: ArrayLike
    boxes: tuple[Box, ...] = ()
    arrow: tuple[Point, Point] | None = None


def plot_numbers(grids: Mapping[str, ArrayLike | Drawn], title: str = "") -> Figure:
    """Small grids by their names, every number written in its pixel; those above 0.5 are darker.

    Args:
        grids: (H, W) each, alone or with boxes and an arrow.
        title: of the figure.
    """
    drawn = {name: grid if isinstance(grid, Drawn) else Drawn(grid) for name, grid in grids.items()}
    columns = min(len(drawn), COLUMNS)
    rows = -(-len(drawn) // columns)
    words = "; ".join(_in_words(name, grid) for name, grid in drawn.items())
    panel = WIDTH / COLUMNS
    figure = new_figure(panel * columns, 0.25 + (panel + 0.2) * rows, f"{title or 'Numbers'}: {words}.", "constrained")
    figure.suptitle(title, fontsize=9)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for (name, grid), each in zip(drawn.items(), axes, strict=False):
        _draw(each, name, grid)
    for spare in [*figure.axes[len(drawn) :]]:
        spare.set_axis_off()
    return figure


def _draw(axes: Axes, name: str, grid: Drawn) -> None:
    values = np.asarray(grid.values)
    H, W = values.shape
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1.6)
    for y, x in np.ndindex(H, W):
        ink = "0.65" if values[y, x] == 0 else "black"
        axes.text(x, y, f"{values[y, x]:g}", fontsize=7, color=ink, ha="center", va="center")
    axes.set(xticks=range(W), yticks=range(H))
    axes.set_xticks(np.arange(0.5, W - 1), minor=True)
    axes.set_yticks(np.arange(0.5, H - 1), minor=True)
    axes.grid(which="minor", color="0.8", linewidth=0.5)
    axes.tick_params(which="both", length=0, labelsize=7)
    for n, box in enumerate(grid.boxes):
        draw_box(axes, box, AFTER if n == 0 else BEFORE, style="-" if n == 0 else "--")
    if grid.arrow:
        axes.annotate("", grid.arrow[1], grid.arrow[0], arrowprops={"arrowstyle": "->", "color": BEFORE, "lw": 2})
    axes.set_title(name, fontsize=8)


def _in_words(name: str, grid: Drawn) -> str:
    values, counts = np.unique(grid.values, return_counts=True)
    found = ", ".join(f"{value:g} ({count})" for value, count in zip(values, counts, strict=True))
    boxes = "".join(f", box ({b.x0}, {b.y0}, {b.x1}, {b.y1})" for b in grid.boxes)
    arrow = "" if grid.arrow is None else f", an arrow from {grid.arrow[0]} to {grid.arrow[1]}"
    return f"{name}: values, and how many pixels have each: {found}{boxes}{arrow}"
