"""Figure 3, the checkpoints: its video of six frames, which can be run, and what a second round overwrites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, Rectangle
from torch import Tensor

from vsreid_lite.config import Config, PropagationConfig, ReidConfig
from vsreid_lite.figures.drawing import sheet
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.plots.panels import new_figure
from vsreid_lite.reference import segment_as_printed
from vsreid_lite.result import Result, Round
from vsreid_lite.video.masks import Frame
from vsreid_lite.video.video import Video

SHAPE, RADIUS = (8, 8), 1
CENTRES = ((3, 2), (4, 2), (5, 2), (2, 5), (3, 5), (4, 5))  # one pixel to the right; it jumps after the third frame
FOLLOWED = 0.75  # of a step, by the flow, which is a little short; of the jump, nothing
GROUND, COLOUR = (150, 160, 150), (70, 60, 140)
CANDIDATES = (Box(2, 3, 7, 8), Box(3, 0, 8, 5))  # around the disc, loosely: IoU below rho_occ; and where it was lost
ROUNDS = 3  # as printed, the loop would go on for ever
CONFIG = Config(device="cpu", propagation=PropagationConfig(patch=5, enlarge=1 / 3), matching=ReidConfig(0.7, 0.5))
HEIGHT, LEFT = 4.65, 1.3  # inches: the figure, and the names at the left
SIDE, STEP = 0.62, 0.82  # a square, and from square to square
ROWS = (3.65, 2.82, 1.55, 0.72)  # the lower edges of the squares
START, OTHER, SWEEP = "#FFC000", "#5B9BD5", "#70AD47"


def run_figure3(repair_r1: bool = True) -> tuple[Video, Result]:
    """Algorithm 3 as printed on a disc that jumps: propagation loses it, the last frame finds it again.

    Only the frames 3, 4 and 5 change, the paper's 4, 5 and 6. The result keeps its maps.

    Args:
        repair_r1: without it c of the recovered frame is never set; the candidate is still welcome there, and the same
            retrieval comes again, three times here instead of for ever.
    """
    video = disc_video()
    return video, segment_as_printed(video, CONFIG, disc_networks(), disc_flow, repair_r1, max_rounds=ROUNDS)


def disc_video() -> Video:
    """Six frames of 8 x 8 pixels with a disc of five, and their true masks."""
    frames = [_frame(centre) for centre in CENTRES]
    masks = [(frame[..., 0] == COLOUR[0]).astype(np.uint8) for frame in frames]
    return Video("Figure 3", frames, masks[0], annotations=masks)


def disc_networks() -> Networks:
    """Toys for N_mp, N_det and N_reid: each is one line of arithmetic."""
    return Networks(_TakesTheColour(), _FindsInTheLast(_frame(CENTRES[-1])), _CountsPixels())


def disc_flow(frames: Sequence[Frame], target: int, source: int) -> Tensor:
    """F: all pixels move as the disc does, (2, 8, 8), to three quarters of its step; the jump is not followed."""
    steps = np.subtract(CENTRES[source], CENTRES[target])
    followed = FOLLOWED * torch.from_numpy(steps).float() * bool(steps[1] == 0)
    return followed[:, None, None].expand(2, *SHAPE).clone()


def _frame(centre: tuple[int, int]) -> Frame:
    y, x = np.indices(SHAPE)
    inside = np.hypot(x - centre[0], y - centre[1]) <= RADIUS
    return np.where(inside[..., None], COLOUR, GROUND).astype(np.uint8)


class _TakesTheColour:
    """N_mp: whatever is coloured in its box."""

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        return (image[:, 2] - image[:, 1] > 0.1).float()


@dataclass(frozen=True)
class _FindsInTheLast:
    """N_det: two candidates, in one frame."""

    frame: Frame

    def __call__(self, frame: Frame) -> list[Box]:
        return list(CANDIDATES) if np.array_equal(frame, self.frame) else []


class _CountsPixels:
    """N_reid: how many pixels of a box are of the disc's colour, and how many are not."""

    def embed(self, frame: Frame, boxes: list[Box]) -> Tensor:
        disc = [int((frame[b.y0 : b.y1, b.x0 : b.x1, 0] == COLOUR[0]).sum()) for b in boxes]
        return torch.tensor([[n, b.area - n] for n, b in zip(disc, boxes, strict=True)], dtype=torch.float32)


def plot_figure3(found: Round, printed: Round) -> Figure:
    """The paper's Figure 3: a video of few frames, a start at the first, and a round that starts at `found`'s frame.

    Frames count from 1 here, as in the paper.

    Args:
        found: the round with the repair R1.
        printed: the same by Algorithm 3 as printed, whose c at the recovered frame is noted below.

    Raises:
        ValueError: the video has more than eight frames.
    """
    c = [int(start) + 1 for start in found.start[:, found.retrieval.instance]]
    N, start = len(c), found.retrieval.frame + 1
    if N > 8:
        raise ValueError(f"Figure 3 is a video of 8 frames at most, found {N}")
    left = int(printed.start[start - 1, printed.retrieval.instance]) + 1
    note = f"c = {c[start - 1]} at frame {start} is repair R1: as printed, Algorithm 3 leaves c = {left} there"
    figure = new_figure(LEFT + N * STEP, HEIGHT, _in_words(c, start, left))
    axes = sheet(figure)
    for i in range(1, N + 1):
        axes.text(_x(i) + SIDE / 2, HEIGHT - 0.08, str(i), fontsize=10, ha="center", va="top")
    kept = [i for i in range(1, N + 1) if c[i - 1] == start]
    _draw_row(axes, ROWS[0], "1st Round:", [""] * N, 1, (1, N))
    _draw_row(axes, ROWS[1], "2nd Round:", [""] * N, start, (start, 1))  # as the paper draws it; line 27 ends at 2
    _draw_row(axes, ROWS[2], "1st Round:", ["c = 1"] * N, 1, (1, N))
    _draw_row(axes, ROWS[3], "2nd Round:", [f"c = {k}" for k in c], start, (kept[-1], kept[0]))
    for y, text in ((ROWS[1], "(a) without checkpoints"), (ROWS[3], "(b) with checkpoints")):
        axes.text((LEFT + figure.get_figwidth()) / 2, y - 0.2, text, fontsize=9, weight="bold", ha="center", va="top")
    axes.text(0.08, 0.05, note, fontsize=8, va="bottom")
    return figure


def _x(frame: int) -> float:
    """The left edge of a frame, which counts from 1."""
    return LEFT + (frame - 1) * STEP


def _draw_row(axes: Axes, y: float, name: str, texts: Sequence[str], start: int, sweep: tuple[int, int]) -> None:
    """One round: the frames, its start in another colour and framed, and below how far it wrote."""
    axes.text(LEFT - 0.12, y + SIDE / 2, name, fontsize=10, ha="right", va="center")
    for i, text in enumerate(texts, 1):
        colour, edge = (START, 2.2) if i == start else (OTHER, 0.8)
        axes.add_patch(Rectangle((_x(i), y), SIDE, SIDE, facecolor=colour, edgecolor="0.2", linewidth=edge))
        axes.text(_x(i) + SIDE / 2, y + SIDE / 2 + 0.06, text, fontsize=10, style="italic", ha="center", va="center")
    first, last = sweep
    begin, end = (_x(first), _x(last) + SIDE) if last > first else (_x(first) + SIDE, _x(last))
    sweep_arrow = FancyArrow(
        begin, y - 0.03, end - begin, 0, width=0.11, head_width=0.22, head_length=0.22, length_includes_head=True
    )
    sweep_arrow.set(facecolor=SWEEP, edgecolor="0.2", linewidth=0.6)
    axes.add_patch(sweep_arrow)


def _in_words(c: list[int], start: int, left: int) -> str:
    return (
        f"Figure 3, frames 1 to {len(c)}. A first round starts at frame 1, a second at frame {start}. (a) Without "
        "checkpoints the second goes back to frame 1, as the paper draws it; Algorithm 3 would end at frame 2. (b) "
        f"With them the checkpoints become {', '.join(map(str, c))}: the nearer start keeps its frames. As printed, c "
        f"at frame {start} stays {left}."
    )
