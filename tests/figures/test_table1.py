"""The picture of Table 1 holds every column of the table, for the paper and for ours, and all remarks."""

import pytest

from tests.evaluation.samples import table_results, table_row
from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.figures.table1 import plot_ladder_by_sequence, plot_table1

NAMES = [row.name for row in table1()]


def results(**more):
    rows = [
        table_row(NAMES[0], None),
        table_row(NAMES[1], 0.4),
        table_row(NAMES[2], 0.5, 0.1, [0.08, 0.12]),
        table_row(NAMES[3], 0.48, -0.02, [-0.05, 0.01]),
        table_row(NAMES[4], 0.6, 0.12, [0.1, 0.14]),
        table_row("+ ours", 0.7, 0.1, [0.08, 0.12], note="not in the paper's table; other rules"),
    ]
    return table_results(**{"rows": rows} | more)


def lines(figure):
    """The texts of the figure, line by line from the top, each from the left."""
    found = {}
    for text in (text for text in figure.axes[0].texts if text.get_text()):
        x, y = text.get_position()
        found.setdefault(-round(y, 3), []).append((x, text.get_text()))
    return [[text for _, text in sorted(found[y], key=lambda at: at[0])] for y in sorted(found)]


def lines_of(figure, name, count):
    """The lines of a row of Table 1, without its name."""
    found = lines(figure)
    start = next(n for n, line in enumerate(found) if line[0] == name)
    return [found[start][1:], *found[start + 1 : start + count]]


FIGURES = {
    "table 1": lambda: plot_table1(results()),
    "adapted": lambda: plot_table1(
        results(**{"adapted-rows": [table_row(name, 0.75, 0.05, [0.03, 0.07]) for name in NAMES]})
    ),
    "by sequence": lambda: plot_ladder_by_sequence(results()),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_figure_is_fit_to_be_shown(draw):
    assert_fit_to_be_shown(draw)


def test_every_column_is_there_for_the_paper_and_for_ours():
    figure = plot_table1(results())
    found = lines(figure)
    assert found[0] == ["Table 1 on mini, weights lite; the paper's on DAVIS 2017 test-dev"]
    columns = ["J-mean", "F-mean", "global-mean", "95 %", "J again", "boost", "95 %", "sign", "agrees"]
    assert found[1] == [*columns, "boost over the row measured before, 95 %"]
    assert [line[0] for line in found if line[0] in NAMES] == NAMES
    paper, ours = lines_of(figure, "+ flow-stream", 2)
    assert paper == ["paper", "0.568", "0.600", "0.584", "+0.007", "†", "+"]
    numbers = ["0.490", "0.510", "0.500", "0.400 to 0.600", "0.250", "+0.100", "+0.080 to +0.120"]
    assert ours == ["ours", *numbers, "+", "same"]
    label = figure.get_label()
    assert "+ flow-stream 0.500 (+0.100)" in label and "baseline[11] not measured" in label


def test_a_sign_that_differs_and_may_be_chance_says_so():
    _, ours = lines_of(plot_table1(results()), "+ re-id module", 2)
    assert ours[-4:] == ["\u22120.020", "\u22120.050 to +0.010", "\u2212", "other?"]


def test_rows_that_were_not_measured_and_rows_of_ours_alone():
    figure = plot_table1(results())
    paper, ours = lines_of(figure, "baseline[11]", 2)
    assert paper == ["paper", "0.509", "0.526", "0.517"] and ours == ["ours", "not measured"]
    (ours,) = lines_of(figure, "+ ours", 1)
    assert ours[0] == "ours" and ours[-1] == "+"  # the paper has no sign to agree with


def test_all_remarks_stand_below_it():
    text = " ".join(line[0] for line in lines(plot_table1(results())))
    for remark in (
        "baseline[11]: not measured: no file",
        "+ ours: not in the paper's table; other rules",
        "† + flow-stream: the paper prints +0.007, its own column gives +0.029",
    ):
        assert remark in text


def test_untrained_weights_and_those_that_have_seen_the_sequences_are_marked():
    seen = [table_row(NAMES[n], 0.4, **{"seen-in-training": seen}) for n, seen in ((1, True), (2, None))]
    figure = plot_table1(results(rows=seen, untrained=True, **{"seen-in-training": {"a": ["dog"]}}))
    text = "\n".join(line[0] for line in lines(figure))
    assert "weights lite, untrained;" in text and "untrained: random weights, whose numbers mean nothing" in text
    assert "+ full-image to bbox *\n" in text and "+ flow-stream (*)\n" in text and "have seen dog in training" in text


def test_rows_that_were_adapted_have_a_line_of_their_own():
    figure = FIGURES["adapted"]()
    assert [line[0] for line in lines(figure)].count("adapted") == 5
    assert lines_of(figure, "baseline[11]", 3)[2][:4] == ["adapted", "0.740", "0.760", "0.750"]


def test_boosts_are_drawn_with_their_intervals_and_the_papers_slip_with_a_cross():
    chart = plot_table1(results()).axes[1]
    drawn = [(line.get_marker(), *(round(float(x), 3) for x in line.get_xdata())) for line in chart.lines]
    assert ("None", 0.08, 0.12) in drawn and ("o", 0.1) in drawn  # ours, + flow-stream
    assert ("s", 0.007) in drawn and ("x", 0.029) in drawn and ("s", 0.068) in drawn
    assert [line for line in drawn if line[0] == "x"] == [("x", 0.029)]


def test_each_cell_of_the_ladder_by_sequence_is_one_row_on_one_sequence():
    figure = plot_ladder_by_sequence(results())
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == ["–", "–", "0.15", "0.65", "0.25", "0.75", "0.23", "0.73", "0.35", "0.85", "0.45", "0.95"]
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (6, 2) and image[3].tolist() == pytest.approx([0.23, 0.73])
    assert {"crowd", "occlusion", "+ re-id module"} <= set(texts(figure))


def test_in_words_the_ladder_by_sequence_gives_the_last_row_that_was_measured():
    unmeasured = {"name": "+ more", "sequences": None}
    figure = plot_ladder_by_sequence({**results(), "rows": [*results()["rows"], unmeasured]})
    assert figure.get_label().endswith("+ ours: crowd 0.45, occlusion 0.95.")
