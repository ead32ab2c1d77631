"""Algorithm 3 under many thresholds at once: what does not depend on them, and rounds that they share, is done once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import torch

from vsreid_lite.config import Config, ReidConfig
from vsreid_lite.engine import Engine
from vsreid_lite.evaluation.metrics import InstanceScores, score_sequence
from vsreid_lite.flow import FlowEstimator
from vsreid_lite.merging import merge
from vsreid_lite.networks import Networks
from vsreid_lite.reidentification import Boxes, Candidates, Retrieval, Starts
from vsreid_lite.result import Maps
from vsreid_lite.video.video import Video

InstanceTable = dict[str, InstanceScores]  # keyed "<sequence>_<k>"


@dataclass(eq=False)
class _Moment:
    """The variables of Algorithm 3 before a round, and what each retrieval has led to from there."""

    maps: Maps
    start: Starts
    boxes: Boxes
    after: dict[Retrieval, _Moment] = field(default_factory=dict)
    scores: InstanceTable | None = None


class Rehearsal(Engine):
    """An engine that has done the initial propagation and can run the rounds again and again.

    The rounds of two runs are the same as long as they retrieve the same: a higher rho_reid only ends sooner, since the
    best candidate comes first. So the rounds form a tree, and each of its branches is computed once.

    Args:
        sequence: with annotations of all frames.
        networks: N_mp, N_det and N_reid.
        config: all rules but the thresholds.
        candidates: of an earlier rehearsal of the same sequence and networks.
        flow: F; by default that of `config.flow`.
    """

    def __init__(
        self,
        video: Video,
        networks: Networks,
        config: Config,
        candidates: Candidates | None = None,
        flow: FlowEstimator | None = None,
    ) -> None:
        super().__init__(video, networks, config, flow, False, False)
        self.sequence = video
        with torch.inference_mode():
            self.initialise()
            self.candidates = next(self._searches()) if candidates is None else candidates
        self.root = self._moment()

    def scores(self, matching: ReidConfig) -> InstanceTable:
        """The scores of a whole run under some thresholds; the other rules are those of `config`."""
        moment = self.root
        with torch.inference_mode():
            while True:
                self._return_to(moment)
                retrieval = self.candidates.retrieve(self._visible_boxes(), self.start, matching, self.config.release)
                if retrieval is None:
                    return self._scored(moment)
                if retrieval not in moment.after:
                    self._recover(retrieval)
                    self._sweep(retrieval)
                    moment.after[retrieval] = self._moment()
                moment = moment.after[retrieval]

    def _moment(self) -> _Moment:
        return _Moment(self.snapshot(), self.start.copy(), self.boxes.copy())

    def _return_to(self, moment: _Moment) -> None:
        self.P = [list(maps) for maps in moment.maps]
        self.start, self.boxes = moment.start.copy(), moment.boxes.copy()

    def _scored(self, moment: _Moment) -> InstanceTable:
        if moment.scores is None:
            masks = [merge(maps, self.sequence.labels) for maps in moment.maps]
            moment.scores = score_sequence(self.sequence.name, self.sequence.truth, self.sequence.annotated(masks))
        return moment.scores


def rehearse(
    video: Video,
    networks: Networks,
    config: Config,
    thresholds: Iterable[tuple[float, float]],
    scale_sets: Iterable[tuple[float, ...]],
) -> dict[tuple[float, float, tuple[float, ...]], InstanceTable]:
    """The scores of a sequence for every pair (rho_reid, rho_occ) at every set of scales."""
    thresholds, candidates, scores = list(thresholds), None, {}
    for scales in scale_sets:
        scaled = replace(config, propagation=replace(config.propagation, scales=scales))
        rehearsal = Rehearsal(video, networks, scaled, candidates)
        candidates = rehearsal.candidates
        for rho_reid, rho_occ in sorted(thresholds):
            matching = replace(config.matching, rho_reid=rho_reid, rho_occ=rho_occ)
            scores[rho_reid, rho_occ, scales] = rehearsal.scores(matching)
    return scores
