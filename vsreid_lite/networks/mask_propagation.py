"""N_mp, the mask propagation network (section 3.1, Figure 1): two streams, lite or the paper's, and their fusion."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ResNet, ResNet101_Weights
from torchvision.models.resnet import Bottleneck

from vsreid_lite.networks.checkpoints import load_resnet
from vsreid_lite.networks.efficientnet import WIDTH, Backbone
from vsreid_lite.networks.layers import ASPP, convolution, normalise

RESNET101 = (3, 4, 23, 3)  # bottlenecks of each stage
DILATIONS = (6, 12, 18, 24)  # of ASPP in the paper's [1]
ASPP_WIDTH = 256  # channels of each part of ASPP
IMAGENET = ResNet101_Weights.IMAGENET1K_V1.url  # trained by the original recipe, as the paper's [4]
FUSIONS = ("probabilities", "logits")
STRIDE = 8  # of the deepest maps
FLOW_SCALE, FLOW_LIMIT = 8.0, 4.0  # flow enters as pixels of the patch / 8, cut off at 4


class Stream(nn.Module):
    """One lite stream: image or flow, and the guide, to logits.

    A dilated backbone at stride 8 and ASPP, as in the paper; the backbone is EfficientNet-Lite0's. Two things are ours
    (docs/fidelity.md): the guide enters by a convolution of its own, added to the first layer's output; and the maps of
    strides 4 and 2 are shown once more to the last layers, because a 128-pixel patch is 16 x 16 at stride 8.
    """

    def __init__(self, channels: int = 3, width: int = WIDTH) -> None:
        super().__init__()
        self.backbone = Backbone(channels, width, STRIDE)
        self.guide = nn.Conv2d(1, width, 3, 2, 1, bias=False)
        fine, middle, coarse = self.backbone.channels
        self.aspp = ASPP(coarse, 2 * width, (2, 4, 6))
        self.middle = convolution(2 * width + middle, 2 * width)
        self.detail = convolution(2 * width + fine, width)
        self.head = nn.Conv2d(width, 2, 3, padding=1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Normalised RGB or flow (B, C, S, S), guide (B, 1, S, S) in [0, 1], to logits (B, 2, S, S); 0: background."""
        fine, middle, coarse = self.backbone.maps(x, self.guide(guide * 2 - 1))
        coarse = self.aspp(coarse)
        middle = F.relu(self.middle(torch.cat([_resize(coarse, middle), middle], 1)))
        fine = F.relu(self.detail(torch.cat([_resize(middle, fine), fine], 1)))
        return F.interpolate(self.head(fine), x.shape[2:], mode="bilinear", align_corners=False)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


class ResNetStream(nn.Module):
    """One stream: normalised RGB or flow, and the guide, to logits; stride 8, 449 becomes 57 x 57.

    The paper leaves the guide's way in open. Ours (docs/fidelity.md, row 8): a 3 x 3 convolution, stride 2, no bias,
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
        self.aspp = ASPP(512 * Bottleneck.expansion, ASPP_WIDTH, DILATIONS)
        self.head = nn.Conv2d(ASPP_WIDTH, 2, 1)

    def load_published(self, file: Path | str | None = None) -> None:
        """Fill the backbone of an RGB stream with torchvision's ImageNet weights; guide, ASPP and head stay.

        Args:
            file: A checkpoint of torchvision's `resnet101`; None is the one in torch's hub folder, fetched with a word
                about it where it is missing.

        Raises:
            FileNotFoundError: It is not there and cannot be fetched; says which file to put where.
            ValueError: The file does not fit.
        """
        load_resnet(self.backbone, IMAGENET, file)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """x (B, C, S, S), guide (B, 1, S, S) in [0, 1], to logits (B, 2, S, S); channel 0 is the background."""
        net = self.backbone
        features = net.maxpool(F.relu(net.bn1(net.conv1(x) + self.guide(guide))))
        features = net.layer4(net.layer3(net.layer2(net.layer1(features))))
        return F.interpolate(self.head(self.aspp(features)), x.shape[2:], mode="bilinear", align_corners=False)


class TwoStreams(nn.Module):
    """N_mp: an RGB stream, a flow stream (Table 1, row 3) or none, and their fusion.

    A stream maps its input (B, C, S, S) and the guide (B, 1, S, S) to logits (B, 2, S, S).

    Args:
        rgb: The RGB stream.
        flow: The flow stream.
        fusion: "probabilities", the paper's "averaging the predictions", or "logits", the release's sum (row 7 of
            docs/fidelity.md).
    """

    def __init__(self, rgb: nn.Module, flow: nn.Module | None = None, fusion: str = "probabilities") -> None:
        super().__init__()
        self.rgb, self.flow, self.fusion = rgb, flow, checked_fusion(fusion)

    def forward(self, image: Tensor, flow: Tensor | None, guide: Tensor) -> list[Tensor]:
        """The logits (B, 2, S, S) of each stream.

        Args:
            image: (B, 3, S, S), RGB in [0, 1].
            flow: (B, 2, S, S), pixels of the patch; None where there is no flow stream.
            guide: (B, 1, S, S) in [0, 1].
        """
        logits = [self.rgb(normalise(image), guide)]
        if self.flow is not None:
            assert flow is not None
            logits.append(self.flow(normalise_flow(flow), guide))
        return logits

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        """Probability patches (B, S, S) in [0, 1]; inputs as in `forward`."""
        return fuse(self(image, flow, guide), self.fusion)


def fuse(logits: list[Tensor], fusion: str) -> Tensor:
    """The logits (B, 2, S, S) of each stream to probabilities (B, S, S), float32 (docs/fidelity.md, row 7)."""
    margins = torch.stack([stream[:, 1] - stream[:, 0] for stream in logits]).float()
    if fusion == "logits":
        return torch.sigmoid(margins.sum(0))
    return torch.sigmoid(margins).mean(0)


def checked_fusion(fusion: str) -> str:
    """`fusion`, if there is one of that name; else ValueError."""
    if fusion not in FUSIONS:
        raise ValueError(f"fusion {fusion!r}: expected one of {', '.join(FUSIONS)}")
    return fusion


def normalise_flow(flow: Tensor) -> Tensor:
    """Flow in pixels of the patch to about unit variance, without outliers."""
    return (flow / FLOW_SCALE).clamp(-FLOW_LIMIT, FLOW_LIMIT)


def lite_streams(use_flow: bool = True, fusion: str = "probabilities") -> TwoStreams:
    """The untrained lite N_mp; without `use_flow` its RGB stream alone."""
    return TwoStreams(Stream(), Stream(2) if use_flow else None, fusion)


def paper_streams(use_flow: bool = True, fusion: str = "probabilities") -> TwoStreams:
    """The untrained N_mp of the paper: an RGB stream and, with `use_flow`, a flow stream."""
    return TwoStreams(ResNetStream(), ResNetStream(2) if use_flow else None, fusion)


def flow_stream_from(rgb: nn.Module) -> nn.Module:
    """A flow stream that starts from the weights of an RGB stream (section 3.4), of either architecture.

    The first convolution's kernel cannot be copied, it has three input channels and not two. Ours: each of the two
    channels gets the mean of the three, times 3/2, so that the response keeps its size (`convert_to_flow`). All else is
    copied, the guide's convolution too.
    """
    flow = copy.deepcopy(rgb)
    assert isinstance(flow, (Stream, ResNetStream))
    if isinstance(flow, Stream):
        flow.backbone.stem = convert_to_flow(flow.backbone.stem)
    else:
        flow.backbone.conv1 = convert_to_flow(flow.backbone.conv1)
    return flow


def convert_to_flow(rgb: nn.Conv2d) -> nn.Conv2d:
    """A first convolution (out, 3, k, k) for the two channels of flow: twice the mean kernel, times 3/2."""
    flow = nn.Conv2d(2, rgb.out_channels, rgb.kernel_size, rgb.stride, rgb.padding, bias=rgb.bias is not None)  # type: ignore[arg-type]
    with torch.no_grad():
        flow.weight.copy_(rgb.weight.mean(1, keepdim=True).expand(-1, 2, -1, -1) * 1.5)
        if rgb.bias is not None and flow.bias is not None:
            flow.bias.copy_(rgb.bias)
    return flow
