"""RAFT as F, through torchvision: a flow network from after the paper, whose weights are one download away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights, raft_large, raft_small

from vsreid_lite.flow.inputs import random_weights, to_tensor
from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint
from vsreid_lite.networks.hub import hub_weights
from vsreid_lite.video.masks import Frame

MULTIPLE, SMALLEST = 8, 128  # pixels a side: RAFT's features shrink by 8, and its pyramid needs 16 of them
SIZES: dict[str, tuple[Any, Any]] = {
    "large": (raft_large, Raft_Large_Weights.DEFAULT),
    "small": (raft_small, Raft_Small_Weights.DEFAULT),
}
FIRST_LAYER = "feature_encoder.convnormrelu.0.bias"  # 64 values in the large network, 32 in the small one


class RaftFlow:
    """RAFT on pairs of frames, 12 updates, in float32; on a GPU, convolutions in TF32 unless torch is told otherwise.

    weights: "large" or "small", torchvision's weights of that network as `hub_weights` gives them; or a file of such
    weights. untrained: random weights of that size instead, which show the time it takes and nothing else. Raises
    FileNotFoundError where the weights are neither there nor to be had, ValueError for a file that does not fit.
    """

    def __init__(
        self, weights: Path | str = "large", device: torch.device | str = "cpu", *, untrained: bool = False
    ) -> None:
        self.device = torch.device(device)
        size = str(weights)
        if untrained:
            with random_weights():
                network: nn.Module = SIZES[size][0]()
        else:
            network = _load(hub_weights(SIZES[size][1].url) if size in SIZES else Path(weights))
        self.network = network.requires_grad_(False).eval().to(self.device)

    @torch.no_grad()
    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`.

        Frames are continued below and on the right with their last row and column, to multiples of 8, 128 at least: so
        no displacement is scaled.
        """
        height, width = frames[target].shape[:2]
        pair = [_padded(to_tensor(frames[i], self.device)[None] / 127.5 - 1) for i in (target, source)]
        flow: Tensor = self.network(*pair)[-1]
        return flow[0, :, :height, :width].contiguous()


def _padded(image: Tensor) -> Tensor:
    height, width = image.shape[2:]
    return functional.pad(image, (0, _missing(width), 0, _missing(height)), mode="replicate")


def _missing(size: int) -> int:
    return max(-(-size // MULTIPLE) * MULTIPLE, SMALLEST) - size


def _load(path: Path) -> nn.Module:
    tensors = read_checkpoint(path)
    with torch.device("meta"):
        network: nn.Module = SIZES[_size(tensors)][0]()
    load_tensors(network, tensors, path)
    return network


def _size(tensors: Mapping[str, Tensor]) -> str:
    return "small" if FIRST_LAYER in tensors and tensors[FIRST_LAYER].shape == (32,) else "large"
