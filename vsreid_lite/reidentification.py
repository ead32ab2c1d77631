"""Algorithm 2: the re-identification module M_reid, for one frame, and for a whole video at once (section 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsreid_lite.config import PRINTED, ReidConfig, ReleaseRules
from vsreid_lite.geometry import Box, iou
from vsreid_lite.networks import Detector, IdentificationNet
from vsreid_lite.networks.interfaces import batched
from vsreid_lite.video.masks import Frame
from vsreid_lite.video.video import Video

Boxes = NDArray[np.int64]  # (N, K, 4): x0, y0, x1, y1 of each frame and instance; zeros where there is none
Starts = NDArray[np.int64]  # (N, K): the checkpoints c_{i,k}; negative where nothing was propagated (row 16)
Place = tuple[int, int]  # frame i, instance k
RECOGNISED = 0.5  # IoU of a candidate with an instance of a given mask, ours


@dataclass(frozen=True)
class Retrieval:
    """Where an instance was found again: x-hat, s-hat, i-hat and k-hat of the paper.

    Attributes:
        box: of the candidate, in pixels of the frame.
        score: its cosine similarity with the template, in [-1, 1].
        frame: i, counted from 0.
        instance: k, counted from 0.
        template: the frame of the template that it is most like; 0, the first, without masks of later frames.
    """

    box: Box
    score: float
    frame: int
    instance: int
    template: int = 0


def given_starts(start: Starts, retrievals: Sequence[Retrieval]) -> list[Place]:
    """The starting points (i, k) that no retrieval made, in order: the masks that were given."""
    own: list[list[int]] = np.argwhere(start == np.arange(len(start))[:, None]).tolist()
    return sorted({(i, k) for i, k in own} - {(r.frame, r.instance) for r in retrievals})


def template_box(P: Tensor, label: int) -> Box:
    """The box of template t_k in the first map P_{1,k}, (H, W).

    Raises:
        ValueError: the instance `label` is absent (R4).
    """
    box = Box.from_probability(P)
    if box is None:
        raise ValueError(f"instance {label} is absent from the first mask")
    return box


def cosine_similarity(embeddings: Tensor, templates: Tensor) -> NDArray[np.float32]:
    """S_C of every candidate with every template.

    Computed in float64 and rounded to float32, so that a score does not depend on what is computed beside it.

    Args:
        embeddings: of the candidates, (M, D).
        templates: N_reid(t_k), (K, D).

    Returns:
        (M, K), in [-1, 1].
    """
    rows, columns = (functional.normalize(x.detach().double().cpu(), dim=1) for x in (embeddings, templates))
    return (rows @ columns.T).float().numpy()


def reidentify(
    frame: Frame,
    P: Tensor,
    template: Tensor,
    detector: Detector,
    identification: IdentificationNet,
    config: ReidConfig,
    i: int = 0,
    k: int = 0,
    release: ReleaseRules = PRINTED,
) -> Retrieval | None:
    """M_reid(I_i, P_{i,k}, t_k): the candidate that is most like the template, or None where the paper returns -1.

    Args:
        frame: I_i, (H, W, 3).
        P: P_{i,k}, (H, W), in [0, 1].
        template: N_reid(t_k), (D,); or several, (T, D): then the most similar counts, and the retrieval names its row.
        detector: N_det.
        identification: N_reid.
        config: thresholds and, on request, the improvement on the map (row 13 of docs/fidelity.md).
        i: the frame that the retrieval names.
        k: the instance that it names.
        release: of its rules only `only_absent` (row 13).
    """
    X = detector(frame)[: config.proposals]  # line 2
    if not X:
        return None  # R4: no candidate is no retrieval
    similarity = cosine_similarity(identification.embed(frame, X), torch.atleast_2d(template))  # lines 3-4
    scores = similarity.max(1)
    j = int(scores.argmax())  # line 5
    b = Box.from_probability(P)  # line 6
    if release.only_absent and b is not None:  # docs/fidelity.md, row 13
        return None
    overlap, (rho_reid, rho_occ) = 0.0 if b is None else iou(X[j], b), config.thresholds
    accepted = scores[j] > rho_reid and overlap < rho_occ  # line 7
    if accepted and config.improvement is not None and b is not None:  # docs/fidelity.md, row 13
        shown = cosine_similarity(identification.embed(frame, [b]), torch.atleast_2d(template)).max()
        accepted = float(scores[j]) > float(shown) + config.improvement
    t = int(similarity[j].argmax())
    return Retrieval(X[j], float(scores[j]), i, k, t) if accepted else None  # line 8; line 10: "fail or unnecessary"


class Outcome(IntEnum):
    """What becomes of the best candidate of a frame and an instance: accepted, or the rule that refuses it."""

    ACCEPTED = 0
    NOT_SEARCHED = 1  # on request the last frame
    NO_CANDIDATE = 2
    STARTING_POINT = 3  # the instance was given or found here before
    TOO_UNLIKE = 4  # not more like the template than rho_reid
    ALREADY_THERE = 5  # overlaps the box of its map by rho_occ or more
    VISIBLE = 6  # the map shows something, wherever
    ON_ANOTHER = 7  # overlaps another visible instance by more than rho_occ
    LIKE_ANOTHER = 8  # more like another absent instance
    NO_IMPROVEMENT = 9  # not so much more like the template than what the map shows


@dataclass(frozen=True)
class Candidates:
    """Algorithm 2, lines 2-5, of a whole video: they depend on the frames and templates alone, not on the maps.

    Attributes:
        boxes: the best candidate of each frame and instance, (N, K, 4).
        similarity: (N, K, K), float32; [i, k, l] is that of the best candidate of instance k with the template of
            instance l, of several with the most similar; -inf without any candidate.
        template: the frame of the template that the best candidate is most like, (N, K); the first without any.
        similarity_of: maps (i, k, box) to the similarity of any box in frame i with the template of instance k, for
            `ReidConfig.improvement`; N_reid runs when a box is asked for the first time.
    """

    boxes: Boxes
    similarity: NDArray[np.float32]
    template: NDArray[np.int64]
    similarity_of: Callable[[int, int, Box], float]

    @property
    def scores(self) -> NDArray[np.float32]:
        """The similarity of each best candidate with its own instance, (N, K)."""
        return np.diagonal(self.similarity, axis1=1, axis2=2)

    def retrieve(
        self, current: Boxes, start: Starts, config: ReidConfig, release: ReleaseRules = PRINTED
    ) -> Retrieval | None:
        """Algorithm 3, lines 11-18: the best acceptable candidate of the video, or None.

        Arithmetic on N x K numbers; N_reid runs only for an improvement, from the best candidate on until one is
        accepted. Of equal scores the first frame's, then the first instance's, wins, as in the printed order of loops.

        Args:
            current: Box(P_{i,k} > 0.5), (N, K, 4).
            start: c_{i,k}, (N, K).
            config: thresholds, and the improvement on the map.
            release: rows 13, 14 and 22 of docs/fidelity.md, each of which refuses more.
        """
        accepted = self._first_refusals(current, start, config, release) == Outcome.ACCEPTED
        return next(self._improving(accepted, current, config), None)

    def outcomes(
        self, current: Boxes, start: Starts, config: ReidConfig, release: ReleaseRules = PRINTED
    ) -> NDArray[np.int64]:
        """What becomes of every candidate, an `Outcome` each, (N, K). Arguments as of `retrieve`.

        The accepted ones are those that `retrieve` returns, one after the other, if each becomes a starting point
        and no map changes.
        """
        outcomes = self._first_refusals(current, start, config, release)
        accepted = outcomes == Outcome.ACCEPTED
        outcomes[accepted] = Outcome.NO_IMPROVEMENT
        for found in self._improving(accepted, current, config):
            outcomes[found.frame, found.instance] = Outcome.ACCEPTED
        return outcomes

    def _first_refusals(
        self, current: Boxes, start: Starts, config: ReidConfig, release: ReleaseRules
    ) -> NDArray[np.int64]:
        """All rules but the improvement; of several refusals the first of `Outcome`."""
        absent, (rho_reid, rho_occ) = ~visible(current), config.thresholds
        frames = np.arange(len(start))[:, None]
        not_searched = np.zeros_like(absent)
        not_searched[-1] |= release.skip_last  # row 22
        covered = overlaps(self.boxes[:, :, None], current[:, None]) > rho_occ
        preferred = absent[:, None] & (self.similarity > self.scores[:, :, None])
        refused = {
            Outcome.NOT_SEARCHED: not_searched,
            Outcome.STARTING_POINT: start == frames,  # Algorithm 3, line 15
            Outcome.NO_CANDIDATE: ~np.isfinite(self.scores),
            Outcome.TOO_UNLIKE: (self.scores <= rho_reid) | (self.scores < 0),  # line 7; Algorithm 3, line 17
            Outcome.ALREADY_THERE: overlaps(self.boxes, current) >= rho_occ,  # line 7
            Outcome.VISIBLE: ~absent & release.only_absent,  # row 13
            Outcome.ON_ANOTHER: (covered & _others(current)).any(-1) & release.spare_others,  # row 13
            Outcome.LIKE_ANOTHER: (preferred & _others(current)).any(-1) & release.exclusive,  # row 14
        }
        return np.select(list(refused.values()), [int(outcome) for outcome in refused], int(Outcome.ACCEPTED))

    def _improving(self, accepted: NDArray[np.bool_], current: Boxes, config: ReidConfig) -> Iterator[Retrieval]:
        """Of the accepted ones those that improve on the map (row 13, ours), best first; an empty map shows nothing."""
        order = np.argsort(np.where(accepted, -self.scores, np.inf), axis=None, kind="stable")[: accepted.sum()]
        for i, k in zip(*(at.tolist() for at in np.unravel_index(order, accepted.shape)), strict=True):
            score, shown = float(self.scores[i, k]), -np.inf
            if config.improvement is not None and visible(current[i, k]):
                shown = self.similarity_of(i, k, _box(current[i, k])) + config.improvement
            if score > shown:
                yield Retrieval(_box(self.boxes[i, k]), score, i, k, int(self.template[i, k]))

    def put(self, i: int, X: Sequence[Box], rows: Tensor | None, templates: Mapping[Place, Tensor]) -> None:
        """Algorithm 2, lines 4 and 5: of the candidates of frame i, the one that is most like each instance.

        Args:
            i: the frame.
            X: the candidates, M.
            rows: their embeddings (M, D); None without any.
            templates: as of `find_candidates`.
        """
        if rows is None:
            return
        scores, nearest = similarities(templates, rows)
        best = scores.argmax(0)
        self.boxes[i] = np.array([as_row(x) for x in X])[best]
        self.similarity[i], self.template[i] = scores[best], nearest[best, np.arange(len(best))]

    def restricted_to(self, instances: Sequence[bool]) -> Candidates:
        """The candidates of some of the K instances; the others have none (docs/fidelity.md, row 21)."""
        return replace(self, similarity=np.where(instances, self.similarity, np.float32(-np.inf)))


def _box(row: NDArray[np.int64]) -> Box:
    return Box(*(int(x) for x in row))


def _others(boxes: Boxes) -> NDArray[np.bool_]:
    return ~np.eye(boxes.shape[1], dtype=bool)


Found = tuple[list[Box], Tensor | None]  # of a frame the candidates X and their embeddings (M, D), None without any


def find_candidates(
    frames: Sequence[Frame],
    templates: Mapping[Place, Tensor],
    detector: Detector,
    identification: IdentificationNet,
    config: ReidConfig,
    on_frame: Callable[[Candidates, int], object] = lambda *_: None,
    known: tuple[Mapping[str, NDArray[Any]], int] | None = None,
    batch: int = 1,
) -> Candidates:
    """Run N_det and N_reid once on every frame where an instance may be retrieved: in the paper, all but the first.

    Args:
        frames: I_i, (H, W, 3) each.
        templates: N_reid(t), (D,), by the frame and instance that a given mask shows.
        detector: N_det.
        identification: N_reid.
        config: how many candidates of a frame count.
        on_frame: called after each frame with what is found so far, and in how many frames.
        known: the arrays of `Candidates` that were found before, and in how many frames.
        batch: how many frames N_det and N_reid see at once, if they can.
    """
    found, done = best_candidates(frames, [], templates, identification), 0
    if known is not None:
        arrays, done = known
        for name, values in arrays.items():
            getattr(found, name)[:] = values
        done -= done % batch  # so that batches are those of a whole run
    embedded = embed_candidates(frames, templates, detector, identification, config, done, batch)
    for i, (X, rows) in enumerate(embedded, done):
        found.put(i, X, rows, templates)
        on_frame(found, i + 1)
    return found


def embed_candidates(
    frames: Sequence[Frame],
    templates: Collection[Place],
    detector: Detector,
    identification: IdentificationNet,
    config: ReidConfig,
    first: int = 0,
    batch: int = 1,
) -> Iterator[Found]:
    """Algorithm 2, lines 2 and 3, frame by frame from `first` on, `batch` frames at once.

    Frames that show templates of all instances are left out: each has its map there.
    """
    given, K = Counter(i for i, _ in templates), len({k for _, k in templates})
    for start in range(first, len(frames), batch):
        chunk = range(start, min(start + batch, len(frames)))
        searched = [i for i in chunk if given[i] < K]
        found = zip(searched, batched(detector, detector, [frames[i] for i in searched]), strict=True)
        X = {i: x for i, boxes in found if (x := boxes[: config.proposals])}
        shown = [frames[i] for i in X], [*X.values()]
        rows = dict(zip(X, batched(identification, identification.embed, *shown), strict=True))
        yield from ((X.get(i, []), rows.get(i)) for i in chunk)


def best_candidates(
    frames: Sequence[Frame],
    found: Iterable[Found],
    templates: Mapping[Place, Tensor],
    identification: IdentificationNet,
) -> Candidates:
    """Of each frame and instance the best candidate; none of the frames for which nothing is given."""
    N, K = len(frames), len({k for _, k in templates})
    template = np.tile([min(i for i, one in templates if one == k) for k in range(K)], (N, 1))

    @cache
    def similarity_of(i: int, k: int, box: Box) -> float:
        return float(similarities(templates, identification.embed(frames[i], [box]))[0][0, k])

    boxes, similarity = np.zeros((N, K, 4), np.int64), np.full((N, K, K), -np.inf, np.float32)
    best = Candidates(boxes, similarity, template, similarity_of)
    for i, (X, rows) in enumerate(found):
        best.put(i, X, rows, templates)
    return best


def similarities(templates: Mapping[Place, Tensor], rows: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarities of M candidates with each instance: with the most similar of its templates (docs, row 30).

    Args:
        templates: as of `find_candidates`.
        rows: embeddings of the candidates, (M, D).

    Returns:
        The similarities, (M, K), and the frames of these templates, (M, K); of equal ones the earliest.
    """
    scores, places = cosine_similarity(rows, torch.stack([*templates.values()])), np.array([*templates])
    each = [np.flatnonzero(places[:, 1] == k) for k in range(places[:, 1].max() + 1)]
    frames = [places[of_k, 0][scores[:, of_k].argmax(1)] for of_k in each]
    return np.stack([scores[:, of_k].max(1) for of_k in each], 1), np.stack(frames, 1)


def recognised(frames: Sequence[Frame], templates: Mapping[Place, Box], detector: Detector) -> list[bool]:
    """Which of the K instances the detector finds at one of their templates: IoU with a candidate of RECOGNISED."""
    candidates = {i: detector(frames[i]) for i in dict.fromkeys(i for i, _ in templates)}
    found = {k for (i, k), box in templates.items() if any(iou(x, box) >= RECOGNISED for x in candidates[i])}
    return [k in found for k in range(len({k for _, k in templates}))]


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


def given_templates(video: Video) -> dict[Place, Box]:
    """The box of every template t: one for each given mask that shows an instance (row 30 of docs/fidelity.md)."""
    return {(i, k): template_box(P, video.labels[k]) for (i, k), P in video.given_probabilities()}


def embed_given(
    frames: Sequence[Frame], templates: Mapping[Place, Box], identification: IdentificationNet
) -> dict[Place, Tensor]:
    """N_reid(t) of `given_templates`, (D,) each."""
    return {(i, k): embed_templates(frames[i], [box], identification)[0] for (i, k), box in templates.items()}


def embed_templates(frame: Frame, boxes: Sequence[Box], identification: IdentificationNet) -> Tensor:
    """N_reid(t_k) of every instance, one call each so that no template depends on another: (K, D)."""
    return torch.cat([identification.embed(frame, [box]) for box in boxes])
