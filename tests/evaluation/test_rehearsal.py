"""Rounds rehearsed under many thresholds score what runs of their own score."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine_runs import CONFIG
from tests.stubs import RandomFlow, random_networks, random_sequence
from vsreid_lite.evaluation.metrics import score_sequence
from vsreid_lite.evaluation.rehearsal import Rehearsal
from vsreid_lite.vsreid import segment

PAIRS = [(rho_reid, rho_occ) for rho_reid in (0.8, 0.5, 0.2, -0.5) for rho_occ in (0.1, 0.5, 1.01)]


def annotated(seed):
    sequence = random_sequence(seed, 7, 3, (22, 24))
    labels = np.zeros(255, np.uint8)
    labels[list(sequence.labels)] = range(1, sequence.K + 1)  # as in the truth of a benchmark
    first = labels[sequence.first_mask]
    masks = [np.roll(first, i, 1) for i in range(sequence.N)]
    return replace(sequence, first_mask=first, labels=tuple(range(1, sequence.K + 1)), annotations=masks)


@pytest.mark.parametrize("improvement", [None, 0.0])
@pytest.mark.parametrize("seed", range(6))
def test_every_pair_of_thresholds_scores_as_in_a_run_of_its_own(seed, improvement):
    sequence, networks, flow = annotated(seed), random_networks(seed), RandomFlow(seed)
    rehearsal = Rehearsal(sequence, networks, CONFIG, flow=flow)
    different = set()
    for rho_reid, rho_occ in PAIRS:
        matching = replace(CONFIG.matching, rho_reid=rho_reid, rho_occ=rho_occ, improvement=improvement)
        result = segment(sequence, replace(CONFIG, matching=matching), networks, flow)
        expected = score_sequence(sequence.name, sequence.annotations, result.masks)
        found = rehearsal.scores(matching)
        different.add(len(result.rounds))
        assert found.keys() == expected.keys()
        for name, one in expected.items():
            assert np.array_equal(found[name].J, one.J) and np.array_equal(found[name].F, one.F)
    assert len(different) > 1  # thresholds that change nothing would prove nothing


def test_rounds_that_two_runs_share_are_computed_once(monkeypatch):
    sequence, networks = annotated(1), random_networks(1)
    rehearsal = Rehearsal(sequence, networks, CONFIG, flow=RandomFlow(1))
    recovered = []
    recover = rehearsal._recover
    monkeypatch.setattr(rehearsal, "_recover", lambda retrieval: recovered.append(retrieval) or recover(retrieval))
    for rho_reid in (0.8, 0.5, 0.2, -0.5):
        rehearsal.scores(replace(CONFIG.matching, rho_reid=rho_reid, rho_occ=1.01))
    assert len(recovered) == len(set(recovered)) > 1
    done = len(recovered)
    rehearsal.scores(replace(CONFIG.matching, rho_reid=0.5, rho_occ=1.01))
    assert len(recovered) == done


def test_candidates_are_found_once_for_all_scales(monkeypatch):
    sequence, networks = annotated(2), random_networks(2)
    calls = []
    detect = type(networks.detector).__call__
    monkeypatch.setattr(type(networks.detector), "__call__", lambda self, f: calls.append(1) or detect(self, f))
    first = Rehearsal(sequence, networks, CONFIG, flow=RandomFlow(2))
    Rehearsal(sequence, networks, CONFIG, first.candidates, RandomFlow(2))
    assert len(calls) == sequence.N - 1
