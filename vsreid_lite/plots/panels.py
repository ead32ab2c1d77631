"""What figures are made of: colours, and panels that show a frame, instances, a map, a flow or a box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from numpy.typing import NDArray
from skimage.measure import find_contours

from vsreid_lite.geometry import Box
from vsreid_lite.video.masks import Frame, Mask

Map = NDArray[np.float32]  # (H, W), a probability in [0, 1]
INSTANCES = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")  # Okabe and Ito
PAPER, OURS, ADAPTED, RETRIEVED = "#BBBBBB", "#0072B2", "#E69F00", "#0072B2"
BEFORE, AFTER, BLACK = "#D55E00", "#0072B2", "#000000"
PANEL, GAP, TITLE = 2.1, 0.05, 0.24  # inches: the width of a frame, between frames, the height of a line of text
LETTER = 0.075  # inches: the mean width of a letter of a figure's title
WIDTH = 8.6  # inches: a figure as wide as the page
INK, MAP_EDGE = (0.0, 0.27, 0.5), "#E69F00"  # of a probability, of those above 0.5
WHITE_EDGE = (withStroke(linewidth=2.5, foreground="white"),)
ON_WHITE: list[AbstractPathEffect] = [withStroke(linewidth=2.6, foreground="white")]


def instance_colour(label: int) -> str:
    """The colour of an instance; after seven they begin anew, so a label's number always stands beside its colour."""
    return INSTANCES[(label - 1) % len(INSTANCES)]


def tint(frame: Frame, mask: Mask, opacity: float = 0.45) -> Frame:
    """The frame (H, W, 3) with the labels of `mask` (H, W) painted over it, as uint8 (H, W, 3)."""
    picture = frame.copy()
    for label in np.flatnonzero(np.bincount(mask.ravel())[1:]) + 1:
        colour = np.array(to_rgb(instance_colour(int(label)))) * 255
        tinted = np.rint((1 - opacity) * np.arange(256)[:, None] + opacity * colour).astype(np.uint8)  # of each value
        cv2.copyTo(cv2.LUT(frame, tinted[:, None]), (mask == label).astype(np.uint8), picture)
    return picture


def flow_colours(flow: NDArray[np.float32], longest: float) -> Frame:
    """A flow (2, H, W) as uint8 (H, W, 3): the direction is the hue, the length the saturation, no motion is white.

    Args:
        flow: (2, H, W), pixels.
        longest: the length in pixels that is fully saturated, above 0.
    """
    hue = np.arctan2(flow[1], flow[0]) / (2 * np.pi) % 1
    saturation = np.clip(np.hypot(flow[0], flow[1]) / longest, 0, 1)
    return np.rint(hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], -1)) * 255).astype(np.uint8)


def colour_wheel(size: int = 65) -> Frame:
    """The key of `flow_colours`: every direction and length once, (size, size, 3), white outside the circle."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    flow = np.stack(np.meshgrid(axis, axis))
    return flow_colours(np.where(np.hypot(*flow) <= 1, flow, 0), 1.0)


def new_figure(width: float, height: float, alternative: str, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty white figure of so many inches, without pyplot; `get_label()` is its alternative text."""
    figure = Figure(figsize=(width, height), facecolor="white", layout=layout)
    figure.set_label(alternative)
    return figure


def listed(numbers: Iterable[int]) -> str:
    """Numbers for an alternative text."""
    return ", ".join(map(str, numbers))


def panel_grid(
    rows: int, columns: int, shape: tuple[int, ...], alternative: str, scale: float = 1.0, title: str = ""
) -> tuple[Figure, NDArray[Any]]:
    """A figure of rows x columns panels for frames of `shape` (H, W, ...), and its axes, (rows, columns).

    Every panel has room for a title above it; so has the figure where it has one, and for names of rows at its left.
    A title that is wider than the panels widens the figure.
    """
    width = PANEL * scale
    height = width * shape[0] / shape[1]
    right = columns * (width + GAP) + TITLE
    total_width = max(right, LETTER * len(title))
    heading = TITLE if title else 0
    total_height = rows * (height + TITLE) + heading + GAP
    figure = new_figure(total_width, total_height, alternative)
    axes = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": TITLE / total_width,
            "right": (right - GAP) / total_width,
            "bottom": GAP / total_height,
            "top": 1 - (TITLE + heading) / total_height,
            "wspace": GAP / width,
            "hspace": TITLE / height,
        },
    )
    figure.suptitle(title, fontsize=9, y=1, va="top")
    for panel in axes.flat:
        panel.set_axis_off()
    return figure, axes


def entitle(axes: Axes, title: str) -> None:
    """A panel's title, at its place: left to find one, matplotlib first makes the ticks that a panel does not show."""
    axes.set_title(title, fontsize=8, y=1)


def show_instances(axes: Axes, frame: Frame, mask: Mask) -> None:
    """A frame with the labels of `mask` (H, W): tinted, outlined, and numbered where each is widest."""
    axes.imshow(tint(frame, mask))
    for label in np.unique(mask[mask > 0]):
        inside = (mask == label).astype(np.uint8)
        outline(axes, inside, instance_colour(int(label)))
        number_instance(axes, inside, int(label))


def number_instance(axes: Axes, inside: Mask, label: int, size: float = 8) -> None:
    """The number of an instance where its mask is widest.

    Args:
        axes: where the frame is.
        inside: its mask (H, W), 0 or 1.
        label: the number.
        size: of the letters, in points.
    """
    x, y = widest_place(inside)
    axes.text(x, y, str(label), ha="center", va="center", fontsize=size, path_effects=WHITE_EDGE)


def widest_place(inside: Mask) -> tuple[int, int]:
    """The pixel (x, y) of a mask (H, W), 0 or 1, that is farthest from its outside."""
    depth = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(x), int(y)


def show_map(axes: Axes, frame: Frame, P: Map, title: str) -> None:
    """A probability map (H, W) over a pale frame: the darker, the more probable; outlined at 0.5."""
    axes.imshow(painted(frame, P))
    if (P > 0.5).any():
        outline(axes, P, MAP_EDGE)
    entitle(axes, title)


def painted(frame: Frame, P: Map) -> Frame:
    """The frame (H, W, 3), pale, with the map over it."""
    ink = np.array(INK, np.float32) * 255
    pale, share = 0.5 * frame.astype(np.float32) + 127.5, 0.8 * P[..., None]
    return np.clip(pale + share * (ink - pale), 0, 255).astype(np.uint8)


def show_flow(axes: Axes, flow: NDArray[np.float32], title: str, longest: float | None = None) -> None:
    """A flow (2, H, W) in colour and as arrows; the colour wheel, its key, stands above it at the right.

    Args:
        axes: where to draw it.
        flow: (2, H, W), pixels.
        title: of the panel; the length that is fully saturated follows it.
        longest: this length in pixels, by default that of the longest vector and 1 at least.
    """
    longest = max(float(np.hypot(*flow).max()), 1.0) if longest is None else longest
    axes.imshow(flow_colours(flow, longest))
    height, width = flow.shape[1:]
    step = max(width // 14, 1)
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    axes.quiver(x, y, flow[0, y, x], flow[1, y, x], angles="xy", scale_units="xy", scale=longest / step, width=0.005)
    wheel = OffsetImage(colour_wheel(), zoom=72 * (TITLE - 0.02) / 65)
    axes.add_artist(AnnotationBbox(wheel, (1, 1), None, "axes fraction", box_alignment=(1, 0), frameon=False, pad=0))
    axes.set_title(f"{title}, to {longest:.0f} px", fontsize=8, y=1, loc="left")


def outline(axes: Axes, P: Map | Mask, colour: str) -> None:
    """The contour of (H, W) values at 0.5, coloured on white so that it shows on any ground."""
    lines = [line[:, ::-1] for line in find_contours(P, 0.5)]  # x, y of points; eight times as fast as Axes.contour
    collection = LineCollection(lines, colors=colour, linewidths=1.4, path_effects=ON_WHITE)
    axes.add_collection(collection, autolim=False)


def draw_box(axes: Axes, box: Box, colour: str, text: str = "", style: str = "-", width: float = 1.8) -> None:
    """A box, coloured on white, with a text above it, or below where there is no room."""
    for stroke, line in (("white", width + 1.6), (colour, width)):
        corner = (box.x0 - 0.5, box.y0 - 0.5)
        axes.add_patch(
            Rectangle(corner, box.width, box.height, fill=False, edgecolor=stroke, linewidth=line, linestyle=style)
        )
    if text:
        ground = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}
        gap = 4 * min(axes.get_ylim()[0] / 60, 1)  # pixels; less in frames of a few pixels
        y, above = (box.y0 - gap, "bottom") if box.y0 > 5 * gap else (box.y1 + gap, "top")
        x, beside = (max(box.x0, gap / 2), "left") if box.x0 < axes.get_xlim()[1] / 2 else (box.x1 - gap / 2, "right")
        axes.text(x, y, text, fontsize=8, color=colour, va=above, ha=beside, bbox=ground)
