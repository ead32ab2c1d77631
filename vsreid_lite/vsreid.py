"""Algorithm 3, VS-ReID, and the merge M_i(l): the fast engine (section 3.3). Same bits as `reference.py`, far sooner.

1. Flow depends on the frames alone: each neighbouring pair is computed once per direction, on demand (`CachedFlow`).
2. Candidates and their embeddings depend on the frames alone: N_det and N_reid run once per frame. Only Box(P_{i,k})
   changes between rounds, so a retrieval is O(NK) arithmetic without a network (`Candidates`).
3. Instances do not meet before the merge: K instances of the first propagation go through N_mp as one batch, and so do
   the forward and the backward sweep of a recovery, which start from the same map and never read each other's.
4. The frames nearer to a new starting point than to every older one form one interval around it, as the cell of a
   Voronoi diagram on a line does. So a sweep stops at the first frame it may not update, where the printed loop goes on
   and skips all the rest.
5. With R1 a starting point is never retrieved again nor overwritten: there are at most (N - 1) K rounds.
6. A map is kept as its box and its values there (`SparseMap`), and warped only where the result can differ from zero.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from collections.abc import Sequence as Ordered
from contextlib import contextmanager
from itertools import takewhile, zip_longest

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from vsreid_lite.config import LITE, Config
from vsreid_lite.flow import CachedFlow, FlowEstimator, get_flow
from vsreid_lite.geometry import Box, SparseMap, cut, resize
from vsreid_lite.masks import Mask
from vsreid_lite.models import Networks
from vsreid_lite.models.loading import choose_device
from vsreid_lite.propagation import Propagation, Region, predict_patches, propagation_box, to_image
from vsreid_lite.reidentification import Candidates, Retrieval, embed_templates, find_candidates, template_box
from vsreid_lite.result import Maps, Record, Result, Round
from vsreid_lite.sequence import Sequence

Step = tuple[int, int, int]  # target frame j, source frame i, instance k


@torch.inference_mode()
def segment(
    sequence: Sequence,
    networks: Networks,
    config: Config = LITE,
    flow: FlowEstimator | None = None,
    *,
    keep_maps: bool = False,
    record: bool | Collection[tuple[int, int]] = False,
    progress: bool = False,
) -> Result:
    """VS-ReID on a whole sequence: the masks of all frames from the instances of the first mask.

    flow: F; by default that of `config.flow`. keep_maps: keep the probability maps after every round. record: keep the
    guided map, box and patch of every map, or of the given (frame, instance) pairs. progress: bars on stderr.
    Without a detector or an identification network, or with `config.reid` off, the first propagation is all.
    Raises ValueError for a flow that does not fit the frames, and FileNotFoundError for one that is not there.
    """
    engine = _Engine(sequence, networks, config, flow, record, progress)
    with engine.timed("total"):
        with engine.timed("initial"):
            engine.initialise()
        rounds: list[Round] = []
        snapshots = [engine.snapshot()] if keep_maps else []
        for round in engine.rounds():
            rounds.append(round)
            if keep_maps:
                snapshots.append(engine.snapshot())
        with engine.timed("merge"):
            masks = [merge(maps, sequence.labels) for maps in engine.P]
    engine.seconds["rounds"] = sum(round.seconds for round in rounds)
    return Result(
        sequence.name, sequence.labels, masks, rounds, engine.start, engine.seconds, snapshots, engine.records
    )


def merge(maps: Ordered[SparseMap], labels: Ordered[int]) -> Mask:
    """M_i(l): the K maps of a frame to its labels (H, W), uint8: `labels[k]` for instance k, 0 for the background.

    The label of the largest of prod_j (1 - P_j), which is the background's, and P_1, ..., P_K, each divided by their
    sum Z. In float64; ties go to the lowest label. Outside the union of the boxes the background is certain.
    """
    mask = np.zeros(maps[0].shape, np.uint8)
    union = _union([P.box for P in maps if P.box is not None])
    if union is None:
        return mask
    present = {label: P.region(union).double() for P, label in zip(maps, labels, strict=True) if P.box is not None}
    shape = (union.height, union.width)
    background = torch.ones(shape, dtype=torch.float64, device=maps[0].values.device)
    total = torch.zeros_like(background)
    for P_k in present.values():
        background, total = background * (1 - P_k), total + P_k
    Z = background + total
    best, found = background / Z, torch.zeros_like(Z, dtype=torch.uint8)
    for label, P_k in present.items():
        value = P_k / Z
        found[value > best] = label
        best = torch.maximum(best, value)
    mask[union.y0 : union.y1, union.x0 : union.x1] = found.cpu().numpy()
    return mask


def _union(boxes: Ordered[Box]) -> Box | None:
    if not boxes:
        return None
    return Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))


class _Engine:
    """The variables of Algorithm 3: maps P[i][k], checkpoints start[i, k], and boxes[i, k] of the maps."""

    def __init__(
        self,
        sequence: Sequence,
        networks: Networks,
        config: Config,
        flow: FlowEstimator | None,
        record: bool | Collection[tuple[int, int]],
        progress: bool,
    ) -> None:
        self.frames, self.networks, self.config = list(sequence.frames), networks, config
        self.N, self.K, self.shape = sequence.N, sequence.K, sequence.shape
        self.wanted, self.progress = record, progress
        self.device = choose_device(config.device)
        estimator = get_flow(config.flow, sequence.frame_names) if flow is None else flow
        self.flow = CachedFlow(estimator, self.frames, device=self.device)
        first = sequence.first_probabilities().to(self.device)
        self.templates = [template_box(P, label) for P, label in zip(first, sequence.labels, strict=True)]
        self.P: Maps = [[SparseMap.empty(self.shape, self.device)] * self.K for _ in range(self.N)]
        self.P[0] = [SparseMap.from_dense(P) for P in first]
        self.start = np.zeros((self.N, self.K), np.int64)
        self.boxes = np.zeros((self.N, self.K, 4), np.int64)
        self.round = 0
        self.records: dict[tuple[int, int], list[Record]] = {}
        self.seconds: dict[str, float] = {"candidates": 0.0}

    def initialise(self) -> None:
        """Lines 6-9: all instances forward from the first frame, one batch a frame."""
        with self.bar(self.N - 1, "propagation") as bar:
            for i in range(1, self.N):
                self._propagate([(i, i - 1, k) for k in range(self.K)])
                bar.update()

    def rounds(self) -> Iterator[Round]:
        """Lines 10-30, one round at a time."""
        candidates = self._candidates()
        with self.bar(None, "rounds") as bar:
            while candidates is not None:
                began = time.perf_counter()
                retrieval = candidates.retrieve(self.boxes, self.start, self.config.matching)
                if retrieval is None:
                    return
                self.round += 1
                self._recover(retrieval)
                updated = self._sweep(retrieval)
                yield Round(retrieval, updated, self.start.copy(), time.perf_counter() - began)
                bar.update()

    def snapshot(self) -> Maps:
        """The maps as they are now; maps are never changed, only replaced."""
        return [list(maps) for maps in self.P]

    def bar(self, total: int | None, what: str) -> tqdm:
        return tqdm(total=total, desc=what, disable=not self.progress, leave=False)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - began

    def _candidates(self) -> Candidates | None:
        detector, identification = self.networks.detector, self.networks.identification
        if not self.config.reid or detector is None or identification is None:
            return None
        with self.timed("candidates"), self.bar(self.N - 1, "candidates") as bar:
            t = embed_templates(self.frames[0], self.templates, identification)
            return find_candidates(self.frames, t, detector, identification, self.config.matching, bar.update)

    def _recover(self, retrieval: Retrieval) -> None:
        """Lines 20-22, R1 and R2."""
        x, i, k = retrieval.box, retrieval.frame, retrieval.instance
        flow = self.flow.flow(i, i + 1 if i + 1 < self.N else i - 1)
        guide = self.P[0][k].region(self.templates[k])
        patch = self._predict([Region(to_image(self.frames[i], x, self.device), cut(flow, x), guide[None])])[0]
        self._keep(i, k, Propagation(self.P[0][k], x, patch))
        self.start[i, k] = i

    def _sweep(self, retrieval: Retrieval) -> tuple[int, ...]:
        """Lines 23-30, both directions in one batch; the frames updated, ascending."""
        centre, k, c = retrieval.frame, retrieval.instance, self.start

        def nearer(i: int) -> bool:
            return abs(c[i, k] - i) > abs(centre - i)

        updated = [centre]
        forward = takewhile(nearer, range(centre + 1, self.N))
        backward = takewhile(nearer, range(centre - 1, 0, -1))
        for pair in zip_longest(forward, backward):
            targets = [i for i in pair if i is not None]
            self._propagate([(i, i - 1 if i > centre else i + 1, k) for i in targets])
            c[targets, k] = centre
            updated += targets
        return tuple(sorted(updated))

    def _propagate(self, steps: list[Step]) -> None:
        """Algorithm 1 for several maps as one batch; maps whose guided map is empty become empty without a network."""
        guided = [self._guided(*step) for step in steps]
        boxes = [propagation_box(P.probability_box(), self.shape, self.config.propagation) for P in guided]
        regions = [
            Region(to_image(self.frames[j], b, self.device), cut(self.flow.flow(j, i), b), P.region(b)[None])
            for (j, i, _), P, b in zip(steps, guided, boxes, strict=True)
            if b is not None
        ]
        patches = iter(self._predict(regions) if regions else ())
        for (j, _, k), P, b in zip(steps, guided, boxes, strict=True):
            self._keep(j, k, Propagation(P, b, None if b is None else next(patches)))

    def _guided(self, j: int, i: int, k: int) -> SparseMap:
        P = self.P[i][k]
        return P if P.box is None else P.warp(self.flow.flow(j, i), self.flow.reach(j, i))

    def _predict(self, regions: list[Region]) -> Tensor:
        return predict_patches(regions, self.networks.propagation, self.config.propagation)

    def _keep(self, i: int, k: int, made: Propagation) -> None:
        """The patch pasted into a zero map, as a new map of frame i."""
        P = SparseMap.empty(self.shape, self.device)
        if made.box is not None and made.patch is not None:
            values = resize(made.patch[None], (made.box.height, made.box.width))[0].clamp(0, 1)
            P = SparseMap(self.shape, made.box, values)
        b = P.probability_box()
        self.P[i][k], self.boxes[i, k] = P, (0, 0, 0, 0) if b is None else (b.x0, b.y0, b.x1, b.y1)
        if self.wanted is True or (self.wanted is not False and (i, k) in self.wanted):
            self.records.setdefault((i, k), []).append(Record(self.round, made))
