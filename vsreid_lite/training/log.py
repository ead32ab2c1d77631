"""The CSV log of a stage: its loss by step, for a curve. A row has the mean loss of the steps since the row before."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.system.files import write_text
from vsreid_lite.training.catalogue import STAGE_NAMES

COLUMNS = ["step", "loss", "seconds"]


@dataclass(frozen=True, eq=False)
class Curve:
    """The rows of a log: each (n,), steps and seconds ascending.

    loss: the mean of the steps since the row before; where a run was resumed, of those since then. seconds: of training
    until then.
    """

    steps: NDArray[np.int64]
    loss: NDArray[np.float64]
    seconds: NDArray[np.float64]


def append_to_log(path: Path, step: int, loss: float, seconds: float) -> None:
    """One more row; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow([step, f"{loss:.5f}", f"{seconds:.1f}"])


def cut_log(path: Path, step: int) -> None:
    """Forget what came after `step`: rows of a killed run that a resumed one will write again. Atomic."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines[1:] if line.count(",") == 2 and int(line.split(",")[0]) <= step]
    write_text(path, "".join(f"{line}\n" for line in [",".join(COLUMNS), *kept]))


def read_log(path: Path) -> Curve:
    """The log of a stage. Raises FileNotFoundError; ValueError for a file that is none, or without rows."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        values = np.array([[float(row[name]) for name in COLUMNS] for row in rows]).reshape(-1, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the log of a training with columns {', '.join(COLUMNS)}") from error
    if not len(values):
        raise ValueError(f"{path}: expected the log of a training, found no row")
    return Curve(values[:, 0].astype(np.int64), values[:, 1], values[:, 2])


def read_logs(folder: Path) -> dict[str, Curve]:
    """The logs of a folder by their stages, in the order of training; none where there is no such folder."""
    order = list(STAGE_NAMES)
    paths = sorted(folder.glob("*.csv"), key=lambda path: (_place(order, path.stem), path.stem))
    return {path.stem: read_log(path) for path in paths}


def _place(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
