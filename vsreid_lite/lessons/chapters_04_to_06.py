"""Exercises of the notebooks 04 (the network N_mp), 05 (mask propagation) and 06 (re-identification)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from vsreid_lite.geometry import Box, cut, iou, warp
from vsreid_lite.lessons.judging import asks
from vsreid_lite.networks.mask_propagation import fuse
from vsreid_lite.reidentification import cosine_similarity


@asks(
    """Write `output_size(size, kernel, stride, padding, dilation)`: the side of what a convolution makes of an input of
    `size` × `size` pixels.""",
    """A dilated kernel spans dilation · (kernel - 1) + 1 pixels. How often does it fit into the padded input, in steps
    of the stride? Round down.""",
    (16, 1, 1, 0, 1),
    (128, 3, 2, 1, 1),
    (449, 3, 2, 1, 1),
    (57, 3, 1, 2, 2),
    (16, 3, 1, 6, 6),
    (7, 3, 2, 0, 1),
    (20, 3, 3, 0, 4),
    tolerance=0.01,
)
def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Asked of torch, without computing anything."""
    image, weight = torch.empty(1, 1, size, size, device="meta"), torch.empty(1, 1, kernel, kernel, device="meta")
    return functional.conv2d(image, weight, None, stride, padding, dilation).shape[-1]


@asks(
    """Write `receptive_field(layers)`: how many input pixels, in one direction, one value after some convolutions
    depends on. `layers` lists (kernel, stride, dilation) of each, the first one first; without any, a value depends on
    itself.""",
    """Each layer adds dilation · (kernel - 1) steps. A step is one pixel at first, and grows by the stride of every
    layer that came *before*.""",
    ((),),
    (((3, 1, 1),),),
    (((3, 1, 1), (3, 1, 1)),),
    (((3, 2, 1), (3, 1, 1)),),
    (((3, 1, 2),),),
    (((1, 2, 1), (1, 1, 1)),),
    (((3, 2, 1), (3, 2, 1), (3, 1, 2), (3, 1, 4)),),
    tolerance=0.01,
)
def receptive_field(layers: tuple[tuple[int, int, int], ...]) -> int:
    """In input pixels."""
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        field, step = field + dilation * (kernel - 1) * step, step * stride
    return field


def _logits(background: list[list[float]], instance: list[list[float]]) -> Tensor:
    return torch.tensor([background, instance])


@asks(
    """Write `fuse_streams(rgb, flow)`. Each stream gives logits, a tensor (2, H, W): channel 0 is the background,
    channel 1 the instance. Return the instance's probabilities (H, W) as the paper fuses them: the *average of the two
    streams' predictions*.""",
    """Softmax over the channels first, of each stream alone; then average channel 1. The release adds the logits first,
    which is something else where the streams disagree.""",
    (_logits([[0.0, 0.0]], [[0.0, 0.0]]), _logits([[0.0, 0.0]], [[0.0, 0.0]])),
    (_logits([[0.0, 3.0]], [[8.0, 3.0]]), _logits([[2.0, 0.0]], [[0.0, 1.0]])),
    (_logits([[1.0], [-2.0]], [[2.0], [-2.5]]), _logits([[1.0], [6.0]], [[2.0], [-4.0]])),
)
def fuse_streams(rgb: Tensor, flow: Tensor) -> Tensor:
    """By the library."""
    return fuse([rgb[None], flow[None]], "probabilities")[0]


def sharpen(patch: Tensor) -> Tensor:
    """A stand-in for N_mp: 0 or 1, whichever is nearer."""
    return (patch > 0.5).float()


def halve(patch: Tensor) -> Tensor:
    """A stand-in for N_mp that trusts nothing."""
    return patch / 2


def _still(dx: float, dy: float, H: int = 3, W: int = 4) -> Tensor:
    return torch.tensor([dx, dy])[:, None, None].expand(2, H, W).clone()


MAP = torch.tensor([[0.0, 0.3, 0.0, 0.0], [0.0, 0.9, 0.7, 0.0], [0.0, 0.0, 0.4, 0.0]])


@asks(
    """Write `one_step(P, flow, refine)`: Algorithm 1 with a toy for N_mp. P is the map (H, W) of frame i, `flow` (2, H,
    W) lives on frame j and points to frame i, `refine` turns a patch (h, w) into a better one of its size. Warp P, find
    Box(P > 0.5) of the result, refine what is inside, and return a map that holds it there and is 0 elsewhere. Without
    a box, the map is 0 everywhere. No enlargement, no resizing; `warp`, `Box` and `cut` are yours to use.""",
    """`warp(P, flow)`, `Box.from_probability(warped)`, and None means all zeros. Then fill a new map of zeros at
    [y0:y1, x0:x1]; what the warped map holds outside of the box is lost.""",
    (MAP, _still(0, 0), sharpen),
    (MAP, _still(-1, 0), halve),
    (MAP, _still(0, 0.5), halve),
    (MAP, _still(9, 0), halve),
    (MAP * 0.5, _still(0, 0), halve),
)
def one_step(P: Tensor, flow: Tensor, refine: Callable[[Tensor], Tensor]) -> Tensor:
    """Algorithm 1, lines 2 and 4 to 7."""
    warped, result = warp(P, flow), torch.zeros_like(P)
    box = Box.from_probability(warped)
    if box is not None:
        cut(result, box).copy_(refine(cut(warped, box)))
    return result


@asks(
    """Suppose that N_mp is *perfect*: within the box that it is shown, it answers exactly the visible pixels of the
    instance. A video has 12 frames, 0 to 11; the instance is in sight in the frames 0 to 4 and 8 to 11. Algorithm 1
    goes from frame to frame, once, forward. In which frames is the map of the instance not empty? Answer with a list of
    frame numbers.""",
    "What is the box in the first frame after the instance has gone? And what can the next frame be warped from?",
)
def frames_with_a_map() -> set[int]:
    """Once empty, empty for ever."""
    return set(range(5))


@asks(
    """Write `best_candidate(embeddings, template)`: lines 3 to 5 of Algorithm 2. `embeddings` is a tensor (M, D), a row
    for each candidate, and `template` (D,); none of them has length 1 for sure. Return two numbers: the place j of the
    row that is most like the template by cosine similarity, and that similarity. Return None where M is 0.""",
    """The cosine is the dot product over both lengths: a long row must not win by its length. An empty table has no
    best row.""",
    (torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([0.0, 1.0])),
    (torch.tensor([[9.0, 9.0, 0.0], [0.0, 0.1, 0.0], [0.0, 3.0, 4.0]]), torch.tensor([0.0, 2.0, 0.0])),
    (torch.tensor([[-1.0, 0.0], [-3.0, -4.0]]), torch.tensor([1.0, 0.0])),
    (torch.tensor([[0.5, 0.5]]), torch.tensor([1.0, 0.0])),
    (torch.zeros(0, 3), torch.tensor([1.0, 0.0, 0.0])),
)
def best_candidate(embeddings: Tensor, template: Tensor) -> tuple[int, float] | None:
    """By the library's cosine similarity."""
    if len(embeddings) == 0:
        return None
    scores = cosine_similarity(embeddings, template[None])[:, 0]
    return int(scores.argmax()), float(scores.max())


X = Box(0, 0, 10, 10)


@asks(
    """Write `accepted(score, x, b, rho_reid, rho_occ)`: line 7 of Algorithm 2, True or False. `score` is that of the
    candidate box `x`; `b` is the box that the instance has in this frame already, or None where its map is empty. Use
    `iou` of `vsreid_lite.geometry`.""",
    "Both conditions are strict: s > ρ_reid and IoU(x, b) < ρ_occ. What is the IoU with a box that is not there?",
    (0.9, X, Box(20, 20, 30, 30), 0.7, 0.5),
    (0.9, X, X, 0.7, 0.5),
    (0.6, X, Box(20, 20, 30, 30), 0.7, 0.5),
    (0.7, X, None, 0.7, 0.5),
    (0.9, X, Box(0, 0, 10, 5), 0.7, 0.5),
    (0.9, X, Box(0, 0, 10, 4), 0.7, 0.5),
    (0.8, X, None, 0.7, 0.5),
    (0.4, X, Box(0, 0, 10, 9), 0.3, 0.95),
)
def accepted(score: float, x: Box, b: Box | None, rho_reid: float, rho_occ: float) -> bool:
    """As printed."""
    return score > rho_reid and (b is None or iou(x, b) < rho_occ)


@asks(
    r"""Seven best candidates of a video, by their score, and whether each really shows its instance:

    | score | 0.95 | 0.90 | 0.80 | 0.75 | 0.70 | 0.60 | 0.50 |
    |---|---|---|---|---|---|---|---|
    | right | yes | yes | no | yes | yes | no | yes |

    With $\rho_{reid} = 0.7$, what is the precision (the share of the accepted that are right) and what the recall (the
    share of the right ones that are accepted)? Answer with two numbers.""",
    "A score must be *larger* than the threshold. There are five right ones in the table.",
)
def precision_and_recall() -> tuple[float, float]:
    """Three of four, three of five."""
    return 3 / 4, 3 / 5


CHAPTERS = {
    "04.1": output_size,
    "04.2": receptive_field,
    "04.3": fuse_streams,
    "05.1": one_step,
    "05.2": frames_with_a_map,
    "06.1": best_candidate,
    "06.2": accepted,
    "06.3": precision_and_recall,
}
