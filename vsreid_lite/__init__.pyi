from .config import AUTHORS, LITE, PAPER, Config
from .datasets.benchmarks import open_benchmark
from .datasets.davis import street_video
from .evaluation.metrics import evaluate
from .flow import get_flow
from .merging import merge
from .networks.loading import load_networks, with_stored_settings
from .propagation import propagate_mask
from .video.video import Video, load_video
from .vsreid import prepare, segment

__all__ = [
    "AUTHORS",
    "LITE",
    "PAPER",
    "Config",
    "Video",
    "evaluate",
    "get_flow",
    "load_networks",
    "load_video",
    "merge",
    "open_benchmark",
    "prepare",
    "propagate_mask",
    "segment",
    "street_video",
    "with_stored_settings",
]
__version__: str
