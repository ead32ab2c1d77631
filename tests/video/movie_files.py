"""Small video files for tests, written by PyAV, and changes of their bytes."""

import struct
from fractions import Fraction

import av
import numpy as np

IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
PICTURE = 1 << 10  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC
SOUND = {"mp4": "aac", "mov": "aac", "mkv": "aac", "webm": "libopus", "avi": "libmp3lame", "ts": "aac", "flv": "aac"}


def pictures(N=6, shape=(48, 64)):
    """A grey ramp that brightens, so that order and orientation show after compression."""
    ramp = np.linspace(0, 150, shape[1])[None, :, None] + np.zeros((*shape, 3))
    return [(ramp + 90 * i / N).astype(np.uint8) for i in range(N)]


def noise(N=24, shape=(48, 64)):
    """Pictures that need many bytes, so that damage falls into them."""
    return list(np.random.default_rng(0).integers(0, 256, (N, *shape, 3), dtype=np.uint8))


def write_clip(path, frames, codec="libx264", rate=30, rotation=0, times=None, sound=0.0, **settings):
    """Write frames as the container that the suffix names, and return its path; the moov of an mp4 comes first.

    times: the millisecond of each frame, for a variable rate. sound: seconds of silence. settings: of the codec.
    """
    options = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, options={"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 12
        for name, value in settings.items():
            setattr(stream if name == "pix_fmt" else stream.codec_context, name, value)
        stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        voice = container.add_stream(SOUND[path.suffix[1:]], rate=48000) if sound else None
        packets = []
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode()
        if voice:
            packets += voice.encode(silence(sound)) + voice.encode()
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            container.mux(packet)
    return path


def silence(seconds):
    frame = av.AudioFrame.from_ndarray(np.zeros((1, int(seconds * 48000)), np.int16), format="s16", layout="mono")
    frame.rate = 48000
    return frame


def write_song(path, codec, cover=None):
    """Write a tenth of a second of silence, with a picture attached where one is given, and return the path."""
    with av.open(str(path), "w") as container:
        sound, packets = container.add_stream(codec, rate=48000), []
        if cover is not None:
            stream = container.add_stream("mjpeg", rate=1)
            (stream.height, stream.width), stream.pix_fmt, stream.disposition = cover.shape[:2], "yuvj420p", PICTURE
            packets = stream.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")) + stream.encode()
        for packet in [*sound.encode(silence(0.1)), *packets, *sound.encode()]:
            container.mux(packet)
    return path


def write_streams(path, streams):
    """Write several video streams, (frames, codec, disposition) each, and return the path."""
    with av.open(str(path), "w") as container:
        packets = []
        added = [container.add_stream(codec, rate=30) for _, codec, _ in streams]
        for stream, (frames, codec, disposition) in zip(added, streams, strict=True):
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
        for stream, (frames, *_) in zip(added, streams, strict=True):
            for picture in frames:
                packets += stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
            packets += stream.encode()
        for packet in packets:
            container.mux(packet)
    return path


def copy_packets(source, target, first=0, shift=0.0):
    """Copy a clip without encoding it again, from packet `first` on, with time 0 moved to `shift` seconds."""
    with av.open(str(source)) as inside, av.open(str(target), "w") as outside:
        stream = inside.streams.video[0]
        copied = outside.add_stream_from_template(stream)
        for i, packet in enumerate(inside.demux(stream)):
            if packet.size and i >= first:
                offset = round(shift / packet.time_base)
                packet.pts -= offset
                packet.dts = None if packet.dts is None else packet.dts - offset
                packet.stream = copied
                outside.mux(packet)


def cut_before_packet(path, number):
    """Cut a file off where the data of a packet of its video begin."""
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: positions[number]])


def set_matrix(path, a, b, c, d):
    """Write the display matrix of the only track of an mp4."""
    data = path.read_bytes()
    matrix = struct.pack(">9i", *(round(value * (1 << 16)) for value in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    place = data.index(IDENTITY, data.index(b"tkhd"))
    path.write_bytes(data[:place] + matrix + data[place + 36 :])


def boxes(data):
    """The boxes of an mp4 at the top of `data`: (name, bytes) each."""
    found, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place : place + size]))
        place += size
    return found


def picture_first(path):
    """Move the attached picture of an mp4 (in udta) before its tracks, which makes it stream 0."""
    changed = []
    for name, box in boxes(path.read_bytes()):
        if name == b"moov":
            children = sorted(boxes(box[8:]), key=lambda child: child[0] == b"trak")
            box = box[:8] + b"".join(child for _, child in children)
        changed.append(box)
    path.write_bytes(b"".join(changed))


def edit_list(path, first, duration):
    """Have the edit list of an mp4 show `duration` seconds (of a time scale of 1000) from media time `first` on."""
    data = path.read_bytes()
    place = data.index(b"elst") + 12
    path.write_bytes(data[:place] + struct.pack(">ii", round(duration * 1000), first) + data[place + 8 :])


def replace_once(path, old, new):
    data = path.read_bytes()
    assert data.count(old) == 1 and len(old) == len(new)
    path.write_bytes(data.replace(old, new))
