"""The ablation, Table 1: every row on every sequence of a benchmark, resumable, in several processes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm.auto import tqdm

from vsreid_lite import vsreid
from vsreid_lite.config import Config, with_propagation
from vsreid_lite.datasets.benchmarks import Benchmark
from vsreid_lite.evaluation.ladder import Row
from vsreid_lite.evaluation.metrics import InstanceScores, Scores, score_sequence
from vsreid_lite.evaluation.summary import Measured, summarise
from vsreid_lite.flow import FlowEstimator, flow_file, get_flow
from vsreid_lite.journal import Journal
from vsreid_lite.networks import Detector, IdentificationNet
from vsreid_lite.networks.loading import choose_device
from vsreid_lite.networks.weight_files import WeightFiles, network_files
from vsreid_lite.system.files import PACKAGE, code_of, fingerprint, write_json
from vsreid_lite.system.workers import Workers, run_jobs
from vsreid_lite.vsreid import prepare

Results = Mapping[tuple[Config, str], Path]  # the file that keeps the result of a configuration on a sequence


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of one's own in place of those that a configuration names; None: as it says.

    Attributes:
        flow: F.
        detector: N_det.
        identification: N_reid.
    """

    flow: FlowEstimator | None = None
    detector: Detector | None = None
    identification: IdentificationNet | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Those of one's own."""
        return {name: part for name, part in vars(self).items() if part is not None}


@dataclass(frozen=True, eq=False)
class Job:
    """The rows that share one N_mp, on one sequence: it is loaded, and adapted, once.

    Attributes:
        benchmark: what the sequence is of.
        sequence: its name.
        network: the configuration that N_mp depends on.
        rows: their configurations, by the file of a result.
        parts: what is used in place of their flow and networks.
        state: the folder of what a run that is killed goes on from; the client removes it with the results written.
    """

    benchmark: Benchmark
    sequence: str
    network: Config
    rows: dict[Path, Config]
    parts: Parts
    state: Path

    def __str__(self) -> str:
        return self.sequence


def run_ablation(
    benchmark: Benchmark,
    rows: Sequence[Row],
    output: Path | None = None,
    workers: Workers = 1,
    adapted_rows: Sequence[Row] = (),
    parts: Parts | None = None,
) -> dict[str, object]:
    """Measure the rows of Table 1 on a benchmark.

    Each finished (row, sequence) is kept below `output`/parts under a key of everything that it depends on, so a
    stopped run continues and a repeated one is read back. Results are written by this process alone; a worker writes
    there only what its own job goes on from after a kill, in a hidden folder.

    Args:
        benchmark: what they are measured on.
        rows: as `ladder` makes them.
        output: the folder of the results; None keeps none.
        workers: the number of processes, or an executor, as `run_jobs` takes it; with several, `parts` must be
            importable, so not from a notebook.
        adapted_rows: as `adapted` makes them; none for no second table.
        parts: parts of one's own, used in every row.

    Returns:
        The content of the results JSON; a part of one's own stands there by the name of its function or class.

    Raises:
        ValueError: `parts` and `output`: what an object computes cannot be told, so no result of it can be read back.
    """
    parts = parts or Parts()
    if output is None:
        with tempfile.TemporaryDirectory() as folder:
            return _ablation(benchmark, rows, Path(folder), workers, adapted_rows, parts)
    if parts.given:
        raise ValueError(f"{output}: results with parts of one's own are not kept; leave the folder out")
    return _ablation(benchmark, rows, output, workers, adapted_rows, parts)


def measure_part(
    benchmark: Benchmark,
    rows: Sequence[Row],
    output: Path,
    part: slice,
    workers: Workers = 1,
    adapted_rows: Sequence[Row] = (),
) -> int:
    """Measure a part of the jobs of `run_ablation`, which reads the results back when all parts are there.

    Args:
        benchmark: as there, and so are the others.
        rows: as there.
        output: one folder for all parts.
        workers: as there.
        adapted_rows: as there.
        part: which jobs, of one for each sequence and N_mp, as slice(1, None, 4) for the second of four parts.

    Returns:
        The number of results that are still missing below `output`.
    """
    results = _measure_missing(benchmark, [*rows, *adapted_rows], output, part, workers, Parts())
    return sum(not path.is_file() for path in results.values())


def _ablation(
    benchmark: Benchmark,
    rows: Sequence[Row],
    output: Path,
    workers: Workers,
    adapted_rows: Sequence[Row],
    own: Parts,
) -> dict[str, object]:
    """`run_ablation` with a folder."""
    results = _measure_missing(benchmark, [*rows, *adapted_rows], output, slice(None), workers, own)
    table, adapted = ([_measured(row, benchmark, results) for row in some] for some in (rows, adapted_rows))
    summary = summarise(benchmark, table, adapted, seen_sequences(benchmark, rows[0].config))
    return {**summary, **_replaced(own, summary["training"], network_files(rows[0].config))}


def _measure_missing(
    benchmark: Benchmark, every: Sequence[Row], output: Path, part: slice, workers: Workers, own: Parts
) -> Results:
    """Measure what is not measured yet of a part of the jobs; where all results are, or shall be."""
    results = _results([row.config for row in every if not row.missing], benchmark, output / "parts")
    jobs = _jobs(results, benchmark, own, part)
    missing = sum(len(job.rows) for job in jobs)
    bar = tqdm(total=missing, desc=f"ablation on {benchmark.dataset}", disable=not missing)
    with bar, closing(run_jobs(_measure, jobs, workers)) as measured:
        for job, parts in measured:
            for path, one in zip(job.rows, parts, strict=True):
                write_json(path, one)
            shutil.rmtree(job.state, ignore_errors=True)
            bar.update(len(parts))
    return results


def _replaced(own: Parts, training: Any, files: WeightFiles) -> dict[str, object]:
    """Of the results, what is otherwise with parts of one's own: their names, and no training of what they replace."""
    names = {name: getattr(part, "__name__", type(part).__name__) for name, part in own.given.items()}
    unused = {file.stem for name in names if (file := getattr(files, name, None))}
    return {**names, "training": [entry for entry in training if entry["file"] not in unused]}


def seen_sequences(benchmark: Benchmark, config: Config) -> dict[str, list[str]]:
    """The sequences of a benchmark whose real video the weights of a run have seen in training, and which that is."""
    learnt = network_files(config).sequences()
    seen = {name: sorted(learnt.intersection(benchmark.sources(name))) for name in benchmark.names}
    return {name: sources for name, sources in seen.items() if sources}


def _results(configs: Iterable[Config], benchmark: Benchmark, folder: Path) -> Results:
    contents = {name: fingerprint(benchmark.files(name)) for name in benchmark.names}
    configs = list(dict.fromkeys(configs))
    files = {file for config in configs for file in (*network_files(config).all, flow_file(config.flow)) if file}
    code = fingerprint([*code_of(PACKAGE), *sorted(files)])
    results = {}
    for config in configs:
        method = _method(code, config)
        for name in benchmark.names:
            key = hashlib.sha256(f"{method} {benchmark.dataset} {contents[name]}".encode()).hexdigest()[:16]
            results[config, name] = folder / f"{name}-{key}.json"
    return results


def _method(code: str, config: Config) -> str:
    """Changes with the configuration, the device and the code, that of torch and OpenCV and all weights included."""
    settings = [
        asdict(replace(config, cache=None)),
        str(choose_device(config.device)),
        torch.__version__,
        cv2.__version__,
    ]
    return f"{code} {json.dumps(settings)}"


def _jobs(results: Results, benchmark: Benchmark, own: Parts, part: slice) -> list[Job]:
    """What is not measured yet, the last rows first: they take longest, and no process shall wait for another's end."""
    jobs: dict[tuple[Config, str], dict[Path, Config]] = {}
    configs = list(dict.fromkeys(config for config, _ in results))
    for config, name in product(reversed(configs), benchmark.names):
        jobs.setdefault((_network(config), name), {})[results[config, name]] = config
    missing = {
        job: {path: config for path, config in rows.items() if not path.is_file()}
        for job, rows in list(jobs.items())[part]
    }
    return [
        Job(benchmark, name, network, rows, own, path.with_name(f".{path.stem}"))
        for (network, name), rows in missing.items()
        for path in list(rows)[:1]
    ]


def _network(config: Config) -> Config:
    """What N_mp of a row depends on; neither re-identification nor the augmentation of testing changes it."""
    return with_propagation(replace(config, reid=False), scales=(1.0,), flip=False)


def _measure(job: Job) -> list[dict[str, Any]]:
    """The result of each row of a job, in plain values.

    seconds: of a row alone, making N_mp ready included; None where it goes on from what a killed run has left.
    """
    video = job.benchmark.load(job.sequence)
    own = job.parts.given
    flow = own.pop("flow", None) or get_flow(job.network.flow, video.frame_names, choose_device(job.network.device))
    started = time.perf_counter()
    adaptation = Journal(job.state / "adaptation")
    adaptation_resumed = adaptation.begun
    network = replace(job.network, reid=any(row.reid for row in job.rows.values()))
    networks, config = prepare(video, network, journal=adaptation)
    networks = replace(networks, **own)
    ready = time.perf_counter() - started
    parts = []
    for path, row in job.rows.items():
        started, journal = time.perf_counter(), Journal(job.state / path.stem)  # named by all it is made of
        unmeasured = adaptation_resumed or journal.begun
        propagation = replace(row.propagation, patch=config.propagation.patch)  # that of the weights
        ours = replace(config, reid=row.reid, propagation=propagation)
        result = vsreid.segment(video, ours, networks, flow, resume=journal)
        seconds = None if unmeasured else ready + time.perf_counter() - started
        scores = score_sequence(job.sequence, video.truth, video.annotated(result.masks))
        arrays = {name: {key: value.tolist() for key, value in vars(one).items()} for name, one in scores.items()}
        parts.append({"config": asdict(ours), "seconds": seconds, "run": result.to_json(), "instances": arrays})
    return parts


def _measured(row: Row, benchmark: Benchmark, results: Results) -> Measured:
    if row.missing:
        return Measured(row)
    parts = [_read(results[row.config, name]) for name in benchmark.names]
    instances = {name: one for found, _ in parts for name, one in found.items()}
    seconds = [one for _, one in parts if one is not None]
    return Measured(row, Scores(instances), sum(seconds) if len(seconds) == len(parts) else None)


def _read(part: Path) -> tuple[dict[str, InstanceScores], float | None]:
    """The scores of the instances in the file of a result, and its seconds."""
    try:
        content = json.loads(part.read_text(encoding="utf-8"))
        seconds = None if content["seconds"] is None else float(content["seconds"])
        return {name: _scores(**arrays) for name, arrays in content["instances"].items()}, seconds
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{part}: damaged result of an earlier run ({error}); delete it and run again") from error


def _scores(J: list[float], F: list[float], visible: list[bool], reappeared: list[bool]) -> InstanceScores:
    """Raises TypeError or ValueError where the values are none or of other frames."""
    found = InstanceScores(
        np.array(J, np.float64), np.array(F, np.float64), np.array(visible, np.bool_), np.array(reappeared, np.bool_)
    )
    shapes = {values.shape for values in vars(found).values()}
    if len(shapes) > 1 or found.J.ndim != 1:
        raise ValueError(f"expected a value for each frame, found {shapes}")
    return found
