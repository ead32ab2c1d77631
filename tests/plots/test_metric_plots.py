"""The pictures of the measures count what the measures count."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.evaluation.metrics import boundary, boundary_pixels, boundary_radius, region
from vsreid_lite.geometry import Box
from vsreid_lite.plots.metric_plots import plot_measures, plot_presence, plot_statistics

SHAPE = (60, 90)
FRAME = blank_frames(1, SHAPE)[0]
TRUTH = square_mask(SHAPE, (Box(20, 20, 40, 40),)) > 0
GUESS = square_mask(SHAPE, (Box(21, 20, 50, 40),)) > 0  # one pixel in from the left, ten too far to the right
NOTHING = np.zeros(SHAPE, bool)
AREAS = np.array([[5, 0], [0, 0], [7, 3], [0, 9]])
VALUES = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0])

FIGURES = {
    "presence": lambda: plot_presence(AREAS, (1, 4), "a video"),
    "measures": lambda: plot_measures(FRAME, TRUTH, GUESS),
    "statistics": lambda: plot_statistics(VALUES, "J of instance 1, falling"),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_figure_is_fit_to_be_shown(draw):
    assert_fit_to_be_shown(draw)


def test_presence_hatches_the_frames_without_an_instance_in_its_row():
    figure = FIGURES["presence"]()
    for axes, gone in zip(figure.axes, ([1, 3], [0, 1]), strict=True):
        assert [span.get_x() + 0.5 for span in axes.patches if span.get_hatch()] == gone
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == ["instance 1", "instance 4"]
    assert "instance 1 in 2; instance 4 in 2" in figure.get_label()


def test_measures_give_the_pixels_of_j_and_the_two_scores():
    found = " ".join(texts(FIGURES["measures"]()))
    assert f"J {region(TRUTH, GUESS):.2f} = 380 / (380 + 20 striped + 200 plain)" in found
    assert f"F {boundary(TRUTH, GUESS, boundary_radius(SHAPE)):.2f}" in found


def test_crosses_are_the_boundary_pixels_that_f_does_not_find():
    right = FIGURES["measures"]().axes[1]
    drawn = [len(points.get_offsets()) for points in right.collections]  # true: near, far; predicted: near, far
    edges = [np.argwhere(boundary_pixels(mask)) for mask in (TRUTH, GUESS)]
    apart = cdist(*edges)
    expected = [(apart.min(axis) <= boundary_radius(SHAPE)).sum() for axis in (1, 0)]
    assert drawn == [expected[0], len(edges[0]) - expected[0], expected[1], len(edges[1]) - expected[1]]
    assert min(drawn) > 0


@pytest.mark.parametrize(("truth", "guess", "J"), [(NOTHING, NOTHING, "1.00"), (TRUTH, NOTHING, "0.00")])
def test_empty_masks_have_a_picture_too(truth, guess, J):
    assert f"J {J}" in texts(plot_measures(FRAME, truth, guess))[0]


def test_statistics_are_those_of_davis():
    axes = FIGURES["statistics"]().axes[0]
    found = [text.get_text() for text in axes.get_legend().get_texts()]
    assert found[1:] == ["mean 0.375", "above 0.5: recall 0.375", "first and last quarter: decay +0.800"]
    assert {"0.800", "0.000"} <= {text.get_text() for text in axes.texts}  # frames 1 to 3, and 6 to 8
