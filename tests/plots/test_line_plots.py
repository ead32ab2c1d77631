"""Curves keep their values, are told apart by more than colour, and say where they begin and end."""

import numpy as np
import pytest

from tests.plots.figure_checks import assert_fit_to_be_shown, legend
from vsreid_lite.plots.line_plots import STYLES, plot_lines, plot_training
from vsreid_lite.training.loop import Curve

X = [1, 2, 3, 4]
CURVES = {"rising": [0.0, 0.25, 0.5, 1.0], "falling": [1.0, 0.5, 0.25, 0.0]}


def draw(hidden=(False, True, True, False)):
    return plot_lines(X, CURVES, "two curves", ("frame", "J"), np.array(hidden), "out of sight")


def curve(loss):
    steps = 50 * np.arange(1, len(loss) + 1)
    return Curve(steps, np.asarray(loss, float), steps / 2)


@pytest.mark.parametrize("make", [draw, lambda: plot_training({"a": curve([2.0, 1.0])})], ids=["lines", "training"])
def test_the_figure_is_fit_to_be_shown(make):
    assert_fit_to_be_shown(make)


def test_each_curve_has_its_values_its_name_its_dash_and_its_marker():
    lines = draw().axes[0].lines
    drawn = {line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in lines}
    assert drawn == {name: (X, values) for name, values in CURVES.items()}
    assert len({style[1:] for style in STYLES}) == len(STYLES)
    assert [(line.get_linestyle(), line.get_marker()) for line in lines] == [style[1:] for style in STYLES[:2]]
    assert draw().get_label() == (
        "two curves. J against frame, 1 to 4: rising from 0.00 to 1.00; falling from 1.00 to 0.00."
    )


def test_hatching_covers_the_frames_asked_for_and_is_named_once():
    axes = draw().axes[0]
    assert [(span.get_x(), span.get_width()) for span in axes.patches if span.get_hatch()] == [(1.5, 1), (2.5, 1)]
    assert legend(axes) == ["out of sight", "rising", "falling"]
    assert legend(draw([False] * 4).axes[0]) == ["rising", "falling"]


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([0, 1], [2253, 1724], "y against x, 0 to 1: area from 2253 to 1724."),
        ([0, 1, 2, 3], [np.nan, 0.5, 0.25, None], "y against x, 0 to 3: area from 0.50 at 1 to 0.25 at 2."),
        ([0, 1], [np.nan, np.nan], "y against x, 0 to 1: area without values."),
        (["exit\nand\nreturn", "fast"], [0.5, 0.25], "y against x, exit and return to fast: area from 0.50 to 0.25."),
    ],
)
def test_the_alternative_text_has_whole_numbers_no_gaps_and_no_line_breaks(x, y, said):
    assert plot_lines(x, {"area": y}, "a", ("x", "y")).get_label() == f"a. {said}"
    assert " against" not in plot_lines(x, {"area": y}, "a", ("", "y")).get_label()
    assert plot_lines(x, {"area": y}, "a", ("", "")).get_label().startswith("a. values, ")


def test_categories_are_points_over_an_axis_from_0_and_no_line_joins_them():
    axes = plot_lines(["flow", "rule"], {"J": [0.5, 0.6], "F": [0.7, 0.4]}, "", ("", ""), joined=False).axes[0]
    assert {line.get_linestyle() for line in axes.lines} == {"None"} and axes.get_ylim()[0] == 0
    assert [line.get_marker() for line in axes.lines] == [style[2] for style in STYLES[:2]]


def test_the_thick_curve_is_the_mean_of_the_thin_one():
    loss = np.r_[np.full(20, 2.0), np.full(20, 1.0)] + np.tile([0.3, -0.3], 20)
    thin, thick = (line.get_ydata() for line in plot_training({"a": curve(loss)}).axes[0].get_lines())
    assert np.array_equal(thin, loss)
    assert abs(thick[5] - 2) < 0.06 and abs(thick[34] - 1) < 0.06 and (np.diff(thick[10:30]) < 0.11).all()
    assert plot_training({"a": curve([1.0])}).get_label() == "Training loss against steps: a from 1.00 to 1.00."
