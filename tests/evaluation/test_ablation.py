import json
from dataclasses import replace

import numpy as np
import pytest

from tests.command_line import half_written, ship_stubs, snapshot, tiny_sequence
from vsreid_lite.config import LITE
from vsreid_lite.datasets.benchmarks import open_benchmark
from vsreid_lite.datasets.davis import MASKS
from vsreid_lite.datasets.frozen import write_benchmark
from vsreid_lite.evaluation import ablation
from vsreid_lite.evaluation.ablation import boost_interval, run_ablation, seen_sequences
from vsreid_lite.evaluation.ladder import ADAPTATION, ladder
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.evaluation.report import format_table
from vsreid_lite.evaluation.scores import InstanceScores, Scores
from vsreid_lite.masks import write_mask
from vsreid_lite.models.weights import Provenance, save_weights

KEYS = {"name", "J-mean", "F-mean", "global-mean", "boost", "interval", "note", "seconds", "seen-in-training"}
CONFIG = replace(LITE, device="cpu")


@pytest.fixture
def files(tmp_path, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path / "weights")


@pytest.fixture
def benchmark(tmp_path, files):
    write_benchmark([tiny_sequence("apes"), tiny_sequence("bees", labels=(1,))], tmp_path / "davis", "val")
    return open_benchmark("davis-2017", tmp_path / "davis")


@pytest.fixture
def measured(monkeypatch):
    """The (row, sequence) that were measured, in order."""
    made = []
    real = ablation._measure
    monkeypatch.setattr(ablation, "_measure", lambda job: made.append((job.row, job.sequence)) or real(job))
    return made


def test_rows_come_in_the_papers_order_with_null_where_nothing_was_measured(benchmark, tmp_path):
    results = run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    assert results["dataset"] == "davis-2017" and results["weights"] == "lite" and results["seen-in-training"] == {}
    assert results["sequences"] == ["apes", "bees"]
    rows = results["rows"]
    assert [row["name"] for row in rows] == [row.name for row in table1()]
    assert all(row.keys() >= KEYS for row in rows)
    for row in (rows[0], rows[2]):
        assert row["J-mean"] is row["F-mean"] is row["global-mean"] is row["boost"] is row["interval"] is None
        assert row["note"].startswith("not measured: ")
    for row in (rows[1], rows[3], rows[4]):
        assert row["global-mean"] == pytest.approx((row["J-mean"] + row["F-mean"]) / 2)
        assert row["global-mean"] > 0.7  # nothing moves, and the guide is the answer
        assert set(row["instances"]) == {"apes_1", "apes_2", "bees_1"}


def test_a_boost_is_the_gain_over_the_last_row_that_was_measured(benchmark, tmp_path):
    rows = run_ablation(benchmark, ladder(CONFIG), tmp_path)["rows"]
    assert rows[1]["boost"] is None
    assert rows[3]["boost"] == pytest.approx(rows[3]["global-mean"] - rows[1]["global-mean"])
    assert rows[4]["boost"] == pytest.approx(rows[4]["global-mean"] - rows[3]["global-mean"])
    low, high = rows[4]["interval"]
    assert low <= rows[4]["boost"] <= high


def test_with_adaptation_there_is_a_sixth_row_that_adapts_to_each_sequence(benchmark, tmp_path, monkeypatch):
    adapted = []
    monkeypatch.setattr("vsreid_lite.api.adapt", lambda network, sequence, *_: adapted.append(sequence.name) or network)
    monkeypatch.setattr("vsreid_lite.api.TwoStreams", object)
    results = run_ablation(benchmark, ladder(replace(CONFIG, adapt=True)), tmp_path)
    assert [row["name"] for row in results["rows"]][5:] == [ADAPTATION]
    assert adapted == ["apes", "bees"]


def test_a_second_run_reads_everything_back(benchmark, tmp_path, measured):
    first = run_ablation(benchmark, ladder(CONFIG), tmp_path)
    assert len(measured) == 6
    assert run_ablation(benchmark, ladder(CONFIG), tmp_path) == first
    assert len(measured) == 6


def test_a_stopped_run_goes_on_where_it_was(benchmark, tmp_path, measured, monkeypatch):
    counted = ablation._measure

    def stop_at_the_fourth(job):
        if len(measured) == 3:
            raise KeyboardInterrupt
        return counted(job)

    monkeypatch.setattr(ablation, "_measure", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 3 and not half_written(tmp_path / "out")
    monkeypatch.setattr(ablation, "_measure", counted)
    run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert len(measured) == len(set(measured)) == 6


def keys(benchmark, config=CONFIG):
    return {job.result.name for job in ablation._jobs(ladder(config), benchmark, benchmark.root)}


def test_a_result_is_kept_under_everything_that_it_depends_on(benchmark, files, tmp_path, monkeypatch):
    before = keys(benchmark)
    assert keys(benchmark) == before and len(before) == 6
    assert not keys(benchmark, replace(CONFIG, seed=1)) & before

    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("x = 1")
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "PACKAGE", code)
        first = keys(benchmark)
        (code / "a.py").write_text("x = 2")
        assert not keys(benchmark) & first and not first & before

    write_mask(benchmark.root / MASKS / "apes" / "00003.png", np.zeros((41, 63), np.uint8))
    changed = keys(benchmark)
    assert {name for name in changed - before if name.startswith("apes")} and len(changed & before) == 3

    (files / "lite-detector.safetensors").write_bytes((files / "lite-propagation.safetensors").read_bytes())
    assert not keys(benchmark) & changed


def test_the_place_of_a_data_set_does_not_matter(benchmark, tmp_path):
    before = keys(benchmark)
    moved = benchmark.root.rename(tmp_path / "elsewhere")
    assert keys(open_benchmark("davis-2017", moved)) == before


def test_a_damaged_part_is_named(benchmark, tmp_path):
    run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    part = next((tmp_path / "out" / "parts").iterdir())
    part.write_text("{")
    with pytest.raises(ValueError, match=f"{part.name}: damaged result of an earlier run .* delete it and run again"):
        run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")


def test_the_data_stays_untouched(benchmark, tmp_path):
    before = snapshot(benchmark.root)
    run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert snapshot(benchmark.root) == before


def test_sequences_that_the_weights_have_seen_are_marked(benchmark, files, tmp_path, monkeypatch):
    from torch import nn

    own = tmp_path / "own.safetensors"
    save_weights(own, nn.Linear(1, 1), Provenance("propagation", "", "", 0, 0, sequences=("bees", "wasps")))
    assert seen_sequences(benchmark, "lite") == {}
    assert seen_sequences(benchmark, str(own)) == {"bees": ["bees"]}
    results = run_ablation(benchmark, ladder(replace(CONFIG, weights=str(own))), tmp_path / "out")
    assert results["seen-in-training"] == {"bees": ["bees"]}
    assert [row["seen-in-training"] for row in results["rows"]] == [False, True, False, True, True]
    table = format_table(results).splitlines()
    starred = [line.split("  ")[0] for line in table if " * " in line]
    assert starred == ["+ full-image to bbox *", "+ re-id module *", "+ multi-scale testing *"]
    assert table[-1] == "* these weights have seen bees in training: no fair test"


def test_the_table_prints_the_paper_beside_ours_and_says_what_is_missing(benchmark, tmp_path):
    results = run_ablation(benchmark, ladder(CONFIG), tmp_path)
    lines = format_table(results).splitlines()
    assert lines[0].startswith("Table 1 on davis-2017, weights lite")
    assert lines[1].split() == ["paper", "boost", "ours", "boost", "95", "%", "J", "F", "J", "again"]
    assert lines[2].split()[:5] == ["baseline[11]", "0.517", "-", "-", "-"]
    assert lines[4].split()[:5] == ["+", "flow-stream", "0.584", "+0.007", "-"]
    row = results["rows"][3]
    assert lines[5].split()[:6] == ["+", "re-id", "module", "0.652", "+0.068", f"{row['global-mean']:.3f}"]
    assert "+ flow-stream: not measured: no flow stream ships yet" in lines
    assert "+ flow-stream: the paper prints +0.007, its own column gives +0.029" in lines


def instances(*values):
    frames = np.ones(2)
    return Scores(
        {str(k): InstanceScores(v * frames, v * frames, frames > 0, frames < 0) for k, v in enumerate(values)}
    )


def test_the_interval_of_a_boost_is_paired_and_needs_three_instances():
    low, high = boost_interval(instances(0.1, 0.5, 0.9), instances(0.2, 0.6, 1.0))
    assert low == pytest.approx(0.1) and high == pytest.approx(0.1)
    assert boost_interval(instances(0.1, 0.5), instances(0.2, 0.6)) is None
    low, high = boost_interval(instances(*[0.5] * 20), instances(*[0.4, 0.7] * 10))
    assert low < 0.05 < high and low > -0.02 and high < 0.12
