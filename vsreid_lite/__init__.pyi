from .config import AUTHORS, LITE, PAPER, Config
from .evaluation.metrics import evaluate
from .video.video import Video, load_video
from .vsreid import segment

__all__ = ["AUTHORS", "LITE", "PAPER", "Config", "Video", "evaluate", "load_video", "segment"]
__version__: str
