"""One training loop for every stage: progress bar, CSV log, checkpoints that a killed run resumes from."""

from __future__ import annotations

import io
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from vsreid_lite.system.files import write_bytes
from vsreid_lite.training.log import append_to_log, cut_log
from vsreid_lite.training.processes import Team

CHECKPOINT_SECONDS = 45
LOG_STEPS = 50
MOST_DRAWERS = 8  # processes that draw batches, on the cores that training leaves free
LONGEST_GRADIENT = 5.0
ALONE = Team()


@dataclass(frozen=True)
class Plan:
    """How long and how fast: AdamW, cosine schedule with a short warm-up."""

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    minutes: float = math.inf  # stop after this long; the schedule still counts steps


def train(
    model: nn.Module,
    batches: Dataset[Any],
    loss: Callable[[Any], Tensor],
    plan: Plan,
    state: Path,
    team: Team = ALONE,
    command: str = "",
) -> int:
    """Train `model` in place and return the number of steps done; `batches[step]` is one batch.

    The state (weights, optimiser, step, random numbers) goes to `state` every 45 seconds, and a log beside it. An
    existing state is resumed; what the log has beyond it goes. A loss or a gradient that is not finite raises
    FloatingPointError with the step, before it is learnt from, and the last good state stays.
    team: the processes that share each batch; the first of them writes the state and the log. command: what makes these
    weights; the state of another one, with another seed perhaps, is no state of this one, and raises ValueError.
    """
    run = _Run(model, plan, state, team, command)
    run.resume()
    loader = DataLoader(
        batches,
        batch_size=None,
        collate_fn=_as_it_is,  # torch's would turn tuples into lists
        sampler=range(run.step, plan.steps),
        num_workers=max(1, min(MOST_DRAWERS, team.cores - 1)),
        prefetch_factor=2,
        generator=torch.Generator(),  # drawing leaves torch's own random numbers alone
    )
    progress = tqdm(loader, initial=run.step, total=plan.steps, desc=state.stem, mininterval=2, disable=not team.main)
    for batch in progress:
        value = loss(team.share(batch))
        run.learn(value)
        if run.step % LOG_STEPS == 0:
            progress.set_postfix(loss=f"{run.log():.3f}")
        if run.seconds - run.saved > CHECKPOINT_SECONDS:
            run.save()
        if run.out_of_time():
            break
    run.save()
    return run.step


def _as_it_is(batch: Any) -> Any:
    return batch


class _Run:
    """What one training is made of, and what its state file keeps of it."""

    def __init__(self, model: nn.Module, plan: Plan, path: Path, team: Team, command: str) -> None:
        team.prepare(model)
        self.model, self.plan, self.path, self.team, self.command = model.train(), plan, path, team, command
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

    def learn(self, loss: Tensor) -> None:
        """One step downhill: the loss of all processes, unless it or its gradient is not finite."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.team.average_gradients(self.model)
        length = nn.utils.clip_grad_norm_(self.model.parameters(), LONGEST_GRADIENT)
        mean = self.team.mean(loss).item()
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
        if self.team.main:
            append_to_log(self.path.with_suffix(".csv"), self.step, mean, self.seconds)
        return mean

    def out_of_time(self) -> bool:
        """Whether the minutes of any process are over: all must stop at the same step."""
        if math.isinf(self.plan.minutes):
            return False
        late = time.monotonic() - self.began > 60 * self.plan.minutes
        return self.team.mean(torch.tensor(float(late), device=self.team.device)).item() > 0

    def save(self) -> None:
        self.saved = self.seconds
        if not self.team.main:
            return
        numbers = [torch.get_rng_state()]
        if self.team.device.type == "cuda":
            numbers.append(torch.cuda.get_rng_state(self.team.device))
        kept = {"command": self.command, "step": self.step, "seconds": self.seconds, "random": numbers}
        buffer = io.BytesIO()  # torch would turn a full disk into a RuntimeError
        torch.save({**kept, **{name: part.state_dict() for name, part in self.parts.items()}}, buffer)
        write_bytes(self.path, buffer.getvalue())

    def resume(self) -> None:
        """Go on from the state file, if there is one. Raises ValueError for a file that is no state of this stage."""
        if self.path.exists():
            try:
                self._load(torch.load(self.path, map_location="cpu", weights_only=True))
            except (RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
                unread = isinstance(error, pickle.UnpicklingError)
                why = "no file of tensors alone" if unread else shorten(str(error), 200)
                raise ValueError(
                    f"{self.path}: not the state of an earlier run of this stage ({why}); delete it to start anew"
                ) from error
        if self.team.main:
            cut_log(self.path.with_suffix(".csv"), self.step)

    def _load(self, kept: dict[str, Any]) -> None:
        step = int(kept["step"])
        if kept.get("command", self.command) != self.command:  # older states have none
            raise ValueError(f"it is that of: {kept['command']}")
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])
        self.step, self.earlier = step, float(kept["seconds"])
        self.saved = self.earlier
        torch.set_rng_state(kept["random"][0])
        if self.team.device.type == "cuda" and len(kept["random"]) > 1:
            torch.cuda.set_rng_state(kept["random"][1], self.team.device)


def _rate(step: int, plan: Plan) -> float:
    warm = min(1.0, (step + 1) / plan.warm_up)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / plan.steps)))
