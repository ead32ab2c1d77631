from .authors import MP2S
from .identification import OIMLoss
from .interfaces import Detector, IdentificationNet, Networks, PropagationNetwork, Search
from .layers import IMAGENET_MEAN, IMAGENET_STD, normalise
from .mask_propagation import Stream, TwoStreams, convert_to_flow, flow_stream_from, fuse, normalise_flow, paper_streams

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MP2S",
    "Detector",
    "IdentificationNet",
    "Networks",
    "OIMLoss",
    "PropagationNetwork",
    "Search",
    "Stream",
    "TwoStreams",
    "convert_to_flow",
    "flow_stream_from",
    "fuse",
    "normalise",
    "normalise_flow",
    "paper_streams",
]
