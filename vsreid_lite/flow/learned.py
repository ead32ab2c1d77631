"""F by a network: FlowNet2, the paper's own choice (section 3.1, its [5]), and RAFT, whose weights are one download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights, raft_large, raft_small

from vsreid_lite.geometry import resize
from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint
from vsreid_lite.networks.flownet2 import MULTIPLE, FlowNet2, load_flownet2
from vsreid_lite.networks.layers import random_weights
from vsreid_lite.system.downloads import hub_file, hub_weights
from vsreid_lite.video.masks import Frame

FLOWNET2_FILE = "FlowNet2_checkpoint.pth.tar"  # the name under which the common PyTorch checkpoint goes round
RAFT_MULTIPLE, RAFT_SMALLEST = 8, 128  # pixels a side: RAFT's features shrink by 8, and its pyramid needs 16 of them
RAFT_SIZES: dict[str, tuple[Any, Any]] = {
    "large": (raft_large, Raft_Large_Weights.DEFAULT),
    "small": (raft_small, Raft_Small_Weights.DEFAULT),
}
RAFT_FIRST_LAYER = "feature_encoder.convnormrelu.0.bias"  # 64 values in the large network, 32 in the small one


class FlowNet2Flow:
    """FlowNet2 on pairs of frames, in float32; on a GPU, convolutions in TF32 unless torch is told otherwise.

    Args:
        path: The common checkpoint; None looks for it in torch's hub folder.
        device: Where the network runs.
        untrained: Random weights instead, which show the time it takes and nothing else.

    Raises:
        FileNotFoundError: The checkpoint is not there.
        ValueError: The checkpoint is damaged or does not fit.
    """

    def __init__(
        self, path: Path | str | None = None, device: torch.device | str = "cpu", *, untrained: bool = False
    ) -> None:
        self.device = torch.device(device)
        if untrained:
            with random_weights():
                self.network = FlowNet2().requires_grad_(False).eval().to(self.device)
        else:
            self.network = load_flownet2(_flownet2_file() if path is None else path, self.device)

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`.

        As the original tool does, frames are resized to the next multiples of 64 (480 x 854 to 512 x 896), and the flow
        back to the frames' size, its displacements with it.
        """
        return self.in_batch([frames], [target], [source])[0]

    @torch.no_grad()
    def in_batch(
        self, frames: Sequence[Sequence[Frame]], targets: Sequence[int], sources: Sequence[int]
    ) -> list[Tensor]:
        """The flow of each pair of frames of one size, as of `__call__`."""
        height, width = frames[0][targets[0]].shape[:2]
        shape = _next_multiple(height, MULTIPLE), _next_multiple(width, MULTIPLE)
        pairs = [
            torch.stack([resize(_to_tensor(images[i], self.device), shape) for i in pair], 1)
            for images, *pair in zip(frames, targets, sources, strict=True)
        ]
        flows = self.network(torch.stack(pairs))
        scale = flows.new_tensor([width / shape[1], height / shape[0]])
        return [resize(flow, (height, width)) * scale[:, None, None] for flow in flows]


class RaftFlow:
    """RAFT on pairs of frames, 12 updates, in float32; on a GPU, convolutions in TF32 unless torch is told otherwise.

    Not in bfloat16: RAFT's authors keep flow and correlations in float32, because rounding makes the flow worse, and
    torchvision's network computes its correlations in the type of its features.

    Args:
        weights: "large" or "small", torchvision's weights of that network as `hub_weights` gives them; or a file of
            such weights.
        device: Where the network runs.
        untrained: Random weights of that size instead, which show the time it takes and nothing else.

    Raises:
        FileNotFoundError: The weights are not there and cannot be fetched.
        ValueError: The file is damaged or does not fit.
    """

    def __init__(
        self, weights: Path | str = "large", device: torch.device | str = "cpu", *, untrained: bool = False
    ) -> None:
        self.device = torch.device(device)
        size = str(weights)
        if untrained:
            with random_weights():
                network: nn.Module = RAFT_SIZES[size][0]()
        else:
            network = _load_raft(hub_weights(RAFT_SIZES[size][1].url) if size in RAFT_SIZES else Path(weights))
        self.network = network.requires_grad_(False).eval().to(self.device)

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`.

        Frames are continued below and on the right with their last row and column, to multiples of 8, 128 at least: so
        no displacement is scaled.
        """
        return self.in_batch([frames], [target], [source])[0]

    @torch.no_grad()
    def in_batch(
        self, frames: Sequence[Sequence[Frame]], targets: Sequence[int], sources: Sequence[int]
    ) -> list[Tensor]:
        """The flow of each pair of frames of one size, as of `__call__`."""
        height, width = frames[0][targets[0]].shape[:2]
        padding = 0, _raft_side(width) - width, 0, _raft_side(height) - height

        def padded(images: Sequence[Frame], i: int) -> Tensor:
            return functional.pad(_to_tensor(images[i], self.device)[None] / 127.5 - 1, padding, mode="replicate")

        sides = (torch.cat([*map(padded, frames, side)]) for side in (targets, sources))
        return [flow[:, :height, :width].clone() for flow in self.network(*sides)[-1]]


def _to_tensor(frame: Frame, device: torch.device) -> Tensor:
    """A frame (H, W, 3) as (3, H, W), float32, 0-255."""
    return torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1).float()


def _next_multiple(size: int, of: int) -> int:
    return -(-size // of) * of


def _raft_side(size: int) -> int:
    return max(_next_multiple(size, RAFT_MULTIPLE), RAFT_SMALLEST)


def _flownet2_file() -> Path:
    path = hub_file(FLOWNET2_FILE)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: FlowNet2 needs its weights there, found no such file; put the common PyTorch checkpoint "
            f"{FLOWNET2_FILE} there, or say where it is with the flow flownet2:FILE, or use the flow dis, which needs "
            "none"
        )
    return path


def _load_raft(path: Path) -> nn.Module:
    tensors = read_checkpoint(path)
    small = RAFT_FIRST_LAYER in tensors and tensors[RAFT_FIRST_LAYER].shape == (32,)
    with torch.device("meta"):
        network: nn.Module = RAFT_SIZES["small" if small else "large"][0]()
    load_tensors(network, tensors, path)
    return network
