"""What several networks share: atrous spatial pyramid pooling, folded normalisation, normalised images, seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import Bottleneck

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def convolution(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch normalisation; "same" padding."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def fold_normalisation(network: nn.Module) -> None:
    """Multiply each batch normalisation that follows a convolution into that convolution, in place.

    The network computes the same as before in evaluation mode, up to rounding, a fifth faster on a CPU. Only where the
    two begin an `nn.Sequential`, as all but the first layer of the lite networks do, or lie in a bottleneck of ResNet.
    """
    for block in network.modules():
        if isinstance(block, Bottleneck):
            for conv, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")):
                if isinstance(getattr(block, norm), nn.BatchNorm2d):
                    setattr(block, conv, _folded(getattr(block, conv), getattr(block, norm)))
                    setattr(block, norm, nn.Identity())
        if isinstance(block, nn.Sequential) and len(block) > 1:
            first, second = block[0], block[1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                block[0], block[1] = _folded(first, second), nn.Identity()


def _folded(convolution: nn.Conv2d, normalisation: nn.BatchNorm2d) -> nn.Conv2d:
    """It can still be trained: its bias as its weight."""
    return fuse_conv_bn_eval(convolution, normalisation).requires_grad_(convolution.weight.requires_grad)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (the paper's [1]): parallel dilated convolutions, and the mean."""

    def __init__(self, inputs: int, width: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        kernels = [(1, 1), *((3, d) for d in dilations)]
        self.branches = nn.ModuleList(convolution(inputs, width, k, d) for k, d in kernels)
        self.mean = nn.Conv2d(inputs, width, 1)
        self.project = convolution(width * (len(kernels) + 1), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, width, H, W)."""
        pooled = F.relu(self.mean(x.mean((2, 3), keepdim=True))).expand(-1, -1, *x.shape[2:])
        parts = [F.relu(branch(x)) for branch in self.branches]
        return F.relu(self.project(torch.cat([*parts, pooled], 1)))


class MixedPrecision(nn.Module):
    """A network that is asked in bfloat16 on a GPU, unless `autocast` is off; on a CPU in float32."""

    autocast = True

    def precision(self) -> torch.autocast:
        """The context in which it is asked."""
        on_gpu = next(self.parameters()).device.type == "cuda"
        return torch.autocast("cuda", torch.bfloat16, enabled=on_gpu and self.autocast)


def normalise(image: Tensor) -> Tensor:
    """RGB in [0, 1] (B, 3, H, W) to zero mean and unit variance, by ImageNet's statistics."""
    mean = image.new_tensor(IMAGENET_MEAN)[:, None, None]
    std = image.new_tensor(IMAGENET_STD)[:, None, None]
    return (image - mean) / std


@contextmanager
def random_weights(seed: int = 0) -> Iterator[None]:
    """Networks built inside get the same weights each time; torch's own random numbers go on as if nothing had been."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
