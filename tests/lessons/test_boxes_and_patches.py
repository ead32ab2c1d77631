"""Notebook 03: what boxes and sizes cost, on squares where it can be worked out by hand, and their pictures."""

import numpy as np
import pytest

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import ZeroFlow, blank_frames, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.lessons.boxes_and_patches import (
    View,
    margin_costs,
    plot_boxes,
    plot_sides,
    plot_views,
    resizing_scores,
    seen_instances,
)
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


# ---- pictures


FRAME = blank_frames(1)[0]  # 20 x 30
MASK = square_mask() > 0  # 8 x 8
VIEWS = [View("small", FRAME, MASK, Box(2, 2, 14, 14)), View("large", FRAME, MASK, Box(4, 4, 12, 12))]
SIDES = (np.array([10.0, 20.0, 40.0]), np.array([5.0, 10.0, 20.0]), np.array([60.0, 62.0, 61.0]))

FIGURES = {
    "boxes": lambda: plot_boxes(FRAME, MASK.astype(np.float32), MASK, Box(4, 4, 12, 12), Box(2, 2, 14, 14), "frame 0"),
    "views": lambda: plot_views(VIEWS, 16),
    "sides": lambda: plot_sides(*SIDES, 128),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_figure_is_fit_to_be_shown(draw):
    assert_fit_to_be_shown(draw)


def test_both_boxes_are_drawn_in_both_panels_dashed_and_solid():
    for axes in FIGURES["boxes"]().axes:
        drawn = {(box.get_x(), box.get_width(), box.get_linestyle()) for box in axes.patches}
        assert drawn == {(3.5, 8, "--"), (1.5, 12, "-")}


def test_views_say_how_much_of_the_input_is_instance():
    found = texts(FIGURES["views"]())
    assert found.count("full image: 10.7% instance") == 2  # 64 of 600 pixels, whatever the size of the input
    assert "box: 44.4% instance" in found and "box: 100.0% instance" in found  # 64 of 144, and all
    assert {"small", "large"} <= set(found)
    assert [image.get_array().shape for axes in FIGURES["views"]().axes for image in axes.images][1:3] == [
        (16, 16, 3),
        (16, 16, 3),
    ]


def test_sides_keep_their_values_and_differ_in_marker():
    boxed, full = FIGURES["sides"]().axes[0].collections
    assert boxed.get_offsets().tolist() == np.stack([SIDES[0], SIDES[2]], 1).tolist()
    assert full.get_offsets().tolist() == np.stack([SIDES[0], SIDES[1]], 1).tolist()
    assert len(boxed.get_paths()[0].vertices) != len(full.get_paths()[0].vertices)
    assert "full image 5 to 20, box 60 to 62 pixels" in FIGURES["sides"]().get_label()
