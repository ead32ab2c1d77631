"""Video files in and out, by PyAV (the extra `av`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.files import atomic_path
from vsreid_lite.masks import Frame, Mask, overlay, size_text

DAVIS_RATE = 24.0  # frames per second


def read_video(path: Path | str) -> list[Frame]:
    """All frames of a video, upright (a phone's rotation is applied): N arrays (H, W, 3), uint8, RGB.

    Raises FileNotFoundError, and ValueError for a file that is no video or is damaged, and where PyAV is missing.
    Warns when there are fewer frames than the file announces.
    """
    av, path = _pyav(path), _existing(path)
    frames: list[Frame] = []
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(container, path)
            for decoded in container.decode(stream):
                frames.append(_upright(decoded, frames, path))
            announced = stream.frames
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{path}: damaged or unknown video ({error.strerror}, after {len(frames)} good frames); "
            "export it again, or give a folder of frames"
        ) from error
    if not frames:
        raise ValueError(f"{path}: expected a video, found no frame in it")
    if len(frames) < announced:
        warnings.warn(f"{path}: announces {announced} frames, {len(frames)} could be read", stacklevel=2)
    return frames


def frame_rate(path: Path | str) -> float:
    """Frames per second of a video file; DAVIS's 24 for a folder of frames or a file that does not say."""
    if Path(path).is_dir():
        return DAVIS_RATE
    av, path = _pyav(path), _existing(path)
    try:
        with av.open(str(path)) as container:
            return float(_video_stream(container, path).average_rate or DAVIS_RATE)
    except av.error.FFmpegError as error:
        raise ValueError(f"{path}: damaged or unknown video ({error.strerror})") from error


def write_overlay_video(
    path: Path | str,
    frames: Iterable[Frame],
    masks: Iterable[Mask],
    fps: float = DAVIS_RATE,
    palette: NDArray[np.uint8] | None = None,
) -> None:
    """Write the frames with their instances tinted as an mp4 (H.264, or MPEG-4 where that is missing), atomically.

    frames: (H, W, 3), uint8, RGB. masks: as many, (H, W), labels. palette: as for `overlay`. Odd sizes grow by one
    repeated row or column, which the format needs. Raises ValueError for what does not fit together or where PyAV is
    missing, OSError when the file cannot be written.
    """
    av = _pyav(path)
    if Path(path).suffix.lower() != ".mp4":
        raise ValueError(f"{path}: expected a file name that ends in .mp4")
    if not fps > 0:
        raise ValueError(f"{path}: expected a positive number of frames per second, found {fps}")
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4") as container:
                tinted = (_tinted(*pair, palette) for pair in zip(frames, masks, strict=True))
                _encode(av, container, tinted, fps)
        except av.error.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


def _tinted(frame: Frame, mask: Mask, palette: NDArray[np.uint8] | None) -> Frame:
    if mask.shape != frame.shape[:2]:
        raise ValueError(f"expected a mask of {size_text(frame.shape)}, found {size_text(mask.shape)}")
    return _even(overlay(frame, mask, palette=palette))


def _encode(av: ModuleType, container: Any, images: Iterable[Frame], fps: float) -> None:
    stream = None
    for image in images:
        stream = stream or _add_stream(av, container, image, fps)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
    if stream is None:
        raise ValueError("expected at least one frame for a video, found none")
    container.mux(stream.encode())


def _add_stream(av: ModuleType, container: Any, image: Frame, fps: float) -> Any:
    rate = Fraction(fps).limit_denominator(1001)
    if "libx264" in av.codecs_available:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
    else:
        stream = container.add_stream("mpeg4", rate=rate, bit_rate=8_000_000)
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    return stream


def _even(image: Frame) -> Frame:
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _upright(decoded: Any, frames: list[Frame], path: Path) -> Frame:
    if decoded.is_corrupt:
        raise ValueError(f"{path}: frame {len(frames)} is damaged; export the video again, or give a folder of frames")
    image = np.ascontiguousarray(np.rot90(decoded.to_ndarray(format="rgb24"), round(decoded.rotation / 90) % 4))
    if frames and image.shape != frames[0].shape:
        raise ValueError(
            f"{path}: expected frames of one size, {size_text(frames[0].shape)}, "
            f"found {size_text(image.shape)} at frame {len(frames)}; convert the video to one size"
        )
    return image


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise ValueError(f"{path}: expected a video, found no picture in it")
    return container.streams.video[0]


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a video file, found {'a folder' if path.is_dir() else 'nothing'}")
    return path


def _pyav(path: Path | str) -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise ValueError(
            f"{path}: video files need PyAV, which is not installed (python -m pip install av); "
            "or work with folders of frames"
        ) from error
    return av
