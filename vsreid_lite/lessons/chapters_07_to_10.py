"""Exercises of the notebooks 07 (VS-ReID), 08 (training), 09 (ablation) and 10 (benchmark and your video)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsreid_lite.lessons.judging import asks
from vsreid_lite.reference import merge_as_printed

Values = NDArray[np.float64]


@asks(
    """Write `checkpoints(N, retrievals)`: the checkpoints c of one instance in a video of N frames, counted from 0, as
    a list of N numbers. It starts at frame 0, so c is 0 everywhere; then each retrieval, in the given order, is
    recovered at its frame and swept forward and backward as in Algorithm 3, with the repair R1.""",
    """A start at î changes frame i only where |c_i - i| > |î - i|: strictly nearer. Frame 0 never changes, and with R1
    the recovered frame gets c = î. Figure 3 is `checkpoints(6, [5])`.""",
    (6, (5,)),
    (6, ()),
    (7, (6,)),
    (9, (8, 4)),
    (9, (2, 6)),
    (9, (6, 2, 3)),
    tolerance=0.01,
)
def checkpoints(N: int, retrievals: tuple[int, ...]) -> list[int]:
    """Lines 22 to 30 of Algorithm 3."""
    c = [0] * N
    for found in retrievals:
        c = [c[i] if i == 0 or abs(c[i] - i) <= abs(found - i) else found for i in range(N)]
    return c


@asks(
    r"""Write `merge_pixel(P)`: the label of one pixel, from the tuple P of its K probabilities. It is 0 for the
    background or k + 1 for instance k, whichever has the largest of $\prod_k (1 - P_k), P_1, \dots, P_K$ (all are
    divided by the same Z, which changes nothing here). Of equal values the lowest label wins.""",
    """The background counts as label 0, with the product of all 1 - P_k: three instances at 0.4 leave it 0.216 and win.
    A plain threshold of 0.5 is not the rule.""",
    ((0.9, 0.2),),
    ((0.1, 0.3),),
    ((0.4, 0.4, 0.45),),
    ((0.5,),),
    ((0.7, 0.7),),
    ((0.2, 0.9, 0.95),),
    ((0.4, 0.3),),
    tolerance=0.01,
)
def merge_pixel(P: tuple[float, ...]) -> int:
    """As printed, for one pixel."""
    maps = torch.tensor(P, dtype=torch.float64)[:, None, None]
    return int(merge_as_printed(maps, tuple(range(1, len(P) + 1))).item())


@asks(
    """Take Figure 3's toy, six frames counted from 0, one retrieval at frame 5, and Algorithm 3 exactly as *printed*,
    without the repair R1. Which checkpoints c does the round leave behind? Answer with six numbers.""",
    "The sweeps go away from the recovered frame, forward from î + 1 and backward from î - 1. Which line sets c at î?",
    tolerance=0.01,
)
def printed_checkpoints() -> list[int]:
    """The recovered frame still says 0, so line 15 lets it be retrieved again, and again."""
    return [0, 0, 0, 5, 5, 0]


TABLE = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@asks(
    """Write `oim_update(table, x, identity, momentum)`: what the table of online instance matching holds after it has
    seen the embedding x, a tensor (D,) of length 1. `table` is a tensor (L, D), one row of length 1 for each identity.
    The row of `identity` becomes momentum · row + (1 - momentum) · x, at length 1 again. A stranger has identity -1 and
    changes no row. Return a new table and leave the given one as it is.""",
    """Copy first (`table.clone()`). Divide the mixed row by its length. -1 is a valid index in Python: it would be the
    last row.""",
    (TABLE, torch.tensor([0.0, 0.0, 1.0]), 0, 0.5),
    (TABLE, torch.tensor([0.6, 0.0, 0.8]), 1, 0.9),
    (TABLE, torch.tensor([0.0, 0.0, 1.0]), -1, 0.5),
    (TABLE, torch.tensor([0.0, 1.0, 0.0]), 1, 0.5),
)
def oim_update(table: Tensor, x: Tensor, identity: int, momentum: float) -> Tensor:
    """As OIMLoss does it, in place there."""
    table = table.clone()
    if identity >= 0:
        table[identity] = functional.normalize(momentum * table[identity] + (1 - momentum) * x, dim=0)
    return table


@asks(
    """A network has learnt to *copy its guide*. In training the guide was the true mask itself; at test time it is the
    true mask of a 20 × 20 square, moved to the right by a tenth of its width. Which J does the copying network reach
    (a) in training, (b) at test time? Answer with two numbers.""",
    "Count columns: those that both squares cover, over those that at least one covers.",
)
def copied_guides() -> tuple[float, float]:
    """18 columns of 22."""
    return 1.0, 18 / 22


@asks(
    """An embedding has the cosine similarities 0.9, 0.5 and 0.1 with the three rows of OIM's table; the first row is
    its own identity. The loss is the cross-entropy of a softmax over *scale* · similarity. What is it (a) with the
    scale 10, (b) with the scale 1? Answer with two numbers, natural logarithm.""",
    """Minus the logarithm of exp(scale · 0.9) over the sum of the three exponentials. (b) shows what the scale is for:
    without it even a good embedding costs a lot.""",
)
def oim_losses() -> tuple[float, float]:
    """Cross-entropy, by hand."""
    rows = (0.9, 0.5, 0.1)
    ten, one = (math.log(sum(math.exp(scale * (s - rows[0])) for s in rows)) for scale in (10, 1))
    return ten, one


COLUMN = (0.517, 0.555, 0.584, 0.652, 0.661)  # Table 1, global-mean, as printed
BOOSTS = (0.038, 0.007, 0.068, 0.009)  # Table 1, boost, as printed


@asks(
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
    """Write `boost_interval(before, after, sequence, draws)`: the 95 % interval of a boost by a *paired* bootstrap over
    sequences. `before` and `after` are arrays (n,), the global-mean of each instance without and with a module;
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
def boost_interval(before: Values, after: Values, sequence: NDArray[np.int64], draws: NDArray[np.int64]) -> Values:
    """Percentiles of resampled means."""
    sums, counts = np.bincount(sequence, after - before), np.bincount(sequence)
    return np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])


@asks(
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


CHAPTERS = {
    "07.1": checkpoints,
    "07.2": merge_pixel,
    "07.3": printed_checkpoints,
    "08.1": oim_update,
    "08.2": copied_guides,
    "08.3": oim_losses,
    "09.1": table_arithmetic,
    "09.2": boost_interval,
    "10.1": dataset_mean,
    "10.2": maps_made,
    "10.3": labels,
}
