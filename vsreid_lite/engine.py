"""The engine of Algorithm 3 (section 3.3), optimised. Same bits as `reference.py`.

1. Flow depends on the frames alone: each neighbouring pair is computed once per direction (`CachedFlow`), that of the
   next step in a thread, while N_mp works on this one, if N_mp leaves a core free; on a GPU, that of several steps.
2. Candidates and their embeddings depend on the frames alone: N_det and N_reid run once per frame, on a GPU on several
   at once. Only Box(P_{i,k}) changes between rounds, so a retrieval is arithmetic without a network (`Candidates`).
   With `ReidConfig.improvement`, N_reid also embeds the boxes of the maps that the best candidates would replace.
3. Instances do not meet before the merge: K instances of the first propagation go through N_mp as one batch, and so do
   the forward and the backward sweep of a recovery, which start from the same map and never read each other's. Where
   N_mp is adapted to each instance, each has a batch of its own.
4. The frames nearer to a new starting point than to every older one form one interval around it, as the cell of a
   Voronoi diagram on a line does. So a sweep stops at the first frame it may not update, where the printed loop goes on
   and skips all the rest.
5. With R1 a starting point is never retrieved again nor overwritten: there are at most (N - 1) K rounds.
6. A map is kept as its box and its values there (`SparseMap`), and warped only where the result can differ from zero.
   Frames, flows and maps that do not fit into the cache (`Config.cache`) are read or computed again (`MapStore`).
7. Given masks are starting points like any other: that of the first frame in the paper, those of later frames on
   request. Each frame and instance is propagated once, from the nearest of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile, zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from vsreid_lite.config import Config
from vsreid_lite.flow import CachedFlow, FlowEstimator, Pair, get_flow
from vsreid_lite.geometry import Box, Shape, SparseMap, cut, probability_boxes, to_image
from vsreid_lite.journal import Journal, MapStore, State
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import choose_device, free_on_gpu
from vsreid_lite.propagation import FramesOnDevice, Propagation, Region, View, cut_view, propagate, propagation_box
from vsreid_lite.reidentification import (
    Boxes,
    Candidates,
    Retrieval,
    as_row,
    embed_given,
    find_candidates,
    given_templates,
    recognised,
)
from vsreid_lite.result import Maps, Record, Round
from vsreid_lite.system.machine import available_cores, cache_share
from vsreid_lite.system.workers import is_worker
from vsreid_lite.video.video import Video

BATCH, BATCH_PIXELS = 4, 4 * 480 * 854  # at most: frames that a GPU sees at once, and their pixels

Step = tuple[int, int, int]  # target frame j, source frame i, instance k


class Engine:
    """The variables of Algorithm 3: maps P[i][k], checkpoints start[i, k], and boxes[i, k] of the maps."""

    def __init__(
        self,
        video: Video,
        networks: Networks,
        config: Config,
        flow: FlowEstimator | None,
        record: bool | Collection[tuple[int, int]],
        progress: bool,
        journal: Journal | None = None,
    ) -> None:
        frames, self.networks, self.config = video.frames, networks, config
        self.frames = list(frames) if isinstance(frames, np.ndarray) else frames
        self.N, self.K, self.shape = video.N, video.K, video.shape
        self.wanted, self.progress = record, progress
        if networks.adapted and len(networks.adapted) != video.K:
            raise ValueError(f"{video.name}: networks adapted to {len(networks.adapted)} instances, found {video.K}")
        self.device = choose_device(config.device)
        self.images = FramesOnDevice(self.frames, self.device)
        estimator = get_flow(config.flow, video.frame_names, self.device) if flow is None else flow
        share = cache_share(config.cache, None if is_worker() else free_on_gpu(self.device))  # workers may share a GPU
        has_free_core = not is_worker() and available_cores() > torch.get_num_threads()
        self.prefetches_flow = self.device.type == "cuda" or has_free_core
        self.batch = batch_size(self.device, self.shape)
        self.flow = CachedFlow(estimator, self.frames, share, self.device, self.batch)
        self.given = {place: SparseMap.from_dense(P.to(self.device)) for place, P in video.given_probabilities()}
        self.templates = given_templates(video)
        self.journal = journal or Journal()
        self.P = MapStore(self.N, self.K, self.shape, self.device, share, self.journal)
        self.start = video.starts
        self.boxes = np.zeros((self.N, self.K, 4), np.int64)
        for (i, k), P in self.given.items():
            self._store(i, k, P, P.probability_box())
        self.taken = {i: torch.from_numpy(np.isin(m, video.labels)).to(self.device) for i, m in video.given.items()}
        state = self.P.restore() or State(self.start, self.boxes)
        self.start, self.boxes, self.steps, self.search, self.done = vars(state).values()
        self.round = len(self.done)
        self.records: dict[tuple[int, int], list[Record]] = {}
        self.seconds: dict[str, float] = {"candidates": 0.0}

    def initialise(self) -> None:
        """Lines 6-9: all instances forward from the first frame, one batch a frame; likewise from later masks (row 30).

        Then backward, where a later mask is nearer than any before it.
        """
        forward = [(i, i - 1) for i in range(1, self.N)]
        backward = [(i, i + 1) for i in range(max(i for i, _ in self.given) - 1, -1, -1)]
        steps = forward + backward
        with self.bar(len(steps), "propagation") as bar:
            bar.update(self.steps)
            for i, source in steps[self.steps :]:
                self.steps += 1
                end = (self.steps // self.batch + 1) * self.batch  # so flows are asked for a batch at a time
                self._propagate(self._first_steps(i, source), steps[self.steps : end])
                self.commit(part=self.steps == len(steps))
                bar.update()

    def rounds(self) -> Iterator[Round]:
        """Lines 10-30, one round at a time; those that an earlier run has done are in `done`."""
        for candidates in self._searches():
            with self.bar(None, "rounds") as bar:
                while True:
                    began = time.perf_counter()
                    retrieval = self._retrieve(candidates)
                    if retrieval is None:
                        break
                    self.round += 1
                    self._recover(retrieval)
                    updated = self._sweep(retrieval)
                    self.done.append(Round(retrieval, updated, self.start.copy(), time.perf_counter() - began))
                    self.commit()
                    yield self.done[-1]
                    bar.update()
        self.commit(part=True)

    def commit(self, part: bool = False) -> None:
        """Keep the state of the run where it is time to. part: whether a part of the run is over."""
        self.P.commit(State(self.start, self.boxes, self.steps, self.search, self.done), part)

    def snapshot(self) -> Maps:
        """The maps as they are now; maps are never changed, only replaced."""
        return list(self.P)

    def bar(self, total: int | None, what: str) -> tqdm:
        return tqdm(total=total, desc=what, disable=not self.progress, leave=False)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - began

    def _searches(self) -> Iterator[Candidates]:
        """The candidates of each search, made when its turn comes; the paper has one search."""
        frames, boxes, config = self.frames, self.templates, self.config.matching
        searches = self.networks.searches if self.config.reid else ()
        for at, search in [*enumerate(searches)][self.search :]:
            self.search, name = at, f"candidates-{at}"
            with self.timed("candidates"), self.bar(self.N, "candidates") as bar:
                t = embed_given(frames, boxes, search.identification)
                known = self._known_candidates(name)
                bar.update(known[1] if known else 0)

                def keep(found: Candidates, done: int, name: str = name, bar: tqdm = bar) -> None:
                    bar.update()
                    if self.journal.due() or (self.journal.begun and done == self.N):
                        self.journal.try_to_write(name, _tensors(found), done)

                parts = search.detector, search.identification
                found = find_candidates(frames, t, *parts, config, keep, known, self.batch)
                if search.only_recognised:
                    found = found.restricted_to(recognised(frames, boxes, search.detector))
            yield found

    def _known_candidates(self, name: str) -> tuple[dict[str, NDArray[Any]], int] | None:
        """The candidates that an earlier run has found, and in how many frames; None where the file is damaged."""
        tensors, done = self.journal.read(name) or ({}, -1)
        N, K = self.N, self.K
        expected: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
            "boxes": (torch.int64, (N, K, 4)),
            "similarity": (torch.float32, (N, K, K)),
            "template": (torch.int64, (N, K)),
        }
        if {key: (values.dtype, tuple(values.shape)) for key, values in tensors.items()} != expected:
            return None
        found = {key: values.numpy() for key, values in tensors.items()}
        low, high = found["boxes"][..., :2], found["boxes"][..., 2:]
        whole = ((low >= 0) & (low < high) & (high <= self.shape[::-1])).all(-1)
        none = ~np.isfinite(np.diagonal(found["similarity"], axis1=1, axis2=2))
        at = {(int(t), k) for row in found["template"] for k, t in enumerate(row)}
        counts = type(done) is int and done in range(N + 1)
        return (found, done) if counts and (whole | none).all() and at <= self.templates.keys() else None

    def _retrieve(self, candidates: Candidates) -> Retrieval | None:
        """Lines 11-18."""
        return candidates.retrieve(self._visible_boxes(), self.start, self.config.matching, self.config.release)

    def _visible_boxes(self) -> Boxes:
        """The boxes of the instances as they are now, (N, K, 4), which retrieval compares with candidates."""
        return self.boxes

    def _first_steps(self, i: int, source: int) -> list[Step]:
        """The instances whose starting point lies beyond frame `source`, seen from frame i."""
        return [(i, source, k) for k in range(self.K) if (self.start[i, k] - i) * (source - i) > 0]

    def _recover(self, retrieval: Retrieval) -> None:
        """Lines 20-22 and R1. The guide is cut from the mask of the template that the candidate is most like."""
        i, k, t = retrieval.frame, retrieval.instance, retrieval.template
        self._predict_in(retrieval, self.P[t, k], self.P[t, k].region(self.templates[t, k]))
        self.start[i, k] = i

    def _predict_in(self, retrieval: Retrieval, source: SparseMap, guide: Tensor) -> None:
        """N_mp in the candidate's box, guided by `guide` (h, w), which comes from the map `source`."""
        x, i, k = retrieval.box, retrieval.frame, retrieval.instance
        region = Region(to_image(self.images[i], x, self.device), cut(self._recovery_flow(i), x), guide[None])
        self._predict([(i, i, k)], [View(source, x, region)])

    def _recovery_flow(self, i: int) -> Tensor:
        """Line 20 and R2."""
        return self.flow.flow(i, i + 1 if i + 1 < self.N else i - 1)

    def _sweep(self, retrieval: Retrieval) -> tuple[int, ...]:
        """Lines 23-30, both directions in one batch; the frames updated, ascending."""
        centre, k = retrieval.frame, retrieval.instance
        updated = [centre]
        for pair in zip_longest(*self._ways(centre, k)):
            targets = [i for i in pair if i is not None]
            onwards = [(i + 1, i) if i > centre else (i - 1, i) for i in targets]
            # Their flows are a guess, so this asks the checkpoints alone, and no map, as the release's rules would.
            following = [(j, i) for j, i in onwards if 0 <= j < self.N and Engine._may_update(self, j, centre, k)]
            self._propagate(self._sweep_steps(targets, centre, k), following)
            self.start[targets, k] = centre
            updated += targets
        return tuple(sorted(updated))

    def _ways(self, centre: int, k: int) -> tuple[Iterator[int], Iterator[int]]:
        """The frames of either sweep, one by one: lines 23-24 and 27-28. Given maps are their own starting points."""

        def may(i: int) -> bool:
            return self._may_update(i, centre, k)

        return takewhile(may, range(centre + 1, self.N)), takewhile(may, range(centre - 1, -1, -1))

    def _may_update(self, i: int, centre: int, k: int) -> bool:
        c = self.start[i, k]
        return abs(c - i) > abs(centre - i)

    def _sweep_steps(self, targets: list[int], centre: int, k: int) -> list[Step]:
        return [(i, i - 1 if i > centre else i + 1, k) for i in targets]

    def _propagate(self, steps: list[Step], following: Sequence[Pair] = ()) -> None:
        """Algorithm 1 for several maps as one batch; the flows of the steps that may follow are begun meanwhile."""
        views = self._views(steps)
        if self.prefetches_flow and any(view.region is not None for view in views):
            self.flow.prefetch(flow for pair in following for flow in self._flows(*pair))
        self._predict(steps, views)

    def _flows(self, j: int, i: int) -> list[Pair]:
        """The flows that bring maps from frame i to frame j."""
        return [(j, i)]

    def _predict(self, steps: list[Step], views: list[View]) -> None:
        made = self._propagations(steps, views)
        spared = [replace(one, P=self._spared(j, one.P)) for (j, _, _), one in zip(steps, made, strict=True)]
        boxes = probability_boxes([one.P for one in spared])
        for (j, _, k), propagation, box in zip(steps, spared, boxes, strict=True):
            self._store(j, k, propagation.P, box)
            if self.wanted is True or (self.wanted is not False and (j, k) in self.wanted):
                self.records.setdefault((j, k), []).append(Record(self.round, propagation))

    def _propagations(self, steps: list[Step], views: list[View]) -> list[Propagation]:
        """Algorithm 1, lines 6 and 7: one batch; of an N_mp that is adapted to each instance, one for each."""
        config, networks = self.config, self.networks
        batches: dict[int, list[int]] = {}
        for at, (_, _, k) in enumerate(steps):
            batches.setdefault(k if networks.adapted else 0, []).append(at)
        made: dict[int, Propagation] = {}
        for k, batch in batches.items():
            N_mp = networks.propagation_of(k)
            answers = propagate([views[at] for at in batch], N_mp, config.propagation, config.release)
            made |= zip(batch, answers, strict=True)
        return [made[at] for at in range(len(steps))]

    def _spared(self, i: int, P: SparseMap) -> SparseMap:
        """A map without the pixels that a given mask of its frame shows another instance at (row 30)."""
        if P.box is None or i not in self.taken:
            return P
        return replace(P, values=P.values.masked_fill(cut(self.taken[i], P.box), 0))

    def _views(self, steps: list[Step]) -> list[View]:
        """Algorithm 1, lines 4-5; an empty map asks for no flow."""
        guided = [self._warped(self.P[i, k], j, i) for j, i, k in steps]
        boxes = [self._box_seen(found) for found in probability_boxes(guided)]
        return [
            View(P) if b is None else cut_view(self.images[j], self.flow.flow(j, i), P, b)
            for (j, i, _), P, b in zip(steps, guided, boxes, strict=True)
        ]

    def _warped(self, P: SparseMap, j: int, i: int) -> SparseMap:
        return P if P.box is None else P.warp(self.flow.flow(j, i), self.flow.reach(j, i))

    def _box_seen(self, found: Box | None) -> Box | None:
        return propagation_box(found, self.shape, self.config.propagation, self.config.release)

    def _store(self, i: int, k: int, P: SparseMap, box: Box | None) -> None:
        """The map, and its box of pixels above 0.5."""
        self.P[i, k], self.boxes[i, k] = P, as_row(box)


def batch_size(device: torch.device, shape: Shape) -> int:
    """How many frames (H, W) N_det and N_reid see at once, and how many pairs of frames F: one on a CPU."""
    return min(BATCH, max(1, BATCH_PIXELS // math.prod(shape))) if device.type == "cuda" else 1


def _tensors(found: Candidates) -> dict[str, Tensor]:
    return {name: torch.from_numpy(getattr(found, name)) for name in ("boxes", "similarity", "template")}
