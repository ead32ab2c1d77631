"""The pictures of boxes show the boxes, and what they show of an instance is what `crop` makes of it."""

import numpy as np
import pytest

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.lessons.scale_plots import View, plot_boxes, plot_sides, plot_views

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
