"""Boxes and scale as pictures: what the network sees of an instance, in the full image and in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import BinaryMask
from vsreid_lite.geometry import Box, crop, cut, to_image
from vsreid_lite.plots.colours import AFTER, BEFORE, BLACK
from vsreid_lite.plots.panels import (
    TITLE,
    WIDTH,
    Map,
    draw_box,
    entitle,
    new_figure,
    outline,
    panel_grid,
    show_map,
)
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Frame


@dataclass(frozen=True, eq=False)
class View:
    """An instance to be looked at. frame: (H, W, 3). mask: (H, W). box: the part of the frame that N_mp sees."""

    name: str
    frame: Frame
    mask: BinaryMask
    box: Box


def plot_boxes(frame: Frame, P: Map, truth: BinaryMask, found: Box, enlarged: Box, title: str) -> Figure:
    """Two boxes over the map P (H, W) of a frame, and over the frame with the true instance (H, W) outlined."""
    alternative = (
        f"{title}: the box of the map, {found.width} by {found.height} pixels, and enlarged, "
        f"{enlarged.width} by {enlarged.height}, over the map and beside the true instance."
    )
    figure, ((left, right),) = panel_grid(1, 2, frame.shape, alternative, 2.0, title)
    show_map(left, frame, P, "the map and its box (dashed), enlarged (solid)")
    right.imshow(frame)
    outline(right, truth.astype(np.float32), AFTER)
    entitle(right, "the true instance, outlined")
    for axes in (left, right):
        draw_box(axes, found, BEFORE, style="--", width=1.4)
        draw_box(axes, enlarged, BLACK, width=1.4)
    return figure


def plot_views(views: Sequence[View], size: int) -> Figure:
    """Each view: its frame, the full image as the network would get it, and its box, both size x size pixels."""
    covered = [[cut(torch.from_numpy(view.mask), box).float().mean() for box in _seen(view)] for view in views]
    words = "; ".join(
        f"{view.name} covers {full:.1%} of the full image and {boxed:.1%} of its box"
        for view, (full, boxed) in zip(views, covered, strict=True)
    )
    aspect = views[0].frame.shape[1] / views[0].frame.shape[0]
    panel = (WIDTH - 0.3) / (aspect + 2)  # inches, the height of a row
    height = len(views) * (panel + TITLE) + 0.05
    figure = new_figure(WIDTH, height, f"What the network sees, {size} by {size} pixels: {words}.")
    edges = {"left": 0.005, "right": 0.995, "bottom": 0.05 / height, "top": 1 - TITLE / height}
    spaces = {"wspace": 0.15 * 3 / (WIDTH - 0.3), "hspace": TITLE / panel}
    grid = figure.subplots(len(views), 3, squeeze=False, width_ratios=(aspect, 1, 1), gridspec_kw=edges | spaces)
    for (left, middle, right), view, (full, boxed) in zip(grid, views, covered, strict=True):
        left.imshow(view.frame)
        outline(left, view.mask.astype(np.float32), AFTER)
        draw_box(left, view.box, BLACK, width=1.4)
        entitle(left, view.name)
        for axes, box, share, name in zip(
            (middle, right), _seen(view), (full, boxed), ("full image", "box"), strict=True
        ):
            _show_patch(axes, view, box, size, f"{name}: {share:.1%} instance")
        for axes in (left, middle, right):
            axes.set_axis_off()
    return figure


def plot_sides(frame: NDArray[np.floating], full: NDArray[np.floating], boxed: NDArray[np.floating], S: int) -> Figure:
    """The side of each instance, √ of its area: in the network's input of S pixels against that in the frame, (n,)."""
    spread = [f"{name} {side.min():.0f} to {side.max():.0f}" for name, side in (("full image", full), ("box", boxed))]
    alternative = f"Sides of {counted(len(frame), 'instance')} in an input of {S} pixels: {', '.join(spread)} pixels."
    figure = new_figure(WIDTH, 2.6, alternative, "constrained")
    axes = figure.subplots()
    axes.scatter(frame, boxed, s=9, marker="o", color=AFTER, label="box, enlarged")
    axes.scatter(frame, full, s=11, marker="x", color=BEFORE, linewidths=0.9, label="full image")
    axes.axhline(S, color="0.5", linestyle=":", label=f"the whole input, {S} px")
    axes.set(xlabel="side of the instance in the frame, px", ylabel="in the input, px", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _seen(view: View) -> tuple[Box, Box]:
    return Box.full((view.mask.shape[0], view.mask.shape[1])), view.box


def _show_patch(axes: Axes, view: View, box: Box, size: int, title: str) -> None:
    axes.imshow(crop(to_image(view.frame), box, size).permute(1, 2, 0).numpy().clip(0, 1))
    outline(axes, crop(torch.from_numpy(view.mask.astype(np.float32))[None], box, size)[0].numpy(), AFTER)
    entitle(axes, title)
