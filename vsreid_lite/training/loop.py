"""One training loop for every stage: progress bar, CSV log, checkpoints that a killed run resumes from."""

from __future__ import annotations

import csv
import io
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from vsreid_lite.files import write_bytes

CHECKPOINT_SECONDS = 45


@dataclass(frozen=True)
class Plan:
    """How long and how fast: AdamW, cosine schedule with a short warm-up, started anew in each cycle."""

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    cycles: int = 1
    minutes: float = math.inf  # stop after this long; the schedule still counts steps


def train(
    model: nn.Module,
    batches: Dataset[Any],
    loss: Callable[[Any], Tensor],
    plan: Plan,
    state: Path,
) -> int:
    """Train `model` in place and return the number of steps done; `batches[step]` is one batch.

    The state (weights, optimiser, step) goes to `state` every 45 seconds and a log beside it; an existing state is
    resumed. A loss that is not finite raises FloatingPointError with the step, and the last good state stays.
    """
    optimiser = torch.optim.AdamW(model.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, plan))
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    step = _resume(parts, state)
    loader = DataLoader(batches, batch_size=None, sampler=range(step, plan.steps), num_workers=1, prefetch_factor=4)
    started = saved = time.monotonic()
    model.train()
    progress = tqdm(loader, initial=step, total=plan.steps, desc=state.stem, mininterval=2)
    for batch in progress:
        value = loss(batch)
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"{state.stem}: the loss is {value.item()} at step {step}; last good state: {state}"
            )
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        step += 1
        if step % 50 == 0:
            progress.set_postfix(loss=f"{value.item():.3f}")
            _log(state.with_suffix(".csv"), step, value.item(), time.monotonic() - started)
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(parts, step, state)
            saved = time.monotonic()
        if time.monotonic() - started > 60 * plan.minutes:
            break
    _save(parts, step, state)
    return step


def _rate(step: int, plan: Plan) -> float:
    length = plan.steps // plan.cycles
    position = step % length
    warm = min(1.0, (position + 1) / plan.warm_up)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * position / length)))


def _save(parts: dict[str, Any], step: int, path: Path) -> None:
    buffer = io.BytesIO()  # torch would turn a full disk into a RuntimeError
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, buffer)
    write_bytes(path, buffer.getvalue())


def _resume(parts: dict[str, Any], path: Path) -> int:
    if not path.exists():
        return 0
    try:
        saved = torch.load(path, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        return int(saved["step"])
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path}: not the state of an earlier run of this stage ({error}); delete it to start anew"
        ) from error


def _log(path: Path, step: int, loss: float, seconds: float) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "seconds"])
        writer.writerow([step, f"{loss:.5f}", f"{seconds:.1f}"])
