"""Table 1 as text, Markdown and CSV: the paper beside ours, and what is missing with its reason."""

import csv
import io

import pytest

from vsreid_lite.evaluation.paper import arithmetic, table1
from vsreid_lite.evaluation.report import format_csv, format_markdown, format_table


def entry(name, mean, boost=None, interval=None, note="", **more):
    printed = next((row for row in table1() if row.name == name), None)
    paper = None if printed is None else {"global-mean": printed.global_mean, "boost": printed.boost, "gain": 0.05}
    return {
        "name": name,
        "J-mean": mean,
        "F-mean": mean,
        "global-mean": mean,
        "global-mean-interval": None if mean is None else [mean - 0.1, mean + 0.1],
        "boost": boost,
        "boost-over": None,
        "interval": interval,
        "excludes-zero": None if interval is None else interval[0] > 0,
        "sign-agrees": None if boost is None else boost > 0,
        "J-after-reappearance": mean,
        "seconds": None if mean is None else 1.5,
        "paper": paper,
        "seen-in-training": False,
        "note": note,
        **more,
    }


@pytest.fixture
def results():
    baseline, box, flow, reid, scales = (row.name for row in table1())
    rows = [
        entry(baseline, None, note="not measured: no file"),
        entry(box, 0.5),
        entry(flow, 0.6, 0.1, [0.05, 0.15], **{"boost-over": box}),
        entry(reid, 0.7, 0.1, [-0.05, 0.25], **{"boost-over": box}),
        entry(scales, 0.65, -0.05, [-0.1, 0.1], **{"boost-over": reid}),
    ]
    return {
        "dataset": "mini",
        "split": "test",
        "scenes": [12, 13],
        "weights": "lite",
        "seen-in-training": {},
        "rows": rows,
        "total": {"from": baseline, "to": scales, "gain": 0.15, "interval": [0.1, 0.2], "paper": 0.144},
        "adapted-rows": [],
        "adapted-total": None,
        "paper": arithmetic(table1()),
        "training": [
            {"file": "lite-box", "rows": [box], "steps": 5, "stages": {"a": 2, "b": 3}, "command": "vsreid train b"}
        ],
    }


def with_adapted(results):
    gain = {"adaptation-gain": 0.05, "adaptation-interval": [0.01, 0.09]}
    return {**results, "adapted-rows": [{**row, **gain} for row in results["rows"]], "adapted-total": results["total"]}


def test_the_table_prints_the_paper_beside_ours_and_says_what_is_missing(results):
    lines = format_table(results).splitlines()
    assert lines[0].startswith("Table 1 on mini test scenes 12 to 13, weights lite")
    assert " ".join(lines[1].split()) == "paper boost ours 95 % boost 95 % sign J F J again"
    assert lines[2].split()[:5] == ["baseline[11]", "0.517", "-", "-", "-"]
    ours = "0.600 0.500 to 0.700 +0.100 +0.050 to +0.150 same 0.600 0.600 0.600"
    assert " ".join(lines[4].split()) == f"+ flow-stream 0.584 +0.007 {ours}"
    assert lines[5].split()[-4] == "same?" and lines[6].split()[-4] == "other?"
    assert "baseline[11]: not measured: no file" in lines
    assert "+ re-id module: boost over + full-image to bbox, where the paper's column gains +0.050" in lines
    assert "baseline[11] to + multi-scale testing: +0.150 (95 %: +0.100 to +0.200), paper +0.144" in lines
    slip = "+ flow-stream: the paper prints +0.007, its own column gives +0.029; its printed boosts sum to +0.122, "
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
    last = [line for line in text.splitlines() if line.startswith("+ multi-scale testing")][1]
    assert last.split()[-4:] == ["+0.050", "+0.010", "to", "+0.090"]
    assert "multi-scale testing, each adapted: +0.150" in text


def test_markdown_has_the_same_rows_and_the_training_of_the_weights(results):
    lines = format_markdown(with_adapted(results)).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len([line for line in tables if line.startswith("| + re-id module |")]) == 2
    assert "| `lite-box` | + full-image to bbox | 5 | a 2, b 3 | `vsreid train b` |" in lines
    assert {line.count("|") for line in tables[:7]} == {12} and {line.count("|") for line in tables[7:14]} == {14}
    assert any(line.startswith("- + flow-stream: the paper prints +0.007") for line in lines)


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
