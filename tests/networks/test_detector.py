"""N_det: the lite one's answers, and the paper's against torchvision's own COCO model."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn

from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.geometry import Box, iou
from vsreid_lite.networks.checkpoints import load_weights
from vsreid_lite.networks.detector import PERSON, LiteDetector, PaperDetector
from vsreid_lite.networks.weight_files import SHIPPED

FRAME = np.random.default_rng(0).integers(0, 255, (97, 131, 3), dtype=np.uint8)


class Found(nn.Module):
    """A Faster R-CNN that has found these boxes."""

    def __init__(self, boxes, scores, labels=None):
        super().__init__()
        self.device_of = nn.Parameter(torch.zeros(1))
        corners = torch.tensor(boxes, dtype=torch.float32)
        labels = torch.tensor(labels or range(1, len(boxes) + 1))
        self.detections = {"boxes": corners, "scores": torch.tensor(scores), "labels": labels}

    def forward(self, images):
        assert images[0].shape == (3, 97, 131) and images[0].min() >= 0 and images[0].max() <= 1
        return [self.detections]


@pytest.fixture
def paper():
    with torch.device("meta"):
        return PaperDetector(proposals=3).eval()


def test_lite_candidates_lie_in_the_frame_best_first_and_are_no_more_than_asked_for():
    torch.manual_seed(0)
    boxes = LiteDetector(proposals=7).eval()(FRAME)
    assert len(boxes) <= 7
    assert all(0 <= b.x0 < b.x1 <= 131 and 0 <= b.y0 < b.y1 <= 97 for b in boxes)


def test_several_frames_at_once_have_the_boxes_of_each_and_in_bfloat16_nearly():
    detector, frames = LiteDetector().eval(), mini_video("val", 2).frames[:3]
    load_weights(SHIPPED / "lite-detector.safetensors", detector)
    alone = [detector(frame) for frame in frames]
    assert detector.in_batch(frames) == alone
    with torch.autocast("cpu", torch.bfloat16):
        halves = detector.in_batch(frames)
    nearest = np.array([max(iou(x, y) for y in Y) for X, Y in zip(alone, halves, strict=True) for x in X])
    assert halves != alone and np.median(nearest) > 0.95 and np.mean(nearest > 0.9) > 0.7  # of two either may stay


def test_paper_candidates_are_one_for_each_place_whatever_its_classes(paper):
    a, almost_a, b, c, d = [10, 10, 50, 50], [11, 10, 51, 50], [60, 10, 90, 40], [5, 60, 25, 90], [100, 60, 130, 90]
    paper.rcnn = Found([b, almost_a, a, c, d], [0.3, 0.8, 0.9, 0.2, 0.1])
    assert paper(FRAME) == [Box(*a), Box(*b), Box(*c)]


def test_persons_are_found_apart_with_the_same_weights(paper):
    dog, person = [10, 10, 50, 50], [11, 10, 51, 50]
    paper.rcnn = Found([dog, person], [0.9, 0.8], [18, PERSON])
    persons = paper.of_class(PERSON)
    assert persons.rcnn is paper.rcnn
    assert persons(FRAME) == [Box(*person)] and paper(FRAME) == [Box(*dog)]


def test_candidates_of_less_than_two_pixels_are_none(paper):
    paper.rcnn = Found([[10.0, 10, 11.2, 40], [20.4, 10.6, 39.6, 20]], [0.9, 0.8])
    assert paper(FRAME) == [Box(20, 11, 40, 20)]


def test_the_published_coco_file_with_its_older_names_gives_torchvisions_own_boxes(tmp_path):
    torch.manual_seed(0)
    theirs = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, box_score_thresh=0.012).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-30  # adds nothing: torchvision's 0 for these weights, which torch 2.11 refuses here
    older = {
        name.replace(".0.weight", ".weight").replace(".0.bias", ".bias").replace("head.conv.0.", "head.conv.")
        if "_blocks." in name or "rpn.head.conv" in name
        else name: value
        for name, value in theirs.state_dict().items()
        if not name.endswith("num_batches_tracked")  # a frozen norm has none
    }
    assert {"rpn.head.conv.weight", "backbone.fpn.inner_blocks.0.weight"} <= older.keys()
    torch.save(older, tmp_path / "coco.pth")
    with torch.device("meta"):
        ours = PaperDetector(proposals=10).eval()
    ours.load_published(tmp_path / "coco.pth")
    ours.rcnn.roi_heads.score_thresh = 0.012  # untrained: all scores are about 1 / 91
    for network in (theirs, ours.rcnn):
        network.transform.min_size = (96,)
    image = torch.from_numpy(FRAME).permute(2, 0, 1) / 255
    with torch.inference_mode():
        expected, found = theirs([image])[0], ours.rcnn([image])[0]
    assert len(found["boxes"]) > 10
    assert torch.equal(found["boxes"], expected["boxes"]) and torch.equal(found["labels"], expected["labels"])
    assert 0 < len(ours(FRAME)) <= 10
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        boxes = ours.rcnn([image])[0]["boxes"]
    assert boxes.dtype == torch.float32 and not torch.equal(boxes, boxes.bfloat16().float())
