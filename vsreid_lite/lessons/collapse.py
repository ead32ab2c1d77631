"""Why guides are deformed in training (section 3.4): a network that has seen true masks alone learns to copy its guide.

MaskTrack's ablation (Perazzi et al. 2017, the paper's [11]): a mean IoU of 74.8, and of 17.1 without deformation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from vsreid_lite.config import PropagationConfig
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.networks.mask_propagation import Stream, TwoStreams
from vsreid_lite.plots.colours import AFTER, BEFORE, BLACK
from vsreid_lite.plots.panels import WIDTH, new_figure
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.system.wording import counted
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.losses import joint_loss
from vsreid_lite.training.propagation_samples import Batch, PropagationBatches
from vsreid_lite.training.stages import Mixture
from vsreid_lite.video.video import Video

MASKTRACK = Mixture(neighbour=0.0, recovery=0.0, hard=0.5)  # deformed masks of the same frame, and nothing else

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Propagated:
    """A network that carries masks on from frame 0, its own last mask as the guide of the next: means over instances.

    truth: (n,), J of its mask with the true one in frames 1 to n. guide: (n,), J of its mask with its guide; near 1,
    the network adds nothing.
    """

    truth: Values
    guide: Values


@dataclass(frozen=True, eq=False)
class Collapse:
    """The same network, trained with deformed masks as guides and with the true masks; and no network at all.

    still: (n,), J of the first true mask with those of frames 1 to n: what copying is worth.
    """

    deformed: Propagated
    true: Propagated
    still: Values


def show_collapse(
    clips: list[Clip],
    sequences: Sequence[Video],
    steps: int = 400,
    frames: int = 10,
    patch: int = 64,
    width: int = 16,
    seed: int = 0,
) -> Collapse:
    """Train a narrow RGB stream on `clips` twice, and propagate the instances of annotated `sequences` with each.

    The two differ in their guides alone. As in MaskTrack no flow warps the masks: what moved is for the network to see.
    width: channels of the stream's first layer; the lite one has 32. On 24 clips of mini-train and the scenes 0, 3 and
    10 of mini-val this takes about a minute, and J in frame 10 is 0.33 and 0.15; 0.16 for masks that are left still.
    Raises ValueError for a sequence that is not annotated so far.
    """
    config = PropagationConfig(patch=patch)
    torch.manual_seed(seed)
    deformed = TwoStreams(Stream(width=width))
    torch.manual_seed(seed)
    true = TwoStreams(Stream(width=width))
    batches = PropagationBatches(clips, 16, config, seed, MASKTRACK)
    trainers = _Trainer(deformed, steps), _Trainer(true, steps)
    for step in range(steps):
        batch = batches[step]
        trainers[0].learn(batch)
        trainers[1].learn({**batch, "guide": batch["truth"][:, None]})
    curves = [_propagated(network.eval(), sequences, frames, config) for network in (deformed, true)]
    return Collapse(curves[0], curves[1], _still(sequences, frames))


def plot_collapse(collapse: Collapse) -> Figure:
    """J with the truth over the frames: trained with deformed guides, with true ones, and the first mask left still."""
    last = {"deformed": collapse.deformed.truth[-1], "true": collapse.true.truth[-1], "still": collapse.still[-1]}
    frames = np.arange(1, len(collapse.still) + 1)
    alternative = (
        f"J with the true masks after {counted(len(frames), 'frame')}: {last['deformed']:.2f} for a network trained "
        f"with deformed guides, {last['true']:.2f} for one trained with true masks as guides, {last['still']:.2f} for "
        "the first mask left where it was. J of the second network's masks with their own guides is "
        f"{collapse.true.guide.mean():.2f}."
    )
    figure = new_figure(WIDTH, 2.6, alternative, "constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, part, title in ((left, "truth", "J with the true mask"), (right, "guide", "J with its own guide")):
        axes.plot(frames, getattr(collapse.deformed, part), "-", color=AFTER, linewidth=1.8, label="deformed guides")
        axes.plot(frames, getattr(collapse.true, part), "--", color=BEFORE, linewidth=1.8, label="true masks as guides")
        axes.set(ylim=(0, 1.02), xlabel="frame", xlim=(1, len(frames)))
        axes.set_title(title, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    left.plot(frames, collapse.still, ":", color=BLACK, linewidth=1.5, label="first mask left still")
    left.set_ylabel("J")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside right upper")
    return figure


class _Trainer:
    def __init__(self, network: TwoStreams, steps: int) -> None:
        self.network = network.train()
        self.optimiser = torch.optim.AdamW(network.parameters(), 4e-3)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, 4e-3, total_steps=steps, pct_start=0.2)

    def learn(self, batch: Batch) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        joint_loss(self.network, batch).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()


@torch.inference_mode()
def _propagated(network: TwoStreams, sequences: Sequence[Video], frames: int, config: PropagationConfig) -> Propagated:
    truth, guide = [], []
    for sequence, masks in _instances(sequences, frames):
        P, still = torch.from_numpy(masks[0].astype(np.float32)), torch.zeros(2, *sequence.shape)
        made = [P]
        for i in range(1, frames + 1):
            made.append(propagate_mask(sequence.frames[i], still, made[-1], network, config))
        found = [(map > 0.5).numpy() for map in made]
        truth.append([region(t, m) for m, t in zip(found[1:], masks[1:], strict=True)])
        guide.append([region(g, m) for m, g in zip(found[1:], found[:-1], strict=True)])
    return Propagated(np.mean(truth, 0), np.mean(guide, 0))


def _still(sequences: Sequence[Video], frames: int) -> Values:
    return np.mean([[region(t, masks[0]) for t in masks[1:]] for _, masks in _instances(sequences, frames)], 0)


def _instances(sequences: Sequence[Video], frames: int) -> Iterator[tuple[Video, list[NDArray[np.bool_]]]]:
    """Every instance of every sequence with its true masks of frames 0 to `frames`."""
    for sequence in sequences:
        labels = [mask for mask in (sequence.annotations or ())[: frames + 1] if mask is not None]
        if len(labels) <= frames:
            raise ValueError(f"{sequence.name}: expected annotations of frames 0 to {frames}, found {len(labels)}")
        for label in sequence.labels:
            yield sequence, [mask == label for mask in labels]
