"""Algorithms 1-3 as printed, line by line, with repairs R1-R4: the oracle of the engine, and a page to teach from.

Slow and obvious: nothing is cached, every map is a full frame, every network sees one instance at a time. The line
numbers in the margin are those of the camera-ready paper; Algorithm 2 has its own in `reidentify`. Frames and instances
count from 0 here, from 1 there.

R1, line 22: c at the recovered frame is set to that frame; the paper never sets it, and may retrieve it for ever.
R2, line 20: the flow of the last frame is taken towards its previous neighbour, having no next one.
R3, Algorithm 1: the flow lives on the grid of the frame that is predicted, towards the frame whose map is warped.
R4, empty cases: an empty map stays empty, no candidate is no retrieval, no template is an error naming the instance.

Masks of later frames are ours (docs/fidelity.md, row 30): each is one more starting point, with the template, the
checkpoint and the two sweeps that a starting point has. Without them nothing here differs from the paper.

With the engine it shares the arithmetic of a single step alone: `warp`, `Box`, the resizing of `predict_patches` and
the cosine. Batches, sparse maps, tables of candidates and the order of the work are the engine's, and are tested here.

This is the printed algorithm only. Of the authors' rules (`ReleaseRules`) those of one map do act here, inside
`propagation_box`, `predict_patches` and `reidentify`: rows 2, 6 (pixels of the flow) and 13 (`only_absent`); all others
do nothing. `ReidConfig.improvement`, ours, acts inside `reidentify`.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vsreid_lite.config import Config
from vsreid_lite.flow import FlowEstimator
from vsreid_lite.geometry import Box, SparseMap, cut, paste, to_image, warp
from vsreid_lite.networks import Networks
from vsreid_lite.propagation import Region, predict_patches, propagation_box
from vsreid_lite.reidentification import Retrieval, Starts, reidentify, template_box
from vsreid_lite.result import Maps, Result, Round
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video


@torch.inference_mode()
def segment_as_printed(
    video: Video,
    config: Config,
    networks: Networks,
    flow: FlowEstimator,
    repair_r1: bool = True,
    max_rounds: int | None = None,
) -> Result:
    """Algorithm 3 on the CPU. As `vsreid.segment`, and much slower. Keeps its maps.

    Args:
        video: the frames (N, H, W, 3) and the given masks (H, W).
        config: of `ReleaseRules`, those that the top of this module names.
        networks: N_mp, and N_det and N_reid or neither.
        flow: F.
        repair_r1: without it the loop may never end.
        max_rounds: stop the loop after so many rounds.
    """
    run = _Run(video, networks, config, flow)
    began = time.perf_counter()
    run.initialise()  # lines 2-9
    snapshots = [run.maps()]
    rounds: list[Round] = []
    while config.reid and (max_rounds is None or len(rounds) < max_rounds):  # line 10: loop
        start_of_round = time.perf_counter()
        retrieval = run.retrieve()  # lines 11-16
        if retrieval is None:  # line 17
            break  # line 18
        run.recover(retrieval, repair_r1)  # lines 20-22
        updated = run.propagate(retrieval)  # lines 23-30
        rounds.append(Round(retrieval, updated, run.c.copy(), time.perf_counter() - start_of_round))
        snapshots.append(run.maps())
    masks = [merge_as_printed(P_i, video.labels) for P_i in run.P]  # line 31 and section 3.3
    return Result(video.name, video.labels, masks, rounds, run.c, {"total": time.perf_counter() - began}, snapshots)


class _Run:
    """The variables of Algorithm 3: P[i, k], c[i, k] and t[k]."""

    def __init__(self, video: Video, networks: Networks, config: Config, flow: FlowEstimator) -> None:
        self.I, self.labels = list(video.frames), video.labels
        self.networks, self.config, self.F = networks, config, flow
        self.N, self.K, self.shape = video.N, video.K, video.shape  # lines 2-3
        self.P = torch.zeros(self.N, self.K, *self.shape)
        self.given = dict(video.given_probabilities())
        self.starts = [[i for i, one in self.given if one == k] for k in range(self.K)]  # in the paper: 0 alone
        self.c: Starts = np.full((self.N, self.K), -self.N)  # farther than any frame, until line 9 sets it
        self.t: list[Tensor] = []

    def initialise(self) -> None:
        N, K, P, c = self.N, self.K, self.P, self.c
        for k in range(K):  # line 4
            self.t.append(torch.cat([self._template(i, k) for i in self.starts[k]]))  # line 5
        first = [k for k in range(K) if 0 in self.starts[k]]  # in the paper: all instances
        for k in first:
            P[0, k], c[0, k] = self.given[0, k], 0
        for i in range(1, N):  # line 6
            for k in first:  # line 7
                P[i, k] = self._M_mp(i - 1, i, k)  # line 8
                c[i, k] = 0  # line 9
        for i, k in self.given:  # row 30, ours: frame by frame, whatever the order in which the masks came
            if i > 0:
                P[i, k], c[i, k] = self.given[i, k], i
                self._sweep(i, k)

    def retrieve(self) -> Retrieval | None:
        best, s_hat = None, -1.0  # line 11
        for i in range(self.N):  # line 12
            for k in range(self.K):  # line 13
                if (i, k) in self.given:  # line 12 begins with frame 2, because the maps of frame 1 are given
                    continue
                found = self._M_reid(i, k)  # line 14
                if found and found.score > s_hat and self.c[i, k] != i:  # line 15
                    best, s_hat = found, found.score  # line 16
        return None if s_hat < 0 else best  # lines 17-18

    def recover(self, retrieval: Retrieval, repair_r1: bool) -> None:
        x, i, k, t = retrieval.box, retrieval.frame, retrieval.instance, retrieval.template  # t is 0 in the paper
        f = self.F(self.I, i, i + 1 if i + 1 < self.N else i - 1)  # line 20, R2
        b = template_box(self.P[t, k], self.labels[k])  # line 21
        self.P[i, k] = self._N_mp(i, f, x, cut(self.P[t, k], b), k)  # lines 20 and 22
        if repair_r1:
            self.c[i, k] = i  # R1

    def propagate(self, retrieval: Retrieval) -> tuple[int, ...]:
        return tuple(sorted([retrieval.frame, *self._sweep(retrieval.frame, retrieval.instance)]))

    def _sweep(self, i_hat: int, k: int) -> list[int]:
        """Lines 23-30; the frames updated."""
        c, updated = self.c, []
        for i in range(i_hat + 1, self.N):  # line 23: forward
            if abs(c[i, k] - i) > abs(i_hat - i):  # line 24
                self.P[i, k] = self._M_mp(i - 1, i, k)  # line 25
                c[i, k] = i_hat  # line 26
                updated.append(i)
        for i in range(i_hat - 1, -1, -1):  # line 27: backward, to 2; line 28 refuses frame 1 where it is given
            if abs(c[i, k] - i) > abs(i_hat - i):  # line 28
                self.P[i, k] = self._M_mp(i + 1, i, k)  # line 29
                c[i, k] = i_hat  # line 30
                updated.append(i)
        return updated

    def maps(self) -> Maps:
        return [[SparseMap.from_dense(P_ik) for P_ik in P_i] for P_i in self.P]

    def _template(self, i: int, k: int) -> Tensor:
        box = template_box(self.given[i, k], self.labels[k])
        identification = self.networks.identification
        return torch.zeros(1, 0) if identification is None else identification.embed(self.I[i], [box])

    def _M_mp(self, i: int, j: int, k: int) -> Tensor:
        """Algorithm 1."""
        f = self.F(self.I, j, i)  # line 3, R3
        P = warp(self.P[i, k], f)  # line 4
        b = propagation_box(Box.from_probability(P), self.shape, self.config.propagation, self.config.release)  # line 5
        if b is None:
            return torch.zeros(self.shape)  # R4
        return self._N_mp(j, f, b, cut(P, b), k)

    def _N_mp(self, j: int, f: Tensor, b: Box, guide: Tensor, k: int) -> Tensor:
        region = Region(cut(to_image(self.I[j]), b), cut(f, b), guide[None])
        rules = self.config.propagation, self.config.release
        (patch,) = predict_patches([region], self.networks.propagation_of(k), *rules)  # Algorithm 1, line 6
        P = paste(patch, b, self.shape).clamp(0, 1)  # lines 2, 6 and 7
        for l in range(self.K):
            if (j, l) in self.given and l != k:  # row 30, ours: what a given mask shows is that instance alone
                P = P * (1 - self.given[j, l])
        return P

    def _M_reid(self, i: int, k: int) -> Retrieval | None:
        detector, identification = self.networks.detector, self.networks.identification
        if detector is None or identification is None:
            return None
        rules = self.config.matching, i, k, self.config.release
        found = reidentify(self.I[i], self.P[i, k], self.t[k], detector, identification, *rules)
        return found and replace(found, template=self.starts[k][found.template])


def merge_as_printed(P: Tensor, labels: tuple[int, ...]) -> Mask:
    """M_i(l), section 3.3: maps (K, H, W) in [0, 1] to labels (H, W). In float64; ties go to the lowest label."""
    P = P.double()
    background = math.prod(1 - P_k for P_k in P)
    Z = background + sum(P_k for P_k in P)
    values = torch.stack([background / Z, *(P_k / Z for P_k in P)])
    return np.array([0, *labels], np.uint8)[values.argmax(0).numpy()]
