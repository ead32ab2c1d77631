"""The tables of the paper: all printed values are there, and their arithmetic holds, with one known exception."""

import pytest

from vsreid_lite.evaluation import paper
from vsreid_lite.evaluation.metrics import Statistics


def test_table1_is_as_printed():
    baseline, box, flow, reid, scales = paper.table1()
    assert baseline == paper.AblationRow("baseline[11]", 0.509, 0.526, 0.517, None)
    assert box == paper.AblationRow("+ full-image to bbox", 0.532, 0.577, 0.555, 0.038)
    assert flow == paper.AblationRow("+ flow-stream", 0.568, 0.600, 0.584, 0.007)
    assert reid == paper.AblationRow("+ re-id module", 0.633, 0.670, 0.652, 0.068)
    assert scales == paper.AblationRow("+ multi-scale testing", 0.644, 0.678, 0.661, 0.009)


def test_as_entries_every_row_has_its_boost_by_the_column_and_the_wrong_one_is_flagged():
    entries = paper.entries(paper.table1())
    assert [entry["boost"] for entry in entries.values()] == [None, 0.038, 0.007, 0.068, 0.009]
    assert [entry["boost-recomputed"] for entry in entries.values()] == [None, 0.038, 0.029, 0.068, 0.009]
    assert [name for name, entry in entries.items() if entry["boost-erratum"]] == ["+ flow-stream"]
    assert entries["+ re-id module"]["J-mean"] == 0.633 and entries["+ re-id module"]["F-mean"] == 0.670


def test_printed_boosts_sum_to_less_than_the_gain_of_the_column_since_one_is_wrong():
    assert paper.arithmetic(paper.table1()) == {
        "boosts": [None, 0.038, 0.029, 0.068, 0.009],
        "printed-sum": 0.122,
        "gain": 0.144,
        "errata": [{"row": "+ flow-stream", "printed": 0.007, "recomputed": 0.029}],
    }


def test_the_text_of_section_4_1_quotes_the_table():
    baseline, box, flow, reid, _ = paper.table1()
    assert (box.boost, reid.boost) == (0.038, 0.068)  # "increases by 3.8%", "by 6.8%"
    assert box.F_mean - baseline.F_mean == pytest.approx(0.051)  # "a significant improvement of 5.1%"


def test_table2_has_22_entries_in_order_of_their_global_mean():
    entries = paper.table2()
    assert [entry.ranking for entry in entries] == list(range(1, 23))
    means = [entry.global_mean for entry in entries]
    assert means == sorted(means, reverse=True)
    assert entries[0] == paper.ChallengeEntry(
        "Ours", 1, 69.9, Statistics(67.9, 74.6, 22.5), Statistics(71.9, 79.1, 24.1)
    )
    assert entries[-1] == paper.ChallengeEntry(
        "Team5", 22, 11.2, Statistics(11.8, 7.3, 14.0), Statistics(10.6, 3.0, 12.6)
    )


def test_ours_wins_by_more_than_two_points_as_section_4_2_says():
    ours, second = paper.table2()[:2]
    assert ours.global_mean - second.global_mean > 2
    assert ours.J.mean == max(entry.J.mean for entry in paper.table2())
    assert ours.F.mean == max(entry.F.mean for entry in paper.table2())


@pytest.mark.parametrize("table", [paper.table1, paper.table2])
def test_global_means_are_the_mean_of_J_and_F(table):
    assert paper.global_mean_errata(table()) == []


def test_a_wrong_global_mean_is_found():
    assert paper.global_mean_errata([paper.AblationRow("row", 0.5, 0.6, 0.56, None)]) == [
        paper.Erratum("row", 0.56, 0.55)
    ]
