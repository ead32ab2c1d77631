"""N_reid, the re-identification network (section 3.2), lite or in full, and the OIM loss that trains it.

OIM: Xiao et al. 2017, "Joint detection and identification feature learning for person search", the paper's [15].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ResNet, ResNet50_Weights
from torchvision.models.resnet import Bottleneck
from torchvision.ops import roi_pool

from vsreid_lite.geometry import Box, crop, resize, to_image
from vsreid_lite.networks.checkpoints import load_resnet
from vsreid_lite.networks.efficientnet import FIXED, Backbone
from vsreid_lite.networks.layers import MixedPrecision, normalise
from vsreid_lite.video.masks import Frame

CROP = 96  # pixels: candidates are resized to a square of this side
RESNET50 = (3, 4, 6, 3)  # bottlenecks of each stage
SHARED = 3  # of the third stage (conv4_1 to conv4_3) they see the frame, the others a candidate
SHORT_SIDE, LONG_SIDE = 600, 1000  # pixels of the resized frame: the short side, unless the long one would be longer
REGION, STRIDE = 14, 16  # RoI pooling: cells to a side, pixels to a cell of the shared features
IMAGENET = ResNet50_Weights.IMAGENET1K_V1.url


class LiteIdentification(MixedPrecision):
    """EfficientNet-Lite0's maps, pooled: a crop to a point on the unit sphere in 256 dimensions.

    The features of its strides 4, 8 and 16 are pooled side by side: what early layers see (colours, fine texture) holds
    on footage unlike the training scenes, where the late ones find everything alike.
    """

    def __init__(self, dimensions: int = 256) -> None:
        super().__init__()
        self.backbone = Backbone(fixed=FIXED)
        pooled = 2 * sum(self.backbone.channels[1:])
        self.norm = nn.BatchNorm1d(pooled)
        self.embedding = nn.Linear(pooled, dimensions)

    def forward(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, 96, 96), RGB in [0, 1], to L2-normalised rows (B, 256)."""
        maps = self.backbone.maps(normalise(crops))[1:]
        pooled = [pool for x in maps for pool in (x.mean((2, 3)), x.amax((2, 3)))]
        return F.normalize(self.embedding(self.norm(torch.cat(pooled, 1))).float(), dim=1)

    def embed(self, frame: Frame, boxes: list[Box]) -> Tensor:
        """One L2-normalised row for each box of a frame (H, W, 3): (M, 256)."""
        if not boxes:
            return self.embedding.weight.new_zeros(0, self.embedding.out_features)
        return self.in_batch([frame], [boxes])[0]

    @torch.inference_mode()
    def in_batch(self, frames: Sequence[Frame], boxes: Sequence[list[Box]]) -> list[Tensor]:
        """The rows of each frame, as of `embed`; there is a box at least."""
        images = [to_image(frame, device=self.embedding.weight.device) for frame in frames]
        crops = [crop(image, box, CROP) for image, some in zip(images, boxes, strict=True) for box in some]
        with self.precision():
            return list(self(torch.stack(crops)).split([len(some) for some in boxes]))


class PaperIdentification(MixedPrecision):
    """The Identification Net of [15] on torchvision's ResNet-50: a frame's boxes to points on the unit sphere.

    conv1 to conv4_3 see the whole frame once; each box takes 14 x 14 of their features by RoI pooling, which go through
    conv4_4 to conv5_3, the mean over all places, and a linear layer from 2048 to 256 dimensions.
    """

    def __init__(self, dimensions: int = 256, blocks: tuple[int, int, int, int] = RESNET50) -> None:
        super().__init__()
        self.backbone = ResNet(Bottleneck, list(blocks))
        self.backbone.fc = nn.Identity()  # its 1000 classes
        self.embedding = nn.Linear(512 * Bottleneck.expansion, dimensions)

    def load_published(self, file: Path | str | None = None) -> None:
        """Fill the backbone with torchvision's ImageNet weights, where its training starts (section 3.4).

        Args:
            file: A checkpoint of torchvision's `resnet50`; None is the one in torch's hub folder, fetched with a word
                about it where it is missing.

        Raises:
            FileNotFoundError: It is not there and cannot be fetched; says which file to put where.
            ValueError: The file does not fit.
        """
        load_resnet(self.backbone, IMAGENET, file)

    def forward(self, image: Tensor, boxes: list[Tensor]) -> Tensor:
        """Frames (B, 3, H, W), RGB in [0, 1], and the boxes (M_b, 4) of each, to rows (sum M_b, 256).

        Boxes in pixels of the frame, first and last pixel inclusive, as RoI pooling counts them.
        """
        net = self.backbone
        shared = net.maxpool(F.relu(net.bn1(net.conv1(normalise(image)))))
        shared = net.layer3[:SHARED](net.layer2(net.layer1(shared)))
        regions = roi_pool(shared.to(boxes[0].dtype), boxes, REGION, 1 / STRIDE)  # bfloat16 would move the boxes
        features = net.layer4(net.layer3[SHARED:](regions)).mean((2, 3))
        return F.normalize(self.embedding(features).float(), dim=1)

    def embed(self, frame: Frame, boxes: list[Box]) -> Tensor:
        """One L2-normalised row for each box of a frame (H, W, 3): (M, 256)."""
        if not boxes:
            return self.embedding.weight.new_zeros(0, self.embedding.out_features)
        return self.in_batch([frame], [boxes])[0]

    @torch.inference_mode()
    def in_batch(self, frames: Sequence[Frame], boxes: Sequence[list[Box]]) -> list[Tensor]:
        """The rows of each of several frames of one size, as of `embed`; each has a box at least."""
        weight, (height, width) = self.embedding.weight, frames[0].shape[:2]
        scale = enlargement((height, width))
        shape = round(height * scale), round(width * scale)
        images = torch.cat([resize(to_image(frame, device=weight.device), shape)[None] for frame in frames])
        corners = [weight.new_tensor([(b.x0, b.y0, b.x1 - 1, b.y1 - 1) for b in some]) * scale for some in boxes]
        with self.precision():
            return list(self(images, corners).split([len(some) for some in boxes]))


def enlargement(shape: tuple[int, ...]) -> float:
    """How much larger the Identification Net sees a frame of (H, W): short side 600, long side at most 1000."""
    return min(SHORT_SIDE / min(shape), LONG_SIDE / max(shape))


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
