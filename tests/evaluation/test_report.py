"""Table 1 as text, Markdown and CSV: the paper beside ours, and what is missing with its reason."""

import csv
import io

import pytest

from tests.evaluation.samples import table_results, table_row
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.evaluation.report import describe_run, format_csv, format_markdown, format_table


@pytest.fixture
def results():
    baseline, box, flow, reid, scales = (row.name for row in table1())
    rows = [
        table_row(baseline, None),
        table_row(box, 0.5),
        table_row(flow, 0.6, 0.1, [0.05, 0.15], **{"boost-over": box}),
        table_row(reid, 0.7, 0.1, [-0.05, 0.25], **{"boost-over": box}),
        table_row(scales, 0.65, -0.05, [-0.1, 0.1], **{"boost-over": reid}),
    ]
    total = {"from": baseline, "to": scales, "gain": 0.15, "interval": [0.1, 0.2], "paper": 0.144}
    trained = {"file": "lite-box", "rows": [box], "steps": 5, "stages": {"a": 2, "b": 3}, "command": "vsreid train b"}
    return table_results(rows, scenes=[12, 13], total=total, training=[trained])


def with_adapted(results):
    gain = {"adaptation-gain": 0.05, "adaptation-interval": [0.01, 0.09]}
    return {**results, "adapted-rows": [{**row, **gain} for row in results["rows"]], "adapted-total": results["total"]}


def test_the_table_prints_the_paper_beside_ours_and_says_what_is_missing(results):
    lines = format_table(results).splitlines()
    assert lines[0].startswith("Table 1 on mini test scenes 12 to 13, weights lite")
    assert " ".join(lines[1].split()) == "paper boost ours 95 % boost 95 % sign J F J again"
    assert lines[2].split()[:5] == ["baseline[11]", "0.517", "-", "-", "-"]
    ours = "0.600 0.500 to 0.700 +0.100 +0.050 to +0.150 same 0.590 0.610 0.300"
    assert " ".join(lines[4].split()) == f"+ flow-stream 0.584 +0.007† {ours}"
    assert lines[5].split()[-4] == "same?" and lines[6].split()[-4] == "other?"
    assert "baseline[11]: not measured: no file" in lines
    assert "+ re-id module: boost over + full-image to bbox, where the paper's column gains +0.068" in lines
    assert "baseline[11] to + multi-scale testing: +0.150 (95 %: +0.100 to +0.200), paper +0.144" in lines
    slip = "† + flow-stream: the paper prints +0.007, its own column gives +0.029; its printed boosts sum to +0.122, "
    assert slip + "its column gains +0.144" in lines


def test_the_columns_of_the_table_stand_below_each_other(results):
    header, *rows = format_table(results).splitlines()[1:7]
    assert all(len(row) == len(header) for row in rows)
    assert all(row[header.index("ours") + 4] == " " for row in rows)


def test_rows_of_weights_that_have_seen_the_sequences_carry_a_star(results):
    results["seen-in-training"] = {"bees-cross": ["bees", "apes"]}
    results["rows"][1]["seen-in-training"] = True
    lines = format_table(results).splitlines()
    assert [line.split("  ")[0] for line in lines if " * " in line] == ["+ full-image to bbox *"]
    assert lines[-1] == "* these weights have seen apes, bees in training: no fair test"


def test_with_every_row_adapted_there_is_a_second_table_with_the_gain_over_the_first(results):
    text = format_table(with_adapted(results))
    assert "Table 1 on mini test scenes 12 to 13, weights lite, each row adapted to each first frame" in text
    last = [line for line in text.splitlines() if line.startswith("+ multi-scale testing ")][1]
    assert last.split()[-4:] == ["+0.050", "+0.010", "to", "+0.090"]
    assert "multi-scale testing, each adapted: +0.150" in text


def test_markdown_has_the_same_rows_and_the_training_of_the_weights(results):
    lines = format_markdown(with_adapted(results)).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len([line for line in tables if line.startswith("| + re-id module |")]) == 3
    assert "| `lite-box` | + full-image to bbox | 5 | a 2, b 3 | `vsreid train b` |" in lines
    assert {line.count("|") for line in tables[:7]} == {12} and {line.count("|") for line in tables[7:14]} == {14}
    assert any(line.startswith("- † + flow-stream: the paper prints +0.007") for line in lines)
    assert "| + flow-stream | 0.568 | 0.600 | 0.584 | +0.007† | +0.029 |" in tables  # as printed, J and F too


def test_the_papers_own_table_stands_below_with_the_boosts_by_its_column(results):
    lines = format_table(results).splitlines()
    start = lines.index("Table 1 as printed in the paper, on DAVIS 2017 test-dev")
    assert lines[start + 1].split() == ["J", "F", "global-mean", "boost", "by", "its", "column"]
    assert [line.split()[-5:] for line in lines[start + 3 : start + 5]] == [
        ["0.532", "0.577", "0.555", "+0.038", "+0.038"],
        ["0.568", "0.600", "0.584", "+0.007†", "+0.029"],
    ]
    assert "".join(lines[:start]).count("†") == 1


def test_a_note_stands_below_both_tables_and_in_every_line_of_the_csv(results):
    both = with_adapted(results)
    both["adapted-rows"][3]["note"] = results["rows"][3]["note"] = "with other rules"
    for text in (format_table(both), format_markdown(both)):
        assert "+ re-id module: with other rules" in text and "+ re-id module, adapted: with other rules" in text
    noted = [row["name"] for row in csv.DictReader(io.StringIO(format_csv(both))) if row["note"] == "with other rules"]
    assert noted == ["+ re-id module"] * 2


def test_what_is_not_usual_in_a_run_stands_in_the_title(results):
    assert describe_run({**results, "scenes": None}) == "mini, weights lite"  # results of before name no preset
    usual = {"preset": "lite", "flow": "dis", "detector": None, "identification": None, "untrained": False}
    assert describe_run({**results, **usual, "scenes": None}) == "mini, weights lite"
    other = {"preset": "paper", "weights": "random", "flow": "raft", "detector": "a.pth", "untrained": True}
    title = "mini test scenes 12 to 13, preset paper, weights random, detector a.pth, flow raft, untrained"
    assert describe_run({**results, **usual, **other}) == title
    text = format_table({**results, **usual, **other})
    assert title in text.splitlines()[0] and "untrained: random weights, whose numbers mean nothing" in text
    release = {"preset": "authors", "weights": "", "flow": "flownet2"}
    assert describe_run({**results, **release, "scenes": None}) == "mini, preset authors, weights of the release"


def test_weights_of_which_it_is_not_known_what_they_have_seen_carry_another_mark(results):
    results["rows"][1]["seen-in-training"] = None
    text = format_table(results)
    assert "+ full-image to bbox (*)" in text and "(*) what these weights have seen in training is not known" in text
    assert [row["seen-in-training"] for row in csv.DictReader(io.StringIO(format_csv(results)))][:2] == ["False", ""]


def test_csv_holds_both_tables_in_full(results):
    rows = list(csv.DictReader(io.StringIO(format_csv(with_adapted(results)))))
    assert [(row["adapted"], row["name"]) for row in rows] == [
        (adapted, row.name) for adapted in ("no", "yes") for row in table1()
    ]
    assert rows[0]["global-mean"] == rows[0]["interval-low"] == rows[0]["boost"] == ""
    assert rows[0]["note"] == "not measured: no file" and rows[0]["paper-global-mean"] == "0.517"
    assert float(rows[2]["interval-low"]) == 0.05 and float(rows[2]["interval-high"]) == 0.15
    assert rows[2]["sign-agrees"] == "True" and rows[2]["adaptation-gain"] == ""
    assert float(rows[7]["adaptation-gain"]) == 0.05


def test_every_line_of_the_csv_tells_its_run_and_flags_the_papers_slip(results):
    run = {"preset": "paper", "weights": "my.pth", "flow": "raft", "detector": "a.pth", "seed": 3, "untrained": False}
    rows = list(csv.DictReader(io.StringIO(format_csv(with_adapted({**results, **run})))))
    for row in rows:
        assert (row["dataset"], row["split"], row["scenes"], row["seed"]) == ("mini", "test", "12 to 13", "3")
        assert (row["preset"], row["weights"], row["flow"], row["detector"]) == ("paper", "my.pth", "raft", "a.pth")
        assert row["untrained"] == row["seen-in-training"] == "False" and row["identification"] == ""
    assert [row["paper-boost-erratum"] for row in rows] == ["False", "False", "True", "False", "False"] * 2
    assert (rows[2]["paper-boost"], rows[2]["paper-boost-recomputed"]) == ("0.007", "0.029")
    assert (rows[2]["paper-J-mean"], rows[2]["paper-F-mean"]) == ("0.568", "0.6")
