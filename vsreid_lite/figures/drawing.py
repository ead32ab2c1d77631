"""What the paper's figures share: pictures placed by inches, labels on black, thick arrows along a path."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from vsreid_lite.plots.panels import Map, instance_colour, number_instance
from vsreid_lite.video.masks import Frame, Mask

ARROW = "#C55A11"
SMALL = 7  # points: numbers of instances, notes
Point = tuple[float, float]


def sheet(figure: Figure) -> Axes:
    """Axes over a whole figure, in inches from its lower left corner, for what lies beside and between pictures."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, figure.get_figwidth()), ylim=(0, figure.get_figheight()))
    axes.set_axis_off()
    return axes


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes without ticks for one picture; x, y: its lower left corner, in inches."""
    W, H = figure.get_figwidth(), figure.get_figheight()
    axes = figure.add_axes((x / W, y / H, width / W, height / H))
    axes.set_axis_off()
    return axes


def labels_on_black(mask: Mask) -> Frame:
    """Labels (H, W) as the paper shows them: each instance in its colour, the background black; (H, W, 3), uint8."""
    picture = np.zeros((*mask.shape, 3), np.uint8)
    for label in np.unique(mask[mask > 0]):
        picture[mask == label] = np.rint(np.array(to_rgb(instance_colour(int(label)))) * 255)
    return picture


def map_on_black(P: Map, label: int) -> Frame:
    """A probability map (H, W) in the colour of its instance, the darker, the less probable; (H, W, 3), uint8."""
    colour = np.array(to_rgb(instance_colour(label))) * 255
    return np.rint(P[..., None].clip(0, 1) * colour).astype(np.uint8)


def show_labels(axes: Axes, mask: Mask) -> None:
    """Labels (H, W) on black, each instance numbered."""
    axes.imshow(labels_on_black(mask), aspect="auto")
    for label in np.unique(mask[mask > 0]):
        number_instance(axes, (mask == label).astype(np.uint8), int(label), SMALL)


def arrow(axes: Axes, *points: Point, head: bool = True) -> None:
    """A line through points in data coordinates, with an arrow head at the last, white at its edges."""
    style = "-|>,head_length=4,head_width=2.5" if head else "-"
    line = FancyArrowPatch(
        path=Path(points), arrowstyle=style, color=ARROW, linewidth=1.5, joinstyle="miter", capstyle="butt", zorder=5
    )
    line.set_path_effects([withStroke(linewidth=3, foreground="white")])
    axes.add_patch(line)
