"""The release's rules, each by a scene in which it alone changes the outcome; without them the engine's own bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_runs import (
    CONFIG,
    FAR,
    THOROUGH,
    assert_equal_runs,
    given_places,
    listed,
    release_rules,
    run,
    runs,
    sequence_of,
    small_boxes,
)
from tests.stubs import SQUARE, CopyGuide, ListedDetector, ListedScores, RandomFlow, ZeroFlow, frame_index, square_mask
from vsreid_lite.config import AUTHORS, PropagationConfig, ReleaseRules
from vsreid_lite.geometry import Box, warp_averaged
from vsreid_lite.networks import Search
from vsreid_lite.release import ReleaseEngine, touch
from vsreid_lite.vsreid import segment

PLAIN = replace(CONFIG, propagation=PropagationConfig(patch=16, enlarge=0.0))


def run_scene(scene, enlarge=0.0, improvement=None, flow=None, **rules):
    """A sequence and its networks, as `listed` makes them, under some rules; every map and its making are kept."""
    config = replace(
        PLAIN,
        propagation=replace(PLAIN.propagation, enlarge=enlarge),
        matching=replace(PLAIN.matching, improvement=improvement),
        release=ReleaseRules(**rules),
    )
    return segment(scene[0], config, scene[1], flow or ZeroFlow(), keep_maps=True, record=True)


class Fades:
    """Answers a share of the guide; keeps how many regions each call had."""

    def __init__(self, share):
        self.share, self.batches = share, []

    def predict(self, image, flow, guide):
        self.batches.append(len(image))
        return guide[:, 0] * self.share


class Fills:
    """Answers the same everywhere."""

    def __init__(self, probability):
        self.probability = probability

    def predict(self, image, flow, guide):
        return torch.full_like(guide[:, 0], self.probability)


class KeepsACorner:
    """Returns the guide; where the image is dark only the first 5 of its 16 rows and columns."""

    def predict(self, image, flow, guide):
        answer = guide[:, 0].clone()
        dark = image[:, 0].mean((1, 2)) < 0.1
        answer[dark, 5:], answer[dark, :, 5:] = 0, 0
        return answer


class Fans:
    """A flow of its own for every pair of frames, the same everywhere."""

    def __call__(self, frames, target, source):
        return torch.full((2, *frames[target].shape[:2]), float(source - target))


def found(result):
    return [(r.frame, r.instance) for r in result.retrievals]


def dense(result, i, k):
    return result.probabilities[i][k].dense()


def box_of(result, i, k):
    return Box.from_probability(dense(result, i, k))


@THOROUGH
@given(runs, st.booleans(), st.booleans())
def test_with_rules_of_retrieval_alone_it_is_the_engine(arguments, spare_others, exclusive):
    config = arguments["config"]
    rules = replace(config.release, spare_others=spare_others, exclusive=exclusive)
    arguments["config"] = replace(config, release=rules)
    assert rules.of_retrieval_alone and not replace(rules, passes=2).of_retrieval_alone
    ours = run(**arguments, keep_maps=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vsreid_lite.vsreid.Engine", ReleaseEngine)
        assert_equal_runs(run(**arguments, keep_maps=True), ours)


@THOROUGH
@given(runs, release_rules)
def test_under_any_rules_each_frame_and_instance_starts_at_most_once_and_given_masks_stay(arguments, rules):
    arguments["config"] = replace(arguments["config"], release=rules)
    result, sequence = run(**arguments), sequence_of(arguments)
    starts = given_places(sequence) + [(r.frame, r.instance) for r in result.retrievals]
    assert len(set(starts)) == len(starts)
    assert len(result.masks) == arguments["N"]
    assert all(result.start[i, k] == i for i, k in starts)
    for i, k in given_places(sequence):
        label = sequence.labels[k]
        assert np.array_equal(result.masks[i] == label, sequence.given[i] == label)


BESIDE = Box(12, 4, 20, 12)  # shares an edge with SQUARE


def overlapping(**rules):
    """Two neighbours whose maps, 0.9 in their enlarged boxes, overlap in columns 10 to 13 of frame 1."""
    scene = listed(3, {}, {}, (SQUARE, BESIDE), Fills(0.9))
    return run_scene(scene, enlarge=0.25, **rules).records[2, 1][0].propagation


def test_row_3_the_box_is_that_of_the_label_in_the_merged_map():
    assert overlapping().box == Box(10, 2, 22, 14).enlarge(0.25, (20, 30))
    assert overlapping(merged_box=True).box == Box(14, 2, 22, 14).enlarge(0.25, (20, 30))


def test_row_4_the_guide_is_the_channel_of_the_merged_map():
    plain, merged = (overlapping(merged_guide=rule).guided.dense() for rule in (False, True))
    assert torch.equal(overlapping(merged_box=True).guided.dense(), plain)  # rows 3 and 4 are two rules
    assert overlapping(merged_guide=True).box == overlapping().box
    assert plain[8, [11, 18]].tolist() == pytest.approx([0.9, 0.9])
    assert merged[8, [11, 18]].tolist() == pytest.approx([0.9 / 1.81, 0.9])  # Z = 0.1 * 0.1 + 0.9 + 0.9


def test_row_3_an_instance_under_another_is_absent():
    """B's map lies wholly under that of A: its own map has a box, its label has not."""
    scene = listed(3, {(1, 1): 0.9}, {1: [FAR]}, (SQUARE, Box(6, 6, 10, 10)), Fills(0.9))
    assert found(run_scene(scene, enlarge=3.0, only_absent=True)) == []
    assert found(run_scene(scene, enlarge=3.0, only_absent=True, merged_box=True)) == [(1, 1)]


def test_row_5_maps_are_warped_by_the_mean_of_both_flows():
    flow = RandomFlow(3)
    sequence, networks = listed(2, {}, {})
    result = run_scene((sequence, networks), flow=flow, averaged_warp=True)
    P = sequence.first_probabilities()
    expected = warp_averaged(P, flow(sequence.frames, 1, 0), flow(sequence.frames, 0, 1))[0]
    assert torch.equal(result.records[1, 0][0].propagation.guided.dense(), expected)


@pytest.mark.parametrize("averaged_warp", [False, True])
def test_row_5_the_last_row_and_column_are_lost(averaged_warp):
    result = run_scene(listed(3, {}, {}, (Box(20, 10, 30, 20),)), averaged_warp=averaged_warp)
    assert box_of(result, 2, 0) == (Box(20, 10, 29, 19) if averaged_warp else Box(20, 10, 30, 20))


@pytest.mark.parametrize(("previous_flow", "shown"), [(False, 2.0), (True, -2.0)])
def test_row_6_the_recovered_frame_shows_its_flow_towards_the_frame_before(previous_flow, shown):
    class Spy(CopyGuide):
        def predict(self, image, flow, guide):
            flows.append(float(flow[0, 0, 0, 0]))
            return super().predict(image, flow, guide)

    flows = []
    run_scene(listed(5, {(2, 0): 0.9}, {2: [FAR]}, network=Spy()), flow=Fans(), previous_flow=previous_flow)
    assert flows[-3] == shown  # in pixels of a patch twice as large as the candidate's box


def test_row_16_what_is_nearly_gone_is_not_propagated():
    scene = listed(5, {}, {}, network=KeepsACorner(), values=[200, 200, 0, 200, 200])
    plain, ruled = (run_scene(scene, absent_below=share) for share in (0.0, 0.1))
    corner = int((dense(plain, 2, 0) > 0.5).sum())
    assert 0 < corner < 6.4 and [bool(mask.any()) for mask in plain.masks] == [True] * 5
    assert [bool(mask.any()) for mask in ruled.masks] == [True, True, True, False, False]
    assert ruled.start[:, 0].tolist() == [0, 0, 0, -5, -5]
    assert run_scene(scene, absent_below=corner / 64).masks[4].any()  # "falls under": the share itself is enough


def found_after_a_dark_frame(frame, dark, absent_below):
    values = [0 if i in dark else 200 for i in range(10)]
    scene = listed(10, {(frame, 0): 0.9}, {frame: [FAR]}, network=KeepsACorner(), values=values)
    return run_scene(scene, absent_below=absent_below)


def test_row_16_a_recovery_fills_whatever_was_never_propagated_to():
    assert found_after_a_dark_frame(9, {2}, absent_below=0).rounds[0].updated == (5, 6, 7, 8, 9)
    assert found_after_a_dark_frame(9, {2}, absent_below=0.1).rounds[0].updated == (3, 4, 5, 6, 7, 8, 9)


def test_row_16_a_sweep_ends_where_the_instance_is_nearly_gone_again():
    assert found_after_a_dark_frame(5, {2, 7}, absent_below=0).rounds[0].updated == (3, 4, 5, 6, 7, 8, 9)
    result = found_after_a_dark_frame(5, {2, 7}, absent_below=0.1)
    assert result.rounds[0].updated == (3, 4, 5, 6, 7) and not result.masks[8].any()
    assert result.start[:, 0].tolist() == [0, 0, 0, 5, 5, 5, 5, 5, -10, -10]


@pytest.mark.parametrize(("fill_gap", "updated"), [(False, (4, 5, 6, 7, 8)), (True, (6,))])
def test_row_17_a_recovery_reaches_up_to_the_nearest_frames_with_the_instance(fill_gap, updated):
    result = run_scene(listed(9, {(6, 0): 0.9}, {6: [FAR]}), fill_gap=fill_gap)
    assert result.rounds[0].updated == updated
    assert box_of(result, 7, 0) == (SQUARE if fill_gap else FAR)


def test_row_17_the_gap_is_filled_whole():
    values = [200] * 3 + [0] + [200] * 6
    result = run_scene(listed(10, {(5, 0): 0.9}, {5: [FAR]}, values=values), fill_gap=True)
    assert result.rounds[0].updated == (3, 4, 5, 6, 7, 8, 9)


NEAR_FAR = Box(26, 8, 30, 16)  # shares an edge with FAR
AWAY = Box(0, 15, 3, 19)


def neighbours(network=None, beside=NEAR_FAR, **recovery):
    """SQUARE is found again at FAR of frame 2, beside NEAR_FAR and away from AWAY."""
    return run_scene(listed(4, {(2, 0): 0.9}, {2: [FAR]}, (SQUARE, beside, AWAY), network), **recovery)


def test_row_18_instances_whose_boxes_touch_are_predicted_again():
    plain, joint = neighbours(), neighbours(joint_sweep=True)
    assert plain.rounds[0].updated == joint.rounds[0].updated == (2, 3)
    assert [[r.round for r in plain.records[3, k]] for k in range(3)] == [[0, 1], [0], [0]]
    assert [[r.round for r in joint.records[3, k]] for k in range(3)] == [[0, 1], [0, 1], [0]]
    assert joint.start[:, 1].tolist() == [0] * 4  # the neighbour's checkpoints stay


def test_row_18_a_neighbour_with_a_nearer_start_is_left_alone():
    scores = {(3, 1): 0.95, (2, 0): 0.9}
    scene = listed(4, scores, {2: [FAR], 3: [Box(26, 0, 30, 8)]}, (SQUARE, NEAR_FAR))
    result = run_scene(scene, joint_sweep=True)
    assert found(result) == [(3, 1), (2, 0)]
    assert [r.round for r in result.records[3, 1]] == [0, 1]


def test_row_19_a_recovery_takes_several_passes_each_guided_by_the_one_before():
    for passes, expected in ((1, 0.9), (5, 0.9**5)):
        network = Fades(0.9)
        result = neighbours(network=network, passes=passes)
        assert dense(result, 2, 0)[12, 20] == pytest.approx(expected)
        assert network.batches == [3, 3, 3] + [1] * passes + [1]
    assert [r.propagation.box for r in result.records[2, 0]][1:] == [FAR] * 5


def test_row_19_then_several_with_the_instances_that_have_pixels_in_its_box():
    network = Fades(0.98)
    result = neighbours(network=network, beside=Box(25, 8, 30, 16), passes=5, joint_passes=5)
    before = 0.98**2  # of those that were propagated to frame 2
    values = [float(dense(result, 2, k)[y, x]) for k, (y, x) in enumerate([(12, 20), (12, 28), (17, 1)])]
    assert values == pytest.approx([0.98**10, before * 0.98**5, before])
    assert network.batches == [3, 3, 3] + [1] * 5 + [2] * 5 + [1]
    assert result.start[:, 1].tolist() == [0] * 4


def joint_batch(other, **rules):
    """How many are predicted together where SQUARE, in columns and rows 4 to 11, is found again at FAR of frame 2."""
    network = Fades(1)
    run_scene(listed(4, {(2, 0): 0.9}, {2: [FAR]}, (SQUARE, other), network), joint_passes=1, **rules)
    *_, recovered, joint, swept = network.batches
    assert recovered == swept == 1
    return joint


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (Box(25, 8, 30, 16), 2),  # the last column of FAR
        (Box(26, 8, 30, 16), 1),  # shares an edge with FAR
        (Box(18, 15, 26, 20), 2),  # its last row
        (Box(18, 16, 26, 20), 1),
        (Box(12, 4, 16, 12), 2),  # beside the box from which it was recovered
        (Box(13, 4, 16, 12), 1),
        (Box(4, 12, 12, 16), 2),  # below it
        (Box(4, 13, 12, 16), 1),
        (Box(0, 4, 4, 12), 1),  # before it: one column and row more count at the other sides only
        (Box(4, 0, 12, 4), 1),
    ],
)
def test_row_19_the_group_has_pixels_in_the_box_before_or_after_the_recovery(other, together):
    assert joint_batch(other) == together


def test_row_19_the_box_of_the_group_is_the_enlarged_one():
    """FAR enlarged by 0.15 of 8 pixels is one pixel larger: at 27.2 and 17.2 truncated, or 1.2 rounded."""
    for truncated_box in (False, True):
        assert joint_batch(Box(26, 8, 30, 16), enlarge=0.15, truncated_box=truncated_box) == 2
        assert joint_batch(Box(28, 8, 30, 16), enlarge=0.15, truncated_box=truncated_box) == 1


def test_row_19_with_merged_boxes_the_pixels_of_labels_count():
    """Where both maps are certain the pixel has the first label, so the second has none in FAR's box."""
    under = Box(20, 10, 30, 20)
    assert (joint_batch(under), joint_batch(under, merged_box=True)) == (2, 1)


class FaintTogether:
    """Answers the guide; where it sees several instances at once, 0.4 of it."""

    def predict(self, image, flow, guide):
        return guide[:, 0] * (0.4 if len(image) > 1 else 1)


def test_row_19_an_instance_without_a_pixel_above_a_half_is_in_no_group():
    scene = listed(3, {(1, 0): 0.9}, {1: [FAR]}, (SQUARE, Box(20, 10, 30, 20)), FaintTogether())
    result = run_scene(scene, joint_passes=1)
    assert dense(result, 1, 0).max() == 1 and dense(result, 1, 1).max() == pytest.approx(0.4)


def test_row_19_what_is_recovered_to_less_than_a_half_is_predicted_again_itself():
    scene = listed(3, {(1, 0): 0.9}, {1: [FAR]}, network=Fades(0.4))
    for joint_passes in (0, 1):
        result = run_scene(scene, joint_passes=joint_passes)
        assert dense(result, 1, 0).any() == (joint_passes == 0)  # an empty box leaves an empty map


def test_row_19_what_is_recovered_is_taken_from_all_others():
    inside = Box(20, 10, 30, 20)  # FAR covers its first columns and rows
    scene = listed(4, {(2, 0): 0.9}, {2: [FAR]}, (SQUARE, inside))
    kept, cleared = (run_scene(scene, clear_others=rule) for rule in (False, True))
    assert (kept.masks[2] == 2).sum() == 100 - 36 and dense(kept, 2, 1)[12, 22] == 1
    assert dense(cleared, 2, 1)[12, 22] == 0 and dense(cleared, 2, 1)[18, 28] == 1
    assert (dense(cleared, 2, 1) > 0.5).sum() == 100 - 6 * 6
    assert dense(cleared, 3, 1)[12, 22] == 1  # alone the recovered frame is cleared


CORNER = Box(0, 14, 6, 20)


class KnowsOne(ListedScores):
    """As written down for one box; what any other shows is like no template."""

    def embed(self, frame, boxes):
        known = torch.tensor([box == CORNER or frame_index(frame) == 0 for box in boxes])
        return super().embed(frame, boxes) * known[:, None]


def persons_then_objects(only_recognised=False, improvement=None):
    """Two instances, found by persons in frame 2, by objects in 1; the detector of persons knows one from frame 0."""
    boxes = [SQUARE, BESIDE]
    detector = ListedDetector({0: [Box(4, 4, 12, 11)], 2: [FAR]})
    persons = Search(detector, ListedScores({(2, 0): 0.6, (2, 1): 0.7}, boxes), only_recognised)
    sequence, networks = listed(4, {}, {1: [CORNER]}, boxes)
    objects = KnowsOne({(1, 1): 0.95, (1, 0): 0.9}, boxes)
    networks = replace(networks, identification=objects, first_searches=(persons,))
    return found(run_scene((sequence, networks), improvement=improvement))


def test_row_21_a_first_search_runs_to_its_end_before_the_next():
    assert persons_then_objects() == [(2, 1), (2, 0), (1, 1), (1, 0)]


def test_row_21_persons_are_searched_only_for_instances_that_are_persons():
    assert persons_then_objects(only_recognised=True) == [(2, 0), (1, 1), (1, 0)]


def test_row_13_each_search_judges_the_maps_by_its_own_network():
    """To the first search a map shows as much as its candidate, to the second nothing."""
    assert persons_then_objects(improvement=0.5) == [(1, 1), (1, 0)]


def test_row_3_what_a_map_shows_is_the_box_of_its_label():
    class Asked(ListedScores):
        def embed(self, frame, boxes):
            asked.extend(boxes if frame_index(frame) else ())
            return super().embed(frame, boxes)

    asked = []
    sequence, networks = listed(3, {}, {}, (SQUARE, BESIDE), Fills(0.9))
    networks = replace(
        networks, detector=ListedDetector({1: [FAR]}), identification=Asked({(1, 1): 0.9}, [SQUARE, BESIDE])
    )
    for merged_box in (False, True):
        run_scene((sequence, networks), enlarge=0.25, merged_box=merged_box, improvement=0.0)
    own, label = (box for box in asked if box != FAR)
    assert own.x0 < label.x0 and own.x1 == label.x1  # what the maps share is the first instance's


@settings(deadline=None)
@given(small_boxes, small_boxes)
def test_boxes_touch_when_one_pixel_more_makes_them_overlap(a, b):
    grown = [square_mask((20, 20), (Box(box.x0, box.y0, box.x1 + 1, box.y1 + 1),)) for box in (a, b)]
    assert touch(a, b) == touch(b, a) == bool((grown[0] & grown[1]).any())
    assert not touch(a, None) and not touch(None, None)


def test_all_rules_of_the_authors_together():
    """A full run with stub networks: lost in a dark frame, found again, and the gap alone is filled."""
    values = [200] * 3 + [0] + [200] * 5
    sequence, networks = listed(9, {(5, 0): 0.9}, {5: [FAR]}, (SQUARE, AWAY), values=values)
    config = replace(AUTHORS, device="cpu", propagation=replace(AUTHORS.propagation, patch=16))
    result = segment(sequence, config, networks, ZeroFlow())
    assert found(result) == [(5, 0)]
    assert result.rounds[0].updated == (3, 4, 5, 6, 7, 8)
    assert [bool((mask == 1).any()) for mask in result.masks] == [True] * 3 + [False] + [True] * 5
    assert [bool((mask == 2).any()) for mask in result.masks] == [True] * 3 + [False] * 6
