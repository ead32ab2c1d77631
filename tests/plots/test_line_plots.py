"""Curves keep their values, are told apart by more than colour, and say where they begin and end."""

import numpy as np
import pytest

from tests.plots.figure_checks import assert_fit_to_be_shown
from vsreid_lite.plots.line_plots import STYLES, plot_lines

X = [1, 2, 3, 4]
CURVES = {"rising": [0.0, 0.25, 0.5, 1.0], "falling": [1.0, 0.5, 0.25, 0.0]}
HIDDEN = np.array([False, True, True, False])


def draw():
    return plot_lines(X, CURVES, "two curves", ("frame", "J"), HIDDEN, "out of sight")


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(draw)


def test_each_curve_has_its_values_its_name_its_dash_and_its_marker():
    lines = draw().axes[0].lines
    for line, (name, values) in zip(lines, CURVES.items(), strict=True):
        assert line.get_label() == name
        assert line.get_xdata().tolist() == X and line.get_ydata().tolist() == values
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 2
    assert len({style[1:] for style in STYLES}) == len(STYLES)


def test_hatching_covers_the_frames_asked_for_and_is_named_once():
    spans = draw().axes[0].patches
    assert [(span.get_x(), span.get_width()) for span in spans] == [(1.5, 1), (2.5, 1)]
    assert all(span.get_hatch() for span in spans)
    assert legend(draw()) == ["out of sight", "rising", "falling"]
    assert legend(plot_lines(X, CURVES, "", ("", ""), np.zeros(4, bool), "out of sight")) == ["rising", "falling"]


def test_the_alternative_text_gives_the_ends_of_each_curve():
    assert draw().get_label() == (
        "two curves. J against frame, 1 to 4: rising from 0.00 to 1.00; falling from 1.00 to 0.00."
    )


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


def test_words_stand_at_equal_distances():
    axes = plot_lines(["8", "16", "128"], {"J": [0.1, 0.2, 0.3]}, "cells", ("n", "J")).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["8", "16", "128"]
    assert np.diff(axes.get_xticks()).tolist() == [1, 1]


def test_more_curves_than_styles_are_refused():
    with pytest.raises(ValueError):
        plot_lines(X, {str(n): X for n in range(len(STYLES) + 1)}, "", ("", ""))
