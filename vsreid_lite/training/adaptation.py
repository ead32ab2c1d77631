"""Online adaptation: N_mp fine-tuned on the given masks of one sequence. A row of Table 1 that is ours.

Each instance has a copy of N_mp of its own, which learns to tell it from the others beside it.
"""

from __future__ import annotations

import copy
import io
import math
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from threading import Event

import cv2
import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from vsreid_lite.config import AdaptationConfig, PropagationConfig
from vsreid_lite.journal import Journal
from vsreid_lite.networks.checkpoints import read_pickle
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.system.workers import interrupt_sets
from vsreid_lite.training.clips import Clip, mask_box
from vsreid_lite.training.losses import joint_loss
from vsreid_lite.training.propagation_samples import PropagationBatches
from vsreid_lite.training.recomposition import recompose
from vsreid_lite.training.stages import Mixture
from vsreid_lite.video.masks import Frame, Mask
from vsreid_lite.video.video import Video

ADAPTED = "adapted"  # the file of a journal: with a number of steps the state after these, else N_mp when all are done
SMALLEST_TO_LEARN = 36  # pixels of an instance in a given mask
REDUCED_TO = 2.0  # sides of a patch: the narrowest that an instance's enlarged box gets in a reduced frame
FLOW_EVERY = 3  # steps from one to the next of the flow stream: its motions are made up, the image is the video's own
PARTS = ("network", "optimiser", "schedule")  # of the state of a learner


def adapt(
    network: TwoStreams,
    video: Video,
    config: AdaptationConfig,
    propagation: PropagationConfig,
    seed: int = 0,
    progress: bool = False,
    journal: Journal | None = None,
) -> tuple[list[TwoStreams], bool]:
    """Copies of `network`, one for each instance, that know it from the given masks; the network itself stays as it is.

    Both streams learn in every third step, the RGB stream alone in the others. Batch normalisation keeps its
    statistics: one frame is no population. The motions of the recompositions are those of `dis-tuned`, whatever the
    flow of the run. In the end each weight is a mean of what was learnt and what was before (`config.kept`; Wortsman et
    al., "Robust fine-tuning of zero-shot models", 2022).

    Args:
        network: N_mp.
        video: The video. Of instances that are too small to learn, a warning says so, and the copies are as it was.
        config: Steps for each instance.
        propagation: Side and margin of the patches; `config.patch` is another side, at which a step may be faster.
        seed: Of the recompositions and the guides.
        progress: Show a bar and the expected time. A first Ctrl-C then goes on with the steps done, with a warning.
        journal: Of the run, which keeps the state; a run that was killed goes on from the last.

    Returns:
        The K copies, and whether Ctrl-C has ended their adaptation.

    Raises:
        FloatingPointError: The loss or the gradient of a step is not finite.
    """
    adapted = to_adapt(network, video.K)
    batches = _batches(video, config, replace(propagation, patch=config.patch or propagation.patch), seed)
    stopped = _learn(adapted, batches, video, config, progress, journal or Journal())
    for k in batches:
        _mix(adapted[k], network, config.kept or 0.0)
    return adapted, stopped


@torch.no_grad()
def _mix(adapted: nn.Module, before: nn.Module, share: float) -> None:
    """Bring each weight back towards what it was before by a share of the way, in place."""
    for new, old in zip(adapted.parameters(), before.parameters(), strict=True):
        new.lerp_(old, share)


def to_adapt(network: TwoStreams, K: int) -> list[TwoStreams]:
    """K copies of N_mp, laid out as adapted ones."""
    # Channels last is a fifth faster on a CPU.
    return [copy.deepcopy(network).eval().to(memory_format=torch.channels_last) for _ in range(K)]


class _Learner:
    """N_mp of one instance, and how it learns."""

    def __init__(self, network: TwoStreams, batches: PropagationBatches, steps: int, learning_rate: float) -> None:
        self.network, self.image_only, self.batches = network, TwoStreams(network.rgb), batches
        self.optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0.0)
        rising = max(steps, 11)  # ten and fewer have no tenth to rise in
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, learning_rate, total_steps=rising, pct_start=0.1
        )

    def step(self, step: int) -> float:
        """Learn from batch number `step`; the length of the gradient, which is finite where the weights stay so."""
        loss = joint_loss(self.network if step % FLOW_EVERY == 0 else self.image_only, self.batches[step])
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.network.parameters(), 5.0).item()
        if math.isfinite(length):
            self.optimiser.step()
            self.schedule.step()
        self.optimiser.zero_grad(set_to_none=True)  # or each instance would hold a gradient until its next turn
        return length


def _learn(
    networks: Sequence[TwoStreams],
    batches: Mapping[int, PropagationBatches],
    video: Video,
    config: AdaptationConfig,
    progress: bool,
    journal: Journal,
) -> bool:
    """Train in place, the instances in turns, until the steps are done or, where progress is shown, Ctrl-C ends them.

    Returns whether it has.
    """
    each, learning_rate = config.pace
    learners = [_Learner(networks[k], one, each, learning_rate) for k, one in batches.items()]
    steps, stopped = each * len(learners), Event()
    first = _resume(learners, journal)
    bar = tqdm(range(first, steps), f"adapting to {video.name}", steps, initial=first, disable=not progress)
    with interrupt_sets(stopped) if progress else nullcontext():
        for step in bar:
            turn, k = divmod(step, len(learners))
            length = learners[k].step(turn)
            if not math.isfinite(length):  # as after a loss that is not
                raise FloatingPointError(f"adapting to {video.name}: the gradient is {length} at step {step}")
            if step == first:
                began = time.perf_counter()  # the first step takes longer
            elif step == first + FLOW_EVERY * len(learners) and progress:
                _say_expected((time.perf_counter() - began) / (step - first), steps - first, video)
            if journal.due():
                journal.try_to_write(ADAPTED, {"state": _packed(learners)}, step + 1)
            if stopped.is_set() and step + 1 < steps:
                done = f"{step + 1} of {steps} steps"
                warnings.warn(f"{video.name}: adaptation stopped after {done}; going on with these", stacklevel=3)
                return True
    return False


def _packed(learners: Sequence[_Learner]) -> torch.Tensor:
    """What the learners hold, in bytes: their layout in memory included, with which they go on bit for bit."""
    buffer = io.BytesIO()
    torch.save([{name: getattr(one, name).state_dict() for name in PARTS} for one in learners], buffer)
    return torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)


def _resume(learners: Sequence[_Learner], journal: Journal) -> int:
    """Go on from what a journal has kept; the steps done."""
    tensors, steps = journal.read(ADAPTED) or ({}, None)
    if steps is None:
        return 0
    try:
        kept = read_pickle(journal.path(ADAPTED), tensors["state"].numpy().tobytes())
        for one, state in zip(learners, kept, strict=True):
            for name in PARTS:
                getattr(one, name).load_state_dict(state[name])
        return int(steps)
    except Exception as error:  # a damaged pickle can raise nearly anything
        path = journal.path(ADAPTED)
        raise ValueError(
            f"{path}: damaged state of a run that was killed; delete {path.parent} to start anew"
        ) from error


def _say_expected(each: float, steps: int, video: Video) -> None:
    expected = f"adapting to {video.name}: {steps} steps, about {steps * each:.0f} s"
    text = f"{expected}; Ctrl-C goes on with the steps done by then"
    tqdm.write(text, file=sys.stderr)


def _batches(
    video: Video, config: AdaptationConfig, propagation: PropagationConfig, seed: int
) -> dict[int, PropagationBatches]:
    """For each instance k, of the frames whose masks are given, and three times as often of their recompositions.

    Of instances that are too small to learn a warning says so; they have none.
    """
    shown = {i: np.where(np.isin(mask, video.labels), mask, 0).astype(np.uint8) for i, mask in video.given.items()}
    shown = {i: labels for i, labels in shown.items() if labels.any()}
    sizes = {k: max(int((labels == label).sum()) for labels in shown.values()) for k, label in enumerate(video.labels)}
    for k, size in sizes.items():
        if size < SMALLEST_TO_LEARN:
            what = f"instance {video.labels[k]}: {size} pixels"
            warnings.warn(f"{video.name}, {what} are too small to adapt to", stacklevel=3)
    clips = []
    for i, labels in shown.items():
        frame, labels = no_larger_than_needed(np.asarray(video.frames[i]), labels, propagation)
        original = Clip(f"frame {i}", (frame, frame), (labels, labels), ((), ()))
        moved = recompose(frame, labels, max(1, config.recompositions // (2 * len(shown))), seed + i)
        clips += [original, moved, moved, moved]
    mixture = Mixture(neighbour=0.2, recovery=0.1, hard=config.hard_guides, warped=0.5, leaking=config.leaking_guides)
    return {
        k: PropagationBatches(clips, config.batch, propagation, seed + k, mixture, SMALLEST_TO_LEARN, video.labels[k])
        for k, size in sizes.items()
        if size >= SMALLEST_TO_LEARN
    }


def no_larger_than_needed(frame: Frame, labels: Mask, propagation: PropagationConfig) -> tuple[Frame, Mask]:
    """A first frame (H, W, 3) and its labels (H, W), reduced as far as every patch of an instance stays a reduction.

    As they are where an instance would become too small to learn, or the patch is the whole frame.
    """
    boxes = [mask_box(labels == label) for label in np.unique(labels[labels > 0])]
    narrowest = min(min(box.width, box.height) for box in boxes if box is not None)
    scale = REDUCED_TO * propagation.side / (narrowest * (1 + 2 * propagation.enlarge))
    if not propagation.use_box or scale >= 1:
        return frame, labels
    size = round(scale * frame.shape[1]), round(scale * frame.shape[0])
    reduced = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    before, after = (np.bincount(mask.ravel(), minlength=256)[1:] for mask in (labels, reduced))
    if ((before >= SMALLEST_TO_LEARN) & (after < SMALLEST_TO_LEARN)).any():
        return frame, labels
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), reduced
