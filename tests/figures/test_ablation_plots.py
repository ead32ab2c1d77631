"""The picture of an ablation holds every column of the table, for the paper and for ours, and all remarks."""

import pytest

from vsreid_lite.evaluation.paper import arithmetic, entries, table1
from vsreid_lite.figures.table1 import plot_table1
from vsreid_lite.lessons.notebooks import to_png

NAMES = [row.name for row in table1()]


def row(name, mean, boost=None, half=0.02, **more):
    """A row as in the results: J is 0.01 below the mean, F as far above it."""
    paper = entries(table1()).get(name)
    interval = None if boost is None else [boost - half, boost + half]
    return {
        "name": name,
        "J-mean": None if mean is None else mean - 0.01,
        "F-mean": None if mean is None else mean + 0.01,
        "global-mean": mean,
        "global-mean-interval": None if mean is None else [mean - 0.1, mean + 0.1],
        "J-after-reappearance": None if mean is None else mean / 2,
        "boost": boost,
        "boost-over": None,
        "interval": interval,
        "excludes-zero": None if boost is None else abs(boost) > half,
        "sign-agrees": None if boost is None or paper is None else boost > 0,
        "paper": paper and {**paper, "gain": paper["boost-recomputed"]},
        "seen-in-training": False,
        "note": "" if mean is not None else "not measured: no file",
        **more,
    }


def results(**more):
    rows = [row(NAMES[0], None), row(NAMES[1], 0.4), row(NAMES[2], 0.5, 0.1), row(NAMES[3], 0.48, -0.02, 0.03)]
    return {
        "dataset": "mini",
        "split": "test",
        "scenes": None,
        "preset": "lite",
        "weights": "lite",
        "flow": "dis",
        "untrained": False,
        "seen-in-training": {},
        "rows": [
            *rows,
            row(NAMES[4], 0.6, 0.12),
            row("+ ours", 0.7, 0.1, note="not in the paper's table; other rules"),
        ],
        "adapted-rows": [],
        "total": None,
        "adapted-total": None,
        "paper": arithmetic(table1()),
        **more,
    }


def lines(figure):
    """The texts of the figure, line by line from the top, each from the left."""
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    heights = sorted({round(text.get_position()[1], 3) for text in texts}, reverse=True)
    at = [[text for text in texts if round(text.get_position()[1], 3) == height] for height in heights]
    return [[text.get_text() for text in sorted(line, key=lambda text: text.get_position()[0])] for line in at]


def lines_of(figure, name, count):
    """The lines of a row of Table 1, without its name."""
    found = lines(figure)
    start = next(n for n, line in enumerate(found) if line[0] == name)
    return [found[start][1:], *found[start + 1 : start + count]]


def test_every_column_is_there_for_the_paper_and_for_ours():
    figure = plot_table1(results())
    found = lines(figure)
    assert found[0] == ["Table 1 on mini, weights lite; the paper's on DAVIS 2017 test-dev"]
    columns = ["J-mean", "F-mean", "global-mean", "95 %", "J again", "boost", "95 %", "sign", "agrees"]
    assert found[1] == [*columns, "boost over the row measured before, 95 %"]
    assert [line[0] for line in found if line[0] in NAMES] == NAMES
    paper, ours = lines_of(figure, "+ flow-stream", 2)
    assert paper == ["paper", "0.568", "0.600", "0.584", "+0.007", "†", "+"]
    assert ours == [
        "ours",
        "0.490",
        "0.510",
        "0.500",
        "0.400 to 0.600",
        "0.250",
        "+0.100",
        "+0.080 to +0.120",
        "+",
        "same",
    ]


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
    seen = [row(NAMES[1], 0.4, **{"seen-in-training": True}), row(NAMES[2], 0.5, **{"seen-in-training": None})]
    figure = plot_table1(results(rows=seen, untrained=True, **{"seen-in-training": {"a": ["dog"]}}))
    text = "\n".join(line[0] for line in lines(figure))
    assert "weights lite, untrained;" in text and "untrained: random weights, whose numbers mean nothing" in text
    assert "+ full-image to bbox *\n" in text and "+ flow-stream (*)\n" in text and "have seen dog in training" in text


def test_rows_that_were_adapted_have_a_line_of_their_own():
    adapted = [row(name, 0.75, 0.05) for name in NAMES]
    figure = plot_table1(results(**{"adapted-rows": adapted}))
    assert [line[0] for line in lines(figure)].count("adapted") == 5
    assert lines_of(figure, "baseline[11]", 3)[2][:4] == ["adapted", "0.740", "0.760", "0.750"]


def test_boosts_are_drawn_with_their_intervals_and_the_papers_slip_with_a_cross():
    chart = plot_table1(results()).axes[1]
    drawn = [(line.get_marker(), *(round(float(x), 3) for x in line.get_xdata())) for line in chart.lines]
    assert ("None", 0.08, 0.12) in drawn and ("o", 0.1) in drawn  # ours, + flow-stream
    assert ("s", 0.007) in drawn and ("x", 0.029) in drawn and ("s", 0.068) in drawn
    assert [line for line in drawn if line[0] == "x"] == [("x", 0.029)]


@pytest.mark.parametrize("more", [{}, {"adapted-rows": [row(name, 0.5) for name in NAMES]}])
def test_the_same_results_are_the_same_bytes_with_an_alternative_text(more):
    figure = plot_table1(results(**more))
    assert to_png(figure) == to_png(plot_table1(results(**more)))
    assert "+ flow-stream 0.500 (+0.100)" in figure.get_label() and "baseline[11] not measured" in figure.get_label()
