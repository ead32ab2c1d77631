"""The pictures of the measures count what the measures count, and two rows stand side by side."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tests.plots.figure_checks import assert_fit_to_be_shown, legend, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.evaluation.metrics import boundary, boundary_pixels, boundary_radius, region, score_frames
from vsreid_lite.geometry import Box
from vsreid_lite.plots.metric_plots import plot_measures, plot_presence, plot_rows, plot_statistics
from vsreid_lite.video.video import Video

SHAPE = (60, 90)
FRAME = blank_frames(1, SHAPE)[0]
TRUTH = square_mask(SHAPE, (Box(20, 20, 40, 40),)) > 0
GUESS = square_mask(SHAPE, (Box(21, 20, 50, 40),)) > 0  # one pixel in from the left, ten too far to the right
NOTHING = np.zeros(SHAPE, bool)
AREAS = np.array([[5, 0], [0, 0], [7, 3], [0, 9]])
VALUES = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0])
BOXES = (Box(2, 2, 12, 12), Box(16, 4, 26, 14))
BOTH, FIRST = square_mask(boxes=BOXES), square_mask(boxes=BOXES[:1])
SEQUENCE = Video("two", blank_frames(6), BOTH, annotations=[BOTH] * 6)
MASKS = {"+ box": [BOTH, BOTH, *[FIRST] * 3, BOTH], "+ re-id": [np.roll(BOTH, 1, 1)] * 6}
SCORES = {row: score_frames(SEQUENCE, masks) for row, masks in MASKS.items()}


def rows(instance=1):
    return plot_rows(SEQUENCE, MASKS, SCORES, ("+ box", "+ re-id"), 3, instance)


FIGURES = {
    "presence": lambda: plot_presence(AREAS, (1, 4), "a video"),
    "measures": lambda: plot_measures(FRAME, TRUTH, GUESS),
    "statistics": lambda: plot_statistics(VALUES, "J of instance 1, falling"),
    "rows": rows,
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_figure_is_fit_to_be_shown(draw):
    assert_fit_to_be_shown(draw)


def test_presence_hatches_the_frames_without_an_instance_in_its_row():
    figure = FIGURES["presence"]()
    for axes, label, gone in zip(figure.axes, (1, 4), ([1, 3], [0, 1]), strict=True):
        assert [span.get_x() + 0.5 for span in axes.patches if span.get_hatch()] == gone
        assert axes.get_ylabel().startswith(f"instance {label}\n")
    assert "instance 1 in 2; instance 4 in 2" in figure.get_label()


def test_measures_give_the_pixels_of_j_and_the_two_scores():
    found = " ".join(texts(FIGURES["measures"]()))
    assert f"J {region(TRUTH, GUESS):.2f} = 380 / (380 + 20 striped + 200 plain)" in found
    assert f"F {boundary(TRUTH, GUESS, boundary_radius(SHAPE)):.2f}" in found
    for truth, J in ((NOTHING, "1.00"), (TRUTH, "0.00")):
        assert f"J {J}" in texts(plot_measures(FRAME, truth, NOTHING))[0]


def test_crosses_are_the_boundary_pixels_that_f_does_not_find():
    right = FIGURES["measures"]().axes[1]
    drawn = [len(points.get_offsets()) for points in right.collections]  # true: near, far; predicted: near, far
    edges = [np.argwhere(boundary_pixels(mask)) for mask in (TRUTH, GUESS)]
    apart = cdist(*edges)
    expected = [(apart.min(axis) <= boundary_radius(SHAPE)).sum() for axis in (1, 0)]
    assert drawn == [expected[0], len(edges[0]) - expected[0], expected[1], len(edges[1]) - expected[1]]
    assert min(drawn) > 0


def test_statistics_are_those_of_davis():
    axes = FIGURES["statistics"]().axes[0]
    assert legend(axes)[1:] == ["mean 0.375", "above 0.5: recall 0.375", "first and last quarter: decay +0.800"]
    assert {"0.800", "0.000"} <= {text.get_text() for text in axes.texts}  # frames 1 to 3, and 6 to 8


def test_rows_have_their_names_line_styles_and_scores():
    figure = rows()
    written = texts(figure)
    assert {"two, frame 3: the truth", "+ box (dashed)", "+ re-id (solid)", "J of instance 2"} <= set(written)
    assert "+ box: J 0.00, F 0.00; + re-id: J 0.82" in figure.get_label()
    assert "last: 0.25 and " in figure.get_label() and "all instances" in rows(None).get_label()
    for axes, name in zip(figure.axes[3:], ("J", "F"), strict=True):
        lines = [line for line in axes.lines if len(line.get_ydata()) == 6]
        assert [line.get_linestyle() for line in lines] == ["--", "-"]
        for line, scores in zip(lines, SCORES.values(), strict=True):
            assert np.array_equal(line.get_ydata(), getattr(scores, name)[1])
