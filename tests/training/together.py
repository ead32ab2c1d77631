"""One of several processes that train together, as a program: `python -m tests.training.together FOLDER`.

Writes what it saw into FOLDER/RANK.pt. `test_processes.py` compares that with one process that has the whole batch.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from vsreid_lite.networks.identification import OIMLoss
from vsreid_lite.training.loop import train
from vsreid_lite.training.processes import Processes, assemble, mixed_precision
from vsreid_lite.training.stages import Plan

PLAN = Plan(24, 1e-2, warm_up=3)
BATCH = 8


class Numbered(Dataset):
    """Batch `step`: eight rows, identities of three and strangers, and the rows once more as a list."""

    def __getitem__(self, step):
        generator = torch.Generator().manual_seed(step)
        rows = torch.randn(BATCH, 4, generator=generator)
        identities = torch.randint(-1, 3, (BATCH,), generator=generator)
        return {"rows": rows, "more": (list(rows), identities)}


def regression(processes: Processes, state: Path) -> dict[str, object]:
    """A network without batch normalisation, whose loss is a mean over samples: losses of the steps, and weights."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    losses = []

    def loss(batch):
        assert len(batch["rows"]) == len(batch["more"][0]) == BATCH // processes.count
        value = ((model(batch["rows"])[:, 0] - torch.stack(batch["more"][0]).sum(1)) ** 2).mean()
        losses.append(processes.mean(value).item())
        return value

    train(model, Numbered(), loss, PLAN, state, processes)
    return {"losses": losses, "weights": model.state_dict()}


def identification(processes: Processes, state: Path) -> dict[str, object]:
    """OIM, whose loss compares the samples of a batch with a table that they all change."""
    torch.manual_seed(6)
    model, matching = nn.Linear(4, 8), OIMLoss(3, 8, queue=5)
    losses = []

    def loss(batch):
        rows = F.normalize(model(batch["rows"]), dim=1)
        losses.append(matching(processes.gather(rows), processes.gather(batch["more"][1])))
        return losses[-1]

    train(nn.ModuleList([model, matching]), Numbered(), loss, PLAN, state, processes)
    return {"losses": [value.item() for value in losses], "weights": model.state_dict() | matching.state_dict()}


def divergence(processes: Processes, state: Path) -> dict[str, object]:
    """A loss that is no number in the last process alone, at step 3."""
    model = nn.Linear(4, 1)
    count = []

    def loss(batch):
        count.append(batch)
        return model(batch["rows"]).mean() * (
            float("nan") if len(count) == 4 and processes.rank == processes.count - 1 else 1
        )

    try:
        train(model, Numbered(), loss, PLAN, state, processes)
    except FloatingPointError as error:
        return {"error": str(error)}
    return {}


def main(folder: Path) -> None:
    processes = assemble("cpu")
    seen = {
        run.__name__: run(processes, folder / f"{run.__name__}.state")
        for run in (regression, identification, divergence)
    }
    seen["decided"] = [processes.decide(lambda: processes.main), processes.decide(lambda: not processes.main)]
    try:
        processes.share(torch.zeros(BATCH + 1))
    except ValueError as error:
        seen["odd"] = str(error)
    half = torch.ones(8, 8, dtype=torch.float32)
    with mixed_precision(processes.device):
        seen["mixed"] = (half @ half).dtype
    torch.save(seen, folder / f"{processes.rank}.pt")
    processes.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
