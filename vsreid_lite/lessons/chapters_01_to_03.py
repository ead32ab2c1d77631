"""Exercises of the notebooks 01 (data and metrics), 02 (flow and warping) and 03 (boxes and patches)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.evaluation.metrics import Scores, boundary_radius, region, score_sequence
from vsreid_lite.geometry import Box, iou, release_iou, warp
from vsreid_lite.lessons.flow_comparison import end_point_error
from vsreid_lite.lessons.judging import asks

Mask = NDArray[np.bool_]


def _mask(*rows: str) -> Mask:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


@asks(
    """Write `jaccard(truth, predicted)`: the region similarity J of two masks, boolean arrays (H, W). It counts pixels:
    intersection over union. Two empty masks agree perfectly, and score 1.""",
    """`truth & predicted` and `truth | predicted` are the pixels to count; when nobody predicts anything, there is
    nothing to divide by.""",
    (_mask("##.", "..."), _mask(".##", "...")),
    (_mask("##", "##"), _mask("##", "##")),
    (_mask("#..", "#.."), _mask("..#", "..#")),
    (_mask("####", "####"), _mask(".##.", ".##.")),
    (_mask("...", "..."), _mask("...", "...")),
    (_mask("...", "..."), _mask("#..", "...")),
)
def jaccard(truth: Mask, predicted: Mask) -> float:
    """J."""
    return region(truth, predicted)


@asks(
    """F compares boundaries, and forgives small distances: up to 0.008 of the image's diagonal, rounded up to whole
    pixels. That is 8 pixels at 480 × 854. How many are they at 192 × 320, the size of the mini benchmark, and how many
    at 1080 × 1920? Answer with two numbers.""",
    "The diagonal is the square root of H² + W²; round up, not to the nearest.",
    tolerance=0.01,
)
def radii() -> tuple[int, int]:
    """In pixels."""
    return boundary_radius((192, 320)), boundary_radius((1080, 1920))


@asks(
    """A video has 12 frames, 0 to 11. The instance is in sight in the frames 0 to 3 and 8 to 11, and hidden in between.
    A method predicts *nothing*, in any frame. What are (a) its J-mean as DAVIS counts it, (b) its mean J over the
    frames that show the instance, (c) its mean J after the re-appearance? Answer with three numbers.""",
    "The first and the last frame do not count, so ten frames do. Ask of each of them: are both masks empty?",
)
def nothing_predicted() -> tuple[float, float | None, float | None]:
    """Scored by the library."""
    truth = [np.full((4, 4), int(i < 4 or i >= 8), np.uint8) for i in range(12)]
    scores = Scores(score_sequence("hidden", truth, [np.zeros((4, 4), np.uint8)] * 12))
    return scores.J.mean, scores.visible_J, scores.reappeared_J


P = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.5], [0.25, 0.0, 1.0]])


@asks(
    """Write `bilinear(P, x, y)`: the value of the map P, a tensor (H, W), at a point between its pixels. Pixel centres
    have whole coordinates, x to the right and y down; the four pixels around the point are mixed by how near they are;
    whatever lies outside of the map is 0.""",
    """With x0 = floor(x) and a = x - x0, the left column counts 1 - a and the right one a; the same down the rows. Ask
    of each of the four pixels whether it is inside.""",
    (P, 1.0, 0.0),
    (P, 0.5, 0.5),
    (P, 1.25, 1.75),
    (P, -0.5, 0.5),
    (P, 2.0, 2.5),
    (P, 2.0, 2.0),
    (P, 7.0, -4.0),
)
def bilinear(P: Tensor, x: float, y: float) -> float:
    """As `warp` samples it."""
    return float(warp(P, torch.tensor([x, y])[:, None, None]))


@asks(
    """From frame i to frame j a square moves 3 pixels to the right and 1 pixel *up*. What does `flow(target=j,
    source=i)` hold at a pixel of the square in frame j? Answer with two numbers, dx and dy.""",
    "This flow lives on the grid of j and says where the pixel *was* in frame i. And y counts the rows from the top.",
)
def direction() -> tuple[int, int]:
    """Where it was."""
    return -3, 1


def _flow(dx: list[list[float]], dy: list[list[float]]) -> Tensor:
    return torch.tensor([dx, dy])


@asks(
    """Write `mean_error(flow, exact)`: how far a flow, a tensor (2, H, W), is from the exact one. At each pixel that is
    the length of the difference of the two displacements, in pixels; return the mean over all pixels.""",
    "First the length at each pixel, the root of dx² + dy², then the mean: not the other way round.",
    (_flow([[1.0, 2.0]], [[0.0, -1.0]]), _flow([[1.0, 2.0]], [[0.0, -1.0]])),
    (_flow([[3.0, 3.0]], [[4.0, 4.0]]), _flow([[0.0, 0.0]], [[0.0, 0.0]])),
    (
        _flow([[3.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 0.0]]),
        _flow([[0.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, 0.0]]),
    ),
    (_flow([[-1.0, 1.0]], [[0.0, 0.0]]), _flow([[1.0, -1.0]], [[0.0, 0.0]])),
)
def mean_error(flow: Tensor, exact: Tensor) -> float:
    """End-point error."""
    return float(end_point_error(flow, exact).mean())


def _map(*rows: str) -> Tensor:
    return torch.tensor([[int(pixel) / 10 for pixel in row] for row in rows])


@asks(
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


CHAPTERS = {
    "01.1": jaccard,
    "01.2": radii,
    "01.3": nothing_predicted,
    "02.1": bilinear,
    "02.2": direction,
    "02.3": mean_error,
    "03.1": patch_box,
    "03.2": overlap,
    "03.3": release_scores,
}
