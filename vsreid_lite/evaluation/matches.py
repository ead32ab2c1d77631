"""Algorithm 2 laid open over a whole video: all candidates, their embeddings and scores, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from vsreid_lite.config import ReidConfig
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.reidentification import (
    Boxes,
    as_row,
    cosine_similarity,
    embed_templates,
    overlaps,
    template_box,
    visible,
)
from vsreid_lite.result import Maps
from vsreid_lite.video.video import Video

RIGHT = 0.5  # IoU of a retrieval's box with the true one

Cells = NDArray[np.bool_]  # (N, K)
Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Matches:
    """What N_det and N_reid found in a video of N frames and K instances.

    boxes: the M_i candidates of each frame, best first, none in frame 0. scores: their similarities with the templates,
    (M_i, K). points: their embeddings on the two main directions of all embeddings, (M_i, 2). templates: the K boxes in
    frame 0. template_points: (K, 2). current: Box(P > 0.5) of the maps as they are, (N, K, 4). truth: the true boxes,
    (N, K, 4), zeros where an instance is out of sight. annotated: (N,), the frames whose truth is known.
    """

    sequence: Video
    boxes: list[list[Box]]
    scores: list[Scores]
    points: list[NDArray[np.float64]]
    templates: list[Box]
    template_points: NDArray[np.float64]
    current: Boxes
    truth: Boxes
    annotated: NDArray[np.bool_]

    @property
    def best(self) -> NDArray[np.int64]:
        """The candidate most like each instance, (N, K); -1 in a frame without candidates."""
        K = self.sequence.K
        return np.stack([s.argmax(0) if len(s) else np.full(K, -1) for s in self.scores])


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What thresholds make of every frame and instance, (N, K) each; frame 0 is never searched.

    score, overlap: of the best candidate with the template, and with the box of the current map. accepted: retrieved.
    right: its box is the true one to an IoU of 0.5. lost: to be seen, but not where the current map is.
    precision: share of the accepted that are right, in annotated frames. recall: share of the lost that are accepted
    and right. None where there are none of them.
    """

    score: Scores
    overlap: NDArray[np.float64]
    accepted: Cells
    right: Cells
    lost: Cells
    precision: float | None
    recall: float | None


@torch.inference_mode()
def find_matches(
    sequence: Video, networks: Networks, maps: Maps, config: ReidConfig, progress: bool = False
) -> Matches:
    """N_det and N_reid once on every frame but the first. maps: P[i][k], which retrievals are to mend.

    Raises ValueError for networks without detector or identification network.
    """
    if networks.detector is None or networks.identification is None:
        raise ValueError("matches need N_det and N_reid, found networks without them: load them with Config(reid=True)")
    frames = sequence.frames
    first = zip(sequence.first_probabilities(), sequence.labels, strict=True)
    templates = [template_box(P, label) for P, label in first]
    t = embed_templates(frames[0], templates, networks.identification)
    boxes: list[list[Box]] = [[]]
    for i in tqdm(range(1, sequence.N), desc="candidates", disable=not progress, leave=False):
        boxes.append(networks.detector(frames[i])[: config.proposals])
    found = [networks.identification.embed(frames[i], X) if X else t[:0] for i, X in enumerate(boxes)]
    *points, template_points = main_directions([*found, t])
    scores = [cosine_similarity(rows, t) for rows in found]
    current = np.array([[as_row(P.probability_box()) for P in maps_i] for maps_i in maps], np.int64)
    return Matches(sequence, boxes, scores, points, templates, template_points, current, *_true_boxes(sequence))


def main_directions(groups: list[Tensor]) -> list[NDArray[np.float64]]:
    """Rows (M, D) of several groups on the first two principal directions of all of them: (M, 2) each.

    The sign of a direction is chosen so that its largest entry is positive: the same input gives the same picture.
    """
    rows = torch.cat(groups).double().cpu().numpy()
    centred = rows - rows.mean(0)
    axes = np.zeros((2, rows.shape[1]))
    found = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axes[: len(found)] = found * np.sign(found[np.arange(len(found)), np.abs(found).argmax(1)])[:, None]
    return np.split(centred @ axes.T, np.cumsum([len(group) for group in groups])[:-1])


def judge(matches: Matches, rho_reid: float, rho_occ: float) -> Verdicts:
    """Algorithm 2, line 7, for every frame and instance at once, and how it agrees with the truth."""
    N, K = matches.best.shape
    best, boxes, score = matches.best, np.zeros((N, K, 4), np.int64), np.full((N, K), -np.inf, np.float32)
    for (i, k), j in np.ndenumerate(best):
        if j >= 0:
            boxes[i, k], score[i, k] = as_row(matches.boxes[i][j]), matches.scores[i][j, k]
    overlap = overlaps(boxes, matches.current)
    accepted = (score > rho_reid) & (overlap < rho_occ)
    right = accepted & (overlaps(boxes, matches.truth) >= RIGHT)
    lost = visible(matches.truth) & (overlaps(matches.current, matches.truth) < RIGHT)
    lost[0] = False
    precision = _share(right, accepted & matches.annotated[:, None])
    return Verdicts(score, overlap, accepted, right, lost, precision, _share(right, lost))


def _share(of: Cells, among: Cells) -> float | None:
    return float(of[among].mean()) if among.any() else None


def _true_boxes(sequence: Video) -> tuple[Boxes, NDArray[np.bool_]]:
    truth = np.zeros((sequence.N, sequence.K, 4), np.int64)
    annotations = sequence.annotations or [None] * sequence.N
    for i, mask in enumerate(annotations):
        for k, label in enumerate(sequence.labels):
            if mask is not None:
                truth[i, k] = as_row(Box.from_probability(torch.from_numpy((mask == label).astype(np.float32))))
    return truth, np.array([mask is not None for mask in annotations])
