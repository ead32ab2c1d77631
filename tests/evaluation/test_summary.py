"""Boosts, intervals and signs, from scores that are written down."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tests.command_line import ship_stubs
from vsreid_lite.config import LITE
from vsreid_lite.datasets.benchmarks import Benchmark
from vsreid_lite.evaluation.ladder import adapted, ladder
from vsreid_lite.evaluation.metrics import InstanceScores, Scores
from vsreid_lite.evaluation.summary import (
    Measured,
    boost_interval,
    by_sequence,
    instance_means,
    mean_interval,
    summarise,
    t_interval,
)

BENCHMARK = Benchmark("mini", "", ("a", "b_c", "d"), "test", (12, 13, 14))


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    ship_stubs(monkeypatch, tmp_path / "weights")


def scores(*values):
    """One instance of sequence "a", one of "d", those between of "b_c"; the same J and F in both of its frames."""
    names = ["a_1", *(f"b_c_{k}" for k in range(1, len(values) - 1)), "d_1"]
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
    spread = np.array([-0.1, 0.0, 0.1, 0.0])

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
    assert [row["paper"]["boost-erratum"] for row in rows] == [False, False, True, False, False]
    assert [row["sign-agrees"] for row in rows] == [None, True, False, True, False]
    assert [row["excludes-zero"] for row in rows] == [None, True, False, True, True]
    assert [row["boost-over"] for row in rows] == [None, *(row["name"] for row in rows[:4])]


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
    assert first["sequences"] == {"a": pytest.approx(0.2), "b_c": pytest.approx(0.35), "d": pytest.approx(0.3)}
    assert list(first["instances"]) == ["a_1", "b_c_1", "b_c_2", "d_1"]


def test_the_interval_of_a_boost_is_paired():
    assert boost_interval(scores(0.1, 0.5, 0.7, 0.9), scores(0.2, 0.6, 0.8, 1.0)) == pytest.approx([0.1, 0.1])


def gains(**sequences):
    """Values of instances, keyed as those of scores."""
    return {f"{name}_{k}": value for name, values in sequences.items() for k, value in enumerate(values, 1)}


@pytest.mark.parametrize("values", [gains(), gains(a=[0.1]), gains(a=[0.1, 0.2, 0.3, 0.4]), gains(a=[1], b_c=[2, 3])])
def test_fewer_than_three_sequences_have_no_interval_however_many_instances(values):
    assert mean_interval(values) is t_interval(values) is None


def test_an_interval_resamples_sequences_with_all_their_instances():
    """As a plain loop over the same draws has it: the mean is over the instances that came along."""
    values = gains(a=[0.3], b_c=[0.1, -0.2, 0.05], d=[0.4, 0.5], e=[-0.1])
    every = by_sequence(values)
    means = []
    for draw in np.random.default_rng(0).integers(0, len(every), (9999, len(every))):
        drawn = [value for number in draw for value in list(every.values())[number]]
        means.append(sum(drawn) / len(drawn))
    assert mean_interval(values) == pytest.approx(list(np.percentile(means, (2.5, 97.5))), abs=1e-12)


def test_the_ends_for_three_sequences_by_hand():
    """One draw in 27 has the smallest sequence alone, more than 2.5 %; instances count: 6 of 7 gain nothing."""
    assert mean_interval(gains(a=[0.9], b=[0.0] * 6, c=[0.9])) == [0.0, 0.9]


def test_the_t_interval_is_students_where_each_sequence_has_one_instance():
    values = np.random.default_rng(3).normal(0.05, 0.1, 8)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(gains(**{f"s{n}": [v] for n, v in enumerate(values)})) == pytest.approx(list(expected), abs=1e-12)


def test_the_t_interval_of_sequences_of_different_sizes_by_hand():
    """Sums 0.4, 0.3, 0.3 of 4, 1, 1 instances: mean 1/6; off their count times it by -4/15, 2/15, 2/15."""
    low, high = t_interval(gains(a=[0.1] * 4, b_c=[0.3], d=[0.3]))
    half = 4.3026527 * (3 / 2 * 24) ** 0.5 / 15 / 6
    assert (low, high) == pytest.approx((1 / 6 - half, 1 / 6 + half), abs=1e-7)


def test_zero_is_excluded_only_where_both_intervals_exclude_it():
    """Gains of 0.01, 0.02 and 0.09: the bootstrap of three sequences goes from the least to the greatest."""
    before, after = ladder(LITE)[:2]
    measured = [Measured(before, scores(0.5, 0.5, 0.5), 1.0), Measured(after, scores(0.51, 0.52, 0.59), 1.0)]
    row = summarise(BENCHMARK, [*measured, *map(Measured, ladder(LITE)[2:])], [], {})["rows"][1]
    assert row["interval"] == pytest.approx([0.01, 0.09]) and row["t-interval"][0] < 0 < row["t-interval"][1]
    assert row["excludes-zero"] is False and row["sign-agrees"] is True


def test_an_interval_is_the_same_bits_each_time_and_for_instances_in_another_order():
    values = {f"s{n // 2}_{n % 2 + 1}": v for n, v in enumerate(np.random.default_rng(2).uniform(-1, 1, 20))}
    assert mean_interval(values) == mean_interval(dict(values))
    mixed = {name: values[name] for name in sorted(values, key=lambda name: name.rpartition("_")[2])}
    assert list(mixed) != list(values) and mean_interval(mixed) == mean_interval(values)


def test_the_mean_over_instances_is_the_global_mean():
    some = scores(0.1, 0.5, 0.8)
    assert np.mean(list(instance_means(some).values())) == pytest.approx(some.global_mean)
