from .exercises import check, question
from .notebooks import record, save, show
from .readiness import NotReady, own_frames, ready, video_ready

__all__ = ["NotReady", "check", "own_frames", "question", "ready", "record", "save", "show", "video_ready"]
