"""N_mp as the authors released it (2018): the MP2S network, for its checkpoint (rows 7 to 11 of docs/fidelity.md)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck

from vsreid_lite.networks.mask_propagation import checked_fusion, fuse

BGR_MEAN = (104.0, 117.0, 123.0)  # of 0-255 images (row 11)
FEATURES = 2048  # channels of a backbone's last stage
ATROUS = (6, 12, 18, 24, 1)  # dilations of the head's parallel convolutions (row 10)
STAGES = ((3, 64, 1, 1), (4, 128, 2, 1), (23, 256, 1, 2), (3, 512, 1, 4))  # blocks, width, stride, dilation (row 9)


class MP2S(nn.Module):
    """Two streams, RGB and flow, whose logits are added (row 7). Modules are called as in the release's checkpoint.

    Args:
        fusion: Of `predict`: "logits", the release's sum, or "probabilities", the paper's average.
    """

    def __init__(self, fusion: str = "logits") -> None:
        super().__init__()
        self.fusion = checked_fusion(fusion)
        self.backbone, self.flow_backbone = Backbone(3), Backbone(2)
        self.aspp, self.flow_aspp = Head(), Head()
        self.classifier, self.flow_classifier = nn.Conv2d(512, 2, 1), nn.Conv2d(512, 2, 1)

    def forward(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        """Logits (B, 2, H, W), channel 0 is the background.

        Args:
            image: (B, 3, H, W), BGR in 0-255, of any H and W; its mean is subtracted here.
            flow: (B, 2, H, W), (dx, dy) in pixels of the frame: the release does not rescale it with the patch (row 6).
            guide: (B, 1, H, W) in [0, 1].
        """
        return _enlarge(torch.stack(self._streams(image, flow, guide)).sum(0), image)

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        """Probability patches (B, S, S) in [0, 1], as `PropagationNetwork` asks.

        Args:
            image: (B, 3, S, S), RGB in [0, 1].
            flow: As `forward` takes it; a flow rescaled with its patch is not what the release saw in training.
            guide: (B, 1, S, S) in [0, 1].
        """
        return fuse([_enlarge(part, image) for part in self._streams(image.flip(1) * 255, flow, guide)], self.fusion)

    def _streams(self, image: Tensor, flow: Tensor, guide: Tensor) -> list[Tensor]:
        """The logits (B, 2, H / 8, W / 8) of each stream."""
        image = image - image.new_tensor(BGR_MEAN)[:, None, None]
        rgb = self.classifier(self.aspp(self.backbone(image, guide)))
        return [rgb, self.flow_classifier(self.flow_aspp(self.flow_backbone(flow, guide)))]


def _enlarge(logits: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(logits.float(), like.shape[2:], mode="bilinear", align_corners=True)


class Backbone(nn.Module):
    """ResNet-101 with a stem of three 3 x 3 convolutions and one for the guide, dilated to stride 8 (449 to 57)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.prob_encode = nn.Conv2d(1, 64, 3, 2, 1, bias=False)  # row 8
        self.conv1_1, self.bn1_1 = nn.Conv2d(channels, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.conv1_2, self.bn1_2 = nn.Conv2d(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        self.conv1_3, self.bn1_3 = nn.Conv2d(64, 128, 3, 1, 1, bias=False), nn.BatchNorm2d(128)
        inputs = (128, *(Bottleneck.expansion * width for _, width, _, _ in STAGES))
        stages = [_stage(channels, *stage) for channels, stage in zip(inputs, STAGES, strict=False)]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """x (B, C, H, W) and guide (B, 1, H, W) to features (B, 2048, H / 8, W / 8), sizes rounded up."""
        x = F.relu(self.bn1_1(self.conv1_1(x) + self.prob_encode(guide)))
        x = F.relu(self.bn1_2(self.conv1_2(x)))
        x = F.max_pool2d(F.relu(self.bn1_3(self.conv1_3(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class Head(nn.Module):
    """ASPP of the release: five parallel 3 x 3 convolutions without norm, then one over all of them (row 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_list = nn.ModuleList(nn.Conv2d(FEATURES, 512, 3, 1, d, d) for d in ATROUS)
        self.out_conv2d = nn.Conv2d(512 * len(ATROUS), 512, 3, 1, 1, bias=False)
        self.out_bn2d = nn.BatchNorm2d(512)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2048, h, w) to (B, 512, h, w)."""
        parts = torch.cat([convolution(x) for convolution in self.conv2d_list], 1)
        return F.dropout2d(F.relu(self.out_bn2d(self.out_conv2d(parts))), 0.1, self.training)


def _stage(inputs: int, blocks: int, width: int, stride: int, dilation: int) -> nn.Sequential:
    outputs = Bottleneck.expansion * width
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    first = Bottleneck(inputs, width, stride, shortcut, dilation=dilation)
    return nn.Sequential(first, *(Bottleneck(outputs, width, dilation=dilation) for _ in range(blocks - 1)))
