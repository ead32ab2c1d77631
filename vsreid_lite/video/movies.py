"""Video files in and out, by PyAV (the extra `video`)."""

from __future__ import annotations

import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsreid_lite.system.files import atomic_path
from vsreid_lite.video.frame_cache import Frames
from vsreid_lite.video.masks import Frame, size_text

DAVIS_RATE = 24.0  # frames per second
NO_FRAME = "expected a video, found no frame that can be decoded"
TS_PACKETS = (188, 192, 204)  # bytes, of MPEG-TS alone, with a time stamp, with error correction


class Shown(NamedTuple):
    """A decoded frame: its time in units of its stream, whether decoding may begin there, and (H, W, 3)."""

    time: int | None
    key: bool
    image: Frame


class Packet(NamedTuple):
    """What is looked at of a packet of a file; its data would fill the memory. Times are in seconds."""

    stored: bool  # it holds some of the frames that are read
    corrupt: bool
    hidden: bool  # by an edit list
    start: Fraction
    end: Fraction
    duration: int  # in units of its stream


class MovieReader:
    """The frames of a video file, from the first to the last or by their numbers.

    A frame is decoded on from the one before it, else from the key frame before it, else from the start of the file.

    Args:
        path: Of the file.
        notes: What is peculiar about it is added here by `every`.
    """

    def __init__(self, path: Path, notes: list[str]) -> None:
        self.path, self._notes = path, notes
        self._times: list[int | None] = []
        self._keys: list[int] = []
        self._decoding: Generator[tuple[int, Frame], None, None] | None = None
        self._next = 0

    def every(self) -> Iterator[Frame]:
        """All frames. The times at which they are shown, and which are key frames, are kept."""
        packets: list[Packet] = []
        with _opened(self.path, self._times) as (container, stream):
            _note_pixels(stream, self._notes)
            for shown in _frames(self.path, container, stream, packets, self._notes):
                self._keys += [len(self._times)] * shown.key
                self._times.append(shown.time)
                yield shown.image
            _note_damage(container, stream, packets, self._notes)

    def reach(self, i: int, right: Callable[[int, Frame], bool]) -> Iterator[tuple[int, Frame]]:
        """As `video.frame_cache.Reader`."""
        key = self._keys[max(bisect_right(self._keys, i) - 1, 0)] if self._keys else 0
        goes_on = self._decoding is not None and key <= self._next <= i
        for start in dict.fromkeys([self._next] * goes_on + [key, 0]):
            if not goes_on or start != self._next:
                self._restart(start)
            while (found := self._decode()) is not None and found[0] <= i and right(*found):
                self._next = found[0] + 1
                yield found
                if found[0] == i:
                    return
        raise ValueError(f"{self.path}: frame {i} is not what it was at first; the file has changed, start again")

    def random_access(self, right: Callable[[int, Frame], bool]) -> bool:
        """Whether the last key frame can be reached without all before it."""
        key = self._keys[-1] if self._keys else 0
        self._restart(key)
        found, self._decoding = self._decode(), None
        return found is not None and 0 < found[0] <= key and right(*found)

    def _restart(self, start: int) -> None:
        if self._decoding is not None:
            self._decoding.close()
        self._decoding = self._from(start)

    def _decode(self) -> tuple[int, Frame] | None:
        """The next frame with its number; None at the end, and where a decoder that began in the middle fails."""
        assert self._decoding is not None
        try:
            return next(self._decoding, None)
        except ValueError:
            return None

    def _from(self, start: int) -> Generator[tuple[int, Frame], None, None]:
        """Frames with their numbers, from `start` on, or from a key frame before it."""
        numbers = {time: i for i, time in enumerate(self._times)}
        time = self._times[start] if start else None
        with _opened(self.path) as (container, stream):
            if time is not None:
                container.seek(time, stream=stream)
            for count, shown in enumerate(_frames(self.path, container, stream, [], [])):
                number = count if time is None else numbers.get(shown.time)
                if number is not None:
                    yield number, shown.image

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_decoding": None}  # an open file is for one process


def read_video(path: Path | str, cache: int | None = None) -> Frames:
    """All frames of a video as a player shows them, turned and mirrored: N arrays (H, W, 3), uint8, RGB.

    Of several video streams, the default one is read, else the largest; an attached picture (a cover, a thumbnail)
    never is. An angle that is no multiple of 90 degrees is rounded to one. Pixels that are not square are not
    stretched, and interlaced fields stay woven into one frame: masks have the stored size.

    Warns of a file that ends before the length that it announces, of such angles, pixels and fields, and of frames
    that can only be reached from the start of the file, where the cache does not hold them all.

    Args:
        path: of the file.
        cache: bytes, as `Config.cache`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no video or is damaged, or PyAV is missing.
    """
    notes: list[str] = []
    reader = MovieReader(Path(path), notes)
    frames = Frames(reader, cache)
    if not frames:
        raise ValueError(f"{path}: {NO_FRAME}")
    if not frames.all_kept() and not reader.random_access(frames.right):
        notes.append(
            "its frames cannot be reached at random, and the cache does not hold them all: going back will be slow; "
            "convert it to H.264 in an mp4, or let the cache hold more"
        )
    for note in dict.fromkeys(notes):
        warnings.warn(f"{path}: {note}", stacklevel=2)
    return frames


def first_frame(path: Path | str) -> Frame:
    """The first frame that `read_video` would give, in a moment. Raises as it does, warns of nothing."""
    with _opened(path) as (container, stream):
        shown = next(_frames(path, container, stream, [], []), None)
    if shown is None:
        raise ValueError(f"{path}: {NO_FRAME}")
    return shown.image


def frame_rate(path: Path | str) -> float:
    """Frames per second of the stream that `read_video` reads; DAVIS's 24 for a folder or where none is said."""
    if Path(path).is_dir():
        return DAVIS_RATE
    with _opened(path) as (_, stream):
        return float(stream.average_rate or DAVIS_RATE)


def write_video(path: Path | str, frames: Iterable[Frame], fps: float = DAVIS_RATE) -> None:
    """Write frames as an mp4 (H.264, or MPEG-4 where that is missing), atomically.

    Odd sizes grow by one repeated row or column, which the format needs.

    Args:
        path: ends in .mp4.
        frames: (H, W, 3) each, uint8, RGB.
        fps: frames per second.

    Raises:
        OSError: the file cannot be written.
        ValueError: there is no frame, or PyAV is missing.
    """
    av = _pyav(path)
    if Path(path).suffix.lower() != ".mp4":
        raise ValueError(f"{path}: expected a file name that ends in .mp4")
    if not fps > 0:
        raise ValueError(f"{path}: expected a positive number of frames per second, found {fps}")
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4") as container:
                _encode(av, container, map(_even, frames), fps)
        except av.error.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


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


def _frames(path: Path | str, container: Any, stream: Any, packets: list[Packet], notes: list[str]) -> Iterator[Shown]:
    """The frames of a stream as a player shows them; what every packet of the file says is added to `packets`."""
    count, shape = 0, None
    for packet in container.demux():
        packets.append(_looked_at(packet, stream))
        for decoded in _decoded(packet, count, notes) if packet.stream is stream else ():
            frame = _shown(decoded, count, notes, path)
            if frame.shape != (shape := shape or frame.shape):
                raise ValueError(
                    f"{path}: expected frames of one size, {size_text(shape)}, "
                    f"found {size_text(frame.shape)} at frame {count}; convert the video to one size"
                )
            yield Shown(decoded.pts, bool(decoded.key_frame), frame)
            count += 1


def _decoded(packet: Any, count: int, notes: list[str]) -> list[Any]:
    from av.error import InvalidDataError

    try:
        return list(packet.decode())
    except InvalidDataError:
        if count or packet.is_keyframe:
            raise
        notes.append("starts with frames that need an earlier one, which is missing; they are left out")
        return []


def _shown(decoded: Any, count: int, notes: list[str], path: Path | str) -> Frame:
    if decoded.is_corrupt:
        raise ValueError(f"{path}: frame {count} is damaged; export the video again, or give a folder of frames")
    if decoded.interlaced_frame:
        notes.append("is interlaced; both fields stay in one frame, so moving edges look like combs")
    image: Frame = decoded.to_ndarray(format="rgb24")
    if (matrix := decoded.side_data.get("DISPLAYMATRIX")) is not None:
        image = _upright(image, np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2].astype(float), notes)
    return image


def _upright(image: Frame, matrix: NDArray[np.float64], notes: list[str]) -> Frame:
    """Turn and mirror as a display matrix says: (x, y) @ matrix is the place where pixel (x, y) is shown."""
    if np.abs(np.diag(matrix)).sum() < np.abs(np.diag(matrix[::-1])).sum():
        image, matrix = image.swapaxes(0, 1), matrix[::-1]
    (right, rise), (lean, down) = matrix
    if max(abs(rise), abs(lean)) > 0.01 * max(abs(right), abs(down)):
        notes.append("is to be shown at an angle; its frames are turned to the nearest multiple of 90 degrees")
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


def _note_pixels(stream: Any, notes: list[str]) -> None:
    aspect = stream.sample_aspect_ratio or 1
    if abs(aspect - 1) * stream.width > 1:  # a player would show at least one column more or less
        notes.append(
            f"its pixels are {aspect.numerator}:{aspect.denominator}, not square; they are not stretched, "
            f"frames and masks have the stored {stream.width} x {stream.height}"
        )


def _note_damage(container: Any, stream: Any, packets: list[Packet], notes: list[str]) -> None:
    """Note damage that the decoder passed over, and an end clearly before the length that the header announces."""
    stored = [packet for packet in packets if packet.stored]
    if any(damaged := [packet.corrupt for packet in stored]):
        notes.append(f"is damaged or cut off near frame {damaged.index(True)}")
    if container.format.name == "mpegts":  # it announces nothing
        if all(container.size % size for size in TS_PACKETS):
            notes.append("is no whole number of TS packets: its start or its end is missing")
        return
    times = sorted(packet.start for packet in stored if not packet.hidden)  # an edit list hides some
    if not times:
        return
    end = max(packet.end for packet in stored)
    announced = _announced(container, stream, times[0])
    if announced is None:  # the longest stream is as long as the file
        announced = Fraction(container.duration or 0, 1_000_000) - times[0]
        end = max(packet.end for packet in packets)
    length, slack = end - times[0], max([end - times[-1], *(b - a for a, b in pairwise(times))]) * 3 / 2
    if len(stored) == len(times) < stream.frames and container.format.name != "avi":  # the last may be shown earlier
        length, slack = sum(packet.duration for packet in stored) * stream.time_base, announced / stream.frames / 2
    if announced - length > slack:
        notes.append(f"announces {float(announced):.2f} s, {float(length):.2f} s could be read; its end is missing")


def _announced(container: Any, stream: Any, start: Fraction) -> Fraction | None:
    """The length of the stream by the header, in seconds; None where only the length of the file is said."""
    if container.format.name == "avi":  # its duration is a guess by the size of the file
        return stream.frames * stream.time_base - start
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:  # Matroska: when the stream ends
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3]) - start
    return stream.duration * stream.time_base if stream.duration else None


def _looked_at(packet: Any, stream: Any) -> Packet:
    time, stored = packet.dts if packet.pts is None else packet.pts, bool(packet.size) and packet.stream is stream
    start, duration = Fraction(0) if time is None else time * packet.time_base, packet.duration or 0
    end = start + duration * (packet.time_base or 0)
    return Packet(stored, packet.is_corrupt, packet.is_discard, start, end, duration)


def _video_stream(container: Any, path: Path) -> Any:
    """The stream that a player shows: of the moving ones the default one, else the largest, else the first."""
    from av.stream import Disposition

    still, default = Disposition.attached_pic | Disposition.still_image, Disposition.default
    moving = [stream for stream in container.streams.video if not stream.disposition & still]
    if not moving:
        found = "only attached pictures" if container.streams.video else "no picture"
        raise ValueError(f"{path}: expected a video, found {found} in it")
    moving = [stream for stream in moving if stream.codec_context is not None]
    if not moving:
        raise ValueError(f"{path}: expected a video, found a codec that PyAV does not know; convert it to H.264")
    return max(moving, key=lambda one: (one.frames != 1, one.disposition & default, one.width * one.height))


@contextmanager
def _opened(path: Path | str, frames: Sized = ()) -> Iterator[tuple[Any, Any]]:
    """The container of a video and the stream to read. frames: those read in the body, for the text of an error."""
    av, path = _pyav(path), _existing(path)
    try:
        # absolute: "a:b.mp4" is no protocol
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            yield container, _video_stream(container, path)
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{path}: damaged or unknown video ({error.strerror}, after {len(frames)} good frames); "
            "export it again, or give a folder of frames"
        ) from error


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
