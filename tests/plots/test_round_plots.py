"""The rounds as pictures: the paper's Figure 3, with and without R1, and tables of long videos."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine_runs import CONFIG, FAR, listed
from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import SQUARE, ZeroFlow
from vsreid_lite.figures.figure3 import run_figure3
from vsreid_lite.plots.round_plots import plot_round
from vsreid_lite.reidentification import Retrieval
from vsreid_lite.result import Result, Round
from vsreid_lite.vsreid import segment

TOY, TOY_RESULT = run_figure3()


def numbers(figure):
    """What is written in the table, by its cell."""
    return {tuple(text.get_position()): text.get_text() for text in figure.axes[0].texts if text.get_text().isdigit()}


def test_a_short_table_has_its_number_in_every_cell():
    assert [*numbers(plot_round(TOY, TOY_RESULT, 1, 4)).values()] == ["0", "0", "0", "5", "5", "5"]
    initial = plot_round(TOY, TOY_RESULT, 0, 4)
    assert [*numbers(initial).values()] == ["0"] * 6
    assert "frame 0, where all start" in texts(initial) and "rounds to follow: 1" in initial.get_label()


def test_later_masks_are_starting_points_of_the_initial_table():
    sequence, networks = listed(6, {}, {})
    sequence = replace(sequence, later_masks={4: sequence.first_mask})
    result = segment(sequence, CONFIG, networks, ZeroFlow(), keep_maps=True)
    assert [*numbers(plot_round(sequence, result, 0, 4)).values()] == ["0", "0", "0", "4", "4", "4"]


def test_in_a_long_table_equal_neighbours_share_a_number():
    start = np.array([[0, 0]] * 30 + [[40, 0]] * 20 + [[50, 0]])
    sequence, networks = listed(51, {}, {}, boxes=(SQUARE, FAR))
    result = segment(sequence, CONFIG, networks, ZeroFlow(), keep_maps=True)
    there = Round(Retrieval(FAR, 0.9, 40, 0), tuple(range(30, 50)), start, 0.0)
    result = Result("listed", result.labels, result.masks, [there], start, {}, result.snapshots * 2)
    figure = plot_round(sequence, result, 1, 40)
    assert numbers(figure) == {(14.5, 0): "0", (39.5, 0): "40", (50.0, 0): "50", (25.0, 1): "0"}
    assert "instance 1 from 0 (30), 40 (20), 50 (1); instance 2 from 0 (51)" in figure.get_label()


def test_the_round_shows_its_retrieval_and_what_became_of_the_frame():
    written = " | ".join(texts(plot_round(TOY, TOY_RESULT, 1, 4)))
    assert "Round 1 of 1: instance 1 retrieved in frame 5, frames 3 to 5 are written" in written
    assert "frame 5: instance 1 found again" in written and "0.80" in written
    assert "frame 4 before: J 0.00" in written and "after: J 1.00" in written
    assert "from J 0.00 to 1.00" in plot_round(TOY, TOY_RESULT, 1, 4).get_label()


def test_a_frame_that_a_round_leaves_alone_or_writes_anew_without_change_is_told_apart():
    assert "unchanged, the round left it alone" in plot_round(TOY, TOY_RESULT, 1, 2).get_label()
    assert "unchanged, the round wrote it" in plot_round(*run_figure3(repair_r1=False), 2, 5).get_label()


@pytest.mark.parametrize("number", [0, 1])
def test_the_figure_is_fit_to_be_shown(number):
    assert_fit_to_be_shown(lambda: plot_round(TOY, TOY_RESULT, number, 5))
