"""Settings are chosen on mini-val, of equal ones the cautious; rehearsed rounds score what runs of their own score."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from tests.command_line import tiny_sequence
from tests.engine_runs import CONFIG
from tests.stubs import RandomFlow, random_networks, random_sequence
from vsreid_lite.config import Config
from vsreid_lite.evaluation import selection
from vsreid_lite.evaluation.metrics import InstanceScores, score_sequence
from vsreid_lite.evaluation.selection import SCALE_SETS, SINGLE_SCALE, Rehearsal, format_selection, select_settings
from vsreid_lite.vsreid import segment


def table(index, value):
    one = np.full(4, value)
    return {f"val-{index}_1": InstanceScores(one, one, np.ones(4, bool), np.zeros(4, bool))}


@pytest.fixture
def measured(monkeypatch):
    """Scores by settings instead of runs; what was asked for."""
    asked = []

    def rehearse(sequence, networks, config, pairs, scale_sets):
        asked.append((sequence.name, config, pairs, scale_sets))
        best = {(0.6, 0.5): 0.8, (0.7, 0.5): 0.8, (0.7, 0.3): 0.8}
        bonus = {(1.0,): 0.15, (0.875, 1.0, 1.125): 0.1}
        return {
            (*pair, scales): table(sequence.name, best.get(pair, 0.4) + bonus.get(scales, 0))
            for pair in pairs
            for scales in scale_sets
        }

    def segmented(job):
        config, index = job
        asked.append((index, config))
        return table(index, 0.9 if config.adaptation.steps == 100 else 0.8)

    monkeypatch.setattr(selection, "rehearse", rehearse)
    monkeypatch.setattr(selection, "load_networks", lambda config: None)
    monkeypatch.setattr(selection, "mini_video", lambda split, i: tiny_sequence(f"{split}-{i}"))
    monkeypatch.setattr(selection, "_segmented", segmented)
    return asked


def test_the_best_settings_are_chosen_and_of_equal_ones_the_cautious(measured):
    chosen = select_settings(Config(device="cpu"), sequences=3).chosen
    assert chosen == {"rho_reid": 0.7, "rho_occ": 0.3, "scales": [0.875, 1.0, 1.125]}
    assert {name for name, *_ in measured} == {"val-0", "val-1", "val-2"}  # mini-val alone
    for _, config, *_ in measured:
        assert config.reid and not config.adapt and config.propagation.use_flow and config.propagation.use_box


def test_thresholds_as_good_as_the_best_give_way_to_more_cautious_ones(measured, monkeypatch):
    monkeypatch.setattr(selection, "RHO_REID", (0.5, 0.6, 0.7, 0.8))
    scores = {0.5: 0.91, 0.6: 0.905, 0.7: 0.902, 0.8: 0.899}

    def rehearse(sequence, networks, config, pairs, scale_sets):
        return {(*pair, scales): table(sequence.name, scores[pair[0]]) for pair in pairs for scales in scale_sets}

    monkeypatch.setattr(selection, "rehearse", rehearse)
    assert select_settings(Config(device="cpu"), sequences=1).chosen["rho_reid"] == 0.7


def test_scales_are_measured_with_the_thresholds_that_were_chosen(measured):
    select_settings(Config(device="cpu"), sequences=1)
    assert [(len(pairs), scales) for _, _, pairs, scales in measured] == [(33, SINGLE_SCALE), (1, SCALE_SETS)]
    assert measured[1][2] == ((0.7, 0.3),)


def test_several_scales_are_chosen_even_where_one_is_better_which_stays_in_the_table(measured):
    found = select_settings(Config(device="cpu"), sequences=1)
    best = max(found.trials, key=lambda trial: trial.scores.global_mean)
    assert best.settings["scales"] == [1.0] and len(found.chosen["scales"]) > 1
    assert all(len(scales) > 1 for scales in SCALE_SETS)


def test_of_equal_scales_the_fewest_are_chosen(measured, monkeypatch):
    monkeypatch.setattr(selection, "SCALE_SETS", SCALE_SETS[:2])
    assert select_settings(Config(device="cpu"), sequences=1).chosen["scales"] == [1.0, 1.25]


def test_adaptation_is_chosen_last_on_every_third_sequence(measured):
    found = select_settings(Config(device="cpu"), sequences=6, adaptation=True)
    assert found.chosen["adaptation"] == {"steps": 100, "learning_rate": 6e-4} and found.chosen["rho_reid"] == 0.7
    adapted = [one for one in measured if len(one) == 2]
    assert {index for index, _ in adapted} == {0, 3}
    for _, config in adapted:
        assert config.adapt and not config.reid and config.propagation.scales == (1.0,)  # N_mp alone is adapted


def test_the_table_has_every_trial_and_marks_the_choice(measured):
    found = select_settings(Config(device="cpu"), sequences=2, adaptation=True)
    rows = list(csv.DictReader(io.StringIO(format_selection(found))))
    assert len(rows) == 33 + 3 + 6 == len(found.trials)
    assert rows[0]["rho_reid"] == "0.9" and rows[0]["global-mean"] == "0.5500"
    assert rows[33]["scales"] == "1.0 1.25" and rows[0]["J-after-reappearance"] == ""
    marked = [row for row in rows if row["chosen"]]
    assert len(marked) == 1 and marked[0]["steps"] == "100" and marked[0]["learning_rate"] == "0.0006"


# ---- rehearsed rounds


PAIRS = [(rho_reid, rho_occ) for rho_reid in (0.8, 0.5, 0.2, -0.5) for rho_occ in (0.1, 0.5, 1.01)]


def annotated(seed):
    sequence = random_sequence(seed, 7, 3, (22, 24))
    labels = np.zeros(255, np.uint8)
    labels[list(sequence.labels)] = range(1, sequence.K + 1)  # as in the truth of a benchmark
    first = labels[sequence.first_mask]
    masks = [np.roll(first, i, 1) for i in range(sequence.N)]
    return replace(sequence, first_mask=first, labels=tuple(range(1, sequence.K + 1)), annotations=masks)


@pytest.mark.parametrize("improvement", [None, 0.0])
@pytest.mark.parametrize("seed", range(3))
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
