"""Every network with its parameters, its arithmetic and the size of its output: the rows of docs/networks.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.detection import FasterRCNN
from torchvision.models.optical_flow import raft_large

from vsreid_lite.networks.authors import MP2S
from vsreid_lite.networks.detector import LiteDetector, PaperDetector
from vsreid_lite.networks.flownet2 import FlowNet2
from vsreid_lite.networks.identification import LiteIdentification, PaperIdentification
from vsreid_lite.networks.mask_propagation import lite_streams, paper_streams


@dataclass(frozen=True)
class NetworkRow:
    """A row of the table: how to build a network, and what one call of it is. call: returns the tensor it ends with."""

    part: str
    name: str
    preset: str
    build: Callable[[], nn.Module]
    call: Callable[[Any], Tensor]
    input: str

    def markdown(self) -> str:
        """Measured on the meta device: shapes alone, no arithmetic and no memory."""
        with torch.device("meta"), torch.inference_mode():
            network = self.build().eval()
            with FlopCounterMode(display=False) as counter:
                output = self.call(network)
        parameters = sum(p.numel() for p in network.parameters())
        operations = counter.get_total_flops() / 1e9
        cells = (self.part, self.name, self.preset, f"{parameters:,}", self.input, f"{operations:,.2f}", _size(output))
        return f"| {' | '.join(cells)} |"


def network_rows() -> list[NetworkRow]:
    """A row for each network, in the order of the paper."""
    return [
        _streams("RGB stream alone", "lite", lambda: lite_streams(use_flow=False), 128),
        _streams("two EfficientNet-Lite0 streams", "lite", lite_streams, 128),
        _streams("RGB stream alone", "paper", lambda: paper_streams(use_flow=False), 449),
        _streams("two ResNet-101 streams", "paper", paper_streams, 449),
        NetworkRow("N_mp", "MP2S", "authors", MP2S, lambda n: n(*_patch(449)), "patch 449"),
        _detector("Faster R-CNN on EfficientNet-Lite0", "lite", LiteDetector, (192, 342), 60),
        _detector("Faster R-CNN R50-FPN", "paper, authors", PaperDetector, (750, 1333), 1000),
        NetworkRow("N_reid", "EfficientNet-Lite0, pooled", "lite", LiteIdentification, _embed_crop, "crop 96"),
        NetworkRow(
            "N_reid", "Identification Net", "paper, authors", PaperIdentification, _embed, "3 × 562 × 1000, 1 box"
        ),
        NetworkRow(
            "F", "FlowNet2", "paper, authors", FlowNet2, lambda n: n(torch.rand(1, 3, 2, 512, 896)), "2 × 3 × 512 × 896"
        ),
        NetworkRow("F", "RAFT, 12 updates", "any", raft_large, _raft, "2 × 3 × 480 × 856"),
    ]


def _streams(name: str, preset: str, build: Callable[[], nn.Module], side: int) -> NetworkRow:
    return NetworkRow("N_mp", name, preset, build, lambda network: network(*_patch(side))[0], f"patch {side}")


def _detector(
    name: str, preset: str, build: Callable[[], nn.Module], shape: tuple[int, int], proposals: int
) -> NetworkRow:
    what = f"3 × {shape[0]} × {shape[1]}, {proposals} proposals"
    return NetworkRow("N_det", name, preset, build, lambda network: _detect(network.rcnn, shape, proposals), what)


def _patch(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, flow and guide of one patch."""
    return torch.rand(1, 3, side, side), torch.rand(1, 2, side, side), torch.rand(1, 1, side, side)


def _detect(rcnn: FasterRCNN, shape: tuple[int, int], proposals: int) -> Tensor:
    """The learned parts of Faster R-CNN; what lies between them depends on values."""
    features = rcnn.backbone(torch.rand(1, 3, *shape))
    rcnn.rpn.head(list(features.values()))
    side = rcnn.roi_heads.box_roi_pool.output_size
    regions = torch.rand(proposals, rcnn.backbone.out_channels, *side)
    return torch.cat(rcnn.roi_heads.box_predictor(rcnn.roi_heads.box_head(regions)), 1)[None]


def _embed_crop(network: nn.Module) -> Tensor:
    embedded: Tensor = network(torch.rand(1, 3, 96, 96))
    return embedded


def _embed(network: PaperIdentification) -> Tensor:
    rows: Tensor = network(torch.rand(1, 3, 562, 1000), [torch.rand(1, 4)])
    return rows


def _raft(network: nn.Module) -> Tensor:
    flow: Tensor = network(torch.rand(1, 3, 480, 856), torch.rand(1, 3, 480, 856))[-1]
    return flow


def _size(output: Tensor) -> str:
    return " × ".join(str(n) for n in output.shape[1:])
