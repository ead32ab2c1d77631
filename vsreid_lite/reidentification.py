"""Algorithm 2: the re-identification module M_reid, for one frame, and for a whole video at once (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsreid_lite.config import ReidConfig
from vsreid_lite.geometry import Box, iou
from vsreid_lite.models import Detector, Frame, IdentificationNet

Boxes = NDArray[np.int64]  # (N, K, 4): x0, y0, x1, y1 of each frame and instance; zeros where there is none
Starts = NDArray[np.int64]  # (N, K): c_{i,k}, the checkpoints


@dataclass(frozen=True)
class Retrieval:
    """x-hat, s-hat, i-hat and k-hat: where an instance was found again. score: cosine similarity, in [-1, 1]."""

    box: Box
    score: float
    frame: int
    instance: int


def template_box(P: Tensor, label: int) -> Box:
    """The box of template t_k in the first map P_{1,k} (H, W). Raises ValueError for an absent instance (R4)."""
    box = Box.from_probability(P)
    if box is None:
        raise ValueError(f"instance {label} is absent from the first mask")
    return box


def cosine_similarity(embeddings: Tensor, templates: Tensor) -> NDArray[np.float32]:
    """S_C of every candidate with every template: rows (M, D) and (K, D) to (M, K), in [-1, 1].

    Computed in float64 and rounded to float32, so that a score does not depend on what is computed beside it.
    """
    rows, columns = (functional.normalize(x.detach().double().cpu(), dim=1) for x in (embeddings, templates))
    return (rows @ columns.T).clamp(-1, 1).float().numpy()


def reidentify(
    frame: Frame,
    P: Tensor,
    template: Tensor,
    detector: Detector,
    identification: IdentificationNet,
    config: ReidConfig,
    i: int = 0,
    k: int = 0,
) -> Retrieval | None:
    """M_reid(I_i, P_{i,k}, t_k): the candidate that is most like the template, or None where the paper returns -1.

    frame: I_i (H, W, 3). P: P_{i,k} (H, W). template: N_reid(t_k), (D,). i and k only name the retrieval.
    """
    X = detector(frame)[: config.proposals]  # line 2
    if not X:
        return None  # R4: no candidate is no retrieval
    scores = cosine_similarity(identification.embed(frame, X), template[None])[:, 0]  # lines 3-4
    j = int(scores.argmax())  # line 5
    b = Box.from_probability(P)  # line 6
    if config.only_absent and b is not None:
        return None
    overlap = 0.0 if b is None else iou(X[j], b)
    if scores[j] > config.rho_reid and overlap < config.rho_occ:  # line 7
        return Retrieval(X[j], float(scores[j]), i, k)  # line 8
    return None  # line 10: "fail or unnecessary"


@dataclass(frozen=True)
class Candidates:
    """Algorithm 2, lines 2-5, of a whole video: they depend on the frames and templates alone, not on the maps.

    boxes: the best candidate of each frame and instance. scores: its similarity, (N, K), float32; -inf without any.
    """

    boxes: Boxes
    scores: NDArray[np.float32]

    def retrieve(self, current: Boxes, start: Starts, config: ReidConfig) -> Retrieval | None:
        """Algorithm 3, lines 11-18: the best acceptable candidate of the video, or None. O(NK) arithmetic, no network.

        current: Box(P_{i,k} > 0.5). start: c_{i,k}. Of equal scores the first frame's, then the first instance's, wins:
        argmax takes the first in the printed order of the loops. Frame 0 is never searched.
        """
        frames = np.arange(len(start))[:, None]
        accepted = (self.scores > config.rho_reid) & (overlaps(self.boxes, current) < config.rho_occ)
        if config.only_absent:
            accepted &= ~current.any(-1)
        scores = np.where(accepted & (start != frames), self.scores, -np.inf)[1:]
        if scores.size == 0 or scores.max() < 0:
            return None
        i, k = (int(x) for x in np.unravel_index(scores.argmax(), scores.shape))
        box = Box(*(int(x) for x in self.boxes[i + 1, k]))
        return Retrieval(box, float(scores[i, k]), i + 1, k)


def find_candidates(
    frames: Sequence[Frame],
    templates: Tensor,
    detector: Detector,
    identification: IdentificationNet,
    config: ReidConfig,
    after: Callable[[], object] = lambda: None,
) -> Candidates:
    """N_det and N_reid once on every frame but the first. templates: (K, D). after: called after each frame."""
    boxes = np.zeros((len(frames), len(templates), 4), np.int64)
    scores = np.full((len(frames), len(templates)), -np.inf, np.float32)
    for i in range(1, len(frames)):
        X = detector(frames[i])[: config.proposals]
        if X:
            similarity = cosine_similarity(identification.embed(frames[i], X), templates)
            best = similarity.argmax(0)
            boxes[i] = np.array([(x.x0, x.y0, x.x1, x.y1) for x in X])[best]
            scores[i] = similarity.max(0)
        after()
    return Candidates(boxes, scores)


def overlaps(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """The IoU of two arrays of boxes (..., 4), entry by entry; 0 where one is missing (all zeros)."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    union = _areas(a) + _areas(b) - intersection
    return intersection / np.maximum(union, 1)


def _areas(boxes: Boxes) -> Boxes:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def embed_templates(frame: Frame, boxes: Sequence[Box], identification: IdentificationNet) -> Tensor:
    """N_reid(t_k) of every instance, one call each so that no template depends on another: (K, D)."""
    return torch.cat([identification.embed(frame, [box]) for box in boxes])
