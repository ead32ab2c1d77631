"""The engine against the printed algorithms, bit by bit, and the laws of the loop and its checkpoints."""

import dataclasses
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_runs import CONFIG, FAR, THOROUGH, assert_equal_runs, given_places, listed, run, runs, sequence_of
from tests.stubs import (
    SQUARE,
    Batches,
    CopyGuide,
    ListedDetector,
    ListedRows,
    NeverSeesAnything,
    RandomFlow,
    SpyFlow,
    ZeroFlow,
    blank_frames,
    random_networks,
    random_sequence,
    square_mask,
)
from vsreid_lite.config import ReidConfig
from vsreid_lite.engine import batch_size
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.reference import segment_as_printed
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment


@THOROUGH
@given(runs)
def test_the_engine_is_the_printed_algorithm_and_its_runs_obey_the_laws(arguments):
    ours, sequence = run(**arguments, keep_maps=True), sequence_of(arguments)
    assert_equal_runs(ours, run(**arguments, run_segment=segment_as_printed))
    assert_starts_are_different(ours, sequence)
    assert_checkpoints_are_the_nearest_starts(ours, sequence)
    assert_rounds_change_one_interval_each(ours, sequence)
    assert_given_masks_are_returned(ours, sequence)


def assert_starts_are_different(result, sequence):
    """So the loop ends."""
    starts = given_places(sequence) + [(r.frame, r.instance) for r in result.retrievals]
    assert len(set(starts)) == len(starts) <= result.start.size


def assert_checkpoints_are_the_nearest_starts(result, sequence):
    """Ties go to the older: given masks are the oldest, those of earlier frames before those of later ones."""
    starts = {k: [i for i, one in given_places(sequence) if one == k] for k in range(sequence.K)}
    history = [(None, sequence.starts), *((round.retrieval, round.start) for round in result.rounds)]
    for retrieval, start in history:
        if retrieval is not None:
            starts[retrieval.instance].append(retrieval.frame)
        for i, k in np.ndindex(start.shape):
            assert start[i, k] == min(starts[k], key=lambda s: abs(s - i))  # min keeps the first, which is the oldest
    assert np.array_equal(result.start, history[-1][1])


def assert_rounds_change_one_interval_each(result, sequence):
    for before, after, round in zip(result.snapshots, result.snapshots[1:], result.rounds, strict=False):
        k = round.retrieval.instance
        written = {(i, k) for i in round.updated}
        assert list(round.updated) == list(range(round.updated[0], round.updated[-1] + 1))
        assert round.retrieval.frame in round.updated and written.isdisjoint(given_places(sequence))
        assert written == {(i, j) for i, P in enumerate(after) for j, p in enumerate(P) if p is not before[i][j]}


def assert_given_masks_are_returned(result, sequence):
    for i, mask in sequence.given.items():
        for label in np.intersect1d(mask, sequence.labels):
            assert np.array_equal(result.masks[i] == label, mask == label)


def test_the_random_runs_are_worth_comparing():
    """They have many rounds, and maps that vanish beside maps that stay."""
    results = [run(seed, 8, 3, (20, 24), CONFIG, keep_maps=True) for seed in range(12)]
    assert max(len(result.rounds) for result in results) >= 5
    empty = [map_.box is None for result in results for maps in result.snapshots[0] for map_ in maps]
    assert len(empty) / 20 < sum(empty) < len(empty) * 3 / 4


@THOROUGH
@given(runs, st.randoms(use_true_random=False))
def test_the_order_of_the_instances_and_of_later_masks_does_not_matter(arguments, random):
    sequence = sequence_of(arguments)
    order = random.sample(range(sequence.K), sequence.K)  # instance k becomes instance order[k]
    new = np.zeros(256, np.uint8)
    new[list(sequence.labels)] = [sequence.labels[k] for k in order]
    networks = random_networks(arguments["seed"], sequence.K * arguments["adapted"])
    permuted = dataclasses.replace(
        networks, adapted=sorted(networks.adapted, key=lambda own: order[networks.adapted.index(own)])
    )
    F = RandomFlow(arguments["seed"])
    relabelled = {i: new[mask] for i, mask in reversed(sequence.given.items())}
    other = dataclasses.replace(sequence, first_mask=relabelled.pop(0), later_masks=relabelled)
    pairs = ((sequence, networks), (other, permuted))
    ours, theirs = (segment(video, arguments["config"], own, F, keep_maps=True) for video, own in pairs)
    for k in range(sequence.K):
        assert [(r.box, r.score, r.frame) for r in ours.retrievals if r.instance == k] == [
            (r.box, r.score, r.frame) for r in theirs.retrievals if r.instance == order[k]
        ]
        assert np.array_equal(ours.start[:, k], theirs.start[:, order[k]])
        for P, Q in zip(ours.probabilities, theirs.probabilities, strict=True):
            assert torch.equal(P[k].dense(), Q[order[k]].dense())


def with_later(sequence, masks, first=True):
    """`sequence` with masks of later frames, and without its first one on request."""
    first_mask = sequence.first_mask * np.uint8(first)
    return dataclasses.replace(sequence, first_mask=first_mask, labels=(), later_masks=masks)


@pytest.mark.parametrize("run_segment", [segment, segment_as_printed])
def test_an_instance_that_enters_later_is_propagated_both_ways_from_its_mask(run_segment):
    sequence, networks = listed(6, {}, {})
    result = run_segment(
        with_later(sequence, {4: square_mask(boxes=(FAR,))}, first=False), CONFIG, networks, ZeroFlow()
    )
    assert result.start[:, 0].tolist() == [4] * 6
    assert [Box.from_probability(torch.from_numpy(mask)) for mask in result.masks] == [FAR] * 6


@pytest.mark.parametrize("run_segment", [segment, segment_as_printed])
def test_a_correction_resets_the_frames_that_are_nearer_to_it(run_segment):
    """Frame 3 is as near to the first frame, which comes before."""
    sequence, networks = listed(9, {}, {})
    result = run_segment(with_later(sequence, {6: square_mask(boxes=(FAR,))}), CONFIG, networks, ZeroFlow())
    assert result.start[:, 0].tolist() == [0] * 4 + [6] * 5
    assert [Box.from_probability(torch.from_numpy(mask)) for mask in result.masks] == [SQUARE] * 4 + [FAR] * 5


def test_a_later_mask_speaks_for_the_instances_that_it_shows_and_takes_their_pixels():
    """Instance 1 stays where it is, but for what frame 2 says is instance 2, all frames before and after included."""
    sequence, networks = listed(5, {}, {})
    left = Box(4, 4, 8, 12)
    result = both(with_later(sequence, {2: square_mask(boxes=(left,), labels=(2,))}), networks)
    assert result.labels == (1, 2) and result.start.tolist() == [[0, 2]] * 5
    assert (result.masks[2][4:12, 4:8] == 2).all() and (result.masks[2][4:12, 8:12] == 1).all()
    assert (result.probabilities[4][0].region(left) < 0.5).all()  # carried on from frame 2, without these pixels


def test_a_retrieval_takes_the_guide_from_the_template_that_it_is_most_like():
    """The template of frame 6 fills its box, that of the first frame has a hole."""
    rows = {(0, SQUARE): [1.0, 0.0], (6, FAR): [0.0, 1.0]}
    holed = square_mask()
    holed[6:10, 6:10] = 0
    sequence = Video("two templates", blank_frames(7), holed, later_masks={6: square_mask(boxes=(FAR,))})
    networks = Networks(CopyGuide(), ListedDetector({2: [FAR]}), ListedRows(rows))
    for row, template, filled in (([0.6, 0.8], 6, True), ([0.8, 0.6], 0, False)):
        rows[2, FAR] = row
        result = both(sequence, networks)
        (found,) = result.retrievals
        assert (found.frame, found.template, found.score) == (2, template, pytest.approx(0.8))
        assert result.masks[2][8:16, 18:26].all() == filled


def test_the_first_frame_is_searched_for_an_instance_that_it_does_not_show():
    """It vanishes on the dark frame 1 on its way back from frame 2."""
    rows = {(2, SQUARE): [1.0, 0.0], (0, FAR): [0.8, 0.6]}
    sequence = Video(
        "backwards", blank_frames(3, values=[200, 0, 200]), square_mask(boxes=()), later_masks={2: square_mask()}
    )
    networks = Networks(CopyGuide(), ListedDetector({0: [FAR], 2: [FAR]}), ListedRows(rows))
    result = both(sequence, networks)
    assert [(r.frame, r.template) for r in result.retrievals] == [(0, 2)]
    assert result.start[:, 0].tolist() == [0, 2, 2] and Box.from_probability(torch.from_numpy(result.masks[0])) == FAR


@pytest.mark.parametrize("run_segment", [segment, segment_as_printed])
def test_figure_3_only_frames_4_5_and_6_change(run_segment):
    sequence, networks = listed(6, {(5, 0): 0.9}, {5: [FAR]})
    result = run_segment(sequence, CONFIG, networks, ZeroFlow())
    assert [c + 1 for c in result.start[:, 0]] == [1, 1, 1, 6, 6, 6]
    assert result.rounds[0].updated == (3, 4, 5)
    assert [Box.from_probability(torch.from_numpy(mask)) for mask in result.masks] == [SQUARE] * 3 + [FAR] * 3


@pytest.mark.parametrize("run_segment", [segment, segment_as_printed])
def test_a_frame_between_two_starts_keeps_the_older_one_in_either_direction(run_segment):
    sequence, networks = listed(10, {(5, 0): 0.9, (1, 0): 0.8, (9, 0): 0.7}, {i: [FAR] for i in (1, 5, 9)})
    result = run_segment(sequence, CONFIG, networks, ZeroFlow())
    assert [r.frame for r in result.retrievals][:2] == [5, 1]
    assert result.rounds[1].start[:, 0].tolist() == [0, 1, 1, 5, 5, 5, 5, 5, 5, 5]


@pytest.mark.parametrize("run_segment", [segment, segment_as_printed])
@pytest.mark.parametrize(("score", "rounds"), [(0.0, 1), (-0.01, 0)])
def test_line_17_ends_the_loop_below_0_and_not_at_0(run_segment, score, rounds):
    sequence, networks = listed(4, {(2, 0): score}, {2: [FAR]})
    config = dataclasses.replace(CONFIG, matching=ReidConfig(rho_reid=-0.5, rho_occ=0.3))
    assert len(run_segment(sequence, config, networks, ZeroFlow()).rounds) == rounds


def test_without_r1_the_loop_can_repeat_itself():
    sequence, networks = listed(4, {(2, 0): 0.9}, {2: [FAR]}, network=NeverSeesAnything())
    endless = segment_as_printed(sequence, CONFIG, networks, ZeroFlow(), repair_r1=False, max_rounds=7)
    assert len(endless.rounds) == 7 and len(set(endless.retrievals)) == 1
    repaired = segment_as_printed(sequence, CONFIG, networks, ZeroFlow(), max_rounds=7)
    assert len(repaired.rounds) == 1


@pytest.mark.parametrize("run_segment", [segment, segment_as_printed])
def test_the_highest_score_goes_first_then_the_first_frame_then_the_first_instance(run_segment):
    boxes = (SQUARE, Box(0, 14, 6, 20))
    scores = {(1, 0): 0.6, (2, 1): 0.6, (3, 0): 0.8, (3, 1): 0.6, (1, 1): 0.6}
    sequence, networks = listed(5, scores, {i: [FAR] for i in (1, 2, 3)}, boxes, NeverSeesAnything())
    result = run_segment(sequence, CONFIG, networks, ZeroFlow())
    assert [(r.frame, r.instance) for r in result.retrievals] == [(3, 0), (1, 0), (1, 1), (2, 1), (3, 1)]


def both(sequence, networks, config=CONFIG, flow=None):
    """The engine's result, after it was compared with the reference's."""
    flow = flow or ZeroFlow()
    ours = segment(sequence, config, networks, flow, keep_maps=True)
    assert_equal_runs(ours, segment_as_printed(sequence, config, networks, flow))
    return ours


def test_two_frames_recover_the_last_one_with_its_previous_neighbour():
    flow = SpyFlow()
    result = both(*listed(2, {(1, 0): 0.9}, {1: [FAR]}), flow=flow)
    assert Box.from_probability(torch.from_numpy(result.masks[1])) == FAR
    assert set(flow.asked) == {(1, 0)}


def test_an_instance_that_fills_the_frame():
    sequence, networks = listed(3, {}, {}, boxes=(Box(0, 0, 30, 20),))
    assert all(mask.all() for mask in both(sequence, networks).masks)


def test_twenty_instances():
    boxes = tuple(Box(6 * (k % 5), 5 * (k // 5), 6 * (k % 5) + 4, 5 * (k // 5) + 4) for k in range(20))
    network = CopyGuide()
    sequence, networks = listed(3, {(2, 7): 0.9}, {2: [Box(25, 0, 30, 20)]}, boxes, network)
    result = segment(sequence, CONFIG, networks, ZeroFlow())
    assert np.array_equal(result.masks[1], sequence.first_mask)
    assert [(r.frame, r.instance) for r in result.retrievals] == [(2, 7)]
    assert network.batches == [20, 20, 1]
    both(sequence, networks)


@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (5, 3), (31, 47)])
def test_odd_sizes(shape):
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2 + 1, : shape[1] // 2 + 1] = 1
    sequence = Video("odd", blank_frames(3, shape), mask)
    result = both(sequence, Networks(CopyGuide()))
    assert [m.shape for m in result.masks] == [shape] * 3 and result.masks[2].any()
    both(sequence, Networks(CopyGuide()), flow=RandomFlow(1))


def test_a_mask_that_vanishes_stays_away_without_reid_and_returns_with_it():
    values = [200, 200, 0, 200, 200]
    sequence, networks = listed(5, {(3, 0): 0.9}, {3: [SQUARE]}, values=values)
    without = both(sequence, networks, dataclasses.replace(CONFIG, reid=False))
    assert [mask.any() for mask in without.masks] == [True, True, False, False, False]
    result = both(sequence, networks)
    assert [mask.any() for mask in result.masks] == [True, True, False, True, True]
    assert result.retrievals[0].frame == 3


def test_a_frame_with_nobody_costs_no_network_and_no_flow():
    flow = SpyFlow()
    network = CopyGuide()
    sequence, _ = listed(6, {}, {}, values=[200, 0, 200, 200, 200, 200])
    segment(sequence, CONFIG, Networks(network), flow)
    assert network.batches == [1] and flow.asked[:1] == [(1, 0)] and len(flow.asked) <= 2


def test_every_network_and_flow_is_asked_once_a_frame():
    sequence, networks = listed(6, {(2, 0): 0.8, (5, 0): 0.9}, {2: [FAR], 5: [FAR]}, network=NeverSeesAnything())
    flow = SpyFlow()
    assert len(segment(sequence, CONFIG, networks, flow).rounds) == 2
    assert networks.detector.calls == 5 and networks.identification.calls == 1 + 2
    assert len(flow.asked) == len(set(flow.asked))


def test_the_next_flow_is_computed_while_n_mp_works(monkeypatch):
    """N_mp waits for the flow of the next frame: in the first propagation, and in the sweep from frame 6 to frame 4."""
    flow, (sequence, networks) = SpyFlow(), listed(9, {(6, 0): 0.9}, {6: [FAR]})
    next_flows = {n: (n + 1, n) for n in range(1, 8)} | {10: (4, 5)}

    class Waiting(CopyGuide):
        def predict(self, *inputs):
            pair, end = next_flows.get(len(self.batches) + 1), time.monotonic() + 60
            while pair and pair not in flow.asked:
                assert time.monotonic() < end, pair
                time.sleep(0.001)
            return super().predict(*inputs)

    monkeypatch.setattr("vsreid_lite.engine.available_cores", lambda: 1000)
    segment(sequence, CONFIG, dataclasses.replace(networks, propagation=Waiting()), flow)
    assert len(flow.asked) == len(set(flow.asked))


def test_in_batches_all_is_the_same(monkeypatch):
    """Flows of frames 2 to 4 and of 5 to 8 are computed at once. An inherited `in_batch` is not called."""
    sequence, networks = listed(9, {(5, 0): 0.8, (6, 0): 0.9}, {5: [FAR], 6: [FAR]})
    expected = segment(sequence, CONFIG, networks, RandomFlow(0, 0.1), keep_maps=True)
    monkeypatch.setattr("vsreid_lite.engine.available_cores", lambda: 1000)
    monkeypatch.setattr("vsreid_lite.engine.batch_size", lambda device, shape: 4)
    flow, identification = Batches(RandomFlow(0, 0.1)), Batches(networks.identification)
    detector = type("Heir", (Batches,), {})(networks.detector)
    asked = dataclasses.replace(networks, detector=detector, identification=identification)
    assert_equal_runs(segment(sequence, CONFIG, asked, flow, keep_maps=True), expected)
    assert (flow.sizes[:2], detector.sizes, identification.sizes) == ([3, 4], [], [2])


def test_a_gpu_works_on_four_frames_of_480p_and_on_one_of_1080p():
    shapes = (96, 128), (480, 854), (1080, 1920)
    assert [batch_size(torch.device("cuda"), shape) for shape in shapes] == [4, 4, 1]


def test_both_sweeps_of_a_recovery_go_as_one_batch():
    network = CopyGuide()
    sequence, networks = listed(9, {(6, 0): 0.9}, {6: [FAR]}, network=network)
    result = segment(sequence, CONFIG, networks, ZeroFlow())
    assert result.rounds[0].updated == (4, 5, 6, 7, 8)
    assert network.batches == [1] * 8 + [1, 2, 2]


def test_records_are_the_making_of_the_maps():
    sequence, networks = listed(6, {(5, 0): 0.9}, {5: [FAR]})
    result = segment(sequence, CONFIG, networks, ZeroFlow(), keep_maps=True, record=True)
    assert {i for i, _ in result.records} == {1, 2, 3, 4, 5}
    assert [record.round for record in result.records[4, 0]] == [0, 1]
    assert [record.round for record in result.records[2, 0]] == [0]
    made = result.records[1, 0][0].propagation
    assert made.box == SQUARE.enlarge(0.15, (20, 30)) and made.patch.shape == (16, 16)
    assert torch.equal(made.guided.dense(), result.snapshots[0][0][0].dense())
    assert result.records[5, 0][1].propagation.box == FAR
    some = segment(sequence, CONFIG, networks, ZeroFlow(), record={(4, 0)})
    assert set(some.records) == {(4, 0)} and len(some.records[4, 0]) == 2


def test_a_flow_of_another_size_is_refused():
    sequence, networks = listed(2, {}, {})
    with pytest.raises(ValueError, match="flow of frame 1 towards frame 0"):
        segment(sequence, CONFIG, networks, lambda frames, target, source: torch.zeros(2, 64, 64))


def test_progress_goes_to_stderr(capsys):
    video, networks = listed(3, {(1, 0): 0.9}, {1: [FAR]})
    segment(video, CONFIG, networks, ZeroFlow(), progress=True)
    captured = capsys.readouterr()
    assert "propagation" in captured.err and not captured.out


def test_networks_adapted_to_another_number_of_instances_are_refused():
    sequence = random_sequence(0, 2, 2, (20, 30))
    with pytest.raises(ValueError, match="networks adapted to 3 instances, found 2"):
        segment(sequence, CONFIG, random_networks(0, adapted=3), RandomFlow(0))
