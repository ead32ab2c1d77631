"""Figures 4 and 5, qualitative results: instances before and after they were retrieved, and whole videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsreid_lite.evaluation.metrics import Scores, score_sequence
from vsreid_lite.figures.drawing import SMALL, place, sheet, show_labels
from vsreid_lite.plots.panels import RETRIEVED, WHITE_EDGE, WIDTH, draw_box, listed, new_figure, tint
from vsreid_lite.reidentification import Retrieval
from vsreid_lite.result import Result
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video

SIDE, LINE = 0.22, 0.2  # inches: the names at the right, a line of text
BETWEEN = 0.1  # inches between two columns of Figure 5, and below a video
Frames = Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class Example:
    """A video and what VS-ReID made of it. before: N masks (H, W) of the initial propagation, without any round."""

    sequence: Video
    result: Result
    before: list[Mask]

    @classmethod
    def of(cls, video: Video, result: Result) -> Example:
        """From a run that kept its maps. Raises ValueError for one that did not."""
        return cls(video, result, [result.mask_after(0, i) for i in range(video.N)])

    @property
    def after(self) -> Sequence[Mask]:
        """N masks (H, W) after the last round."""
        return self.result.masks

    def scores(self, masks: Sequence[Mask]) -> Scores:
        """The scores of `before` or `after`. Raises ValueError for a video without truth in every frame."""
        return Scores(score_sequence(self.sequence.name, self.sequence.truth, self.sequence.annotated(masks)))

    def retrieved_in(self, frame: int) -> list[Retrieval]:
        """The retrievals in one frame, each instance's last."""
        return list({r.instance: r for r in self.result.retrievals if r.frame == frame}.values())


def even_frames(N: int, count: int) -> list[int]:
    """At most `count` frames of N from the first to the last, at equal distances."""
    return sorted({int(i) for i in np.linspace(0, N - 1, count).round()})


def telling_frames(example: Example, count: int) -> list[int]:
    """Frame 0, and of each of count - 1 equal parts of the rest the frame that the rounds changed most.

    In the part of the retrieval with the highest score it is that retrieval's frame.
    """
    changed = [int(np.count_nonzero(a != b)) for a, b in zip(example.before, example.after, strict=True)]
    parts = [part.tolist() for part in np.array_split(np.arange(1, example.sequence.N), count - 1) if len(part)]
    best = max(example.result.retrievals, key=lambda r: r.score, default=None)
    frames = [0]
    for part in parts:
        frames.append(best.frame if best and best.frame in part else max(part, key=changed.__getitem__))
    return frames


def plot_figure4(examples: Sequence[Example], columns: Frames, width: float = WIDTH) -> Figure:
    """The input, the masks before the rounds and those after, of some videos; retrieved instances in blue boxes.

    Args:
        examples: the videos with their runs.
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
        for name in ("Input", "Before", "After"):
            y -= height
            axes.text(width - SIDE / 2, y + height / 2, name, fontsize=8, rotation=270, ha="center", va="center")
            for column, i in enumerate(frames):
                if name != "Input" and i == 0:
                    continue
                panel = place(figure, column * wide, y, wide * 0.985, height * 0.985)
                if name == "Input":
                    _show_frame(panel, example, i, given=True)
                else:
                    show_labels(panel, (example.before if name == "Before" else example.after)[i])
                for r in example.retrieved_in(i) if name == "After" else ():
                    draw_box(panel, r.box, RETRIEVED, width=1.1)
        y -= BETWEEN
    return figure


def plot_figure5(examples: Sequence[Example], columns: Frames, width: float = WIDTH) -> Figure:
    """Frames of some videos, and below each the masks of VS-ReID.

    Args:
        examples: the videos with their runs.
        columns: as for Figure 4.
        width: in inches.
    """
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
            _show_frame(place(figure, x, y + height, wide, height), example, i, given=False)
            show_labels(place(figure, x, y, wide, height), example.after[i])
        y -= BETWEEN / 2
    return figure


def _show_frame(panel: Axes, example: Example, i: int, given: bool) -> None:
    """A frame and its number; given: with the first mask in frame 0."""
    frame = example.sequence.frames[i]
    panel.imshow(tint(frame, example.sequence.first_mask) if i == 0 and given else frame, aspect="auto")
    panel.text(4, 4, str(i), fontsize=SMALL, va="top", path_effects=WHITE_EDGE)


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
