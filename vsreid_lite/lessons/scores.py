"""Exercises of notebooks 01, data and metrics, 09, the ablation, and 10, the benchmark and your own video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import Scores, boundary_radius, region, score_sequence
from vsreid_lite.lessons.exercises import asks

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

COLUMN = (0.517, 0.555, 0.584, 0.652, 0.661)  # Table 1, global-mean, as printed
BOOSTS = (0.038, 0.007, 0.068, 0.009)  # Table 1, boost, as printed


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


@asks(
    "09.1",
    """Table 1 prints the global-means 0.517, 0.555, 0.584, 0.652, 0.661 and the boosts 0.038, 0.007, 0.068, 0.009.
    Check its arithmetic: (a) which boost does the column give "+ flow-stream", the third row? (b) What do the printed
    boosts add up to? (c) What is the gain from the first row to the last? Answer with three numbers.""",
    "A boost is a row's global-mean minus that of the row before. If all four were right, (b) would be (c).",
    tolerance=6e-4,
)
def table_arithmetic() -> tuple[float, float, float]:
    """The erratum."""
    return COLUMN[2] - COLUMN[1], sum(BOOSTS), COLUMN[-1] - COLUMN[0]


def _draws(m: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, m, (200, m))


def _scores(*values: float) -> Values:
    return np.array(values)


def _of(*sequences: int) -> NDArray[np.int64]:
    return np.array(sequences)


@asks(
    "09.2",
    """Write `paired_interval(before, after, sequence, draws)`: the 95 % interval of a boost by a *paired* bootstrap
    over sequences. `before` and `after` are arrays (n,), the global-mean of each instance without and with a module;
    `sequence`, an integer array (n,), is the number of the sequence that each is in, from 0 to m - 1. Each row of
    `draws`, an integer array (B, m), names the m sequences of one resampling; a sequence comes with all its instances.
    Return two numbers: the 2.5th and the 97.5th percentile (`np.percentile`) of the mean gain of the instances drawn
    over the B resamplings.""",
    """Paired: take the difference of each instance first. A sequence of two instances brings both: add up the gains of
    each sequence and count its instances (`np.bincount`); the mean of a draw is a sum over a count.""",
    (_scores(0.5, 0.1, 0.6, 0.2), _scores(0.6, 0.5, 0.6, 0.1), _of(0, 0, 1, 2), _draws(3, 0)),
    (_scores(0.1, 0.9, 0.5), _scores(0.2, 1.0, 0.6), _of(0, 1, 2), _draws(3, 1)),
    (
        _scores(0.7, 0.2, 0.4, 0.9, 0.3, 0.6, 0.5, 0.1),
        _scores(0.6, 0.2, 0.1, 0.8, 0.3, 0.9, 0.9, 0.6),
        _of(1, 0, 1, 2, 1, 3, 4, 3),
        _draws(5, 2),
    ),
    (_scores(0.3, 0.1), _scores(0.45, 0.2), _of(0, 0), _draws(1, 3)),
)
def paired_interval(before: Values, after: Values, sequence: NDArray[np.int64], draws: NDArray[np.int64]) -> Values:
    """Percentiles of resampled means."""
    sums, counts = np.bincount(sequence, after - before), np.bincount(sequence)
    return np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])


@asks(
    "10.1",
    """Write `dataset_mean(scores)`: the mean that DAVIS ranks by. `scores` is a dictionary from the name of a sequence
    to the list of the scores of its instances; the mean is over *instances*, not over sequences.""",
    "A sequence of four instances counts four times as much as one of a single instance.",
    ({"dog": [0.9]},),
    ({"dog": [0.9], "crowd": [0.1, 0.2, 0.3, 0.4]},),
    ({"pair": [1, 0], "trio": [1, 1, 1], "solo": [0]},),
)
def dataset_mean(scores: dict[str, list[float]]) -> float:
    """Over instances."""
    return float(np.mean([score for instances in scores.values() for score in instances]))


@asks(
    "10.2",
    """A video of 100 frames, counted from 0, with 3 instances. How many maps does N_mp make (a) in the initial
    propagation of all instances, (b) in the first round, when one instance is recovered at frame 60? Answer with two
    numbers.""",
    """(a) Frame 0 is given. (b) One map at frame 60 itself, then forward to the end, and backward while frame 60 is
    strictly nearer than frame 0.""",
    tolerance=0.01,
)
def maps_made() -> tuple[int, int]:
    """Frames 1 to 99 of each instance; then 60, 61 to 99, and 59 down to 31."""
    return 99 * 3, 1 + 39 + 29


WHITE, RED, BLUE, BLACK = (255, 255, 255), (200, 0, 0), (0, 0, 200), (0, 0, 0)


def _image(*rows: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint8]:
    return np.array(rows, np.uint8)


@asks(
    "10.3",
    """A first mask was opened as a picture, so it holds colours and no labels. Write `labels(image, palette)`: `image`
    is an array (H, W, 3) of RGB, `palette` an array (K + 1, 3) whose row l is the colour of label l. Return the labels
    (H, W), whole numbers.""",
    """Compare every pixel with every colour, all three channels at once: `(image == colour).all(-1)` is a mask (H, W).
    Do not count on black being label 0.""",
    (_image((BLACK, RED), (BLUE, BLACK)), _image((BLACK, RED, BLUE))[0]),
    (_image((BLACK, RED), (BLUE, BLACK)), _image((BLUE, BLACK, RED))[0]),
    (_image((WHITE, BLACK, BLACK)), _image((BLACK, WHITE))[0]),
    (_image((RED, RED), (RED, RED)), _image((RED, BLUE))[0]),
    tolerance=0.01,
)
def labels(image: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The row of the palette that each pixel is equal to."""
    return (image[:, :, None] == palette).all(-1).argmax(-1)
