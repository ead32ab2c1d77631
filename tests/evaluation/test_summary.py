"""Boosts, intervals and signs, from scores that are written down."""

from dataclasses import replace

import numpy as np
import pytest

from tests.command_line import ship_stubs
from vsreid_lite.config import LITE
from vsreid_lite.datasets.benchmarks import Benchmark
from vsreid_lite.evaluation.ladder import adapted, ladder
from vsreid_lite.evaluation.scores import InstanceScores, Scores
from vsreid_lite.evaluation.summary import Measured, boost_interval, instance_means, mean_interval, summarise

BENCHMARK = Benchmark("mini", "", ("a", "b_c"), "test", (12, 13))


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    ship_stubs(monkeypatch, tmp_path / "weights")


def scores(*values):
    """One instance of sequence "a" and the others of "b_c", each with the same J and F in both of its frames."""
    names = ["a_1", *(f"b_c_{k}" for k in range(1, len(values)))]
    frames = np.ones(2)
    return Scores(
        {
            name: InstanceScores(v * frames, v * frames, frames > 0, frames < 0)
            for name, v in zip(names, values, strict=True)
        }
    )


def summary(*values, adapted_by=None, documented=True, seen=None, **config):
    """The results of rows with the mean scores `values`, None: not measured, and of rows better by `adapted_by`."""
    rows = [replace(row, documented=documented) for row in ladder(replace(LITE, adapt=len(values) == 6, **config))]
    rows = [
        row if v is not None else replace(row, missing="not measured: x") for row, v in zip(rows, values, strict=True)
    ]
    spread = np.array([-0.1, 0.0, 0.1])

    def measured(rows, by):
        return [
            Measured(row, None if v is None else scores(*(v + by + spread)), 2.0)
            for row, v in zip(rows, values, strict=False)
        ]

    every = [] if adapted_by is None else measured(adapted(rows), adapted_by)
    return summarise(BENCHMARK, measured(rows, 0.0), every, seen or {})


def test_a_boost_is_the_gain_over_the_row_before_beside_that_of_the_paper():
    rows = summary(0.3, 0.4, 0.4, 0.6, 0.5)["rows"]
    assert [row["boost"] for row in rows] == [None, *(pytest.approx(b) for b in (0.1, 0, 0.2, -0.1))]
    assert [row["paper"]["boost"] for row in rows] == [None, 0.038, 0.007, 0.068, 0.009]
    assert [row["paper"]["gain"] for row in rows] == [None, 0.038, 0.029, 0.068, 0.009]
    assert [row["sign-agrees"] for row in rows] == [None, True, False, True, False]
    assert [row["excludes-zero"] for row in rows] == [None, True, False, True, True]
    assert [row["boost-over"] for row in rows] == [None, *(row["name"] for row in rows[:4])]


def test_the_papers_boost_stands_beside_that_of_its_column_and_the_slip_is_flagged():
    rows = summary(0.3, 0.4, 0.4, 0.6, 0.5)["rows"]
    assert [row["paper"]["boost-recomputed"] for row in rows] == [None, 0.038, 0.029, 0.068, 0.009]
    assert [row["paper"]["boost-erratum"] for row in rows] == [False, False, True, False, False]


def test_results_name_preset_flow_and_files_of_their_own(tmp_path):
    results = summary(0.3, 0.4, 0.4, 0.6, 0.5)
    names = ("preset", "weights", "untrained", "detector", "identification", "flow", "seed")
    assert [results[name] for name in names] == ["lite", "lite", False, None, None, "dis", 0]
    own = tmp_path / "weights" / "lite-detector.safetensors"
    results = summary(0.3, 0.4, 0.4, 0.6, 0.5, flow="dis-medium", detector_weights=str(own), seed=2)
    assert [results[name] for name in names] == ["lite", "lite", False, str(own), None, "dis-medium", 2]
    results = summary(0.3, 0.4, 0.4, 0.6, 0.5, preset="paper", weights="random")
    assert (results["preset"], results["untrained"], results["training"]) == ("paper", True, [])


def test_whether_a_rows_weights_have_seen_the_sequences_may_be_unknown():
    def marks(**given):
        return [row["seen-in-training"] for row in summary(None, 0.4, 0.4, 0.6, 0.5, **given)["rows"]]

    assert marks() == [False] * 5
    assert marks(documented=False) == [False, None, None, None, None]
    assert marks(documented=False, seen={"a": ["dog"]}) == [False, True, True, True, True]


def test_over_a_row_that_was_not_measured_the_papers_gain_is_over_the_same_row():
    rows = summary(None, 0.4, None, 0.6, 0.5)["rows"]
    assert rows[1]["boost"] is rows[1]["paper"]["gain"] is None
    assert rows[3]["boost"] == pytest.approx(0.2) and rows[3]["boost-over"] == "+ full-image to bbox"
    assert rows[3]["paper"]["gain"] == 0.097  # 0.652 - 0.555
    assert rows[2]["note"] == "not measured: x" and rows[2]["sequences"] is None


def test_the_whole_gain_stands_beside_the_papers():
    total = summary(0.3, 0.4, 0.4, 0.6, 0.5, 0.9)["total"]
    assert total["gain"] == pytest.approx(0.2) and total["paper"] == 0.144
    assert total["interval"] == [pytest.approx(0.2)] * 2
    assert (total["from"], total["to"]) == ("baseline[11]", "+ multi-scale testing")
    assert summary(None, 0.4, 0.4, 0.6, 0.5)["total"]["gain"] is None


def test_adapted_rows_gain_over_each_other_and_over_the_row_without():
    results = summary(0.3, 0.4, 0.4, None, 0.5, 0.6, adapted_by=0.05)
    rows = results["adapted-rows"]
    assert [row["boost"] for row in rows] == [
        None,
        *(pytest.approx(b) if b is not None else None for b in (0.1, 0, None, 0.1)),
    ]
    assert [row["adaptation-gain"] for row in rows] == [pytest.approx(0.05)] * 3 + [None, pytest.approx(0.05)]
    assert rows[0]["adaptation-interval"] == [pytest.approx(0.05)] * 2
    assert results["adapted-total"]["gain"] == pytest.approx(0.2)


def test_every_row_has_its_sequences():
    first = summary(0.3, 0.4, 0.4, 0.6, 0.5)["rows"][0]
    assert first["sequences"] == {"a": pytest.approx(0.2), "b_c": pytest.approx(0.35)}
    assert list(first["instances"]) == ["a_1", "b_c_1", "b_c_2"]


def test_results_name_split_and_scenes_and_the_papers_own_arithmetic():
    results = summary(0.3, 0.4, 0.4, 0.6, 0.5)
    assert (results["split"], results["scenes"]) == ("test", [12, 13])
    assert results["paper"] == {
        "boosts": [None, 0.038, 0.029, 0.068, 0.009],
        "printed-sum": 0.122,
        "gain": 0.144,
        "errata": [{"row": "+ flow-stream", "printed": 0.007, "recomputed": 0.029}],
    }


def test_the_interval_of_a_boost_is_paired_and_needs_three_instances():
    low, high = boost_interval(scores(0.1, 0.5, 0.9), scores(0.2, 0.6, 1.0))
    assert low == pytest.approx(0.1) and high == pytest.approx(0.1)
    assert boost_interval(scores(0.1, 0.5), scores(0.2, 0.6)) is None
    low, high = boost_interval(scores(*[0.5] * 20), scores(*[0.4, 0.7] * 10))
    assert low < 0.05 < high and low > -0.02 and high < 0.12


def test_the_interval_of_a_mean_is_as_wide_as_theory_has_it():
    values = np.random.default_rng(0).normal(0.5, 0.2, 400)
    low, high = mean_interval(values)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.002)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_the_mean_over_instances_is_the_global_mean():
    some = scores(0.1, 0.5, 0.8)
    assert np.mean(list(instance_means(some).values())) == pytest.approx(some.global_mean)
