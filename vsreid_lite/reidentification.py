"""Algorithm 2: the re-identification module M_reid, for one frame, and for a whole video at once (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsreid_lite.config import ReidConfig
from vsreid_lite.geometry import Box, iou
from vsreid_lite.networks import Detector, IdentificationNet
from vsreid_lite.video.masks import Frame

Boxes = NDArray[np.int64]  # (N, K, 4): x0, y0, x1, y1 of each frame and instance; zeros where there is none
Starts = NDArray[np.int64]  # (N, K): c_{i,k}, the checkpoints; negative where nothing was propagated (FIDELITY row 16)
RECOGNISED = 0.5  # IoU of a candidate with an instance of the first frame, ours


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

    On request (FIDELITY row 13) also None where the instance is visible, or the candidate does not improve on the map.

    frame: I_i (H, W, 3). P: P_{i,k} (H, W). template: N_reid(t_k), (D,). i and k only name the retrieval.
    """
    X = detector(frame)[: config.proposals]  # line 2
    if not X:
        return None  # R4: no candidate is no retrieval
    scores = cosine_similarity(identification.embed(frame, X), template[None])[:, 0]  # lines 3-4
    j = int(scores.argmax())  # line 5
    b = Box.from_probability(P)  # line 6
    if config.only_absent and b is not None:  # FIDELITY row 13
        return None
    overlap = 0.0 if b is None else iou(X[j], b)
    rho_reid, rho_occ = config.thresholds
    accepted = scores[j] > rho_reid and overlap < rho_occ  # line 7
    if accepted and config.improvement is not None and b is not None:  # FIDELITY row 13
        shown = cosine_similarity(identification.embed(frame, [b]), template[None])[0, 0]
        accepted = float(scores[j]) > float(shown) + config.improvement
    return Retrieval(X[j], float(scores[j]), i, k) if accepted else None  # line 8; line 10: "fail or unnecessary"


@dataclass(frozen=True)
class Candidates:
    """Algorithm 2, lines 2-5, of a whole video: they depend on the frames and templates alone, not on the maps.

    boxes: the best candidate of each frame and instance. similarity: (N, K, K), float32; [i, k, l] is that of the best
    candidate of instance k with the template of instance l; -inf without any candidate. likeness: (i, k, box) to the
    similarity of any box in frame i with the template of instance k, for `ReidConfig.improvement`; N_reid runs when it
    is asked for the first time.
    """

    boxes: Boxes
    similarity: NDArray[np.float32]
    likeness: Callable[[int, int, Box], float]

    @property
    def scores(self) -> NDArray[np.float32]:
        """The similarity of each best candidate with its own instance, (N, K)."""
        return np.diagonal(self.similarity, axis1=1, axis2=2)

    def retrieve(self, current: Boxes, start: Starts, config: ReidConfig) -> Retrieval | None:
        """Algorithm 3, lines 11-18: the best acceptable candidate of the video, or None.

        Arithmetic on NK numbers; with `config.improvement` N_reid sees what the best candidates would replace, the next
        ones where it refuses them. current: Box(P_{i,k} > 0.5). start: c_{i,k}. Of equal scores the first frame's, then
        the first instance's, wins, as in the printed order of the loops. Frame 0 is never searched.
        """
        frames = np.arange(len(start))[:, None]
        accepted = self._accepted(current, config) & (start != frames) & (self.scores >= 0)
        accepted[0] = False
        order = np.argsort(np.where(accepted, -self.scores, np.inf), axis=None, kind="stable")[: accepted.sum()]
        for i, k in zip(*(at.tolist() for at in np.unravel_index(order, accepted.shape)), strict=True):
            found = Retrieval(_box(self.boxes[i, k]), float(self.scores[i, k]), i, k)
            if self._improves(found, current[i, k], config.improvement):
                return found
        return None

    def _improves(self, found: Retrieval, shown: NDArray[np.int64], improvement: float | None) -> bool:
        """FIDELITY row 13, ours; an empty map shows nothing. shown: a row of the boxes."""
        if improvement is None or not visible(shown):
            return True
        return found.score > self.likeness(found.frame, found.instance, _box(shown)) + improvement

    def _accepted(self, current: Boxes, config: ReidConfig) -> NDArray[np.bool_]:
        """Line 7, and on request the release's rules, each of which refuses more: (N, K)."""
        absent = ~visible(current)
        rho_reid, rho_occ = config.thresholds
        accepted = (self.scores > rho_reid) & (overlaps(self.boxes, current) < rho_occ)
        if config.only_absent:  # FIDELITY row 13
            accepted &= absent
        if config.spare_others:  # row 13
            covered = overlaps(self.boxes[:, :, None], current[:, None]) > rho_occ
            accepted &= ~(covered & _others(current)).any(-1)
        if config.exclusive:  # row 14
            liker = absent[:, None] & (self.similarity > self.scores[:, :, None])
            accepted &= ~(liker & _others(current)).any(-1)
        if not config.search_last:  # row 22
            accepted[-1] = False
        return accepted

    def of(self, instances: Sequence[bool]) -> Candidates:
        """The candidates of some of the K instances; the others have none (FIDELITY row 21)."""
        return replace(self, similarity=np.where(instances, self.similarity, np.float32(-np.inf)))


def _box(row: NDArray[np.int64]) -> Box:
    return Box(*(int(x) for x in row))


def _others(boxes: Boxes) -> NDArray[np.bool_]:
    return ~np.eye(boxes.shape[1], dtype=bool)


def find_candidates(
    frames: Sequence[Frame],
    templates: Tensor,
    detector: Detector,
    identification: IdentificationNet,
    config: ReidConfig,
    after: Callable[[], object] = lambda: None,
) -> Candidates:
    """N_det and N_reid once on every frame but the first. templates: (K, D). after: called after each frame."""
    N, K = len(frames), len(templates)
    boxes, similarity = np.zeros((N, K, 4), np.int64), np.full((N, K, K), -np.inf, np.float32)
    for i in range(1, N):
        X = detector(frames[i])[: config.proposals]
        if X:
            found = cosine_similarity(identification.embed(frames[i], X), templates)
            best = found.argmax(0)
            boxes[i] = np.array([as_row(x) for x in X])[best]
            similarity[i] = found[best]
        after()

    @cache
    def likeness(i: int, k: int, box: Box) -> float:
        return float(cosine_similarity(identification.embed(frames[i], [box]), templates[k : k + 1])[0, 0])

    return Candidates(boxes, similarity, likeness)


def recognised(frame: Frame, boxes: Sequence[Box], detector: Detector) -> list[bool]:
    """Which instances, at `boxes` of the first frame, the detector finds there: IoU with a candidate of RECOGNISED."""
    candidates = detector(frame)
    return [any(iou(x, box) >= RECOGNISED for x in candidates) for box in boxes]


def visible(boxes: Boxes) -> NDArray[np.bool_]:
    """Where there is a box: in a row of zeros alone, x1 is 0."""
    return boxes[..., 2] > 0


def as_row(box: Box | None) -> tuple[int, int, int, int]:
    """A row of `Boxes`; zeros for none."""
    return (0, 0, 0, 0) if box is None else (box.x0, box.y0, box.x1, box.y1)


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
