from .benchmarks import open_benchmark
from .mini import CHALLENGES, mini_scene, mini_video

DATASETS: tuple[str, ...]

__all__ = [
    "CHALLENGES",
    "mini_scene",
    "mini_video",
    "open_benchmark",
]
