"""The ablation, Table 1: every row on every sequence of a benchmark, resumable, in several processes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from vsreid_lite.models.loading import choose_device, weight_files
from vsreid_lite.workers import each

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
    stopped run continues and a repeated one is read back. Only this process writes there, never a worker.
    """
    jobs = _jobs(rows, benchmark, output / "parts")
    missing = [job for job in jobs if not job.result.is_file()]
    bar = tqdm(total=len(missing), desc=f"ablation on {benchmark.dataset}", disable=not missing)
    with bar, closing(each(_measure, missing, workers)) as parts:
        for job, part in parts:
            write_json(job.result, part)
            bar.update()
    return _summary(benchmark, [_measured(row, jobs) for row in rows])


def seen_sequences(benchmark: Benchmark, weights: str) -> dict[str, list[str]]:
    """The sequences of a benchmark whose real video the weights have seen in training, and which video that is."""
    learnt = weight_files(weights).sequences()
    seen = {name: sorted(learnt.intersection(benchmark.sources(name))) for name in benchmark.names}
    return {name: sources for name, sources in seen.items() if sources}


def _jobs(rows: list[Row], benchmark: Benchmark, folder: Path) -> list[Job]:
    contents = {name: _fingerprint(benchmark.files(name)) for name in benchmark.names}
    jobs = []
    for row in rows:
        if row.config is not None:
            method = _method(row.config)
            for name in benchmark.names:
                key = hashlib.sha256(f"{method} {benchmark.dataset} {contents[name]}".encode()).hexdigest()[:16]
                jobs.append(Job(row.name, row.config, benchmark, name, folder / f"{name}-{key}.json"))
    return jobs


def _method(config: Config) -> str:
    """Changes with the configuration, the weights, the device and the code, that of torch and OpenCV included."""
    code = _fingerprint([*sorted(PACKAGE.rglob("*.py")), *weight_files(config.weights).all])
    settings = [asdict(config), str(choose_device(config.device)), torch.__version__, cv2.__version__]
    return f"{code} {json.dumps(settings)}"


def _fingerprint(files: Iterable[Path]) -> str:
    """Changes with the names and the content of files, and not with where they lie."""
    digests = (f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _measure(job: Job) -> dict[str, Any]:
    sequence = job.benchmark.load(job.sequence)
    truth = [mask for mask in sequence.annotations or () if mask is not None]
    started = time.perf_counter()
    result = segment(sequence, job.config)
    seconds = time.perf_counter() - started
    scores = score_sequence(job.sequence, truth, result.masks)
    arrays = {name: {key: value.tolist() for key, value in vars(one).items()} for name, one in scores.items()}
    return {"row": job.row, "seconds": seconds, "run": result.to_json(), "instances": arrays}


def _measured(row: Row, jobs: list[Job]) -> Measured:
    parts = [_read(job.result) for job in jobs if job.row == row.name]
    instances = {
        name: InstanceScores(**{key: np.asarray(value) for key, value in arrays.items()})
        for part in parts
        for name, arrays in part["instances"].items()
    }
    return Measured(row, Scores(instances) if instances else None, sum(part["seconds"] for part in parts))


def _read(part: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(part.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{part}: damaged result of an earlier run ({error}); delete it and run again") from error


def _summary(benchmark: Benchmark, rows: list[Measured]) -> dict[str, object]:
    config = next(row.row.config for row in rows if row.row.config is not None)
    seen = seen_sequences(benchmark, config.weights)
    entries: list[dict[str, object]] = []
    before: Scores | None = None
    for row in rows:
        entries.append({**_entry(row, before), "seen-in-training": bool(seen) and row.scores is not None})
        before = row.scores or before
    return {
        "dataset": benchmark.dataset,
        "sequences": list(benchmark.names),
        "weights": config.weights,
        "seed": config.seed,
        "version": __version__,
        "seen-in-training": seen,
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
