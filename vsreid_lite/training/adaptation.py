"""Online adaptation: N_mp fine-tuned on the given masks of one sequence. A row of Table 1 that is ours."""

from __future__ import annotations

import copy
import io
import sys
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace
from threading import Event
from typing import Any

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


def adapt(
    network: TwoStreams,
    video: Video,
    config: AdaptationConfig,
    propagation: PropagationConfig,
    seed: int = 0,
    progress: bool = False,
    journal: Journal | None = None,
) -> tuple[TwoStreams, bool]:
    """A copy of `network` that knows the frames of this video whose masks are given; the network itself stays as it is.

    Both streams learn in every third step, the RGB stream alone in the others. Batch normalisation keeps its
    statistics: one frame is no population. The motions of the recompositions are those of `dis-tuned`, whatever the
    flow of the run. In the end each weight is a mean of what was learnt and what was before (`config.kept`; Wortsman et
    al., "Robust fine-tuning of zero-shot models", 2022).

    Args:
        network: N_mp.
        video: The video. Where its instances are too small to learn, a warning says so, and the copy is as it was.
        config: Steps for each instance.
        propagation: Side and margin of the patches; `config.patch` is another side, at which a step may be faster.
        seed: Of the recompositions and the guides.
        progress: Show a bar and the expected time. A first Ctrl-C then goes on with the steps done, with a warning.
        journal: Of the run, which keeps the state; a run that was killed goes on from the last.

    Returns:
        The copy, and whether Ctrl-C has ended its adaptation.

    Raises:
        FloatingPointError: The loss or the gradient of a step is not finite.
    """
    adapted = to_adapt(network)
    largest = max(int(P.sum()) for _, P in video.given_probabilities())
    if largest < SMALLEST_TO_LEARN:
        warnings.warn(f"{video.name}: {largest} pixels are too small to adapt to", stacklevel=2)
        return adapted, False
    batches = _batches(video, config, replace(propagation, patch=config.patch or propagation.patch), seed)
    stopped = _learn(adapted, batches, video, config, progress, journal or Journal())
    _mix(adapted, network, config.kept or 0.0)
    return adapted, stopped


@torch.no_grad()
def _mix(adapted: TwoStreams, before: TwoStreams, share: float) -> None:
    """Bring each weight back towards what it was before by a share of the way, in place."""
    for new, old in zip(adapted.parameters(), before.parameters(), strict=True):
        new.lerp_(old, share)


def to_adapt(network: TwoStreams) -> TwoStreams:
    """A copy of N_mp, laid out as an adapted one."""
    return copy.deepcopy(network).eval().to(memory_format=torch.channels_last)  # a fifth faster on a CPU


def _learn(
    network: TwoStreams,
    batches: PropagationBatches,
    video: Video,
    config: AdaptationConfig,
    progress: bool,
    journal: Journal,
) -> bool:
    """Train in place until the steps are done or, where progress is shown, Ctrl-C ends them; whether it has."""
    steps, learning_rate = config.pace
    steps *= video.K
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0.0)
    rising = max(steps, 11)  # ten and fewer have no tenth to rise in
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=rising, pct_start=0.1)
    image_only, stopped = TwoStreams(network.rgb), Event()
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    first = _resume(parts, journal)
    bar = tqdm(range(first, steps), f"adapting to {video.name}", steps, initial=first, disable=not progress)
    with interrupt_sets(stopped) if progress else nullcontext():
        for step in bar:
            loss = joint_loss(network if step % FLOW_EVERY == 0 else image_only, batches[step])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            length = nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            if not length.isfinite():  # as after a loss that is not
                raise FloatingPointError(f"adapting to {video.name}: the gradient is {length.item()} at step {step}")
            optimiser.step()
            schedule.step()
            if step == first:
                began = time.perf_counter()  # the first step takes longer
            elif step == first + FLOW_EVERY and progress:
                _say_expected((time.perf_counter() - began) / FLOW_EVERY, steps - first, video)
            if journal.due():
                journal.try_to_write(ADAPTED, {"state": _packed(parts)}, step + 1)
            if stopped.is_set() and step + 1 < steps:
                done = f"{step + 1} of {steps} steps"
                warnings.warn(f"{video.name}: adaptation stopped after {done}; going on with these", stacklevel=3)
                return True
    return False


def _packed(parts: dict[str, Any]) -> torch.Tensor:
    """What parts of a training hold, in bytes: their layout in memory included, with which it goes on bit for bit."""
    buffer = io.BytesIO()
    torch.save({name: part.state_dict() for name, part in parts.items()}, buffer)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def _resume(parts: dict[str, Any], journal: Journal) -> int:
    """Go on from what a journal has kept; the steps done."""
    tensors, steps = journal.read(ADAPTED) or ({}, None)
    if steps is None:
        return 0
    try:
        kept = read_pickle(journal.path(ADAPTED), tensors["state"].numpy().tobytes())
        for name, part in parts.items():
            part.load_state_dict(kept[name])
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


def _batches(video: Video, config: AdaptationConfig, propagation: PropagationConfig, seed: int) -> PropagationBatches:
    """Of the frames whose masks are given, and three times as often of their recompositions."""
    shown = {i: np.where(np.isin(mask, video.labels), mask, 0).astype(np.uint8) for i, mask in video.given.items()}
    shown = {i: labels for i, labels in shown.items() if labels.any()}
    clips = []
    for i, labels in shown.items():
        frame, labels = no_larger_than_needed(np.asarray(video.frames[i]), labels, propagation)
        original = Clip(f"frame {i}", (frame, frame), (labels, labels), ((), ()))
        moved = recompose(frame, labels, max(1, config.recompositions // (2 * len(shown))), seed + i)
        clips += [original, moved, moved, moved]
    mixture = Mixture(neighbour=0.2, recovery=0.1, hard=config.hard_guides, warped=0.5)
    return PropagationBatches(clips, config.batch, propagation, seed, mixture, SMALLEST_TO_LEARN)


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
