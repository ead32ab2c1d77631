"""Time of `evaluate` beside that of vos-benchmark 0.1.0 with one process, on the same folders."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vos_benchmark.benchmark import benchmark

from vsreid_lite.evaluation import evaluate

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "metrics"


def main() -> None:
    """Print machine, command, both times (best of `--repeat`, in turn) and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", nargs="?", type=Path, default=GOLDEN / "reference")
    parser.add_argument("predicted", nargs="?", type=Path, default=GOLDEN / "predicted")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # vos-benchmark writes its results into the prediction
        copy = shutil.copytree(arguments.predicted, Path(folder) / "predicted")
        ours, theirs = _best(
            arguments.repeat,
            lambda: evaluate(arguments.reference, copy),
            lambda: benchmark([arguments.reference], [copy], num_processes=1, verbose=False),
        )
    print_machine()
    print(f"command        python {' '.join(sys.argv)}")
    print(f"vos-benchmark  {theirs:7.3f} s")
    print(f"vsreid_lite    {ours:7.3f} s")
    print(f"ratio          {theirs / ours:7.2f}")


def print_machine() -> None:
    """One line: processor, cores and load."""
    print(f"machine        {_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def _best(repeat: int, *calls: Callable[[], object]) -> list[float]:
    times = [[_seconds(call) for call in calls] for _ in range(repeat)]
    return [min(column) for column in zip(*times, strict=True)]


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
