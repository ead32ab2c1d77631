"""Scores as pictures: instances in sight, J and F of one mask, their statistics, and two rows of Table 1 by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import (
    RECALL_THRESHOLD,
    BinaryMask,
    FrameScores,
    Statistics,
    Values,
    boundary,
    boundary_pixels,
    boundary_radius,
    decay_bins,
    near_boundary,
    region,
)
from vsreid_lite.plots.line_plots import hatch
from vsreid_lite.plots.panels import (
    AFTER,
    BEFORE,
    BLACK,
    TITLE,
    WHITE_EDGE,
    WIDTH,
    entitle,
    instance_colour,
    new_figure,
    show_instances,
)
from vsreid_lite.plots.warping_plots import show_differences
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Frame, Mask
from vsreid_lite.video.video import Video

AROUND = 6  # pixels of frame around the masks in the pictures of J and F
CHART = 1.25  # inches: the height of a chart
LINES = ((BEFORE, "--"), (AFTER, "-"))  # of the first row and the second


def plot_presence(areas: NDArray[np.integer], labels: Sequence[int], title: str) -> Figure:
    """The area of each instance over the video; hatched where none of it is in sight.

    Args:
        areas: (N, K), pixels.
        labels: of the K instances.
        title: of the figure.
    """
    N, K = areas.shape
    gone = "; ".join(f"instance {label} in {(areas[:, k] == 0).sum()}" for k, label in enumerate(labels))
    figure = new_figure(WIDTH, 0.9 * K + 0.7, f"{title}. Frames out of {N} that do not show it: {gone}.", "constrained")
    rows = figure.subplots(K, 1, sharex=True, squeeze=False)[:, 0]
    for axes, area, label in zip(rows, areas.T, labels, strict=True):
        hatch(axes, np.flatnonzero(area == 0), "out of sight")
        axes.fill_between(np.arange(N), area, step="mid", color=instance_colour(label), edgecolor=BLACK, linewidth=0.6)
        axes.set_ylabel(f"instance {label}\npixels", fontsize=8)
        axes.set(xlim=(-0.5, N - 0.5), ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    rows[0].set_title(f"{title} (hatched: out of sight)", fontsize=9)
    rows[-1].set_xlabel("frame")
    return figure


def plot_measures(frame: Frame, truth: BinaryMask, guess: BinaryMask) -> Figure:
    """J and F of one mask in one frame, side by side, in the part of the frame (H, W, 3) around both masks (H, W).

    Left, the pixels that J counts; right, the boundaries that F compares: what lies farther apart than the tolerated
    distance is marked with crosses.
    """
    radius = boundary_radius(truth.shape)
    window = _around(truth | guess)
    frame, truth, guess = frame[window], truth[window], guess[window]
    J, F = region(truth, guess), boundary(truth, guess, radius)
    hit, missed, extra = (int(area.sum()) for area in (truth & guess, truth & ~guess, guess & ~truth))
    alternative = (
        f"A mask beside the truth. J {J:.2f}: {counted(hit, 'pixel')} in both, {missed} missed, {extra} too many. "
        f"F {F:.2f}: boundaries within {counted(radius, 'pixel')} of each other count as found."
    )
    figure = new_figure(WIDTH, min(4.1 * frame.shape[0] / frame.shape[1], 6) + 0.3, alternative, "constrained")
    left, right = figure.subplots(1, 2)
    show_differences(left, frame, truth, guess, f"J {J:.2f} = {hit} / ({hit} + {missed} striped + {extra} plain)")
    right.imshow(0.35 * frame / 255 + 0.65)
    _show_boundary(right, truth, near_boundary(guess, radius), BLACK, "true boundary")
    _show_boundary(right, guess, near_boundary(truth, radius), AFTER, "predicted boundary")
    right.set_title(f"F {F:.2f} (crosses: more than {radius} px from the other)", fontsize=8)
    right.legend(fontsize=7, loc="best")
    for axes in (left, right):
        axes.set_axis_off()
    return figure


def _around(mask: BinaryMask) -> tuple[slice, slice]:
    """The part of the frame with the mask and some ground around it; all of it where the mask is empty."""
    y, x = np.nonzero(mask)
    if not len(y):
        return slice(None), slice(None)
    first, last = np.maximum([y.min() - AROUND, x.min() - AROUND], 0), (y.max() + AROUND + 1, x.max() + AROUND + 1)
    return slice(first[0], last[0]), slice(first[1], last[1])


def _show_boundary(axes: Axes, mask: BinaryMask, near: BinaryMask, colour: str, name: str) -> None:
    """The boundary pixels of a mask: dots where they are `near` the other boundary, crosses elsewhere."""
    edge = boundary_pixels(mask)
    for where, marker, size, label in ((edge & near, ".", 7, name), (edge & ~near, "x", 16, None)):
        y, x = np.nonzero(where)
        ink = BEFORE if marker == "x" else colour
        axes.scatter(x, y, s=size, marker=marker, color=ink, linewidths=0.9, label=label)


def plot_statistics(values: Values, title: str) -> Figure:
    """Values (n,) of frames 1 to n with what DAVIS makes of them: mean, recall, and the two quarters of the decay."""
    s, frames = Statistics.of_frames(values), np.arange(1, len(values) + 1)
    alternative = f"{title}: mean {s.mean:.2f}, recall {s.recall:.2f}, decay {s.decay:+.2f}."
    figure = new_figure(WIDTH, 2.5, alternative, "constrained")
    axes = figure.subplots()
    axes.plot(frames, values, "-o", color=AFTER, markersize=3.5, linewidth=1.2, label="each frame")
    axes.axhline(s.mean, color=BLACK, linewidth=1.2, label=f"mean {s.mean:.3f}")
    axes.axhline(RECALL_THRESHOLD, color="0.5", linestyle=":", label=f"above {RECALL_THRESHOLD}: recall {s.recall:.3f}")
    name = f"first and last quarter: decay {s.decay:+.3f}"
    for part in decay_bins(len(values)):
        average = values[part].mean()
        axes.fill_between(frames[part], 0, average, color=BEFORE, alpha=0.25, hatch="\\\\", label=name)
        axes.text(float(frames[part].mean()), 0.04, f"{average:.3f}", ha="center", fontsize=8, path_effects=WHITE_EDGE)
        name = "_"
    axes.set(xlim=(0.5, len(values) + 0.5), ylim=(0, 1.02), xlabel="frame")
    axes.set_title(title, fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_rows(
    video: Video,
    masks: Mapping[str, Sequence[Mask]],
    scores: Mapping[str, FrameScores],
    rows: tuple[str, str],
    frame: int,
    instance: int | None = None,
) -> Figure:
    """The truth and the masks of two rows in a frame, and below J and F of both rows over time.

    Args:
        video: the video.
        masks: N of (H, W) for each row by name.
        scores: of each row.
        rows: the names of two.
        frame: i.
        instance: k, or None for the mean of all.
    """
    chosen = {row: scores[row] for row in rows}
    who = "all instances" if instance is None else f"instance {video.labels[instance]}"
    figure, panels, charts = _rows_layout(
        video, f"Sequence {video.name}, frame {frame}, {who}. {_rows_in_words(chosen, frame, instance)}"
    )
    truth = None if video.annotations is None else video.annotations[frame]
    shown = [truth, *(masks[row][frame] for row in rows)]
    names = [f"{video.name}, frame {frame}: the truth", f"{rows[0]} (dashed)", f"{rows[1]} (solid)"]
    for axes, mask, name in zip(panels, shown, names, strict=True):
        show_instances(axes, video.frames[frame], np.zeros_like(video.first_mask) if mask is None else mask)
        entitle(axes, name)
    measures = zip(*(scores[row].of(instance) for row in rows), strict=True)
    for axes, measure, name in zip(charts, measures, ("J", "F"), strict=True):
        _show_chart(axes, measure, frame, f"{name} of {who}")
    charts[0].set_xticklabels([])
    charts[1].set_xlabel("frame", fontsize=8, labelpad=1)
    return figure


def _rows_layout(video: Video, alternative: str) -> tuple[Figure, list[Axes], list[Axes]]:
    """Three frames in a row, and two charts below."""
    H, W = video.shape
    width = (WIDTH - 0.2) / 3
    panel = width * H / W
    height = TITLE + panel + 2 * (TITLE + CHART) + 0.4
    figure = new_figure(WIDTH, height, alternative)
    x = [0.05 + i * (width + 0.05) for i in range(3)]
    top = 1 - (TITLE + panel) / height
    panels = [figure.add_axes((left / WIDTH, top, width / WIDTH, panel / height)) for left in x]
    for axes in panels:
        axes.set_axis_off()
    bottoms = [0.4 + CHART + TITLE, 0.4]
    charts = [figure.add_axes((0.05, y / height, 0.94, CHART / height)) for y in bottoms]
    return figure, panels, charts


def _show_chart(axes: Axes, measure: tuple[Values, Values], frame: int, title: str) -> None:
    axes.axvline(frame, color=BLACK, linewidth=0.8, linestyle=":")
    for values, (colour, style) in zip(measure, LINES, strict=True):
        axes.plot(values, style, color=colour, linewidth=1.8)
        axes.plot(frame, values[frame], "o", color=colour, markersize=5)
    N = len(measure[0])
    axes.set(xlim=(-0.5, N - 0.5), ylim=(-0.03, 1.03), yticks=(0, 0.5, 1), xticks=range(0, N, 10 if N > 10 else 1))
    axes.tick_params(labelsize=8, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    entitle(axes, title)


def _rows_in_words(scores: Mapping[str, FrameScores], frame: int, instance: int | None) -> str:
    values = {row: found.of(instance) for row, found in scores.items()}
    here = "; ".join(f"{row}: J {J[frame]:.2f}, F {F[frame]:.2f}" for row, (J, F) in values.items())
    means = " and ".join(f"{found.mean(instance):.2f}" for found in scores.values())
    return f"{here}. Mean of J and F over the frames between the first and the last: {means}."
