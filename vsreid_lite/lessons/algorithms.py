"""The paper's three algorithms: as it prints them, for the notebooks, and as exercises of notebooks 05 to 07."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from IPython.display import display
from torch import Tensor

from vsreid_lite.geometry import Box, cut, iou, warp
from vsreid_lite.lessons.exercises import asks
from vsreid_lite.reference import merge_as_printed
from vsreid_lite.reidentification import cosine_similarity

PRINTED = {  # in the camera-ready paper: a line each, indented by two; \hi is i with a hat
    1: r"""Mask propagation for single object
**procedure** $\mathcal{M}_{mp}(I_i, I_j, P_{i,k})$
  $P_{j,k} \leftarrow 0$ ▷ initialize
  $f_{i \to j} \leftarrow \mathcal{F}(I_i, I_j)$ ▷ extract the optical flow
  $P_{i \to j,k} \leftarrow \mathcal{W}(P_{i,k}, f_{i \to j})$ ▷ flow guided warp
  $b \leftarrow \mathrm{Box}(P_{i \to j,k} > 0.5)$ ▷ obtain the bounding box
  $P_{j,k}^b \leftarrow \mathcal{N}_{mp}(I_j^b, f_{i \to j}^b, P_{i \to j,k}^b)$
  **return** $P_{j,k}$""",
    2: r"""Re-identification module
**procedure** $\mathcal{M}_{reid}(I_i, P_{i,k}, t_k)$
  $X \leftarrow \mathcal{N}_{det}(I_i)$ ▷ obtain the candidate boxes
  **for** $x_j \in X$ **do**
    $s_j \leftarrow S_C(\mathcal{N}_{reid}(I_i^{x_j}), \mathcal{N}_{reid}(t_k))$ ▷ $S_C$ denotes the cosine similarity
  $\hj \leftarrow \arg\max_{j \le \lvert X \rvert} s_j$
  $b \leftarrow \mathrm{Box}(P_{i,k} > 0.5)$
  **if** $s_{\hj} > \rho_{reid}$ **and** $\mathrm{IoU}(x_{\hj}, b) < \rho_{occ}$ **then**
    **return** $x_{\hj}, s_{\hj}$
  **else**
    **return** $x_{\hj}, -1$ ▷ fail or unnecessary""",
    3: r"""VS-ReID algorithm
**procedure** VS-ReID$(\{I\}, \{P_1\})$
  $N \leftarrow \lvert \{I\} \rvert$ ▷ number of frames
  $K \leftarrow \lvert \{P_1\} \rvert$ ▷ number of instances
  **for** $k = 1$ **to** $K$ **do**
    obtain the template $t_k$ from $P_{1,k}$
  **for** $i = 2$ **to** $N$ **do** ▷ initialize probability maps
    **for** $k = 1$ **to** $K$ **do**
      $P_{i,k} \leftarrow \mathcal{M}_{mp}(I_{i-1}, I_i, P_{i-1,k})$
      $c_{i,k} \leftarrow 1$
  **loop**
    $\hs \leftarrow -1$
    **for** $i = 2$ **to** $N$ **do** ▷ retrieve instances
      **for** $k = 1$ **to** $K$ **do**
        $x, s \leftarrow \mathcal{M}_{reid}(I_i, P_{i,k}, t_k)$
        **if** $s > \hs$ **and** $c_{i,k} \neq i$ **then**
          $\hs \leftarrow s, \hx \leftarrow x, \hi \leftarrow i, \hk \leftarrow k$
    **if** $\hs < 0$ **then**
      **break** ▷ no instance retrieved
    **else**
      $P_{\hi,\hk} \leftarrow 0, f_{\hi} \leftarrow \mathcal{F}(I_{\hi}, I_{\hi+1})$
      $b \leftarrow \mathrm{Box}(P_{1,\hk} > 0.5)$
      $P_{\hi,\hk}^{\hx} \leftarrow \mathcal{N}_{mp}(I_{\hi}^{\hx}, f_{\hi}^{\hx}, P_{1,\hk}^b)$ ▷ recover
      **for** $i = \hi + 1$ **to** $N$ **do** ▷ forward propagate
        **if** $\lvert c_{i,\hk} - i \rvert > \lvert \hi - i \rvert$ **then**
          $P_{i,\hk} \leftarrow \mathcal{M}_{mp}(I_{i-1}, I_i, P_{i-1,\hk})$
          $c_{i,\hk} \leftarrow \hi$
      **for** $i = \hi - 1$ **downto** $2$ **do** ▷ backward propagate
        **if** $\lvert c_{i,\hk} - i \rvert > \lvert \hi - i \rvert$ **then**
          $P_{i,\hk} \leftarrow \mathcal{M}_{mp}(I_{i+1}, I_i, P_{i+1,\hk})$
          $c_{i,\hk} \leftarrow \hi$
  **return** $\{P\}$""",
}


def show_algorithm(number: int, *marked: int, lines: range | None = None) -> None:
    """Show an algorithm as the paper prints it, with an arrow before the marked lines.

    Args:
        number: 1, 2 or 3.
        marked: numbers of lines, from 1.
        lines: those that are shown; by default all.
    """
    title, *statements = re.sub(r"\\h([ijksx])\b", r"\\hat{\1}", PRINTED[number]).splitlines()
    rows = [f"| | **Algorithm {number}** {title} | |", "|--:|:--|:--|"]
    for n, line in enumerate(statements, 1):
        statement, _, remark = line.strip().partition(" ▷ ")
        indent = "&emsp;" * ((len(line) - len(line.lstrip())) // 2)
        place = f"**→ {n}:**" if n in marked else f"{n}:"
        if lines is None or n in lines:
            rows.append(f"| {place} | {indent}{statement} | {remark and f'▷ {remark}'} |")
    plain = f"Algorithm {number}: {title}, as printed; lines marked: {', '.join(map(str, marked)) or 'none'}"
    display({"text/markdown": "\n".join(rows), "text/plain": plain}, raw=True)


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
    "05.1",
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
    "05.2",
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
    "06.1",
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
    "06.2",
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
    "06.3",
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


@asks(
    "07.1",
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
    "07.2",
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
    "07.3",
    """Take Figure 3's toy, six frames counted from 0, one retrieval at frame 5, and Algorithm 3 exactly as *printed*,
    without the repair R1. Which checkpoints c does the round leave behind? Answer with six numbers.""",
    "The sweeps go away from the recovered frame, forward from î + 1 and backward from î - 1. Which line sets c at î?",
    tolerance=0.01,
)
def printed_checkpoints() -> list[int]:
    """The recovered frame still says 0, so line 15 lets it be retrieved again, and again."""
    return [0, 0, 0, 5, 5, 0]
