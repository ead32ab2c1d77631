"""Figures 4 and 5, qualitative results: instances before and after they were retrieved, and whole videos."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsreid_lite.figures.drawing import SMALL, place, sheet, show_labels
from vsreid_lite.figures.examples import Example
from vsreid_lite.plots.colours import RETRIEVED, tint
from vsreid_lite.plots.panels import WHITE_EDGE, WIDTH, draw_box, listed, new_figure
from vsreid_lite.system.wording import counted

SIDE, LINE = 0.22, 0.2  # inches: the names at the right, a line of text
BETWEEN = 0.1  # inches between two columns of Figure 5, and below a video
Frames = Sequence[Sequence[int]]


def plot_figure4(examples: Sequence[Example], columns: Frames, width: float = WIDTH) -> Figure:
    """The input, the masks before the rounds and those after, of some videos; retrieved instances in blue boxes.

    columns: for each video the frames shown, equally many, the first of them frame 0, whose mask is given.
    width: in inches.
    """
    wide = (width - SIDE) / len(columns[0])
    tall = [wide * e.sequence.shape[0] / e.sequence.shape[1] for e in examples]
    figure = new_figure(width, sum(3 * t + LINE + BETWEEN for t in tall), _figure4_in_words(examples, columns))
    axes, y = sheet(figure), float(figure.get_figheight())
    for example, frames, height in zip(examples, columns, tall, strict=True):
        axes.text(0, y - 0.02, f"{example.sequence.name}: {_scored(example)}", fontsize=8, va="top")
        y -= LINE
        for row, name in enumerate(("Input", "Before", "After")):
            y -= height
            axes.text(width - SIDE / 2, y + height / 2, name, fontsize=8, rotation=270, ha="center", va="center")
            for column, i in enumerate(frames):
                if row == 0 or i:
                    _show(place(figure, column * wide, y, wide * 0.985, height * 0.985), example, i, row)
        y -= BETWEEN
    return figure


def plot_figure5(examples: Sequence[Example], columns: Frames, width: float = WIDTH) -> Figure:
    """Frames of some videos, and below each the masks of VS-ReID. columns: as for Figure 4. width: inches."""
    wide = (width + BETWEEN) / len(columns[0]) - BETWEEN
    tall = [wide * e.sequence.shape[0] / e.sequence.shape[1] for e in examples]
    figure = new_figure(width, sum(2 * t + LINE + BETWEEN / 2 for t in tall), _figure5_in_words(examples, columns))
    axes, y = sheet(figure), float(figure.get_figheight())
    for example, frames, height in zip(examples, columns, tall, strict=True):
        score = f"global-mean {example.scores(example.after).global_mean:.2f}"
        axes.text(0, y - 0.02, f"{example.sequence.name}: {score}", fontsize=8, va="top")
        y -= LINE + 2 * height
        for column, i in enumerate(frames):
            x = column * (wide + BETWEEN)
            _show(place(figure, x, y + height, wide, height), example, i, 0, given=False)
            _show(place(figure, x, y, wide, height), example, i, 2, boxes=False)
        y -= BETWEEN / 2
    return figure


def _show(panel: Axes, example: Example, i: int, row: int, given: bool = True, boxes: bool = True) -> None:
    """Row 0: the frame, and in the first the mask that is given; 1 and 2: the masks before and after the rounds."""
    frame = example.sequence.frames[i]
    if row == 0:
        panel.imshow(tint(frame, example.sequence.first_mask) if i == 0 and given else frame, aspect="auto")
        panel.text(4, 4, str(i), fontsize=SMALL, va="top", path_effects=WHITE_EDGE)
        return
    show_labels(panel, (example.before, example.after)[row - 1][i])
    for r in example.retrieved_in(i) if row == 2 and boxes else ():
        draw_box(panel, r.box, RETRIEVED, width=1.1)


def _scored(example: Example) -> str:
    before, after = (example.scores(masks).global_mean for masks in (example.before, example.after))
    rounds = counted(len(example.result.rounds), "round")
    return f"global-mean {before:.2f} before, {after:.2f} after {rounds}"


def _figure4_in_words(examples: Sequence[Example], columns: Frames) -> str:
    videos = []
    for example, frames in zip(examples, columns, strict=True):
        boxes = [i for i in frames if example.retrieved_in(i)]
        videos.append(f"{example.sequence.name}, frames {listed(frames)}, boxes in {listed(boxes)}: {_scored(example)}")
    return f"Figure 4, missing instances are retrieved: input, masks before and after. {'; '.join(videos)}."


def _figure5_in_words(examples: Sequence[Example], columns: Frames) -> str:
    videos = [
        f"{example.sequence.name}, frames {listed(frames)}, {counted(example.sequence.K, 'instance')}, "
        f"global-mean {example.scores(example.after).global_mean:.2f}"
        for example, frames in zip(examples, columns, strict=True)
    ]
    return f"Figure 5, qualitative results, frames above their masks. {'; '.join(videos)}."
