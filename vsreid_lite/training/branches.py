"""Training of N_mp's RGB stream (section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsreid_lite.training.propagation_samples import Batch


def segmentation_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Jaccard index: logits (B, 2, S, S), truth (B, S, S) in {0, 1}."""
    margin = logits[:, 1].float() - logits[:, 0].float()
    entropy = F.binary_cross_entropy_with_logits(margin, truth)
    probability = torch.sigmoid(margin)
    intersection = (probability * truth).sum((1, 2))
    union = (probability + truth - probability * truth).sum((1, 2))
    return entropy + (1 - (intersection + 1) / (union + 1)).mean()


def propagation_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The loss of one batch, computed under bfloat16 autocast."""
    device = next(model.parameters()).device
    image = batch["image"].to(device, memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16):
        logits = model(image, None, batch["guide"].to(device))
    return segmentation_loss(logits, batch["truth"].to(device))
