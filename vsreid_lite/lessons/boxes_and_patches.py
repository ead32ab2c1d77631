"""Notebook 03, boxes and patches: what the size of the network's input costs, with pictures, and the exercises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.config import PropagationConfig
from vsreid_lite.evaluation.metrics import BinaryMask, score_frame
from vsreid_lite.flow import CachedFlow, FlowEstimator
from vsreid_lite.geometry import Box, crop, cut, iou, paste, release_iou, to_image, warp
from vsreid_lite.lessons.exercises import asks
from vsreid_lite.plots.panels import (
    AFTER,
    BEFORE,
    BLACK,
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
from vsreid_lite.video.video import Video

SMALLEST = 200  # visible pixels of an instance that is looked at
ENLARGE = PropagationConfig.enlarge


@dataclass(frozen=True, eq=False)
class Seen:
    """An instance as one frame shows it. mask: (H, W). box: its box, enlarged."""

    frame: int
    label: int
    mask: BinaryMask
    box: Box

    @property
    def area(self) -> int:
        """In pixels."""
        return int(np.count_nonzero(self.mask))


def seen_instances(video: Video, every: int = 1) -> list[Seen]:
    """Each instance in each annotated frame that shows at least SMALLEST pixels of it, smallest first.

    Args:
        video: the video.
        every: look at the frames 0, `every`, 2 · `every` and so on.
    """
    annotations = enumerate(video.annotations or [])
    frames = [(i, labels) for i, labels in annotations if labels is not None and i % every == 0]
    masks = [(i, label, labels == label) for i, labels in frames for label in video.labels]
    found = [Seen(i, label, mask, _box(mask)) for i, label, mask in masks if np.count_nonzero(mask) >= SMALLEST]
    return sorted(found, key=lambda seen: seen.area)


def resizing_scores(instances: Sequence[Seen], cells: Sequence[int], boxed: bool) -> NDArray[np.float64]:
    """What is left of true masks that are shrunk to n x n cells and enlarged again.

    Args:
        instances: whose masks are resized.
        cells: the values of n.
        boxed: resize the part inside the instance's box, instead of the full image.

    Returns:
        (len(cells), 2): mean J and mean F.
    """
    scores = [[_resized(seen, n, boxed) for seen in instances] for n in cells]
    return np.mean(scores, axis=1)


def margin_costs(video: Video, flow: FlowEstimator, margins: Sequence[float]) -> NDArray[np.float64]:
    """How often a box with a margin cuts off a part of its instance, and which share of the box the instance fills.

    The boxes are those of true masks that are warped from the frame before and enlarged by the margin. A box cuts
    something off where it leaves out a pixel of the true mask of its own frame.

    Args:
        video: the video, with annotations.
        flow: which warps the masks.
        margins: shares of the box's width and height, on each side.

    Returns:
        (len(margins), 2): the share of boxes that cut something off, and the mean share that is instance.
    """
    cached = CachedFlow(flow, list(video.frames))
    pairs = [(box, seen.mask) for seen in seen_instances(video) if (box := _guided_box(video, seen, cached))]
    costs = np.zeros((len(margins), len(pairs), 2))
    for row, margin in zip(costs, margins, strict=True):
        for cost, (box, mask) in zip(row, pairs, strict=True):
            grown = box.enlarge(margin, (mask.shape[0], mask.shape[1]))
            inside = int(cut(torch.from_numpy(mask), grown).sum())
            cost[:] = inside < np.count_nonzero(mask), inside / grown.area
    return costs.mean(1)


def _box(mask: BinaryMask) -> Box:
    box = Box.from_probability(torch.from_numpy(mask))
    assert box is not None
    return box.enlarge(ENLARGE, (mask.shape[0], mask.shape[1]))


def _resized(seen: Seen, n: int, boxed: bool) -> tuple[float, float]:
    shape = (seen.mask.shape[0], seen.mask.shape[1])
    box = seen.box if boxed else Box.full(shape)
    patch = crop(torch.from_numpy(seen.mask.astype(np.float32))[None], box, n)[0]
    return score_frame(seen.mask, (paste(patch, box, shape) > 0.5).numpy())


def _guided_box(video: Video, seen: Seen, cached: CachedFlow) -> Box | None:
    """The box of the instance's mask of the frame before, warped; None where it has none there."""
    before = None if video.annotations is None or not seen.frame else video.annotations[seen.frame - 1]
    if before is None:
        return None
    P = torch.from_numpy((before == seen.label).astype(np.float32))
    return Box.from_probability(warp(P, cached.flow(seen.frame, seen.frame - 1)))


@dataclass(frozen=True, eq=False)
class View:
    """An instance to be looked at. frame: (H, W, 3). mask: (H, W). box: the part of the frame that N_mp sees."""

    name: str
    frame: Frame
    mask: BinaryMask
    box: Box


def plot_boxes(frame: Frame, P: Map, truth: BinaryMask, found: Box, enlarged: Box, title: str) -> Figure:
    """Two boxes over a map, and over the frame with the true instance outlined.

    Args:
        frame: (H, W, 3).
        P: the map, (H, W) in [0, 1].
        truth: the true mask, (H, W).
        found: the box of the map, drawn dashed.
        enlarged: the box with its margin, drawn solid.
        title: of the figure.
    """
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
    """For each view its frame, and the full image and the box as the network would get them, size x size pixels."""
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
    """The sides of instances in the network's input against those in the frame. A side is the root of the area.

    Args:
        frame: (n,), sides in the frame, pixels.
        full: (n,), in an input made of the full image.
        boxed: (n,), in an input made of the instance's box.
        S: the side of the input, pixels.
    """
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


def _map(*rows: str) -> Tensor:
    return torch.tensor([[int(pixel) / 10 for pixel in row] for row in rows])


@asks(
    "03.1",
    """Write `patch_box(P, margin)`: the box in which the network looks for an instance. It is the smallest box of the
    pixels of P, a tensor (H, W), *above* 0.5, as half-open pixels (x0, y0, x1, y1), so that x1 - x0 is its width. Then
    it grows on each side by `margin` times its width and height, rounded to whole pixels, and is clipped to the map.
    Return four numbers or a `Box`, and None where no pixel is above 0.5.""",
    """Half-open: x1 is one more than the last column. Grow by the width to left and right and by the height up and
    down, and only then clip at 0 and at the map's size. 0.5 itself is not above 0.5.""",
    (_map("000000", "000000", "009800", "000000", "000000"), 0.0),
    (_map("000000", "069960", "000000", "000000", "000000"), 0.3),
    (_map("000000", "069600", "067600", "000000", "000000"), 0.4),
    (_map("900000", "090000", "000000", "000000", "000500"), 0.5),
    (_map("000000", "000000", "000000", "000000", "000007"), 0.2),
    (_map("055555", "555555", "455555", "000000", "000000"), 0.3),
)
def patch_box(P: Tensor, margin: float) -> Box | None:
    """Box(P > 0.5), enlarged."""
    found = Box.from_probability(P)
    return None if found is None else found.enlarge(margin, (P.shape[0], P.shape[1]))


@asks(
    "03.2",
    "Write `overlap(a, b)`: the IoU of two boxes. A `Box` has x0, y0, x1, y1, half-open, and `area`.",
    """The intersection is max(x0) to min(x1), and is empty where that turns round; the union is both areas without
    counting the intersection twice.""",
    (Box(2, 2, 12, 12), Box(2, 2, 12, 12)),
    (Box(0, 0, 10, 10), Box(5, 5, 15, 15)),
    (Box(0, 0, 10, 10), Box(10, 0, 20, 10)),
    (Box(0, 0, 4, 4), Box(8, 9, 12, 12)),
    (Box(0, 0, 10, 4), Box(2, 1, 4, 3)),
    (Box(3, 0, 6, 9), Box(0, 3, 9, 6)),
)
def overlap(a: Box, b: Box) -> float:
    """True IoU."""
    return iou(a, b)


@asks(
    "03.3",
    """The authors' release counts one row and one column too many of the intersection, and divides by the area of the
    smallest box around both boxes instead of by the union. So two identical 10 × 10 boxes score 1.21. What do (a) two
    identical 20 × 20 boxes score there, and (b) two 10 × 10 boxes side by side, which touch and share no pixel? Answer
    with two numbers.""",
    """Work out 1.21 first: 11 × 11 over 10 × 10. Side by side, the smallest box around both is 20 × 10; the
    intersection is 0 pixels wide, and counts as one more.""",
    tolerance=3e-3,
)
def release_scores() -> tuple[float, float]:
    """By the release's rule."""
    square = Box(0, 0, 20, 20)
    return release_iou(square, square), release_iou(Box(0, 0, 10, 10), Box(10, 0, 20, 10))
