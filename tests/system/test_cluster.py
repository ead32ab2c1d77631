"""Workers of a scheduler: that a table is the same to the last bit, and what cannot be is one line."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vsreid_lite.evaluation.metrics import evaluate
from vsreid_lite.system import cluster
from vsreid_lite.system.cluster import open_workers
from vsreid_lite.system.workers import code_version

dask = pytest.mark.skipif(find_spec("distributed") is None, reason="dask is not installed: the extra dask")


class Killing(dict):
    """Predicted masks by their sequences; who first asks for those of "bees" is killed."""

    killed: Path

    def __getitem__(self, name):
        if name == "bees" and not self.killed.exists():
            self.killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(name)


@dask
def test_three_workers_of_which_one_is_killed_make_the_table_of_one_process(tmp_path):
    rng = np.random.default_rng(0)
    truth = {name: np.kron(rng.integers(0, 3, (4, 5, 6)), np.ones((1, 8, 8), int)) for name in ("apes", "bees", "cats")}
    predicted = Killing({name: np.roll(labels, 2, 1) for name, labels in truth.items()})
    predicted.killed = tmp_path / "killed"
    with open_workers(3, "local") as workers:
        several = evaluate(truth, predicted, workers=workers)
    assert predicted.killed.exists()
    assert several.to_json() == evaluate(truth, predicted).to_json()


@dask
def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    for address in ("tcp://127.0.0.1:1", "nowhere at all"):
        with pytest.raises(ValueError, match=f"--scheduler {address}: no scheduler answers there; start one"):
            open_workers(None, address).__enter__()


def test_without_dask_and_with_processes_that_are_not_its_own_it_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="dask is not installed: python -m pip install distributed"):
        open_workers(2, "local").__enter__()
    with pytest.raises(ValueError, match="--workers 2: counts processes of this machine; --scheduler tcp://a has its"):
        open_workers(2, "tcp://a").__enter__()
    with open_workers(None, None, 1) as workers:
        assert workers == 1


@pytest.mark.parametrize(
    ("version", "threads", "seen", "line"),
    [
        ("0.3.0 (abc)", 1, True, "the worker tcp://b has vsreid_lite 0.3.0 .abc., here is .*: install the same there"),
        (ImportError(), 1, True, "the worker tcp://b has vsreid_lite another version or none"),
        (None, 4, True, "the worker tcp://b runs 4 jobs at once in one process; start it with --nthreads 1"),
        (None, 1, False, f"the worker tcp://b does not see the folder {Path.cwd()}; run in one that all machines"),
    ],
)
def test_a_worker_that_would_not_do_the_same_is_refused(version, threads, seen, line):
    def run(function, *_, **__):
        return {"tcp://a": code_version(), "tcp://b": version or code_version()} if not _ else {"tcp://b": seen}

    client = SimpleNamespace(run=run, nthreads=lambda: {"tcp://a": 1, "tcp://b": threads})
    with pytest.raises(ValueError, match=line):
        cluster._check_workers(client, "tcp://s")
