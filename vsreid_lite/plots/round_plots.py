"""Algorithm 3 round by round, as a picture: the checkpoints, the retrieved frame, the sweeps, the masks they change."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vsreid_lite.evaluation.metrics import region
from vsreid_lite.plots.panels import (
    BLACK,
    ON_WHITE,
    RETRIEVED,
    TITLE,
    WHITE_EDGE,
    WIDTH,
    draw_box,
    entitle,
    new_figure,
    show_instances,
    show_map,
)
from vsreid_lite.reidentification import Starts
from vsreid_lite.result import Result, Round
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video

ROW = 0.34  # inches: an instance's row of the table
KEY = "number: the frame a map was propagated from; ▼ retrieved; arrows: the two sweeps; dotted: the frame below"
LEGIBLE, ROOMY = 0.15, 0.4  # inches that two digits need; from which every cell has its number


def plot_round(video: Video, result: Result, number: int, frame: int, instance: int | None = None) -> Figure:
    """The table c_{i,k} after round `number`, 0 for the initial propagation; below, what the round did, or one cell.

    In the table a number is the frame that the maps of its cells were propagated from; the round's starting point is
    framed, its two sweeps are arrows.

    Args:
        video: the video.
        result: its run, with maps.
        number: of the round, from 1.
        frame: the one whose masks are shown before and after the round.
        instance: k, to show instead the map of the cell (frame, k), where it started, and its two neighbours.

    Raises:
        ValueError: the result kept no maps.
    """
    before, after = (result.mask_after(n, frame) for n in (max(number - 1, 0), number))
    this = result.rounds[number - 1] if number else None
    start = result.start_after(number, video.starts)
    title = _title(result, number, start)
    compared = _compared(video, this, before, after, frame)
    shown = compared[2] if instance is None else _cell_in_words(start, result.labels, frame, instance)
    alternative = f"{title}. {_table_in_words(start, result.labels)} {shown}"
    figure, table, panels = _layout(video, alternative, 3 if instance is None else 4)
    _show_table(table, start, result.labels, title)
    table.axvline(frame, color=BLACK, linewidth=1, linestyle=":", path_effects=WHITE_EDGE)
    if this is not None:
        _show_sweeps(table, this)
    if instance is not None:
        _show_cell(table, panels, video, result, (number, frame, instance))
        return figure
    _show_retrieval(panels[0], video, this, result.labels)
    for axes, mask, words in zip(panels[1:], (before, after), compared, strict=False):
        show_instances(axes, video.frames[frame], mask)
        entitle(axes, words)
    return figure


def _show_cell(table: Axes, panels: list[Axes], video: Video, result: Result, at: tuple[int, int, int]) -> None:
    """A cell at (number, frame, instance), marked in the table: the map at its start, before, in it and after."""
    number, frame, k = at
    c = int(result.start_after(number, video.starts)[frame, k])
    table.add_patch(Rectangle((frame - 0.5, k - 0.5), 1, 1, fill=False, ec=RETRIEVED, lw=3, path_effects=ON_WHITE))
    shown = [(c, "its start"), (frame - 1, "before it"), (frame, "the cell"), (frame + 1, "after it")]
    for axes, (i, name) in zip(panels, shown, strict=True):
        if 0 <= i < video.N:
            P = result.map_after(number, i, k).dense().cpu().numpy()
            show_map(axes, video.frames[i], P, f"{name}: frame {i}")
        else:
            axes.text(0.5, 0.5, "no such frame", ha="center", va="center", fontsize=8, transform=axes.transAxes)


def _cell_in_words(start: Starts, labels: tuple[int, ...], frame: int, k: int) -> str:
    neighbours = [f"frame {i} from {start[i, k]}" for i in (frame - 1, frame + 1) if 0 <= i < len(start)]
    beside = f"; its neighbours: {', '.join(neighbours)}" if neighbours else ""
    return f"The map of instance {labels[k]} in frame {frame} was propagated from frame {start[frame, k]}{beside}."


def _layout(video: Video, alternative: str, count: int) -> tuple[Figure, Axes, list[Axes]]:
    """The table, above `count` frames in a row; the figure is as high for any."""
    H, W = video.shape
    table, panel = ROW * video.K, (WIDTH - 0.2) / 3 * H / W
    height = TITLE + table + 0.42 + TITLE + panel + 0.05
    figure = new_figure(WIDTH, height, alternative)
    above = figure.add_axes((0.09, 1 - (TITLE + table) / height, 0.9, table / height))
    width = (WIDTH - 0.05 * (count + 1)) / count / WIDTH
    places = [(0.05 / WIDTH + i * (width + 0.05 / WIDTH), 0.05 / height, width, panel / height) for i in range(count)]
    panels = [figure.add_axes(place) for place in places]
    for axes in panels:
        axes.set_axis_off()
    return figure, above, panels


def _show_table(axes: Axes, start: Starts, labels: tuple[int, ...], title: str) -> None:
    """In a long video cells of equal c that touch share one number."""
    N, K = start.shape
    scale = Normalize(0, max(N - 1, 1))
    axes.imshow(start.T, cmap="cividis", norm=scale, aspect="auto")
    edges, room = [], 0.9 * WIDTH / N  # inches of a cell
    for k in range(K):
        ends = [0, *(i for i in range(1, N) if start[i, k] != start[i - 1, k] or room > ROOMY), N]
        for first, last in zip(ends, ends[1:], strict=False):
            edges.append([(last - 0.5, k - 0.5), (last - 0.5, k + 0.5)])
            turned = 90 if (last - first) * room < LEGIBLE else 0
            ink = "white" if scale(start[first, k]) < 0.5 else "black"
            text = str(start[first, k])
            axes.text((first + last - 1) / 2, k, text, fontsize=7, color=ink, rotation=turned, ha="center", va="center")
    axes.add_collection(LineCollection(edges, colors="white", linewidths=1.2), autolim=False)
    axes.set(xticks=range(0, N, 10 if N > 10 else 1), yticks=range(K))
    axes.set_yticklabels([f"instance {label}" for label in labels])
    axes.tick_params(labelsize=8, length=2)
    axes.spines[:].set_visible(False)
    axes.text(1, -0.22 / (ROW * K), KEY, fontsize=8, ha="right", va="top", transform=axes.transAxes)
    entitle(axes, title)


def _show_sweeps(axes: Axes, this: Round) -> None:
    """The frames that the round wrote, framed; a triangle at its starting point, and an arrow for each sweep."""
    i, k = this.retrieval.frame, this.retrieval.instance
    first, last = this.updated[0], this.updated[-1]
    for width, ink in ((3.6, "white"), (1.8, BLACK)):
        axes.add_patch(Rectangle((first - 0.5, k - 0.46), last - first + 1, 0.92, fill=False, ec=ink, lw=width))
    axes.plot(i, k - 0.33, "v", color=BLACK, markersize=6, markeredgecolor="white")
    for end in (first - 0.4, last + 0.4):
        if abs(end - i) > 0.5:
            style = {"arrowstyle": "->", "color": BLACK, "lw": 1.4, "shrinkA": 0, "path_effects": WHITE_EDGE}
            axes.annotate("", (end, k + 0.34), (i, k + 0.34), arrowprops=style)


def _show_retrieval(axes: Axes, video: Video, this: Round | None, labels: tuple[int, ...]) -> None:
    if this is None:
        axes.imshow(video.frames[0])
        entitle(axes, "frame 0, where all start" if not video.starts.any() else "frame 0")
        return
    r = this.retrieval
    axes.imshow(video.frames[r.frame])
    draw_box(axes, r.box, RETRIEVED, f"{r.score:.2f}")
    entitle(axes, f"frame {r.frame}: instance {labels[r.instance]} found again")


def _compared(video: Video, this: Round | None, before: Mask, after: Mask, frame: int) -> tuple[str, str, str]:
    """What stands above the masks before and after, and the two in a sentence."""
    if this is None:
        return f"frame {frame}", f"frame {frame}, initial propagation", f"Frame {frame} is shown."
    if np.array_equal(before, after):
        where = "the round wrote it" if frame in this.updated else "the round left it alone"
        return f"frame {frame} before", "after: unchanged", f"Frame {frame} is unchanged, {where}."
    truth = None if video.annotations is None else video.annotations[frame]
    if truth is None:
        return f"frame {frame} before", f"frame {frame} after", f"Frame {frame} has changed."
    label = video.labels[this.retrieval.instance]
    J = [region(truth == label, mask == label) for mask in (before, after)]
    words = f"In frame {frame} the instance goes from J {J[0]:.2f} to {J[1]:.2f}."
    return f"frame {frame} before: J {J[0]:.2f}", f"after: J {J[1]:.2f}", words


def _title(result: Result, number: int, start: Starts) -> str:
    if number == 0:
        source = "the nearest given mask" if start.any() else "frame 0"
        return f"Initial propagation: every map comes from {source}; rounds to follow: {len(result.rounds)}"
    this = result.rounds[number - 1]
    r, label, first, last = this.retrieval, result.labels[this.retrieval.instance], this.updated[0], this.updated[-1]
    swept = f"frames {first} to {last} are written" if last > first else "no other frame is written"
    return f"Round {number} of {len(result.rounds)}: instance {label} retrieved in frame {r.frame}, {swept}"


def _table_in_words(start: Starts, labels: tuple[int, ...]) -> str:
    rows = []
    for k, label in enumerate(labels):
        runs = [f"{c} ({np.count_nonzero(start[:, k] == c)})" for c in dict.fromkeys(start[:, k].tolist())]
        rows.append(f"instance {label} from {', '.join(runs)}")
    return f"Checkpoints, and how many frames have each: {'; '.join(rows)}."
