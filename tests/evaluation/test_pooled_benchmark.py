"""The benchmark that pools ablations: its lines by hand, and what it says where there are no results."""

import json
import sys
from pathlib import Path

import pytest


@pytest.fixture
def pooled(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import pooled

    return pooled


def results(path, **sequences):
    """A results JSON of two rows: every instance has 0.5 in the first and gains what is given in the second."""

    def row(name, gained):
        values = {f"{n}_{k}": 0.5 + gained * v for n, some in sequences.items() for k, v in enumerate(some, 1)}
        return {"name": name, "instances": {key: {"J-mean": v, "F-mean": v} for key, v in values.items()}}

    path.write_text(json.dumps({"sequences": list(sequences), "rows": [row("first", 0), row("second", 1)]}))
    return str(path)


def test_it_prints_boosts_with_both_intervals(pooled, tmp_path, monkeypatch, capsys):
    files = [results(tmp_path / "a", x=[0.1, 0.1, 0.1]), results(tmp_path / "b", y=[0.3], z=[0.2])]
    monkeypatch.setattr(sys, "argv", ["pooled.py", *files])
    pooled.main()
    moves = (3 * (0.1 - 0.16), 0.3 - 0.16, 0.2 - 0.16)  # of the sequences, from the mean over five instances
    half = 4.302653 * (3 / 2 * sum(move**2 for move in moves)) ** 0.5 / 5  # two degrees of freedom
    t = f"{0.16 - half:+.3f} to {0.16 + half:+.3f}"
    said = f"+0.160, bootstrap +0.100 to +0.300, t {t} (5 instances, 3 sequences)"
    assert capsys.readouterr().out.splitlines() == [f"first to second: {said}"] * 2  # the step, and the whole ladder


def test_each_sequence_counts_once_and_rows_that_one_ablation_lacks_are_left_out(pooled):
    def ablation(name, *rows):
        instances = {f"{name}_1": {"J-mean": 0.25, "F-mean": 0.75}}
        measured = [{"name": row, "instances": instances} for row in rows]
        return {"sequences": [name], "rows": [*measured, {"name": "not measured", "instances": None}]}

    assert pooled.pooled_means([ablation("x", "a", "b"), ablation("y", "a")]) == {"a": {"x_1": 0.5, "y_1": 0.5}}
    with pytest.raises(ValueError, match="expected each sequence once, found x more often"):
        pooled.pooled_means([ablation("x", "a"), ablation("x", "a")])


def test_without_results_it_says_what_it_looked_for(pooled, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pooled.py", str(tmp_path / "none.json")])
    pooled.main()
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'none.json'}: no results of `vsreid ablation` here")
