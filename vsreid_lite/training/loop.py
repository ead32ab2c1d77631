"""One training loop for every stage: progress bar, checkpoints that a killed run resumes from, and a CSV log.

A row of the log has the mean loss of the steps since the row before.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from traceback import format_exc
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from vsreid_lite.networks.checkpoints import misfits, read_pickle
from vsreid_lite.system.files import ADVICE, TRAINING_LOGS, write_bytes, write_text
from vsreid_lite.training.processes import ALONE, Processes
from vsreid_lite.training.stages import STAGES, Plan

CHECKPOINT_SECONDS = 45
LOG_STEPS = 50
MOST_DRAWERS = 8  # processes that draw batches, on the cores that training leaves free
LONGEST_GRADIENT = 5.0
NO_ROOM = (
    "out of memory: a process that draws batches was killed, or found no room in /dev/shm; free memory, or give the "
    "container more of it (docker run --shm-size=2g)"
)
COLUMNS = ["step", "loss", "seconds"]


@dataclass(frozen=True, eq=False)
class Curve:
    """The rows of a log: each (n,), steps and seconds ascending.

    Attributes:
        steps: The step of each row.
        loss: The mean of the steps since the row before; where a run was resumed, of those since then.
        seconds: Of training until then.
    """

    steps: NDArray[np.int64]
    loss: NDArray[np.float64]
    seconds: NDArray[np.float64]


def train(
    model: nn.Module,
    batches: Dataset[Any],
    loss: Callable[[Any], Tensor],
    plan: Plan,
    state: Path,
    processes: Processes = ALONE,
    command: str = "",
) -> int:
    """Train a model in place. What a killed run has left is resumed.

    Args:
        model: What learns.
        batches: `batches[step]` is one batch.
        loss: The loss of a batch.
        plan: How long and how fast.
        state: The file for weights, optimiser, step and random numbers, written every 45 seconds; a log goes beside it.
            An existing state is resumed; what the log has beyond it goes.
        processes: Those that share each batch; the first of them writes the state and the log.
        command: What makes these weights; the state of another one, with another seed perhaps, is no state of this one.

    Returns:
        The number of steps done.

    Raises:
        FloatingPointError: The loss or the gradient of a step is not finite. It is not learnt from, and the last good
            state stays.
        OSError: A process that draws batches has no memory left, or the state cannot be written.
        ValueError: The file is no state of this run.
    """
    run = _Run(model, loss, plan, state, processes, command)
    run.resume()
    run.learn_all(batches)
    return run.step


def read_log(path: Path) -> Curve:
    """The log of a stage.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no log, or has no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        values = np.array([[float(row[name]) for name in COLUMNS] for row in rows]).reshape(-1, 3)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path}: expected the log of a training with columns {', '.join(COLUMNS)}") from error
    if not len(values):
        raise ValueError(f"{path}: expected the log of a training, found no row")
    return Curve(values[:, 0].astype(np.int64), values[:, 1], values[:, 2])


def read_logs(folder: Path = TRAINING_LOGS) -> dict[str, Curve]:
    """The logs of a folder, by default those of the shipped weights, by their stages in the order of training.

    None where there is no such folder.
    """
    order = {name: place for place, name in enumerate(STAGES)}
    paths = sorted(folder.glob("*.csv"), key=lambda path: (order.get(path.stem, len(order)), path.stem))
    return {path.stem: read_log(path) for path in paths}


class _Drawn(Dataset[Any]):
    """Batches, or the exception that drawing one has raised: handed on as it is, not as torch's account of it."""

    def __init__(self, batches: Dataset[Any]) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Any:
        try:
            return self.batches[step]
        except Exception as error:
            error.add_note(format_exc())
            return error


def _draw(batches: Dataset[Any], steps: range, processes: int) -> Iterator[Any]:
    """The batches of some steps, drawn ahead. Raises what drawing has raised, and OSError where a process is gone."""
    loader = DataLoader(
        _Drawn(batches),
        batch_size=None,
        collate_fn=_as_it_is,  # torch's would turn tuples into lists
        sampler=steps,
        num_workers=processes,
        prefetch_factor=2,
        generator=torch.Generator(),  # drawing leaves torch's own random numbers alone
    )
    ahead = None
    while True:
        try:
            ahead = ahead or iter(loader)
            batch = next(ahead, None)
        except RuntimeError as error:  # drawing itself raises none: see `_Drawn`
            raise OSError(NO_ROOM) from error
        if batch is None:
            return
        if isinstance(batch, Exception):
            raise batch
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


class _Run:
    """What one training is made of, and what its state file keeps of it."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any], Tensor],
        plan: Plan,
        path: Path,
        processes: Processes,
        command: str,
    ) -> None:
        self.loss = processes.prepare(model, loss)
        self.model, self.plan, self.path, self.processes, self.command = model.train(), plan, path, processes, command
        self.optimiser = torch.optim.AdamW(model.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, plan))
        self.parts: dict[str, Any] = {"model": model, "optimiser": self.optimiser, "schedule": self.schedule}
        self.step = 0
        self.losses: list[float] = []  # of the steps that no row of the log has yet
        self.began, self.earlier, self.saved = time.monotonic(), 0.0, 0.0

    @property
    def seconds(self) -> float:
        """Of training until now, those of the runs that this one resumes included."""
        return self.earlier + time.monotonic() - self.began

    def learn_all(self, batches: Dataset[Any]) -> None:
        """Every step that is left, or as many as the minutes allow; the state is kept on the way and at the end."""
        drawers = max(1, min(MOST_DRAWERS, self.processes.cores - 1))
        drawn = _draw(batches, range(self.step, self.plan.steps), drawers)
        bar = {"initial": self.step, "total": self.plan.steps, "desc": self.path.stem}
        progress = tqdm(drawn, **bar, mininterval=2, disable=not self.processes.main)
        for batch in progress:
            self.learn(self.processes.share(batch))
            if self.step % LOG_STEPS == 0:
                progress.set_postfix(loss=f"{self.log():.3f}")
            if self.seconds - self.saved > CHECKPOINT_SECONDS:
                self.save()
            if self.out_of_time():
                break
        self.save()

    def learn(self, batch: Any) -> None:
        """One step downhill: the loss of all processes, unless it or its gradient is not finite."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.model.parameters(), LONGEST_GRADIENT)
        mean = self.processes.mean(loss).item()
        for what, value in (("loss", mean), ("gradient", length.item())):
            if not math.isfinite(value):
                state = f"last good state: {self.path}" if self.path.exists() else "no state was saved yet"
                raise FloatingPointError(f"{self.path.stem}: the {what} is {value} at step {self.step}; {state}")
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        self.losses.append(mean)

    def log(self) -> float:
        """Write a row; returns its loss, the mean of the steps since the last."""
        mean = fmean(self.losses)
        self.losses.clear()
        if self.processes.main:
            append_to_log(self.path.with_suffix(".csv"), self.step, mean, self.seconds)
        return mean

    def out_of_time(self) -> bool:
        """Whether the minutes of any process are over: all must stop at the same step."""
        if math.isinf(self.plan.minutes):
            return False
        late = time.monotonic() - self.began > 60 * self.plan.minutes
        return self.processes.mean(torch.tensor(float(late), device=self.processes.device)).item() > 0

    def save(self) -> None:
        self.saved = self.seconds
        if not self.processes.main:
            return
        numbers = [torch.get_rng_state()]
        if self.processes.device.type == "cuda":
            numbers.append(torch.cuda.get_rng_state(self.processes.device))
        kept = {"command": self.command, "step": self.step, "seconds": self.seconds, "random": numbers}
        buffer = io.BytesIO()  # torch would turn a full disk into a RuntimeError
        torch.save({**kept, **{name: part.state_dict() for name, part in self.parts.items()}}, buffer)
        write_bytes(self.path, buffer.getvalue())

    def resume(self) -> None:
        """Go on from the state file, if there is one. Raises ValueError for a file that is no state of this stage."""
        if self.path.exists():
            kept = self._read()
            if why := self._foreign(kept) or self._restore(kept):
                raise ValueError(
                    f"{self.path}: not the state of an earlier run of this stage ({why}); delete it to start anew"
                )
        if self.processes.main:
            cut_log(self.path.with_suffix(".csv"), self.step)

    def _read(self) -> Any:
        """What the state file keeps; None where it is no whole file of tensors alone."""
        try:
            return read_pickle(self.path)
        except ValueError as error:
            if isinstance(error.__cause__, OSError):  # it may be whole
                raise
            return None

    def _foreign(self, kept: Any) -> str:
        """Why what a state file keeps is not of this stage; "" where it is."""
        if kept is None:
            return "no whole file of tensors alone"
        names = ("command", "step", "seconds", "random", *self.parts)
        if not isinstance(kept, dict) or any(name not in kept for name in names):
            return f"it does not hold {', '.join(names)}"
        if kept["command"] != self.command:
            return f"it is that of: {kept['command']}"
        if not isinstance(kept["model"], dict) or not all(isinstance(one, Tensor) for one in kept["model"].values()):
            return "its model is not a set of tensors"
        problems = misfits(self.model.state_dict(), kept["model"])
        return f"its tensors do not fit: {problems}" if problems else ""

    def _restore(self, kept: dict[str, Any]) -> str:
        """Go on from what a state file keeps; returns why that cannot be, "" where it can."""
        name = "step"
        try:
            self.step, self.earlier = int(kept["step"]), float(kept["seconds"])
            self.saved = self.earlier
            for name, part in self.parts.items():
                part.load_state_dict(kept[name])
            name = "random"
            torch.set_rng_state(kept["random"][0])
            if self.processes.device.type == "cuda" and len(kept["random"]) > 1:
                torch.cuda.set_rng_state(kept["random"][1], self.processes.device)
        except Exception:  # whatever a damaged one holds
            return f"its {name} does not fit"
        return ""


def append_to_log(path: Path, step: int, loss: float, seconds: float) -> None:
    """One more row; missing folders are made. Raises OSError where it cannot be written, in one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(COLUMNS)
            writer.writerow([step, f"{loss:.5f}", f"{seconds:.1f}"])
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror}; {ADVICE}") from error


def cut_log(path: Path, step: int) -> None:
    """Forget what came after `step`: rows of a killed run that a resumed one will write again. Atomic."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines[1:] if line.count(",") == 2 and int(line.split(",")[0]) <= step]
    write_text(path, "".join(f"{line}\n" for line in [",".join(COLUMNS), *kept]))


def _rate(step: int, plan: Plan) -> float:
    warm = min(1.0, (step + 1) / plan.warm_up)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / plan.steps)))
