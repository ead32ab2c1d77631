"""FlowNet2 (the paper's [5], its flow estimator F) in plain torch, under the names of the common PyTorch checkpoint.

FlowNetC compares the features of both frames and makes a first flow. Two FlowNetS improve it in turn: each sees the
second frame warped by the flow so far, and how far it then differs from the first. FlowNetSD, beside them, is for small
displacements, and Fusion merges both flows at full resolution.

Inside, images are (B, 3, H, W), flows (B, 2, H, W) with channels (dx, dy), of the first frame towards the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint

MULTIPLE = 64  # the features shrink six times by two
DIV_FLOW = 20.0  # the networks speak of flow in units of 20 pixels
DISPLACEMENT, STRIDE = 20, 2  # reach of the correlation and step between its displacements, in pixels of its features
SLOPE = 0.1  # of the leaky ReLUs
FEATURES = {6: 1024, 5: 512, 4: 512, 3: 256, 2: 128}  # channels by level: level n is 2^n times smaller than the image
UPWARD = {5: 512, 4: 256, 3: 128, 2: 64}  # channels that come from the coarser level


def load_flownet2(path: Path | str, device: torch.device | str = "cpu") -> FlowNet2:
    """FlowNet2 with the weights of the common PyTorch checkpoint (FlowNet2_checkpoint.pth.tar), ready to run.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or does not fit.
    """
    with torch.device("meta"):
        network = FlowNet2()
    load_tensors(network, read_checkpoint(path), path)
    return network.requires_grad_(False).eval().to(device)


class FlowNet2(nn.Module):
    """All five networks: 162,518,834 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.flownetc = FlowNetC()
        self.flownets_1 = FlowNetS()
        self.flownets_2 = FlowNetS()
        self.flownets_d = FlowNetSD()
        self.flownetfusion = FlowNetFusion()

    def forward(self, pair: Tensor) -> Tensor:
        """(B, 2, H, W), pixels: for each pixel of the first frame, where it is in the second.

        Args:
            pair: (B, 3, 2, H, W), RGB in 0-255, two frames.

        Raises:
            ValueError: H or W is no multiple of 64.
        """
        if pair.ndim != 5 or pair.shape[1:3] != (3, 2) or any(size % MULTIPLE or not size for size in pair.shape[3:]):
            raise ValueError(
                f"FlowNet2: expected a pair of frames (B, 3, 2, H, W), H and W multiples of {MULTIPLE}, "
                f"found {tuple(pair.shape)}"
            )
        first, second = ((pair - pair.mean((2, 3, 4), keepdim=True)) / 255).unbind(2)
        flow = _quadruple(DIV_FLOW * self.flownetc(first, second))
        flow = _quadruple(DIV_FLOW * self.flownets_1(_evidence(first, second, flow)))
        flow = _quadruple(DIV_FLOW * self.flownets_2(_evidence(first, second, flow)), "nearest")
        small = _quadruple(self.flownets_d(torch.cat([first, second], 1)) / DIV_FLOW, "nearest")
        lengths = [_length(small), _length(flow)]
        errors = [_length(first - sample(second, f)) for f in (small, flow)]
        return self.flownetfusion(torch.cat([first, small, flow, *lengths, *errors], 1))


def _evidence(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """What a stacked network sees (B, 12, H, W): both frames, the second one warped, the flow, the brightness error."""
    warped = sample(second, flow)
    return torch.cat([first, second, warped, flow / DIV_FLOW, _length(first - warped)], 1)


def _quadruple(flow: Tensor, mode: str = "bilinear") -> Tensor:
    """A flow on a grid four times finer; its displacements stay."""
    return functional.interpolate(flow, scale_factor=4, mode=mode)


def _length(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, 1, H, W): the Euclidean length over the channels."""
    return torch.linalg.vector_norm(x, dim=1, keepdim=True)


def sample(image: Tensor, flow: Tensor) -> Tensor:
    """`image` (B, C, H, W), bilinearly, at (x + dx, y + dy); what lies outside has the value of the nearest border.

    The warp of FlowNet2's own layers; W of the method, with zeros outside, is `geometry.warp`.
    """
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], 3)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=False)


def correlate(first: Tensor, second: Tensor, displacement: int = DISPLACEMENT, stride: int = STRIDE) -> Tensor:
    """How alike each feature of `first` is to those around it in `second`: (B, C, H, W) twice to (B, n * n, H, W).

    Channel a * n + b is the mean over C of first(x, y) * second(x + dx, y + dy), zero outside, for the displacements
    dy = stride * a - displacement, dx = stride * b - displacement; n = 2 * displacement / stride + 1 (FlowNetC). One
    dy at a time: all products of a row with a row in one matrix product, of which the wanted diagonals are kept.
    """
    batch, channels, height, width = first.shape
    n = 2 * (displacement // stride) + 1
    rows = first.permute(0, 2, 3, 1) / channels
    padded = functional.pad(second, [displacement] * 4).permute(0, 2, 1, 3)
    result = first.new_empty(batch, n, n, height, width)
    across = torch.arange(width, device=first.device)[:, None] + stride * torch.arange(n, device=first.device)
    for a in range(n):
        products = rows @ padded[:, stride * a : stride * a + height]  # (B, H, W, W + 2 * displacement)
        result[:, a] = products.gather(3, across.expand(batch, height, -1, -1)).permute(0, 3, 1, 2)
    return result.flatten(1, 2)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.LeakyReLU(SLOPE))


class _Refining(nn.Module):
    """The upward half of every network: a flow at the coarsest level, refined level by level with finer features.

    Args:
        features: Channels by level, coarsest first.
        upward: Channels that each finer level gets from the one above.
        smooth: A further convolution before the flow is read off.
        bias: Of the layers that double the flow's resolution.
    """

    def __init__(
        self, features: Mapping[int, int], upward: Mapping[int, int], *, smooth: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        (top, inputs), *_ = features.items()
        self.levels, self.smooth = tuple(upward), smooth
        self.add_module(f"predict_flow{top}", nn.Conv2d(inputs, 2, 3, 1, 1))
        for level, outputs in upward.items():
            flow_up = nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=bias)
            self.add_module(f"upsampled_flow{level + 1}_to_{level}", flow_up)
            deconv = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(SLOPE))
            self.add_module(f"deconv{level}", deconv)
            inputs = features[level] + outputs + 2
            if smooth:
                self.add_module(f"inter_conv{level}", nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1)))
            self.add_module(f"predict_flow{level}", nn.Conv2d(outputs if smooth else inputs, 2, 3, 1, 1))

    def refine(self, features: Mapping[int, Tensor]) -> Tensor:
        """The flow (B, 2, h, w) at the finest level of the features (B, C, h, w), in the network's own unit."""
        top = max(features)
        x = features[top]
        flow = self.get_submodule(f"predict_flow{top}")(x)
        for level in self.levels:
            flow = self.get_submodule(f"upsampled_flow{level + 1}_to_{level}")(flow)
            x = torch.cat([features[level], self.get_submodule(f"deconv{level}")(x), flow], 1)
            seen = self.get_submodule(f"inter_conv{level}")(x) if self.smooth else x
            flow = self.get_submodule(f"predict_flow{level}")(seen)
        return flow


class _Contracting(_Refining):
    """What FlowNetC, FlowNetS and FlowNetSD share: the downward half from level 3 on, and all of the upward one."""

    def __init__(self, inputs: int, *, smooth: bool = False, bias: bool = True) -> None:
        super().__init__(FEATURES, UPWARD, smooth=smooth, bias=bias)
        self.conv3_1 = _conv(inputs, 256)
        self.conv4, self.conv4_1 = _conv(256, 512, stride=2), _conv(512, 512)
        self.conv5, self.conv5_1 = _conv(512, 512, stride=2), _conv(512, 512)
        self.conv6, self.conv6_1 = _conv(512, 1024, stride=2), _conv(1024, 1024)

    def flow(self, level2: Tensor, level3: Tensor) -> Tensor:
        """(B, 2, H / 4, W / 4) from the features (B, 128, H / 4, W / 4) and (B, inputs, H / 8, W / 8)."""
        level3 = self.conv3_1(level3)
        level4 = self.conv4_1(self.conv4(level3))
        level5 = self.conv5_1(self.conv5(level4))
        return self.refine({6: self.conv6_1(self.conv6(level5)), 5: level5, 4: level4, 3: level3, 2: level2})


class FlowNetC(_Contracting):
    """Correlation: the same features of both frames, compared over displacements of 160 pixels and less."""

    def __init__(self) -> None:
        super().__init__((2 * DISPLACEMENT // STRIDE + 1) ** 2 + 32)
        self.conv1, self.conv2, self.conv3 = _conv(3, 64, 7, 2), _conv(64, 128, 5, 2), _conv(128, 256, 5, 2)
        self.conv_redir = _conv(256, 32, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two frames (B, 3, H, W) to their flow (B, 2, H / 4, W / 4), in units of 20 pixels."""
        level2 = self.conv2(self.conv1(first))
        a, b = self.conv3(level2), self.conv3(self.conv2(self.conv1(second)))
        alike = functional.leaky_relu(correlate(a, b), SLOPE)
        return self.flow(level2, torch.cat([self.conv_redir(a), alike], 1))


class FlowNetS(_Contracting):
    """Simple: one stack of convolutions over all that is known so far."""

    def __init__(self) -> None:
        super().__init__(256, bias=False)
        self.conv1, self.conv2, self.conv3 = _conv(12, 64, 7, 2), _conv(64, 128, 5, 2), _conv(128, 256, 5, 2)

    def forward(self, evidence: Tensor) -> Tensor:
        """(B, 12, H, W) to a flow (B, 2, H / 4, W / 4), in units of 20 pixels."""
        level2 = self.conv2(self.conv1(evidence))
        return self.flow(level2, self.conv3(level2))


class FlowNetSD(_Contracting):
    """Small displacements: 3 x 3 kernels from full resolution on, and smoothed flows."""

    def __init__(self) -> None:
        super().__init__(256, smooth=True)
        self.conv0 = _conv(6, 64)
        self.conv1, self.conv1_1 = _conv(64, 64, stride=2), _conv(64, 128)
        self.conv2, self.conv2_1 = _conv(128, 128, stride=2), _conv(128, 128)
        self.conv3 = _conv(128, 256, stride=2)

    def forward(self, frames: Tensor) -> Tensor:
        """Two frames (B, 6, H, W) to their flow (B, 2, H / 4, W / 4), in twentieths of a pixel."""
        level2 = self.conv2_1(self.conv2(self.conv1_1(self.conv1(self.conv0(frames)))))
        return self.flow(level2, self.conv3(level2))


class FlowNetFusion(_Refining):
    """Fusion: chooses and smooths between the two flows at full resolution."""

    def __init__(self) -> None:
        super().__init__({2: 128, 1: 128, 0: 64}, {1: 32, 0: 16}, smooth=True)
        self.conv0 = _conv(11, 64)
        self.conv1, self.conv1_1 = _conv(64, 64, stride=2), _conv(64, 128)
        self.conv2, self.conv2_1 = _conv(128, 128, stride=2), _conv(128, 128)

    def forward(self, flows: Tensor) -> Tensor:
        """(B, 11, H, W), the first frame and both flows with their lengths and errors, to a flow (B, 2, H, W)."""
        level0 = self.conv0(flows)
        level1 = self.conv1_1(self.conv1(level0))
        return self.refine({2: self.conv2_1(self.conv2(level1)), 1: level1, 0: level0})
