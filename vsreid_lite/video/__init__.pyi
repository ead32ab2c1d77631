from .frame_folders import frame_files
from .masks import read_mask, single_instance, without_void, write_mask
from .movies import read_video, write_video
from .video import load_frames

__all__ = [
    "frame_files",
    "load_frames",
    "read_mask",
    "read_video",
    "single_instance",
    "without_void",
    "write_mask",
    "write_video",
]
