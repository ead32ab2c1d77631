"""N_reid, the re-identification network (section 3.2), and the OIM loss that trains it.

OIM: Xiao et al. 2017, "Joint detection and identification feature learning for person search", the paper's [15].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsreid_lite.geometry import Box, crop
from vsreid_lite.models import Frame
from vsreid_lite.models.backbone import convolution, normalise, stage

CROP = 96  # pixels: candidates are resized to a square of this side


class LiteIdentification(nn.Module):
    """A narrow residual network: a crop to a point on the unit sphere in 256 dimensions."""

    def __init__(self, dimensions: int = 256, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(3, width, 3, 2),
            nn.ReLU(),
            stage(width, width, 1, 2),
            stage(width, 2 * width, 2, 2),
            stage(2 * width, 4 * width, 2, 2),
            stage(4 * width, 6 * width, 1, 1),
        )
        self.embedding = nn.Linear(12 * width, dimensions)

    def forward(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, 96, 96), RGB in [0, 1], to L2-normalised rows (B, 256)."""
        features = self.features(normalise(crops))
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return F.normalize(self.embedding(pooled), dim=1)

    @torch.inference_mode()
    def embed(self, frame: Frame, boxes: list[Box]) -> Tensor:
        """One L2-normalised row for each box of a frame (H, W, 3): (M, 256)."""
        device = self.embedding.weight.device
        if not boxes:
            return torch.zeros(0, self.embedding.out_features, device=device)
        image = torch.from_numpy(frame).to(device).permute(2, 0, 1).float() / 255
        return self(torch.stack([crop(image, box, CROP) for box in boxes]))


class OIMLoss(nn.Module):
    """Online instance matching: cross-entropy of an embedding against a table of identities and a queue of strangers.

    Logits are scale times the cosine similarity; the scale of 10 is a temperature of 0.1. After each step the table's
    row of every labelled embedding moves towards it (momentum 0.5) and is normalised again; strangers enter the queue.
    """

    table: Tensor
    queue: Tensor
    position: Tensor

    def __init__(self, identities: int, dimensions: int = 256, queue: int = 5000) -> None:
        super().__init__()
        self.momentum, self.scale = 0.5, 10.0
        self.register_buffer("table", torch.zeros(identities, dimensions))
        self.register_buffer("queue", torch.zeros(queue, dimensions))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))  # of the next stranger in the queue

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """Mean loss of embeddings (B, D) whose identities (B,) are known; -1 marks a stranger, which adds no loss."""
        known = identities >= 0
        logits = self.scale * embeddings @ torch.cat([self.table, self.queue]).T
        loss = F.cross_entropy(logits[known], identities[known]) if known.any() else embeddings.sum() * 0
        if self.training:
            self._update(embeddings.detach().float(), identities)
        return loss

    def _update(self, embeddings: Tensor, identities: Tensor) -> None:
        for row, identity in zip(embeddings, identities.tolist(), strict=True):
            if identity >= 0:
                moved = self.momentum * self.table[identity] + (1 - self.momentum) * row
                self.table[identity] = F.normalize(moved, dim=0)
            else:
                self.queue[int(self.position)] = row
                self.position.copy_((self.position + 1) % len(self.queue))
