from .benchmarks import open_benchmark
from .davis import street_video
from .mini import CHALLENGES, mini_scene, mini_video

DATASETS: tuple[str, ...]

__all__ = [
    "CHALLENGES",
    "mini_scene",
    "mini_video",
    "open_benchmark",
    "street_video",
]
