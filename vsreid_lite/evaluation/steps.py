"""How good one step of Algorithm 1 is by itself, when it starts from the truth and not from what was predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from vsreid_lite.config import Config
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.flow import FlowEstimator
from vsreid_lite.geometry import warp
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.networks.loading import choose_device
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.video.masks import Frame
from vsreid_lite.video.video import Video

WARPED = "warped map"


@torch.inference_mode()
def one_step_scores(
    video: Video,
    flow: FlowEstimator,
    networks: Mapping[str, PropagationNetwork],
    config: Config,
    every: int = 1,
    progress: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """J of each instance in each frame, predicted from its true mask in the frame before.

    Args:
        video: the video, of N frames and K instances.
        flow: F.
        networks: N_mp by name.
        config: of the step.
        every: measure the frames 1, 1 + `every` and so on.
        progress: whether to show a bar.

    Returns:
        For "warped map", the guide without any network, and for each network: (K, N). NaN where a frame was not
        measured, and where it or the one before shows nothing of the instance.

    Raises:
        ValueError: a frame has no annotation.
    """
    truth = video.truth
    if len(truth) < video.N:
        raise ValueError(f"sequence {video.name}: expected {video.N} true masks, found {len(truth)}")
    device, frames = choose_device(config.device), list(video.frames)
    scores = {name: np.full((video.K, video.N), np.nan) for name in (WARPED, *networks)}
    for j in tqdm(range(1, video.N, every), desc="steps", disable=not progress, leave=False):
        f = flow(frames, target=j, source=j - 1).to(device)
        for k, label in enumerate(video.labels):
            before, after = truth[j - 1] == label, truth[j] == label
            if before.any() and after.any():
                P = torch.from_numpy(before).float().to(device)
                for name, guess in _answers(frames[j], f, P, networks, config).items():
                    scores[name][k, j] = region(after, guess.cpu().numpy() > 0.5)
    return scores


def _answers(
    frame: Frame, flow: Tensor, P: Tensor, networks: Mapping[str, PropagationNetwork], config: Config
) -> dict[str, Tensor]:
    """The warped map (H, W), and what each network makes of it."""
    rules = config.propagation, config.release
    answers = {name: propagate_mask(frame, flow, P, network, *rules) for name, network in networks.items()}
    return {WARPED: warp(P, flow), **answers}
