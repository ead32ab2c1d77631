"""Figure 2, the pipeline of VS-ReID: the input, the initial propagation, and two rounds of retrieval and recovery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vsreid_lite.figures.drawing import arrow, place, sheet, show_labels
from vsreid_lite.plots.panels import RETRIEVED, WIDTH, draw_box, listed, new_figure, tint
from vsreid_lite.result import Result
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video

SIDE, GAP = 0.5, 0.19  # inches: the names at both sides, between pictures
ABOVE, BELOW, LAST = 0.2, 0.08, 0.22  # a row's room for numbers, and below its pictures; the last row
INPUT, PROPAGATION, REID = "#E2F0D9", "#FBE5D6", "#DEEBF7"


def plot_figure2(video: Video, result: Result, columns: Sequence[int], rounds: Sequence[int]) -> Figure:
    """The rounds with these numbers, from 1, as the paper's Figure 2 shows its first two.

    Masks below a round are those after it and all rounds before it.

    Args:
        video: the video.
        result: its run, with maps.
        columns: the frames shown, ascending, from 0.
        rounds: their numbers, from 1.

    Raises:
        ValueError: the result kept no maps, or does not have these rounds.
    """
    if not rounds or not set(rounds) <= set(range(1, len(result.rounds) + 1)):
        asked = listed(rounds) or "none"
        raise ValueError(f"{video.name}: expected some of its {counted(len(result.rounds), 'round')}, found {asked}")
    page = _Page(video, columns, 2 + 2 * len(rounds), _in_words(video, result, columns, rounds))
    page.band(0, 1, INPUT, "", "Input\nFrames")
    page.show_input()
    page.band(1, 1, PROPAGATION, "Mask\nPropagation", "Initiali-\nzation")
    page.show_masks(1, _masks(result, 0, columns))
    page.draw_first_arrows()
    for n, number in enumerate(rounds):
        page.band(2 + 2 * n, 1, REID, "Re-\nIdentification", "")
        page.band(3 + 2 * n, 1, PROPAGATION, "Mask\nPropagation", "")
        page.name(2 + 2 * n, 2, f"Round {number}\nof {len(result.rounds)}")
        page.show_masks(3 + 2 * n, _masks(result, number, columns))
        page.show_round(2 + 2 * n, result, number)
    page.end(len(result.rounds) - rounds[-1])
    return page.figure


def telling_rounds(result: Result, count: int) -> list[int]:
    """The numbers, from 1, of the `count` rounds that changed most pixels of the masks, in their order."""
    changed = []
    for number, this in enumerate(result.rounds, 1):
        pairs = ([result.mask_after(n, i) for n in (number - 1, number)] for i in this.updated)
        changed.append(sum(int(np.count_nonzero(a != b)) for a, b in pairs))
    order = np.argsort(-np.array(changed), kind="stable")[:count]
    return sorted(int(n) + 1 for n in order)


class _Page:
    """Rows of pictures, one above the other; row 0 is the input."""

    def __init__(self, video: Video, columns: Sequence[int], rows: int, alternative: str) -> None:
        self.sequence, self.columns = video, list(columns)
        self.wide = (WIDTH - 2 * SIDE - GAP * (len(columns) + 1)) / len(columns)
        self.tall = self.wide * video.shape[0] / video.shape[1]
        self.row = self.tall + ABOVE + BELOW
        self.height = rows * self.row + LAST
        self.figure = new_figure(WIDTH, self.height, alternative)
        self.ground, self.above = sheet(self.figure), sheet(self.figure)
        self.above.set_zorder(2)  # than the pictures

    def x(self, frame: int) -> float:
        """The middle of a frame's picture; of one between two columns, in between."""
        middles = [SIDE + GAP + n * (self.wide + GAP) + self.wide / 2 for n in range(len(self.columns))]
        return float(np.interp(frame, self.columns, middles))

    def y(self, row: int) -> float:
        """The lower edge of a row's pictures."""
        return self.height - (row + 1) * self.row + BELOW

    def picture(self, row: int, frame: int) -> Axes:
        return place(self.figure, self.x(frame) - self.wide / 2, self.y(row), self.wide, self.tall)

    def band(self, row: int, rows: int, colour: str, left: str, right: str) -> None:
        """The ground of a row, with its names at the left and the right."""
        y = self.y(row) - BELOW
        self.ground.add_patch(Rectangle((0, y), WIDTH - SIDE, self.row, facecolor=colour, linewidth=0))
        self._write(SIDE / 2, y + self.row / 2, left, 90)
        if right:
            self.name(row, rows, right)

    def name(self, row: int, rows: int, text: str) -> None:
        """A framed name at the right of some rows."""
        bottom = self.y(row + rows - 1) - BELOW
        frame = Rectangle((WIDTH - SIDE + 0.02, bottom + 0.02), SIDE - 0.04, rows * self.row - 0.04)
        frame.set(facecolor="#FFF2CC", edgecolor="#7F6000", linewidth=1.2)
        self.ground.add_patch(frame)
        self._write(WIDTH - SIDE / 2, bottom + rows * self.row / 2, text, 270)

    def show_input(self) -> None:
        for i in self.columns:
            panel, frame = self.picture(0, i), self.sequence.frames[i]
            panel.imshow(frame if i else tint(frame, self.sequence.first_mask), aspect="auto")
            self._number(0, i)

    def show_masks(self, row: int, masks: Sequence[Mask]) -> None:
        """The masks of all columns but the first, whose mask is given."""
        for i, mask in zip(self.columns[1:], masks, strict=True):
            show_labels(self.picture(row, i), mask)

    def draw_first_arrows(self) -> None:
        """From the first frame down, and along the initial propagation."""
        y, start = self.y(1) + self.tall / 2, self.x(self.columns[0])
        arrow(self.above, (start, self.y(0)), (start, y), (self._left(self.columns[1]), y))
        for i, j in zip(self.columns[1:], self.columns[2:], strict=False):
            arrow(self.above, (self._right(i), y), (self._left(j), y))

    def show_round(self, row: int, result: Result, number: int) -> None:
        """What the round retrieved, in its frame; below, how far its two sweeps went."""
        this = result.rounds[number - 1]
        r, label = this.retrieval, result.labels[this.retrieval.instance]
        panel = self.picture(row, r.frame)
        panel.imshow(tint(self.sequence.frames[r.frame], _masks(result, number - 1, [0, r.frame])[0]), aspect="auto")
        draw_box(panel, r.box, RETRIEVED)
        self._number(row, r.frame)
        to_right = self.x(r.frame) < WIDTH / 2
        beside, side = (self._right(r.frame) + 0.05, "left") if to_right else (self._left(r.frame) - 0.05, "right")
        text = f"$\\hat{{x}}$: instance {label},\n$\\hat{{s}}$ = {r.score:.2f}"
        self.ground.text(beside, self.y(row) + self.tall / 2, text, fontsize=8, ha=side, va="center")
        x, y = self.x(r.frame), self.y(row + 1) + self.tall + ABOVE / 2
        arrow(self.above, (x, self.y(row)), (x, y), head=False)
        for end in (this.updated[0], this.updated[-1]):
            if end != r.frame:
                arrow(self.above, (x, y), (self.x(end), y))

    def end(self, left: int) -> None:
        """The last line: whether rounds follow."""
        self.ground.add_patch(Rectangle((0, 0.04), WIDTH - SIDE, LAST - 0.04, facecolor=REID, linewidth=0))
        text = f"…… {counted(left, 'more round')}" if left else "no instance retrieved any more"
        self._write((WIDTH - SIDE) / 2, LAST / 2, text, 0)

    def _left(self, frame: int) -> float:
        return self.x(frame) - self.wide / 2

    def _right(self, frame: int) -> float:
        return self.x(frame) + self.wide / 2

    def _number(self, row: int, frame: int) -> None:
        y = self.y(row) + self.tall + 0.03
        self.ground.text(self.x(frame), y, str(frame), fontsize=8, ha="center", va="bottom")

    def _write(self, x: float, y: float, text: str, rotation: float) -> None:
        self.ground.text(x, y, text, fontsize=7.5, rotation=rotation, ha="center", va="center", linespacing=0.95)


def _masks(result: Result, number: int, columns: Sequence[int]) -> list[Mask]:
    """The masks after a round, 0 for the initial propagation, of all columns but the first."""
    return [result.mask_after(number, i) for i in columns[1:]]


def _in_words(video: Video, result: Result, columns: Sequence[int], rounds: Sequence[int]) -> str:
    found = []
    for number in rounds:
        this = result.rounds[number - 1]
        r, first, last = this.retrieval, this.updated[0], this.updated[-1]
        where = f"instance {result.labels[r.instance]} in frame {r.frame}"
        found.append(f"round {number} retrieves {where} and writes frames {first} to {last}")
    shown = {1: "one", 2: "two"}.get(len(rounds), len(rounds))
    return (
        f"Figure 2, the pipeline of VS-ReID on {video.name}, frames {listed(columns)}: the input, the masks of the "
        f"initial propagation, and those after {shown} of {counted(len(result.rounds), 'round')}; {'; '.join(found)}."
    )
