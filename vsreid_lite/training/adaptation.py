"""Online adaptation: N_mp fine-tuned on the first frame of one sequence. A row of Table 1 that is ours."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from vsreid_lite.config import AdaptationConfig, PropagationConfig
from vsreid_lite.models.mask_propagation import LiteMaskPropagation
from vsreid_lite.sequence import Sequence
from vsreid_lite.training.branches import propagation_loss
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.propagation_samples import Mixture, PropagationBatches
from vsreid_lite.training.recomposition import recompose


def adapt(
    network: LiteMaskPropagation,
    sequence: Sequence,
    config: AdaptationConfig,
    propagation: PropagationConfig,
    seed: int = 0,
    progress: bool = False,
) -> LiteMaskPropagation:
    """A copy of `network` that knows this sequence's first frame; the network itself stays as it is.

    Trains `config.steps` steps for each instance, or `config.seconds` for each if that is over first. Batch
    normalisation keeps its statistics: one frame is no population.
    """
    adapted = copy.deepcopy(network).eval()
    labels = np.where(np.isin(sequence.first_mask, sequence.labels), sequence.first_mask, 0).astype(np.uint8)
    frame = np.asarray(sequence.frames[0])
    original = Clip("first frame", (frame, frame), (labels, labels), ((), ()))
    moved = recompose(frame, labels, config.recompositions // 2, seed)
    clips = [original, moved, moved, moved]
    mixture = Mixture(neighbour=0.2, recovery=0.1, hard=config.hard_guides, warped=0.5)
    batches = PropagationBatches(clips, config.batch, propagation.patch, propagation.enlarge, seed, mixture)
    optimiser = torch.optim.AdamW(adapted.parameters(), config.learning_rate, weight_decay=0.0)
    steps = config.steps * sequence.K
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps, pct_start=0.1)
    deadline = time.monotonic() + config.seconds * sequence.K
    for step in tqdm(range(steps), desc=f"adapting to {sequence.name}", disable=not progress):
        loss = propagation_loss(adapted, batches[step])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(adapted.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if time.monotonic() > deadline:
            break
    return adapted
