"""Notebook 08, training: why guides are deformed (section 3.4), shown in a toy world, with pictures and exercises.

A network that is trained with true masks as guides learns to copy its guide. In the ablation of MaskTrack (Perazzi et
al. 2017, the paper's [11]) the mean IoU is 74.8 with deformed guides and 17.1 without deformation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vsreid_lite.config import PropagationConfig
from vsreid_lite.datasets.scenes import fractal_noise
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.lessons.exercises import asks
from vsreid_lite.networks.mask_propagation import Stream, TwoStreams
from vsreid_lite.plots.panels import (
    AFTER,
    BEFORE,
    BLACK,
    WIDTH,
    Map,
    entitle,
    new_figure,
    outline,
    panel_grid,
    show_flow,
    show_map,
)
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.system.wording import counted
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.losses import joint_loss
from vsreid_lite.training.propagation_samples import Batch, PropagationBatches
from vsreid_lite.training.stages import Mixture
from vsreid_lite.video.masks import Frame, Mask
from vsreid_lite.video.video import Video

MASKTRACK = Mixture(neighbour=0.0, recovery=0.0, hard=0.5)  # deformed masks of the same frame, and nothing else
STEP_SCALE, SAMPLE_SCALE = 0.62, 0.6  # of the panels
SHAPE, SPEED, PAIRS = (64, 96), 5, 2  # the toy world: its frames, pixels a frame to the right, pairs in a clip

Values = NDArray[np.float64]


def crossing_clips(count: int) -> list[Clip]:
    """Clips of the toy worlds 0 to `count` - 1. Their flow is zero, so that it tells nothing of the motion."""
    flow = np.zeros((2, *SHAPE), np.float16)
    return [
        Clip(str(world), tuple(images), tuple(labels), ((),) * len(images), (flow,) * len(images))
        for world in range(count)
        for images, labels in [_crossing(world, 2 * PAIRS)]
    ]


def crossing_videos(count: int, frames: int, first: int = 100) -> list[Video]:
    """Annotated videos of `count` toy worlds from `first` on, which no clip shows, with `frames` frames each."""
    worlds = {world: _crossing(world, frames) for world in range(first, first + count)}
    return [Video(str(world), images, labels[0], annotations=labels) for world, (images, labels) in worlds.items()]


def _crossing(world: int, frames: int) -> tuple[list[Frame], list[Mask]]:
    """Images (H, W, 3) and labels (H, W)."""
    rng = np.random.default_rng(world)
    grey = (fractal_noise(rng, SHAPE) * 80 + 60).astype(np.uint8)
    radius, y, x, fall = rng.uniform(8, 12), rng.uniform(20, 44), rng.uniform(12, 20), rng.uniform(-0.8, 0.8)
    colour = rng.integers(0, 2, 3) * 60 + rng.integers(170, 195, 3)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disks = [(columns - x - SPEED * i) ** 2 / 1.3 + (rows - y - fall * i) ** 2 < radius**2 for i in range(frames)]
    images = [np.where(disk[..., None], colour, grey[..., None]).astype(np.uint8) for disk in disks]
    return images, [disk.astype(np.uint8) for disk in disks]


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
    """Train a narrow RGB stream twice, with deformed and with true masks as guides, and propagate masks with each.

    As in MaskTrack, no flow warps the masks: the network has to see what moved. On 24 clips of mini-train and the
    scenes 0, 3 and 10 of mini-val this takes about a minute; J in frame 10 is 0.33 and 0.15, and 0.16 for masks that
    are left still.

    Args:
        clips: to train on.
        sequences: annotated videos, whose first masks are propagated.
        steps: of each training.
        frames: how far the masks are propagated.
        patch: the side of a patch, pixels.
        width: channels of the stream's first layer; the lite stream has 32.
        seed: of the weights and the batches.

    Raises:
        ValueError: a video has no annotations for so many frames.
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
    """J with the truth over the frames: after training with deformed guides, with true ones, and for no network."""
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


def plot_deformation(mask: Map, draws: Mapping[str, Mapping[str, Map]]) -> Figure:
    """A true mask and its deformations, a row for each draw; a panel says the step and J with the true mask.

    Args:
        mask: the true mask, (S, S), outlined in every panel.
        draws: by name, the maps (S, S) after each step of `deformation_steps`.
    """
    scored = {row: {step: region(mask > 0.5, P > 0.5) for step, P in steps.items()} for row, steps in draws.items()}
    ends = "; ".join(f"{row}: {', '.join(f'{step} {J:.2f}' for step, J in one.items())}" for row, one in scored.items())
    columns = max(map(len, draws.values()))
    alternative = f"A true mask deformed into guides, J with the true mask after each step. {ends}."
    figure, grid = panel_grid(len(draws), columns, mask.shape, alternative, STEP_SCALE)
    white = np.full((*mask.shape, 3), 255, np.uint8)
    for axes, (row, steps) in zip(grid, draws.items(), strict=True):
        _name_row(axes[0], row)
        for panel, (step, P) in zip(axes, steps.items(), strict=False):
            show_map(panel, white, P, f"{step}: J {scored[row][step]:.2f}")
            outline(panel, mask, AFTER)
    return figure


def plot_samples(batch: Batch, maps: Mapping[str, Tensor], flow: bool = False) -> Figure:
    """The samples of a batch side by side, with maps, flow and truth below each other.

    Args:
        batch: B samples.
        maps: by name, (B, S, S) each: a row, whose panels say J with the truth.
        flow: whether the flow gets a row.
    """
    images = [_pixels(image) for image in batch["image"]]
    truths = [truth.numpy() > 0.5 for truth in batch["truth"]]
    scored = {
        name: [region(truth, P.numpy() > 0.5) for truth, P in zip(truths, some, strict=True)]
        for name, some in maps.items()
    }
    words = "; ".join(f"{name} {', '.join(f'{J:.2f}' for J in some)}" for name, some in scored.items())
    rows = [*maps, *(["flow"] if flow else []), "truth"]
    alternative = f"{len(images)} training samples. J with the truth: {words}."
    figure, grid = panel_grid(len(rows), len(images), images[0].shape, alternative, SAMPLE_SCALE)
    for axes, name in zip(grid, rows, strict=True):
        _name_row(axes[0], name)
        for b, panel in enumerate(axes):
            if name in maps:
                show_map(panel, images[b], maps[name][b].numpy(), f"J {scored[name][b]:.2f}")
            elif name == "flow":
                show_flow(panel, batch["flow"][b].numpy(), "flow")
            else:
                panel.imshow(images[b])
                outline(panel, truths[b].astype(np.float32), AFTER)
                entitle(panel, "")
    return figure


def _pixels(image: Tensor) -> Frame:
    """(3, S, S) in [0, 1] as uint8 (S, S, 3)."""
    pixels: Frame = (image.permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()
    return pixels


def _name_row(first: Axes, name: str) -> None:
    first.text(-0.05, 0.5, name, transform=first.transAxes, rotation=90, fontsize=8, ha="right", va="center")


TABLE = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@asks(
    "08.1",
    """Write `oim_update(table, x, identity, momentum)`: what the table of online instance matching holds after it has
    seen the embedding x, a tensor (D,) of length 1. `table` is a tensor (L, D), one row of length 1 for each identity.
    The row of `identity` becomes momentum · row + (1 - momentum) · x, at length 1 again. A stranger has identity -1 and
    changes no row. Return a new table and leave the given one as it is.""",
    """Copy first (`table.clone()`). Divide the mixed row by its length. -1 is a valid index in Python: it would be the
    last row.""",
    (TABLE, torch.tensor([0.0, 0.0, 1.0]), 0, 0.5),
    (TABLE, torch.tensor([0.6, 0.0, 0.8]), 1, 0.9),
    (TABLE, torch.tensor([0.0, 0.0, 1.0]), -1, 0.5),
    (TABLE, torch.tensor([0.0, 1.0, 0.0]), 1, 0.5),
)
def oim_update(table: Tensor, x: Tensor, identity: int, momentum: float) -> Tensor:
    """As OIMLoss does it, in place there."""
    table = table.clone()
    if identity >= 0:
        table[identity] = functional.normalize(momentum * table[identity] + (1 - momentum) * x, dim=0)
    return table


@asks(
    "08.2",
    """A network has learnt to *copy its guide*. In training the guide was the true mask itself; at test time it is the
    true mask of a 20 × 20 square, moved to the right by a tenth of its width. Which J does the copying network reach
    (a) in training, (b) at test time? Answer with two numbers.""",
    "Count columns: those that both squares cover, over those that at least one covers.",
)
def copied_guides() -> tuple[float, float]:
    """18 columns of 22."""
    return 1.0, 18 / 22


@asks(
    "08.3",
    """An embedding has the cosine similarities 0.9, 0.5 and 0.1 with the three rows of OIM's table; the first row is
    its own identity. The loss is the cross-entropy of a softmax over *scale* · similarity. What is it (a) with the
    scale 10, (b) with the scale 1? Answer with two numbers, natural logarithm.""",
    """Minus the logarithm of exp(scale · 0.9) over the sum of the three exponentials. (b) shows what the scale is for:
    without it even a good embedding costs a lot.""",
)
def oim_losses() -> tuple[float, float]:
    """Cross-entropy, by hand."""
    rows = (0.9, 0.5, 0.1)
    ten, one = (math.log(sum(math.exp(scale * (s - rows[0])) for s in rows)) for scale in (10, 1))
    return ten, one
