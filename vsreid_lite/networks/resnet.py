"""The streams of the `paper` preset (section 3.1): torchvision's ResNet-101, dilated, with a guide and ASPP."""

from __future__ import annotations

import copy
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ResNet, ResNet101_Weights
from torchvision.models.resnet import Bottleneck

from vsreid_lite.networks.hub import load_imagenet
from vsreid_lite.networks.layers import ASPP
from vsreid_lite.networks.mask_propagation import TwoStreams, convert_to_flow

RESNET101 = (3, 4, 23, 3)  # bottlenecks of each stage
DILATIONS = (6, 12, 18, 24)  # of ASPP in the paper's [1]
WIDTH = 256  # channels of each part of ASPP
IMAGENET = ResNet101_Weights.IMAGENET1K_V1.url  # trained by the original recipe, as the paper's [4]


class ResNetStream(nn.Module):
    """One stream: normalised RGB or flow, and the guide, to logits; stride 8, 449 becomes 57 x 57.

    The paper leaves the guide's way in open. Ours (FIDELITY row 8): a 3 x 3 convolution of its own, stride 2, no bias,
    added to the output of the 7 x 7 one. It starts at zero, so that the stream starts as the ResNet of its weights.
    """

    def __init__(self, channels: int = 3, blocks: tuple[int, int, int, int] = RESNET101) -> None:
        super().__init__()
        self.backbone = ResNet(Bottleneck, list(blocks), replace_stride_with_dilation=[False, True, True])
        self.backbone.fc = nn.Identity()  # its 1000 classes
        if channels != 3:
            self.backbone.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.guide = nn.Conv2d(1, 64, 3, 2, 1, bias=False)
        nn.init.zeros_(self.guide.weight)
        self.aspp = ASPP(512 * Bottleneck.expansion, WIDTH, DILATIONS)
        self.head = nn.Conv2d(WIDTH, 2, 1)

    def load_imagenet(self, file: Path | str | None = None) -> None:
        """Fill the backbone of an RGB stream with torchvision's ImageNet weights; guide, ASPP and head stay.

        file: a checkpoint of torchvision's `resnet101`; None is the one in torch's hub folder, fetched with a word
        about it where it is missing. Raises FileNotFoundError with the file to put where, ValueError for a misfit.
        """
        load_imagenet(self.backbone, IMAGENET, file)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """x (B, C, S, S), guide (B, 1, S, S) in [0, 1], to logits (B, 2, S, S); channel 0 is the background."""
        net = self.backbone
        features = net.maxpool(F.relu(net.bn1(net.conv1(x) + self.guide(guide))))
        features = net.layer4(net.layer3(net.layer2(net.layer1(features))))
        return F.interpolate(self.head(self.aspp(features)), x.shape[2:], mode="bilinear", align_corners=False)


def paper_streams(use_flow: bool = True, fusion: str = "probabilities") -> TwoStreams:
    """The untrained N_mp of the paper: an RGB stream and, with `use_flow`, a flow stream."""
    return TwoStreams(ResNetStream(), ResNetStream(2) if use_flow else None, fusion)


def resnet_flow_stream(rgb: ResNetStream) -> ResNetStream:
    """A flow stream that starts from the weights of an RGB stream (section 3.4).

    A kernel of three channels cannot be copied into one of two: each gets the mean of the three, times 3/2, so that the
    response keeps its size (`convert_to_flow`). All else is copied, the guide's convolution too.
    """
    flow = copy.deepcopy(rgb)
    flow.backbone.conv1 = convert_to_flow(rgb.backbone.conv1)
    return flow
