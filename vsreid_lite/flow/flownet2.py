"""FlowNet2 as F: the paper's own choice (section 3.1, its [5])."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vsreid_lite.flow.inputs import random_weights, to_tensor
from vsreid_lite.geometry import resize
from vsreid_lite.networks.flownet2_layers import MULTIPLE, FlowNet2, load_flownet2
from vsreid_lite.networks.weight_files import hub_file
from vsreid_lite.video.masks import Frame

FILE = "FlowNet2_checkpoint.pth.tar"  # the name under which the common PyTorch checkpoint goes round


class FlowNet2Flow:
    """FlowNet2 on pairs of frames, in float32; on a GPU, convolutions in TF32 unless torch is told otherwise.

    path: the common checkpoint; None looks for it in torch's hub folder. untrained: random weights instead, which show
    the time it takes and nothing else. Raises FileNotFoundError and ValueError as `load_flownet2` does.
    """

    def __init__(
        self, path: Path | str | None = None, device: torch.device | str = "cpu", *, untrained: bool = False
    ) -> None:
        self.device = torch.device(device)
        if untrained:
            with random_weights():
                self.network = FlowNet2().requires_grad_(False).eval().to(self.device)
        else:
            self.network = load_flownet2(_in_hub_folder() if path is None else path, self.device)

    @torch.no_grad()
    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`.

        As the original tool does, frames are resized to the next multiples of 64 (480 x 854 to 512 x 896), and the flow
        back to the frames' size, its displacements with it.
        """
        height, width = frames[target].shape[:2]
        shape = _next_multiple(height), _next_multiple(width)
        pair = [resize(to_tensor(frames[i], self.device), shape) for i in (target, source)]
        flow = self.network(torch.stack(pair, 1)[None])[0]
        scale = flow.new_tensor([width / shape[1], height / shape[0]])
        return resize(flow, (height, width)) * scale[:, None, None]


def _in_hub_folder() -> Path:
    path = hub_file(FILE)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: FlowNet2 needs its weights there, found no such file; put the common PyTorch checkpoint {FILE} "
            "there, or say where it is with the flow flownet2:FILE, or use the flow dis, which needs none"
        )
    return path


def _next_multiple(size: int) -> int:
    return -(-size // MULTIPLE) * MULTIPLE
