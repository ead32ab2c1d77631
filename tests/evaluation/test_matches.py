"""Matches laid open accept what the engine retrieves; precision and recall with a count by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given

from tests.engine_runs import FAR, THOROUGH, listed, release_rules, run, runs, sequence_of
from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import SQUARE, random_networks, random_sequence, square_mask
from vsreid_lite.config import ReidConfig
from vsreid_lite.evaluation.matches import find_matches, judge, main_directions
from vsreid_lite.geometry import SparseMap
from vsreid_lite.networks import Networks
from vsreid_lite.plots.match_plots import plot_matches
from vsreid_lite.video.video import Video


def maps_of(masks, labels):
    return [
        [SparseMap.from_dense(torch.from_numpy((m == label).astype(np.float32))) for label in labels] for m in masks
    ]


def written_down():
    """One instance at rest that the maps lose after frame 1. Candidates: right in frame 2, wrong in 3, none in 4."""
    sequence, networks = listed(5, {(1, 0): 0.95, (2, 0): 0.8, (3, 0): 0.6}, {1: [SQUARE], 2: [SQUARE], 3: [FAR]})
    truth = [square_mask()] * 5
    sequence = Video("listed", sequence.frames, sequence.first_mask, annotations=truth)
    masks = [square_mask()] * 2 + [square_mask(boxes=())] * 3
    return find_matches(sequence, networks, maps_of(masks, (1,)), ReidConfig())


@THOROUGH
@given(runs, release_rules)
def test_the_engine_retrieves_what_the_account_accepts(arguments, rules):
    """In each round the best of the accepted, with improvement, negative scores and under any rules of the release."""
    rules = replace(rules, absent_below=0.0)  # else a result lacks the checkpoints of its initial propagation
    arguments["config"] = config = replace(arguments["config"], release=rules)
    result = run(**arguments, keep_maps=True)
    sequence = sequence_of(arguments)
    networks, start = random_networks(arguments["seed"]), sequence.starts
    for number, maps in enumerate(result.snapshots):
        matches = find_matches(sequence, networks, maps, config.matching, release=rules, start=start)
        verdicts = judge(matches, *config.matching.thresholds)
        score = np.where(verdicts.accepted, verdicts.score, -1)
        retrieval = result.retrievals[number] if number < len(result.rounds) else None
        assert verdicts.accepted.any() == (retrieval is not None)
        if retrieval is not None:
            i, k = retrieval.frame, retrieval.instance
            assert np.unravel_index(score.argmax(), score.shape) == (i, k) and verdicts.score[i, k] == retrieval.score
            assert matches.boxes[i][matches.best[i, k]] == retrieval.box
            start = result.rounds[number].start


@THOROUGH
@given(runs, release_rules)
def test_what_is_accepted_is_retrieved_one_after_the_other(arguments, rules):
    """Where each retrieval becomes a starting point and no map changes."""
    sequence = sequence_of(arguments)
    maps = maps_of([np.roll(sequence.first_mask, 2 * i, 1) for i in range(sequence.N)], sequence.labels)
    config, networks = arguments["config"].matching, random_networks(arguments["seed"])
    matches = find_matches(sequence, networks, maps, config, release=rules)
    accepted, retrieved = judge(matches, *config.thresholds).accepted, np.zeros_like(matches.best, dtype=bool)
    start = matches.start.copy()
    while found := matches.candidates.retrieve(matches.current, start, config, rules):
        start[found.frame, found.instance] = found.frame
        retrieved[found.frame, found.instance] = True
    assert np.array_equal(accepted, retrieved)


def test_precision_and_recall_by_hand():
    """Right in frame 2, wrong in frame 3; lost in 2, 3 and 4. In frame 1 the map is there already."""
    matches = written_down()
    verdicts = judge(matches, 0.5, 0.3)
    assert verdicts.accepted[:, 0].tolist() == [False, False, True, True, False]
    assert verdicts.right[:, 0].tolist() == [False, False, True, False, False]
    assert verdicts.lost[:, 0].tolist() == [False, False, True, True, True]
    assert (verdicts.precision, verdicts.recall) == (0.5, pytest.approx(1 / 3))
    strict = judge(matches, 0.7, 0.3)
    assert (strict.precision, strict.recall) == (1.0, pytest.approx(1 / 3))
    welcome = judge(matches, 0.5, 1.0)  # no overlap below 1 forbids: but that of frame 1 is 1
    assert not welcome.accepted[1, 0] and judge(matches, 0.5, 1.01).accepted[1, 0]
    none = judge(matches, 1.0, 0.3)
    assert none.precision is None and none.recall == 0


def test_frames_without_annotation_are_not_judged():
    matches = written_down()
    unknown = Video("listed", matches.sequence.frames, matches.sequence.first_mask)
    maps = maps_of([square_mask()] * 2 + [square_mask(boxes=())] * 3, (1,))
    _, networks = listed(5, {(2, 0): 0.8}, {2: [SQUARE]})
    verdicts = judge(find_matches(unknown, networks, maps, ReidConfig()), 0.5, 0.3)
    assert verdicts.accepted.sum() == 1 and verdicts.precision is None and verdicts.recall is None


def test_networks_without_detector_are_refused():
    sequence, networks = listed(3, {}, {})
    with pytest.raises(ValueError, match="N_det and N_reid"):
        find_matches(sequence, Networks(networks.propagation), maps_of([square_mask()] * 3, (1,)), ReidConfig())


def test_main_directions_keep_the_distances_of_rows_that_lie_in_a_plane():
    rng = np.random.default_rng(0)
    plane, _ = np.linalg.qr(rng.normal(size=(16, 2)))
    rows = rng.normal(size=(9, 2)) @ plane.T + 3
    first, second = main_directions([torch.from_numpy(rows[:6]), torch.from_numpy(rows[6:])])
    points = np.concatenate([first, second])
    assert first.shape == (6, 2) and second.shape == (3, 2)
    assert np.allclose(np.linalg.norm(points[:, None] - points, axis=-1), np.linalg.norm(rows[:, None] - rows, axis=-1))
    assert np.var(points[:, 0]) > np.var(points[:, 1])


def test_main_directions_of_one_row_or_one_dimension_are_defined():
    assert np.array_equal(main_directions([torch.ones(1, 4)])[0], np.zeros((1, 2)))
    assert main_directions([torch.tensor([[1.0], [2.0]])])[0].tolist() == [[-0.5, 0.0], [0.5, 0.0]]


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(lambda: plot_matches(written_down(), 2, 0, (0.5, 0.3)))


@pytest.mark.parametrize(
    ("frame", "thresholds", "verdict"),
    [
        (1, (0.5, 0.3), "already there, similarity 0.95, overlap with its map 1.00"),
        (2, (0.5, 0.3), "retrieved, similarity 0.80, overlap with its map 0.00"),
        (2, (0.9, 0.3), "too unlike, similarity 0.80"),
        (4, (0.5, 0.3), "no candidate"),
    ],
)
def test_the_title_says_what_becomes_of_the_best_candidate_and_why(frame, thresholds, verdict):
    assert any(verdict in text for text in texts(plot_matches(written_down(), frame, 0, thresholds)))


def marks(figure):
    """The cells (frame, instance) of each marker in the lower row."""
    rows = figure.axes[-1]
    return {
        (line.get_marker(), line.get_fillstyle()): set(zip(*line.get_data(), strict=True))
        for line in rows.lines
        if line.get_linestyle() == "None"
    }


def test_retrievals_that_appear_disappear_or_go_wrong_are_marked():
    found = marks(plot_matches(written_down(), 1, 0, (0.5, 0.3), reference=(0.7, 0.3)))
    assert found == {
        ("o", "full"): {(2, 0)},  # right
        ("X", "full"): {(3, 0)},  # wrong
        ("o", "none"): {(3, 0)},  # new
        ("s", "none"): {(4, 0)},  # lost, not found
        ("$g$", "full"): {(0, 0)},  # given
        ("$t$", "full"): {(1, 0)},  # there already
        ("$n$", "full"): {(4, 0)},  # no candidate
    }
    gone = marks(plot_matches(written_down(), 1, 0, (0.9, 0.3), reference=(0.5, 0.3)))
    assert gone[("_", "full")] == {(2, 0), (3, 0)}


def test_the_summary_counts_retrievals_precision_and_recall():
    figure = plot_matches(written_down(), 1, 0, (0.5, 0.3), reference=(0.7, 0.3))
    summary = "rho_reid 0.50, rho_occ 0.30: 2 retrievals, 1 new, 0 gone; precision 0.50, recall 0.33 of 3 lost"
    assert summary in texts(figure) and summary in figure.get_label()


def test_several_instances_have_a_row_each_and_their_templates_their_numbers():
    sequence = random_sequence(3, 6, 3, (24, 30), later=True)
    maps = maps_of([sequence.first_mask] * 6, sequence.labels)
    matches = find_matches(sequence, random_networks(3), maps, ReidConfig())
    written = texts(plot_matches(matches, 2, 1, (0.3, 0.5)))
    assert {f"instance {label}" for label in sequence.labels} <= set(written)
    assert {f"  {label}" for label in sequence.labels} <= set(written)
