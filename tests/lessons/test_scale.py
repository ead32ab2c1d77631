"""What boxes and sizes cost, on squares where it can be worked out by hand."""

import numpy as np
import pytest

from tests.stubs import ZeroFlow, blank_frames, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.lessons.scale import margin_costs, resizing_scores, seen_instances
from vsreid_lite.video.video import Video

SHAPE = (64, 96)
LARGE, SMALL = Box(8, 8, 40, 40), Box(60, 20, 80, 40)


def video(*boxes, annotations=None):
    """A frame for each tuple of boxes of the instances 1, 2, ..."""
    masks = [square_mask(SHAPE, each) for each in boxes]
    return Video("squares", blank_frames(len(masks), SHAPE), masks[0], annotations=annotations or masks)


def test_instances_come_smallest_first_with_their_enlarged_box():
    found = seen_instances(video((LARGE, SMALL), (LARGE,)))
    assert [(seen.frame, seen.label, seen.area) for seen in found] == [(0, 2, 400), (0, 1, 1024), (1, 1, 1024)]
    assert found[0].box == SMALL.enlarge(0.15, SHAPE)
    assert np.array_equal(found[0].mask, square_mask(SHAPE, (SMALL,)) > 0)


def test_frames_between_those_asked_for_small_instances_and_frames_without_truth_are_left_out():
    tiny = Box(0, 0, 14, 14)  # 196 pixels
    frames = video((LARGE,), (LARGE,), (tiny,), (LARGE,), (LARGE,))
    assert [seen.frame for seen in seen_instances(frames, every=2)] == [0, 4]
    masks = [*frames.annotations[:4], None]
    assert [seen.frame for seen in seen_instances(video(*[(LARGE,)] * 5, annotations=masks))] == [0, 1, 3]
    assert seen_instances(Video("bare", frames.frames, frames.first_mask)) == []


def test_a_mask_that_its_cells_can_hold_is_kept_and_a_box_keeps_more_than_the_full_image():
    instances = seen_instances(video((SMALL,)))
    full, boxed = (resizing_scores(instances, (4, 16, 96), inside) for inside in (False, True))
    assert full.shape == boxed.shape == (3, 2)
    assert boxed[2].tolist() == [1, 1] and boxed[0, 0] > full[0, 0] and boxed[1, 0] > full[1, 0]
    assert np.all(np.diff(full[:, 0]) >= 0) and full[2, 0] > 0.9


def test_a_box_of_a_still_instance_cuts_nothing_off_and_one_of_a_moving_instance_does_until_it_is_enlarged():
    still = margin_costs(video((SMALL,), (SMALL,)), ZeroFlow(), (0, 0.5))
    assert still == pytest.approx(np.array([[0, 1], [0, 0.25]]))  # 20 x 20 in 20 x 20, then in 40 x 40
    moved = Box(62, 20, 82, 40)  # two pixels to the right, unseen by the flow: 18 of 20 columns are in the box
    costs = margin_costs(video((SMALL,), (moved,)), ZeroFlow(), (0, 0.05, 0.1))
    assert costs == pytest.approx(np.array([[1, 18 / 20], [1, 19 * 20 / 22**2], [0, 400 / 24**2]]))


def test_an_instance_that_comes_into_sight_has_no_box_to_be_judged():
    frames = video((LARGE,), (LARGE, SMALL), (LARGE, SMALL))
    both = Video("squares", frames.frames, frames.annotations[1], annotations=frames.annotations)
    assert margin_costs(both, ZeroFlow(), (0,)) == pytest.approx(np.array([[0, 1]]))
