"""A first mask in the making, as a picture: the frame, the instances so far, the marked points, and a close look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsreid_lite.plots.colours import BLACK, instance_colour
from vsreid_lite.plots.panels import ON_WHITE, TITLE, WHITE_EDGE, WIDTH, entitle, new_figure, show_instances
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Frame, Mask

LENS, TALLEST = 2.2, 6.0  # inches: the close look, the frame at most
REACH = 20  # pixels that it shows to each side of the cursor
Point = tuple[int, int]


def plot_painting(frame: Frame, mask: Mask, label: int, points: Sequence[Point], cursor: Point) -> Figure:
    """A mask (H, W) on its frame (H, W, 3), the marked points of the shape to come, and the cursor, also from near.

    label: of the instance in work. points, cursor: x, y in pixels.
    """
    (height, width), (x, y) = mask.shape, cursor
    figure, large, lens = _layout(height / width, _in_words(mask, label, points, cursor))
    for axes in (large, lens):
        show_instances(axes, frame, mask)
        _show_marks(axes, points, cursor, instance_colour(label))
    step = max(width, height) // 80 * 10 or 10
    large.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    large.set(xticks=range(0, width, step), yticks=range(0, height, step))
    large.tick_params(labelsize=7, length=2, pad=1)
    lens.set(xlim=(x - REACH - 0.5, x + REACH + 0.5), ylim=(y + REACH + 0.5, y - REACH - 0.5))
    lens.set_axis_off()
    for text in lens.texts:
        text.set_clip_on(True)
    entitle(large, f"instance {label}, {len(points)} points marked")
    entitle(lens, f"cursor at x {x}, y {y}")
    return figure


def _layout(aspect: float, alternative: str) -> tuple[Figure, Axes, Axes]:
    """Room for a frame of this height / width with ticks, and for a square beside it."""
    left, below = 0.3, 0.22
    wide = min(WIDTH - LENS - left - 0.15, TALLEST / aspect)
    tall = wide * aspect
    total = max(tall, LENS) + TITLE + below
    figure = new_figure(WIDTH, total, alternative)
    top = (total - TITLE) / total
    large = figure.add_axes((left / WIDTH, top - tall / total, wide / WIDTH, tall / total))
    lens = figure.add_axes(((left + wide + 0.1) / WIDTH, top - LENS / total, LENS / WIDTH, LENS / total))
    return figure, large, lens


def _show_marks(axes: Axes, points: Sequence[Point], cursor: Point, colour: str) -> None:
    if points:
        x, y = np.array(points).T
        axes.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.2, path_effects=ON_WHITE)
        axes.text(x[0], y[0], " 1", fontsize=8, path_effects=WHITE_EDGE)
        axes.text(x[-1], y[-1], f" {len(points)}" if len(points) > 1 else "", fontsize=8, path_effects=WHITE_EDGE)
    axes.plot(*cursor, "+", color=BLACK, markersize=12, markeredgewidth=1.4, path_effects=ON_WHITE)


def _in_words(mask: Mask, label: int, points: Sequence[Point], cursor: Point) -> str:
    there = [f"instance {one} has {counted(int((mask == one).sum()), 'pixel')}" for one in np.unique(mask[mask > 0])]
    marked = ", ".join(f"({x}, {y})" for x, y in points) or "none"
    return (
        f"Cursor at x {cursor[0]}, y {cursor[1]}. In work: instance {label}. Marked points: {marked}. "
        f"So far: {', '.join(there) or 'no instance'}."
    )
