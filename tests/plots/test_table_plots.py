"""The figures of Table 1 say every number, what was not measured, and what a reader must know."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vsreid_lite.evaluation.paper import arithmetic, table1
from vsreid_lite.figures.table1 import plot_ladder_by_sequence, plot_table1
from vsreid_lite.lessons.notebooks import to_png
from vsreid_lite.plots.panels import ADAPTED, OURS, PAPER

REASON = "not measured: no file lite-baseline; make it: vsreid train lite-baseline"


def row(name, number, boost=None):
    reach = None if number is None else [number - 0.05, number + 0.05]
    return {
        "name": name,
        "global-mean": number,
        "global-mean-interval": reach,
        "boost": boost,
        "interval": None if boost is None else [boost - 0.02, boost + 0.02],
        "note": REASON * (number is None),
        "sequences": None if number is None else {"crowd": number - 0.25, "occlusion": number + 0.25},
    }


def results(seen=False, adapted=False):
    """What `vsreid ablation` writes, as far as the figures read it."""
    names = [one.name for one in table1()]
    rows = [row(names[0], None), row(names[1], 0.5), row(names[2], 0.5, 0.0), row(names[3], 0.6, 0.1)]
    rows += [row(names[4], 0.625, 0.025)] + [row("+ online adaptation (ours)", 0.75, 0.125)] * adapted
    every = [row(names[0], None), row(names[1], 0.7), row(names[2], 0.71, 0.01), row(names[3], 0.72, 0.01)]
    return {
        "dataset": "mini",
        "weights": "lite",
        "sequences": ["crowd", "occlusion"],
        "rows": rows,
        "adapted-rows": [*every, row(names[4], 0.74, 0.02)] if adapted else [],
        "paper": arithmetic(table1()),
        "seen-in-training": {"dog": ["dog"]} if seen else {},
    }


def texts(figure):
    found = [figure.get_supxlabel(), *(text.get_text() for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [axes.get_title(), *(text.get_text() for text in axes.texts)]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return found


FIGURES = {
    "table 1": lambda: plot_table1(results()),
    "table 1, adapted": lambda: plot_table1(results(adapted=True)),
    "by sequence": lambda: plot_ladder_by_sequence(results()),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_a_figure_has_the_same_bytes_each_time_and_an_alternative_text_with_its_numbers(draw):
    figure = draw()
    assert to_png(figure) == to_png(draw())
    assert "+ multi-scale testing" in figure.get_label() and "0." in figure.get_label()


def test_table1_shows_the_paper_beside_ours_and_says_what_was_not_measured():
    figure = plot_table1(results())
    found = texts(figure)
    for one in table1():
        assert one.name in found and f"{one.global_mean:.3f}" in found
    assert {"+0.038", "+0.068", "+0.009"} <= set(found)  # printed
    assert {"0.600", "+0.100", "0.625", "+0.025", "+0.000"} <= set(found)  # ours
    assert found.count("not measured") == 1 and REASON in found[0]
    assert "baseline[11] not measured" in figure.get_label() and "*" not in "".join(found)


def test_the_wrong_boost_of_the_paper_stands_beside_that_of_its_column():
    found = texts(plot_table1(results()))
    assert "+0.007 (x: +0.029 by its column)" in found
    assert '"+ flow-stream": the paper prints +0.007, its column gives +0.029.' in found[0]


def test_whiskers_are_the_intervals():
    left, right = plot_table1(results()).axes
    drawn = [tuple(np.round(sorted(line.get_xdata()), 3)) for line in (*left.lines, *right.lines)]
    assert (0.55, 0.65) in drawn and (0.575, 0.675) in drawn  # around 0.6 and 0.625
    assert (0.08, 0.1, 0.12) in drawn and (0.005, 0.025, 0.045) in drawn  # around the boosts 0.1 and 0.025


def test_table1_marks_weights_that_have_seen_the_sequences_and_adds_what_is_adapted():
    found = texts(plot_table1(results(seen=True, adapted=True)))
    assert "ours: mini, weights lite *" in found and "* These weights have seen" in found[0]
    assert {"+ online adaptation (ours)", "0.750", "+0.125", "ours, each row adapted *", "0.740"} <= set(found)


def test_the_three_colours_differ_in_brightness():
    light = sorted(np.dot(to_rgb(colour), [0.299, 0.587, 0.114]) for colour in (PAPER, OURS, ADAPTED))
    assert np.diff(light).min() > 0.04 and light[0] < 0.4


def test_each_cell_of_the_ladder_by_sequence_is_one_row_on_one_sequence():
    figure = plot_ladder_by_sequence(results())
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == ["–", "–", "0.25", "0.75", "0.25", "0.75", "0.35", "0.85", "0.38", "0.88"]
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (5, 2) and image[3].tolist() == pytest.approx([0.35, 0.85])
    assert {"crowd", "occlusion", "+ re-id module"} <= set(texts(figure))


def test_in_words_the_ladder_by_sequence_gives_the_last_row_that_was_measured():
    unmeasured = {"name": "+ more", "sequences": None}
    figure = plot_ladder_by_sequence({**results(), "rows": [*results()["rows"], unmeasured]})
    assert figure.get_label().endswith("+ multi-scale testing: crowd 0.38, occlusion 0.88.")
