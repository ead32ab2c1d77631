"""Algorithm 2 laid open over a whole video: all candidates, their embeddings and scores, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from vsreid_lite.config import PRINTED, ReidConfig, ReleaseRules
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Detector, IdentificationNet, Networks
from vsreid_lite.reidentification import (
    Boxes,
    Candidates,
    Outcome,
    Place,
    Starts,
    as_row,
    best_candidates,
    embed_candidates,
    embed_given,
    given_templates,
    overlaps,
    similarities,
    visible,
)
from vsreid_lite.release import instance_shapes
from vsreid_lite.result import Maps
from vsreid_lite.video.video import Video

RIGHT = 0.5  # IoU of a retrieval's box with the true one

Cells = NDArray[np.bool_]  # (N, K)
Similarities = NDArray[np.float32]  # (M_i, K) or (N, K)


@dataclass(frozen=True, eq=False)
class Matches:
    """What N_det and N_reid found in a video of N frames and K instances.

    Attributes:
        boxes: the M_i candidates of each frame, best first, none where all instances are given, as in frame 0.
        scores: their similarities with the instances' templates, (M_i, K).
        points: their embeddings on the two main directions of all embeddings, (M_i, 2).
        templates: the T boxes, by frame and instance; without masks of later frames T is K, and all are in frame 0.
        template_points: (T, 2).
        candidates: the most similar one of each frame and instance, as the engine has them.
        current: Box(P > 0.5) of the maps as they are, (N, K, 4).
        start: c_{i,k}, (N, K).
        config: the rules of retrieval beside the two thresholds.
        release: those of the authors' release.
        truth: the true boxes, (N, K, 4), zeros where an instance is out of sight.
        annotated: (N,), the frames whose truth is known.
    """

    sequence: Video
    boxes: list[list[Box]]
    scores: list[Similarities]
    points: list[NDArray[np.float64]]
    templates: dict[Place, Box]
    template_points: NDArray[np.float64]
    candidates: Candidates
    current: Boxes
    start: Starts
    config: ReidConfig
    release: ReleaseRules
    truth: Boxes
    annotated: NDArray[np.bool_]

    @property
    def best(self) -> NDArray[np.int64]:
        """The candidate most like each instance, (N, K); -1 in a frame without candidates."""
        K = self.sequence.K
        return np.stack([s.argmax(0) if len(s) else np.full(K, -1) for s in self.scores])

    def shown(self, frame: int) -> list[int]:
        """The label of the instance that each candidate of a frame truly shows, to an IoU of 0.5; 0 for none."""
        found = [overlaps(np.array(as_row(x)), self.truth[frame]) for x in self.boxes[frame]]
        return [self.sequence.labels[int(each.argmax())] if each.max() >= RIGHT else 0 for each in found]


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What thresholds make of every frame and instance, (N, K) each.

    Attributes:
        score: similarity of the best candidate with the template; -inf without any.
        overlap: its IoU with the box of the current map.
        outcome: an `Outcome` each: accepted, or the rule that refuses it.
        accepted: what the engine would retrieve.
        right: accepted, and its box is the true one to an IoU of 0.5.
        lost: to be seen, but not where the current map is.
        precision: share of the accepted that are right, in annotated frames; None without any.
        recall: share of the lost that are accepted and right; None without any.
    """

    score: Similarities
    overlap: NDArray[np.float64]
    outcome: NDArray[np.int64]
    accepted: Cells
    right: Cells
    lost: Cells
    precision: float | None
    recall: float | None


@torch.inference_mode()
def find_matches(
    video: Video,
    networks: Networks,
    maps: Maps,
    config: ReidConfig,
    progress: bool = False,
    release: ReleaseRules = PRINTED,
    start: Starts | None = None,
) -> Matches:
    """Run N_det and N_reid once on every frame where an instance may be retrieved.

    Args:
        video: the video; with annotations, retrievals can be judged.
        networks: with N_det and N_reid.
        maps: P[i][k], which retrievals are to mend.
        config: the rules of retrieval. `judge` takes other thresholds.
        progress: show a bar on stderr.
        release: the rules of the authors' release.
        start: c_{i,k}, (N, K); by default as after the initial propagation.

    Raises:
        ValueError: the networks lack N_det or N_reid.
    """
    frames, (detector, identification) = list(video.frames), _reid_networks(networks)
    templates = given_templates(video)
    t = embed_given(frames, templates, identification)
    with tqdm(total=video.N, desc="candidates", disable=not progress, leave=False) as bar:
        found = []
        for one in embed_candidates(frames, t, detector, identification, config):
            found.append(one)
            bar.update()
    every = torch.stack([*t.values()])
    rows = [every[:0] if embedded is None else embedded for _, embedded in found]
    *points, template_points = main_directions([*rows, every])
    scores = [similarities(t, embedded)[0] for embedded in rows]
    best = best_candidates(frames, found, t, identification)
    current = _current_boxes(maps, release)
    start = video.starts if start is None else start
    seen = [X for X, _ in found], scores, points, templates, template_points, best
    return Matches(video, *seen, current, start, config, release, *_true_boxes(video))


def _reid_networks(networks: Networks) -> tuple[Detector, IdentificationNet]:
    if networks.detector is None or networks.identification is None:
        raise ValueError("matches need N_det and N_reid, found networks without them: load them with Config(reid=True)")
    return networks.detector, networks.identification


def _current_boxes(maps: Maps, release: ReleaseRules) -> Boxes:
    """The box of every map, as the engine compares it with candidates."""
    shapes = [instance_shapes(maps_i, release) for maps_i in maps]
    return np.array([[as_row(P.probability_box()) for P in shapes_i] for shapes_i in shapes], np.int64)


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


@torch.inference_mode()
def judge(matches: Matches, rho_reid: float, rho_occ: float) -> Verdicts:
    """Algorithm 2, line 7, for every frame and instance at once, and how it agrees with the truth.

    What is accepted is what `Candidates.retrieve` would return, with all other rules as `find_matches` had them.
    """
    config = replace(matches.config, rho_reid=rho_reid, rho_occ=rho_occ)
    candidates, current = matches.candidates, matches.current
    outcome = candidates.outcomes(current, matches.start, config, matches.release)
    accepted = outcome == Outcome.ACCEPTED
    right = accepted & (overlaps(candidates.boxes, matches.truth) >= RIGHT)
    lost = visible(matches.truth) & (overlaps(current, matches.truth) < RIGHT)
    lost[tuple(np.transpose([*matches.templates]))] = False  # their maps are given
    return Verdicts(
        candidates.scores,
        overlaps(candidates.boxes, current),
        outcome,
        accepted,
        right,
        lost,
        precision=_share(right, accepted & matches.annotated[:, None]),
        recall=_share(right, lost),
    )


def _share(of: Cells, among: Cells) -> float | None:
    return float(of[among].mean()) if among.any() else None


def _true_boxes(video: Video) -> tuple[Boxes, NDArray[np.bool_]]:
    truth = np.zeros((video.N, video.K, 4), np.int64)
    annotations = video.annotations or [None] * video.N
    for i, mask in enumerate(annotations):
        for k, label in enumerate(video.labels):
            if mask is not None:
                truth[i, k] = as_row(Box.from_probability(torch.from_numpy((mask == label).astype(np.float32))))
    return truth, np.array([mask is not None for mask in annotations])
