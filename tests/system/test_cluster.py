"""Workers of a scheduler: that a table is the same to the last bit, and what cannot be is one line."""

import os
import signal
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.command_line import tiny_sequence
from vsreid_lite.config import LITE
from vsreid_lite.datasets.benchmarks import open_benchmark
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.evaluation.ablation import Parts, run_ablation
from vsreid_lite.evaluation.ladder import ladder
from vsreid_lite.system import cluster
from vsreid_lite.system.cluster import open_workers
from vsreid_lite.system.workers import code_version

dask = pytest.mark.skipif(find_spec("distributed") is None, reason="dask is not installed: the extra dask")


@dataclass
class Killing:
    """No motion; who first asks for the flow of the video of five frames is killed."""

    killed: Path

    def __call__(self, frames, target, source):
        if len(frames) == 5 and not self.killed.exists():
            self.killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.zeros(2, *frames[0].shape[:2])


def without_times(results):
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in results["rows"]]
    return {**results, "rows": rows}


@dask
def test_three_workers_of_which_one_is_killed_make_the_table_of_one_process(tmp_path):
    videos = [tiny_sequence(name, frames) for name, frames in (("apes", 4), ("bees", 5), ("cats", 4))]
    write_benchmark(videos, tmp_path / "davis", "val")
    benchmark = open_benchmark("davis-2017", tmp_path / "davis")
    rows, parts = ladder(replace(LITE, device="cpu"), {3, 4}), Parts(flow=Killing(tmp_path / "killed"))
    with open_workers(3, "local") as workers:
        several = run_ablation(benchmark, rows, workers=workers, parts=parts)
    assert parts.flow.killed.exists()
    assert without_times(several) == without_times(run_ablation(benchmark, rows, parts=parts))


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
