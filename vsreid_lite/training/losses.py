"""Losses of N_mp's two branches, alone and jointly (section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vsreid_lite.networks.mask_propagation import TwoStreams, normalise_flow
from vsreid_lite.training.processes import mixed_precision
from vsreid_lite.training.propagation_samples import Batch


def segmentation_loss(margin: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Jaccard index: log-odds (B, S, S), truth (B, S, S) in {0, 1}."""
    entropy = F.binary_cross_entropy_with_logits(margin, truth)
    probability = torch.sigmoid(margin)
    intersection = (probability * truth).sum((1, 2))
    union = (probability + truth - probability * truth).sum((1, 2))
    return entropy + (1 - (intersection + 1) / (union + 1)).mean()


def joint_loss(network: TwoStreams, batch: Batch, own_guides: int = 0) -> Tensor:
    """The mean loss of the streams and of their average, which is what is used; of one stream its loss.

    Args:
        network: N_mp.
        batch: As `PropagationBatches` draws it.
        own_guides: Half of the batch gets as guide what the network makes of its guide, so many times over.
    """
    moved = _moved(batch, network)
    if own_guides:
        moved["guide"] = _own_guides(network, moved, own_guides)
    with mixed_precision(moved["image"].device):
        logits = network(moved["image"], moved["flow"], moved["guide"])
    margins = [_margin(stream) for stream in logits]
    if len(margins) > 1:
        margins.append(torch.logit(torch.sigmoid(torch.stack(margins)).mean(0), 1e-5))
    return torch.stack([segmentation_loss(margin, moved["truth"]) for margin in margins]).mean()


def flow_loss(network: TwoStreams, batch: Batch) -> Tensor:
    """The loss of the flow stream alone."""
    assert network.flow is not None
    moved = _moved(batch, network)
    with mixed_precision(moved["image"].device):
        logits = network.flow(normalise_flow(moved["flow"]), moved["guide"])
    return segmentation_loss(_margin(logits), moved["truth"])


@torch.no_grad()
def _own_guides(network: TwoStreams, batch: Batch, times: int) -> Tensor:
    """The guides (B, 1, S, S) with the first half replaced: soft, and drifted as after `times` more frames."""
    half = len(batch["guide"]) // 2
    image, flow, guide = (batch[name][:half] for name in ("image", "flow", "guide"))
    with mixed_precision(batch["image"].device):
        for _ in range(times):
            guide = network.predict(image, flow, guide)[:, None].float()
    return torch.cat([guide, batch["guide"][half:]])


def _margin(logits: Tensor) -> Tensor:
    """The log-odds (B, S, S) of the instance, in float32."""
    return logits[:, 1].float() - logits[:, 0].float()


def _moved(batch: Batch, network: TwoStreams) -> Batch:
    device = next(network.parameters()).device
    last = torch.channels_last
    return {name: x.to(device, memory_format=last) if x.ndim == 4 else x.to(device) for name, x in batch.items()}
