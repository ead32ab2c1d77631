"""The processes that train together: this one alone, or those that `accelerate launch` or `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vsreid_lite.system.machine import available_cores

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Team:
    """n processes that do together what one does alone; by default this one alone, n = 1.

    Every process draws the whole batch of a step and keeps its share, and the gradients are averaged: n processes with
    B samples each take the steps of one process with n B samples, up to rounding. Batch normalisation sees the whole
    batch on GPUs (SyncBatchNorm); on CPUs, where torch has no such thing, each process normalises by its own share.
    """

    device: torch.device = torch.device("cpu")
    accelerator: Accelerator | None = None

    @property
    def count(self) -> int:
        """n."""
        return 1 if self.accelerator is None else self.accelerator.num_processes

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return 0 if self.accelerator is None else self.accelerator.process_index

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and draws the progress bar."""
        return self.rank == 0

    @property
    def cores(self) -> int:
        """The cores for each process of this machine."""
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.count > 1 else 1
        return max(1, available_cores() // here)

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision on a GPU: bfloat16 where it is safe. A loss runs its network in it, and itself in float32.

        A CPU computes in float32: one without instructions for bfloat16 takes five times as long with it.
        """
        if self.accelerator is None:
            return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")
        return self.accelerator.autocast()

    def prepare(self, model: nn.Module) -> None:
        """Make batch normalisation see the whole batch, in place, where torch can."""
        if self.count > 1 and self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)

    def share(self, batch: Any) -> Any:
        """This process's part of a batch: every n-th sample of every tensor or list in it.

        So the first half of a batch is the first halves of its parts, whatever a loss does with it. Raises ValueError
        for a batch that cannot be shared equally: its mean would not be the mean of the parts.
        """
        if self.count == 1:
            return batch
        if isinstance(batch, dict):
            return {name: self.share(part) for name, part in batch.items()}
        if isinstance(batch, tuple):
            return tuple(self.share(part) for part in batch)
        if len(batch) % self.count:
            raise ValueError(
                f"a batch of {len(batch)} cannot be shared by {self.count} processes: start as many as divide it"
            )
        return batch[self.rank :: self.count]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes, entry by entry, without gradient."""
        values = values.detach()
        return values if self.accelerator is None else self.accelerator.reduce(values, "mean")

    def decide(self, question: Callable[[], bool]) -> bool:
        """What the first process answers, for all: one that reads a file sooner or later may see another one."""
        answer = self.mean(torch.tensor(float(self.main and question()), device=self.device))
        return bool(answer.item() > 0)

    def average_gradients(self, model: nn.Module) -> None:
        """Give all processes the mean of their gradients."""
        if self.count == 1:
            return
        learnt = [p for p in model.parameters() if p.requires_grad]
        for p in learnt:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        gradients = [p.grad for p in learnt if p.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([p.numel() for p in learnt]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in the order of the batch, for a loss that compares samples with one another.

        Each process then computes the loss of the whole batch. Only its own rows carry a gradient, n-fold, so that the
        mean of the processes' gradients is the gradient of that loss.
        """
        if self.accelerator is None:
            return rows
        parts = list(self.accelerator.gather(rows.detach()).chunk(self.count))
        if rows.requires_grad:
            parts[self.rank] = rows.detach() + self.count * (rows - rows.detach())
        return torch.stack(parts, 1).flatten(0, 1)

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()


def assemble(device: str) -> Team:
    """The team of this process, by the environment that `accelerate launch` or `torchrun` set.

    device: "cpu", "cuda" or "cuda:N". Several processes take one GPU each, or share the CPU. Raises ValueError where
    they need accelerate and it is missing, or are given one GPU for all.
    """
    if not several_processes():
        return Team(torch.device(device))
    if find_spec("accelerate") is None:
        raise ValueError("training in several processes needs accelerate (python -m pip install accelerate)")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r}: several processes take a GPU each; use --device auto, cuda or cpu")
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no" if device == "cpu" else "bf16")
    return Team(accelerator.device, accelerator)


def several_processes() -> bool:
    """Whether this process was started as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
