"""Two rows of Table 1 on one video, as a picture: their masks in a frame, and J and F of every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import score_instance
from vsreid_lite.plots.colours import AFTER, BEFORE, BLACK
from vsreid_lite.plots.panels import TITLE, WIDTH, entitle, new_figure, show_instances
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video

CHART = 1.25  # inches: the height of a chart
LINES = ((BEFORE, "--"), (AFTER, "-"))  # of the first row and the second
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameScores:
    """J and F of each instance in each frame, (K, N), in [0, 1]; frame 0 is given, and counts in no benchmark."""

    J: Values
    F: Values

    def of(self, instance: int | None) -> tuple[Values, Values]:
        """J and F (N,) of instance k, or, for None, their means over all instances."""
        return (self.J.mean(0), self.F.mean(0)) if instance is None else (self.J[instance], self.F[instance])


def score_frames(sequence: Video, masks: Sequence[Mask]) -> FrameScores:
    """The scores of N masks (H, W) of a sequence with annotations. Raises ValueError for one without."""
    truth = sequence.truth
    if len(truth) < sequence.N or len(masks) != sequence.N:
        raise ValueError(
            f"sequence {sequence.name}: expected {sequence.N} true and as many found masks, "
            f"found {len(truth)} and {len(masks)}"
        )
    both = np.array(truth), np.array(masks)
    scores = [score_instance(both[0] == label, both[1] == label) for label in sequence.labels]
    return FrameScores(np.array([J for J, _ in scores]), np.array([F for _, F in scores]))


def differing_frames(a: FrameScores, b: FrameScores, instance: int | None) -> list[int]:
    """All frames, those first where the mean of J and F differs most between two rows."""
    difference = np.abs(np.mean(a.of(instance), 0) - np.mean(b.of(instance), 0))
    return [int(i) for i in np.argsort(-difference, kind="stable")]


def plot_rows(
    sequence: Video,
    masks: Mapping[str, Sequence[Mask]],
    scores: Mapping[str, FrameScores],
    rows: tuple[str, str],
    frame: int,
    instance: int | None = None,
) -> Figure:
    """The truth and the masks of two rows in a frame, and below J and F of both rows over time.

    masks: N of (H, W) for each row by name. scores: of each row. instance: k, or None for the mean of all.
    """
    values = [scores[row].of(instance) for row in rows]
    who = "all instances" if instance is None else f"instance {sequence.labels[instance]}"
    figure, panels, charts = _layout(sequence, _in_words(sequence, rows, values, frame, who))
    truth = None if sequence.annotations is None else sequence.annotations[frame]
    shown = [truth, *(masks[row][frame] for row in rows)]
    names = [f"{sequence.name}, frame {frame}: the truth", f"{rows[0]} (dashed)", f"{rows[1]} (solid)"]
    for axes, mask, name in zip(panels, shown, names, strict=True):
        show_instances(axes, sequence.frames[frame], np.zeros_like(sequence.first_mask) if mask is None else mask)
        entitle(axes, name)
    for axes, measure, name in zip(charts, zip(*values, strict=True), ("J", "F"), strict=True):
        _show_chart(axes, measure, frame, f"{name} of {who}")
    charts[0].set_xticklabels([])
    charts[1].set_xlabel("frame", fontsize=8, labelpad=1)
    return figure


def _layout(sequence: Video, alternative: str) -> tuple[Figure, list[Axes], list[Axes]]:
    """Three frames in a row, and two charts below."""
    H, W = sequence.shape
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


def _in_words(sequence: Video, rows: tuple[str, str], values: list[tuple[Values, Values]], frame: int, who: str) -> str:
    here = [f"{row}: J {J[frame]:.2f}, F {F[frame]:.2f}" for row, (J, F) in zip(rows, values, strict=True)]
    means = [f"{np.mean((J[1:-1], F[1:-1])):.2f}" for J, F in values]
    return (
        f"Sequence {sequence.name}, frame {frame}, {who}. {'; '.join(here)}. Mean of J and F over the frames between "
        f"the first and the last: {means[0]} and {means[1]}."
    )
