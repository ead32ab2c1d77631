"""N_det, the detection network (section 3.2): torchvision's Faster R-CNN used class-agnostically, lite or in full."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d, MultiScaleRoIAlign, nms

from vsreid_lite.geometry import Box, to_image
from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint
from vsreid_lite.networks.efficientnet import FIXED, Backbone
from vsreid_lite.networks.layers import MixedPrecision
from vsreid_lite.networks.weight_files import COCO
from vsreid_lite.system.downloads import hub_weights
from vsreid_lite.video.masks import Frame

WIDTH = 64
SHORT_SIDE, LONG_SIDE = 192, 352
OVERLAP = 0.5  # IoU above which the weaker of two candidates goes
COCO_CLASSES = 91  # with the background
PERSON = 1  # the label of persons
COCO_SCORE = 0.05  # of one class; lower ones are no candidates
RENAMED = (  # names of the published file and of ours, and those of today's torchvision
    (r"^rcnn\.", ""),
    (r"(fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
    (r"(rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
)


class LitePyramid(nn.Module):
    """EfficientNet-Lite0 with a feature pyramid at strides 8 and 16."""

    out_channels = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(fixed=FIXED)
        self.pyramid = FeaturePyramidNetwork(list(self.backbone.channels[2:]), WIDTH)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Images (B, 3, H, W) to maps "8" and "16", each (B, 64, H / stride, W / stride)."""
        fine, coarse = self.backbone.maps(image)[2:]
        return self.pyramid(OrderedDict([("8", fine), ("16", coarse)]))


class LiteDetector(MixedPrecision):
    """Class-agnostic candidates: Faster R-CNN on EfficientNet-Lite0; frames are resized to a short side of 192."""

    def __init__(self, proposals: int = 20) -> None:
        super().__init__()
        ratios = ((0.5, 1.0, 2.0),) * 2
        self.rcnn = FasterRCNN(
            LitePyramid(),
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
            box_nms_thresh=OVERLAP,
            box_detections_per_img=proposals,
        )
        _decode_in_float32(self.rcnn)

    def forward(self, frame: Frame) -> list[Box]:
        """The candidate boxes of a frame (H, W, 3), best first, each at least two pixels wide and high."""
        return self.in_batch([frame])[0]

    @torch.inference_mode()
    def in_batch(self, frames: Sequence[Frame]) -> list[list[Box]]:
        """The candidate boxes of each frame, as of `forward`."""
        return [_boxes(found["boxes"]) for found in _detect(self, frames)]


class PaperDetector(MixedPrecision):
    """Class-agnostic candidates from Faster R-CNN R50-FPN, torchvision's COCO model; short side 800, at most 1333.

    Each class finds its own boxes; of two that overlap, whatever their classes, the one of the higher score stays.
    """

    def __init__(self, proposals: int = 20) -> None:
        super().__init__()
        self.proposals, self.label = proposals, 0  # 0: every class
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=3)
        self.rcnn = FasterRCNN(backbone, COCO_CLASSES, box_score_thresh=COCO_SCORE, box_nms_thresh=OVERLAP)
        for module in self.rcnn.modules():
            if isinstance(module, FrozenBatchNorm2d):
                module.eps = 0.0  # as the COCO weights were trained
        _decode_in_float32(self.rcnn)

    def load_published(self, file: Path | str | None = None) -> None:
        """Fill the network with torchvision's COCO weights.

        Args:
            file: A checkpoint of torchvision's `fasterrcnn_resnet50_fpn`, or a weight file of ours; None is the one in
                torch's hub folder, fetched with a word about it where it is missing.

        Raises:
            FileNotFoundError: It is not there and cannot be fetched; says which file to put where.
            ValueError: The file does not fit; the network is then as it was.
        """
        path = hub_weights(COCO) if file is None else Path(file)
        load_tensors(self.rcnn, {_today(name): value for name, value in read_checkpoint(path).items()}, path)

    def of_class(self, label: int) -> PaperDetector:
        """A detector of one class of COCO, such as `PERSON`, with the same weights (docs/fidelity.md, row 21)."""
        detector = copy.copy(self)
        detector.label = label
        return detector

    def forward(self, frame: Frame) -> list[Box]:
        """The candidate boxes of a frame (H, W, 3), best first, each at least two pixels wide and high."""
        return self.in_batch([frame])[0]

    @torch.inference_mode()
    def in_batch(self, frames: Sequence[Frame]) -> list[list[Box]]:
        """The candidate boxes of each frame, as of `forward`."""
        return [self._best(found) for found in _detect(self, frames)]

    def _best(self, found: dict[str, Tensor]) -> list[Box]:
        wanted = found["labels"] == self.label if self.label else found["labels"] > 0
        boxes, scores = found["boxes"][wanted], found["scores"][wanted]
        return _boxes(boxes[nms(boxes, scores, OVERLAP)[: self.proposals]])


def _detect(detector: LiteDetector | PaperDetector, frames: Sequence[Frame]) -> list[dict[str, Tensor]]:
    device = next(detector.parameters()).device
    with detector.precision():
        detections: list[dict[str, Tensor]] = detector.rcnn([to_image(frame, device=device) for frame in frames])
    return detections


def _decode_in_float32(rcnn: FasterRCNN) -> None:
    """Let scores and shifts of boxes leave their layers in float32, under autocast too.

    torchvision rounds the corners of boxes to the type of their shifts: in bfloat16 they would be up to 4 pixels off.
    """
    for layer in (rcnn.rpn.head.cls_logits, rcnn.rpn.head.bbox_pred, *rcnn.roi_heads.box_predictor.children()):
        layer.register_forward_hook(lambda _layer, _inputs, output: output.float())


def _boxes(corners: Tensor) -> list[Box]:
    return [Box(*c) for c in corners.round().int().tolist() if c[2] - c[0] >= 2 and c[3] - c[1] >= 2]


def _today(name: str) -> str:
    for old, new in RENAMED:
        name = re.sub(old, new, name)
    return name


class _BoxPredictor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 2)
        self.shift = nn.Linear(width, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.score(x), self.shift(x)
