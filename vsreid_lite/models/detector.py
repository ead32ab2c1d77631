"""N_det, the detection network (section 3.2): torchvision's Faster R-CNN, here class-agnostic on a narrow backbone."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from vsreid_lite.geometry import Box
from vsreid_lite.models import Frame
from vsreid_lite.models.backbone import convolution, stage

WIDTH = 64
SHORT_SIDE, LONG_SIDE = 192, 352


class NarrowPyramid(nn.Module):
    """A residual backbone with a feature pyramid at strides 8 and 16."""

    out_channels = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 32, 3, 2), nn.ReLU(), stage(32, 48, 1, 2))
        self.stride8 = stage(48, 96, 2, 2)
        self.stride16 = stage(96, 160, 2, 2)
        self.pyramid = FeaturePyramidNetwork([96, 160], WIDTH)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Images (B, 3, H, W) to maps "8" and "16", each (B, 64, H / stride, W / stride)."""
        fine = self.stride8(self.stem(image))
        return self.pyramid(OrderedDict([("8", fine), ("16", self.stride16(fine))]))


class LiteDetector(nn.Module):
    """Class-agnostic candidates from a narrow Faster R-CNN; frames are resized to a short side of 192."""

    def __init__(self, proposals: int = 20) -> None:
        super().__init__()
        ratios = ((0.5, 1.0, 2.0),) * 2
        self.rcnn = FasterRCNN(
            NarrowPyramid(),
            min_size=SHORT_SIDE,
            max_size=LONG_SIDE,
            rpn_anchor_generator=AnchorGenerator(((16, 32), (64, 112)), ratios),
            box_roi_pool=MultiScaleRoIAlign(["8", "16"], 7, 2),
            box_head=nn.Sequential(
                nn.Flatten(1), nn.Linear(WIDTH * 49, 192), nn.ReLU(), nn.Linear(192, 192), nn.ReLU()
            ),
            box_predictor=_BoxPredictor(192),
            rpn_pre_nms_top_n_train=600,
            rpn_post_nms_top_n_train=200,
            rpn_pre_nms_top_n_test=300,
            rpn_post_nms_top_n_test=60,
            rpn_batch_size_per_image=128,
            box_batch_size_per_image=64,
            box_score_thresh=0.02,
            box_nms_thresh=0.5,
            box_detections_per_img=proposals,
        )

    @torch.inference_mode()
    def forward(self, frame: Frame) -> list[Box]:
        """The candidate boxes of a frame (H, W, 3), best first, each at least two pixels wide and high."""
        device = next(self.parameters()).device
        image = torch.from_numpy(frame).to(device).permute(2, 0, 1).float() / 255
        corners = self.rcnn([image])[0]["boxes"].round().int().tolist()
        return [Box(*c) for c in corners if c[2] - c[0] >= 2 and c[3] - c[1] >= 2]


class _BoxPredictor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 2)
        self.shift = nn.Linear(width, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.score(x), self.shift(x)
