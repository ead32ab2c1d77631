"""The ablation, Table 1: every row on every sequence of a benchmark, resumable, in several processes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.stats import bootstrap
from tqdm.auto import tqdm

from vsreid_lite import __version__
from vsreid_lite.api import segment
from vsreid_lite.config import Config
from vsreid_lite.datasets.benchmarks import Benchmark
from vsreid_lite.evaluation.ladder import Row
from vsreid_lite.evaluation.metrics import score_sequence
from vsreid_lite.evaluation.scores import InstanceScores, Scores
from vsreid_lite.files import write_json
from vsreid_lite.models.loading import weight_files

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Job:
    """One row on one sequence; its result is kept in the file `result`."""

    row: str
    config: Config
    benchmark: Benchmark
    sequence: str
    result: Path


@dataclass(frozen=True, eq=False)
class Measured:
    """A row with its scores; None where the row is not measured."""

    row: Row
    scores: Scores | None
    seconds: float


def run_ablation(benchmark: Benchmark, rows: list[Row], output: Path, workers: int = 1) -> dict[str, object]:
    """Measure `rows` on `benchmark`; the content of the results JSON (DESIGN section 8).

    Each finished (row, sequence) is kept below `output`/parts under a key of everything that it depends on, so a
    stopped run continues and a repeated one is read back.
    """
    jobs = [job for row in rows for job in _jobs(row, benchmark, output / "parts")]
    missing = [job for job in jobs if not job.result.exists()]
    for _ in tqdm(
        _run(missing, workers), total=len(missing), desc=f"ablation on {benchmark.dataset}", disable=not missing
    ):
        pass
    return _summary(benchmark, [_measured(row, jobs) for row in rows])


def seen_sequences(benchmark: Benchmark, weights: str) -> dict[str, list[str]]:
    """The sequences of a benchmark whose real video the weights have seen in training, and which video that is."""
    learnt = weight_files(weights).sequences()
    seen = {name: sorted(learnt.intersection(benchmark.sources(name))) for name in benchmark.names}
    return {name: sources for name, sources in seen.items() if sources}


def _jobs(row: Row, benchmark: Benchmark, folder: Path) -> list[Job]:
    if row.config is None:
        return []
    keys = ((name, _key(row.config, benchmark, name)) for name in benchmark.names)
    return [Job(row.name, row.config, benchmark, name, folder / f"{name}-{key}.json") for name, key in keys]


def _key(config: Config, benchmark: Benchmark, name: str) -> str:
    """Changes with the configuration, the weights, the library's code and the sequence's source."""
    files = weight_files(config.weights)
    hashed = hashlib.sha256(json.dumps([asdict(config), benchmark.dataset, str(benchmark.root), name]).encode())
    for path in (*sorted(PACKAGE.rglob("*.py")), files.propagation, files.detector, files.identification):
        hashed.update(path.read_bytes())
    for folder in sorted(benchmark.root.glob(f"*/*/{name}")):
        hashed.update("".join(f"{file.name} {file.stat().st_size}" for file in sorted(folder.iterdir())).encode())
    return hashed.hexdigest()[:16]


def _run(jobs: list[Job], workers: int) -> Iterator[None]:
    if workers <= 1 or len(jobs) < 2:
        yield from map(_measure, jobs)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _limit_threads, (threads,))
    try:
        for done in as_completed([pool.submit(_measure, job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _limit_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _measure(job: Job) -> None:
    sequence = job.benchmark.load(job.sequence)
    started = time.perf_counter()
    result = segment(sequence, job.config)
    seconds = time.perf_counter() - started
    if sequence.annotations is None or any(mask is None for mask in sequence.annotations):
        raise ValueError(f"{job.benchmark.root}: sequence {job.sequence} has no annotations to score against")
    scores = score_sequence(job.sequence, sequence.annotations, result.masks)  # type: ignore[arg-type]
    arrays = {name: {key: value.tolist() for key, value in vars(one).items()} for name, one in scores.items()}
    write_json(job.result, {"row": job.row, "seconds": seconds, "run": result.to_json(), "instances": arrays})


def _measured(row: Row, jobs: list[Job]) -> Measured:
    parts = [json.loads(job.result.read_text(encoding="utf-8")) for job in jobs if job.row == row.name]
    instances = {
        name: InstanceScores(**{key: np.asarray(value) for key, value in arrays.items()})
        for part in parts
        for name, arrays in part["instances"].items()
    }
    return Measured(row, Scores(instances) if instances else None, sum(part["seconds"] for part in parts))


def _summary(benchmark: Benchmark, rows: list[Measured]) -> dict[str, object]:
    config = next(row.row.config for row in rows if row.row.config is not None)
    entries: list[dict[str, object]] = []
    before: Scores | None = None
    for row in rows:
        entries.append(_entry(row, before))
        before = row.scores or before
    return {
        "dataset": benchmark.dataset,
        "sequences": list(benchmark.names),
        "weights": config.weights,
        "seed": config.seed,
        "version": __version__,
        "seen-in-training": seen_sequences(benchmark, config.weights),
        "rows": entries,
    }


def _entry(row: Measured, before: Scores | None) -> dict[str, object]:
    if row.scores is None:
        empty = dict.fromkeys(
            ("J-mean", "F-mean", "global-mean", "boost", "interval", "J-after-reappearance", "seconds")
        )
        return {"name": row.row.name, **empty, "note": row.row.note}
    return {
        "name": row.row.name,
        "J-mean": row.scores.J.mean,
        "F-mean": row.scores.F.mean,
        "global-mean": row.scores.global_mean,
        "boost": None if before is None else row.scores.global_mean - before.global_mean,
        "interval": None if before is None else boost_interval(before, row.scores),
        "J-after-reappearance": row.scores.reappeared_J,
        "seconds": row.seconds,
        "note": row.row.note,
        "instances": {
            name: {"J-mean": float(one.J.mean()), "F-mean": float(one.F.mean())}
            for name, one in row.scores.instances.items()
        },
    }


def boost_interval(before: Scores, after: Scores) -> list[float] | None:
    """The 95 % interval of a boost, from a paired bootstrap over instances; None for fewer than three instances."""
    gains = np.array([_mean(after.instances[name]) - _mean(one) for name, one in before.instances.items()])
    if len(gains) < 3:
        return None
    interval = bootstrap((gains,), np.mean, method="percentile", n_resamples=9999, rng=0).confidence_interval
    return [float(interval.low), float(interval.high)]


def _mean(instance: InstanceScores) -> float:
    return float(instance.J.mean() + instance.F.mean()) / 2
