"""Exercises of notebook 01, data and metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import Scores, boundary_radius, region, score_sequence
from vsreid_lite.lessons.exercises import asks

Mask = NDArray[np.bool_]


def _mask(*rows: str) -> Mask:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


@asks(
    "01.1",
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
    "01.2",
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
    "01.3",
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
