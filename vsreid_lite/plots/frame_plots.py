"""Figures of the method: arrays in, matplotlib Figure out. No pyplot, no state; the same input gives the same file.

White background, colours that colour-blind readers can tell apart, and never colour alone: an instance has its number
and its outline, a bar its hatching, a cell its figure. `figure.get_label()` is the alternative text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import region
from vsreid_lite.geometry import Box
from vsreid_lite.plots.line_plots import hatch
from vsreid_lite.plots.panels import (
    AFTER,
    BEFORE,
    BLACK,
    LETTER,
    ON_WHITE,
    RETRIEVED,
    WIDTH,
    Map,
    draw_box,
    instance_colour,
    listed,
    new_figure,
    panel_grid,
    show_flow,
    show_instances,
    show_map,
)
from vsreid_lite.reidentification import Retrieval, Starts, given_starts
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Frame, Mask

NAMED = 4  # candidates that carry their score
LINE = 0.08  # of the frame's height: from one score to the next


def plot_strip(frames: Sequence[Frame], masks: Sequence[Mask], columns: Sequence[int], title: str) -> Figure:
    """Frames `columns` of a video in a row, the instances painted over them.

    Args:
        frames: N of (H, W, 3), uint8.
        masks: N of (H, W), labels.
        columns: the frames shown.
        title: of the figure.
    """
    alternative = f"{title}: frames {listed(columns)} of the video, each instance outlined and numbered."
    figure, grid = panel_grid(1, len(columns), frames[0].shape, alternative, title=title)
    for axes, i in zip(grid[0], columns, strict=True):
        show_instances(axes, frames[i], masks[i])
        axes.set_title(f"frame {i}", fontsize=8)
    return figure


def plot_lost_and_retrieved(
    frames: Sequence[Frame],
    before: Sequence[Mask],
    after: Sequence[Mask],
    truth: Sequence[Mask],
    label: int,
    retrievals: Sequence[Retrieval],
    columns: Sequence[int],
    scale: float = 1.0,
) -> Figure:
    """One instance before the rounds and, below, after them, with the boxes where it was found again.

    Each panel says J of the instance there, or whether it is out of sight or lost.

    Args:
        frames: N of (H, W, 3).
        before: N label masks (H, W), of the initial propagation.
        after: as many, after the rounds.
        truth: as many, the true ones.
        label: of the instance.
        retrievals: its own.
        columns: the frames shown.
        scale: of the panels.
    """
    alternative = (
        f"Instance {label} in frames {listed(columns)}. Above, the initial propagation; below, after the rounds, "
        f"which found it again in frame {listed([r.frame for r in retrievals])}."
    )
    figure, grid = panel_grid(2, len(columns), frames[0].shape, alternative, scale)
    boxes = {r.frame: r for r in retrievals}
    for row, masks, name in ((0, before, "initial propagation"), (1, after, "after the rounds")):
        for axes, i in zip(grid[row], columns, strict=True):
            show_instances(axes, frames[i], np.where(masks[i] == label, label, 0).astype(np.uint8))
            axes.set_title(f"frame {i}: {_verdict(truth[i] == label, masks[i] == label)}", fontsize=8)
            if row and i in boxes:
                draw_box(axes, boxes[i].box, RETRIEVED, f"found again: {boxes[i].score:.2f}")
        first = grid[row, 0]
        first.text(-0.04, 0.5, name, transform=first.transAxes, rotation=90, fontsize=8, ha="right", va="center")
    return figure


def plot_checkpoints(start: Starts, retrievals: Sequence[Retrieval], labels: Sequence[int]) -> Figure:
    """The checkpoints c_{i,k} (N, K): in each cell the frame that its map was propagated from, also as its colour.

    A framed cell with r1, r2, ... in it is what that round retrieved: a new starting point.
    """
    N, K = start.shape
    found = ", ".join(f"frame {r.frame} for instance {labels[r.instance]}" for r in retrievals) or "none"
    what = f"Checkpoints of {counted(K, 'instance')} in {counted(N, 'frame')}"
    given = list(dict.fromkeys(i for i, _ in given_starts(start, retrievals)))
    first = "All start in frame 0" if given == [0] else f"Masks are given in frames {', '.join(map(str, given))}"
    alternative = f"{what}. {first}; starting points found: {found}."
    title = "c: the frame that each map came from (r1, …: retrieved in round 1, …)"
    figure = new_figure(max(0.28 * N, 1 + LETTER * len(title)), 0.5 * K + 0.9, alternative, "constrained")
    axes = figure.subplots()
    axes.imshow(start.T, cmap="cividis", vmin=0, vmax=max(N - 1, 1), aspect="auto")
    for (i, k), c in np.ndenumerate(start):
        axes.text(i, k + 0.16, str(c), ha="center", va="center", fontsize=8, color="white" if 2 * c < N else "black")
    for number, r in enumerate(retrievals, 1):
        ink = "white" if 2 * r.frame < N else "black"
        corner = (r.frame - 0.45, r.instance - 0.45)
        axes.add_patch(Rectangle(corner, 0.9, 0.9, fill=False, edgecolor=ink, linewidth=1.8))
        axes.text(r.frame, r.instance - 0.24, f"r{number}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(0, N, 5))
    axes.set_yticks(range(K), [f"instance {label}" for label in labels])
    axes.set_xlabel("frame")
    axes.set_title(title, fontsize=9)
    axes.spines[:].set_visible(False)
    return figure


def plot_guided_map(
    frames: tuple[Frame, Frame], indices: tuple[int, int], flow: Map, maps: tuple[Map, Map, Map], box: Box
) -> Figure:
    """Algorithm 1 in six pictures, from frame i to its neighbour j.

    Args:
        frames: I_i and I_j, (H, W, 3).
        indices: i and j.
        flow: (2, H, W), for each pixel of j where it was in i.
        maps: P_i, the guided probability map and P_j, each (H, W).
        box: what N_mp saw of frame j.
    """
    i, j = indices
    alternative = (
        f"Mask propagation from frame {i} to frame {j}: the frame with its probability map, the flow, the map warped "
        f"by the flow, the same over frame {j}, the box that the network sees, and the network's answer."
    )
    figure, ((a, b, c), (d, e, f)) = panel_grid(2, 3, frames[0].shape, alternative, scale=1.4)
    show_map(a, frames[0], maps[0], f"frame {i} and its map $P$")
    show_flow(b, flow, f"flow, from frame {j} to {i}")
    show_map(c, np.full_like(frames[0], 255), maps[1], "guided map: $P$ warped by the flow")
    show_map(d, frames[1], maps[1], f"guided map over frame {j}")
    show_map(e, frames[1], np.zeros_like(maps[1]), "the box: all that $N_{mp}$ sees")
    draw_box(e, box, BLACK)
    show_map(f, frames[1], maps[2], f"$N_{{mp}}$'s answer: the map of frame {j}")
    return figure


def plot_candidates(
    template: Frame,
    frame: Frame,
    boxes: Sequence[Box],
    scores: NDArray[np.float32],
    title: str,
    shown: Sequence[int] | None = None,
) -> Figure:
    """Algorithm 2 in one frame: the template beside the candidates with their similarity to it.

    Args:
        template: (h, w, 3), the crop t_k.
        frame: (H, W, 3).
        boxes: M candidates.
        scores: (M,), their similarities to the template.
        title: of the frame.
        shown: the label of the instance that each candidate truly shows, 0 for none, where that is known.
    """
    highest = ", ".join(f"{score:.2f}" for score in np.sort(scores)[: -NAMED - 1 : -1])
    alternative = f"{title}: {len(boxes)} candidate boxes; similarities of the best: {highest}."
    figure = new_figure(WIDTH, 6.0 * frame.shape[0] / frame.shape[1] + 0.4, alternative, "constrained")
    small, large = figure.subplots(1, 2, width_ratios=(1, 3.2))
    small.imshow(template)
    small.set_title("template (frame 0)", fontsize=9)
    small.set_axis_off()
    show_candidates(large, frame, boxes, scores, shown)
    large.set_title(title, fontsize=9)
    return figure


def show_candidates(
    axes: Axes, frame: Frame, boxes: Sequence[Box], scores: NDArray[np.float32], shown: Sequence[int] | None
) -> None:
    """The best candidate drawn strongly, the next ones thin, the others dotted, in the colours of what they show.

    The best scores stand beside the frame, a line leads to each box: they cover neither a box nor one another.
    """
    order = [int(j) for j in np.argsort(-scores, kind="stable")]
    inks = [RETRIEVED if j == order[0] else BLACK for j in range(len(boxes))]
    if shown is not None:
        inks = [instance_colour(label) if label else BLACK for label in shown]
    axes.imshow(frame)
    axes.set_axis_off()
    for j in reversed(order):
        style, width = ("-", 2.4 if j == order[0] else 1.2) if j in order[:NAMED] else (":", 0.8)
        draw_box(axes, boxes[j], inks[j], style=style, width=width)
    axes.set_xlim(-0.5, 1.14 * frame.shape[1])
    named, H, above = sorted(order[:NAMED], key=lambda j: boxes[j].y0), frame.shape[0], 0.0
    for left, j in zip(range(len(named), 0, -1), named, strict=True):  # a score stands by its box, below the last one
        above = min(max(boxes[j].y0, above + LINE * H), H * (1 - LINE * left))
        words = f"{scores[j]:.2f}" if shown is None else f"{shown[j] or '–'}: {scores[j]:.2f}"
        x = 1.02 * frame.shape[1]
        axes.plot((boxes[j].x1, x), (boxes[j].y0, above), color=inks[j], linewidth=1, path_effects=ON_WHITE)
        axes.text(x + 0.006 * frame.shape[1], above, words, fontsize=8, va="center")


def plot_scores(
    before: NDArray[np.float64], after: NDArray[np.float64], visible: NDArray[np.bool_], title: str
) -> Figure:
    """J of one instance over time, before and after the rounds.

    Args:
        before: (n,), in [0, 1], of frames 1 to n.
        after: (n,), the same after the rounds.
        visible: (n,), whether the instance is in sight.
        title: what is drawn, in a few words.
    """
    alternative = (
        f"{title}: mean {before.mean():.2f} after the initial propagation, {after.mean():.2f} after the rounds."
    )
    figure = new_figure(WIDTH, 2.3, alternative, "constrained")
    axes, frames = figure.subplots(), np.arange(1, len(visible) + 1)
    hatch(axes, frames[~visible], "_")
    axes.plot(frames, before, "--", color=BEFORE, linewidth=1.8, label="initial propagation")
    axes.plot(frames, after, "-", color=AFTER, linewidth=1.8, label="after the rounds")
    axes.set(xlim=(0.5, len(visible) + 0.5), ylim=(0, 1.02), xlabel="frame", ylabel="J")
    axes.set_title(f"{title} (hatched: out of sight)", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _verdict(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> str:
    if not truth.any():
        return "out of sight" if not found.any() else "out of sight, false"
    return f"J {region(truth, found):.2f}" if found.any() else "lost"
