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
class Processes:
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

    def prepare(self, model: nn.Module, loss: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        """A loss whose gradients are averaged over the processes.

        Batch normalisation is made to see the whole batch, in place, where torch can.

        Args:
            model: What learns.
            loss: The loss of a batch, which may call any part of the model.

        Returns:
            The same loss; its `backward` averages the gradients.
        """
        if self.accelerator is None:
            return loss
        self.accelerator.free_memory()  # lets go of the stage before
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)
        prepared: Callable[[Any], Tensor] = self.accelerator.prepare(_Objective(model, loss))
        return prepared

    def share(self, batch: Any) -> Any:
        """This process's part of a batch: every n-th sample of every tensor or list in it.

        So the first half of a batch is the first halves of its parts, whatever a loss does with it.

        Raises:
            ValueError: The batch cannot be shared equally: its mean would not be the mean of the parts.
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

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in the order of the batch, for a loss that compares samples with one another.

        Each process then computes the loss of the whole batch. Only its own rows carry a gradient, n-fold, so that the
        mean of the processes' gradients is the gradient of that loss; Accelerate's own `gather` has no gradient.
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


ALONE = Processes()


class _Objective(nn.Module):
    """A loss as a module that owns what learns, for Accelerate to prepare."""

    def __init__(self, model: nn.Module, loss: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(batch)


def assemble(device: str) -> Processes:
    """Those that this process trains with, by the environment that `accelerate launch` or `torchrun` set.

    Args:
        device: "cpu", "cuda" or "cuda:N". Several processes take one GPU each, or share the CPU.

    Raises:
        ValueError: Several processes need accelerate and it is missing, or they are given one GPU for all.
    """
    if not several_processes():
        return Processes(torch.device(device))
    if find_spec("accelerate") is None:
        raise ValueError("training in several processes needs accelerate (python -m pip install accelerate)")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r}: several processes take a GPU each; use --device auto, cuda or cpu")
    from accelerate import Accelerator, DistributedDataParallelKwargs

    # A step may leave parameters out, and normalisation on CPUs stays each process's own.
    averaging = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no", kwargs_handlers=[averaging])
    return Processes(accelerator.device, accelerator)


def several_processes() -> bool:
    """Whether this process was started as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """On a GPU bfloat16 where it is safe. A loss runs its network in it, and itself in float32.

    A CPU computes in float32: one without instructions for bfloat16 takes five times as long with it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
