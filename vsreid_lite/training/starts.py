"""What first stages start from: weights that others have published, for the networks of `stages.NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from vsreid_lite.networks import detector, identification, resnet
from vsreid_lite.networks.efficientnet import imagenet_file
from vsreid_lite.networks.hub import hub_weights
from vsreid_lite.networks.mask_propagation import TwoStreams, flow_stream_from

IMAGENET_START = "; at first EfficientNet-Lite0's ImageNet weights (ML Illustrated, Apache-2.0)"


@dataclass(frozen=True)
class Published:
    """Weights of others: `find` raises FileNotFoundError where their file is not and cannot be fetched."""

    find: Callable[[], object]
    load: Callable[[Any], None]  # into the network
    said: str  # of them in the header of what starts from them


PUBLISHED = {
    "rgb": Published(imagenet_file, lambda network: network.rgb.backbone.load_imagenet(), IMAGENET_START),
    "detector": Published(
        imagenet_file, lambda network: network.rcnn.backbone.backbone.load_imagenet(), IMAGENET_START
    ),
    "identification": Published(imagenet_file, lambda network: network.backbone.load_imagenet(), IMAGENET_START),
    "paper rgb": Published(
        partial(hub_weights, resnet.IMAGENET),
        lambda network: network.rgb.load_imagenet(),
        "; at first ResNet-101's ImageNet weights (torchvision)",
    ),
    "paper detector": Published(
        partial(hub_weights, detector.COCO),
        lambda network: network.load_coco(),
        "; at first Faster R-CNN's COCO weights (torchvision)",
    ),
    "paper identification": Published(
        partial(hub_weights, identification.IMAGENET),
        lambda network: network.load_imagenet(),
        "; at first ResNet-50's ImageNet weights (torchvision)",
    ),
}


def with_flow_stream(network: TwoStreams) -> TwoStreams:
    """An RGB stream, and a flow stream that starts from its weights (section 3.4), of either architecture."""
    rgb = network.rgb
    flow = resnet.resnet_flow_stream(rgb) if isinstance(rgb, resnet.ResNetStream) else flow_stream_from(rgb)
    return TwoStreams(rgb, flow)
