import struct
import sys
import warnings
from fractions import Fraction

import numpy as np
import pytest

from vsreid_lite.video.movies import first_frame, frame_rate, read_video, write_video

av = pytest.importorskip("av", reason="PyAV is not installed: no video files")

from tests.video.movie_files import (  # noqa: E402
    PICTURE,
    copy_packets,
    cut_before_packet,
    edit_list,
    noise,
    picture_first,
    pictures,
    replace_once,
    set_matrix,
    write_clip,
    write_song,
    write_streams,
)

CODECS = {"mp4": "libx264", "mov": "mpeg4", "mkv": "libx264", "webm": "libvpx", "avi": "mpeg4", "flv": "libx264"}

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # a false alarm fails


def test_frames_come_back_in_order(tmp_path):
    frames = pictures()
    path = write_clip(tmp_path / "clip.mp4", frames)
    found = read_video(path)
    assert len(found) == len(frames) and found[0].dtype == np.uint8
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(found, frames, strict=True)) < 4
    np.testing.assert_array_equal(first_frame(path), found[0])
    assert frame_rate(path) == 30
    assert frame_rate(tmp_path) == 24


@pytest.mark.parametrize(
    ("matrix", "player"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
        ((0, 2, 2, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, 0, 0, 0), lambda image: image),
    ],
)
def test_frames_are_turned_and_mirrored_as_a_player_shows_them(tmp_path, matrix, player):
    """The eight matrices as ffmpeg 5.1 shows them; a scale is left out, and a matrix of zeros says nothing."""
    image = pictures()[0]
    image[:24, :16] = 220
    path = write_clip(tmp_path / "clip.mp4", [image, image])
    stored = read_video(path)[0]
    set_matrix(path, *matrix)
    np.testing.assert_array_equal(read_video(path)[1], player(stored))


@pytest.mark.parametrize(("angle", "quarters"), [(30, 0), (60, 1), (-100, -1), (170, 2)])
def test_another_angle_is_rounded_to_a_quarter_turn_and_said(tmp_path, angle, quarters):
    path = write_clip(tmp_path / "clip.mp4", pictures())
    stored = read_video(path)[0]
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    set_matrix(path, cos, -sin, sin, cos)
    with pytest.warns(UserWarning, match=r"clip\.mp4: is to be shown at an angle; .* nearest multiple of 90") as said:
        found = read_video(path)
    np.testing.assert_array_equal(found[0], np.rot90(stored, quarters))
    assert len(said) == 1 and said[0].filename == __file__


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mov"])
def test_pixels_that_are_not_square_are_kept_and_said(tmp_path, suffix):
    path = write_clip(
        tmp_path / f"clip.{suffix}", pictures(), CODECS.get(suffix, "libx264"), sample_aspect_ratio=Fraction(2)
    )
    with pytest.warns(UserWarning, match="its pixels are 2:1, not square; they are not stretched, .* 64 x 48"):
        assert read_video(path)[0].shape == (48, 64, 3)


def test_pixels_that_are_square_to_a_column_are_square(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", pictures(), sample_aspect_ratio=Fraction(100, 101))
    assert len(read_video(path)) == 6


def test_interlaced_fields_are_said_once(tmp_path):
    interlaced = int(av.codec.context.Flags.interlaced_dct) | int(av.codec.context.Flags.interlaced_me)
    path = write_clip(tmp_path / "clip.ts", pictures(), "mpeg2video", flags=interlaced)
    with pytest.warns(UserWarning, match="is interlaced; both fields stay in one frame") as said:
        assert len(read_video(path)) == 6
    assert len(said) == 1


def test_an_attached_picture_is_never_read(tmp_path):
    path = write_streams(
        tmp_path / "clip.mp4", [(pictures(), "libx264", 1), (pictures(1, (96, 128)), "mjpeg", PICTURE)]
    )
    picture_first(path)
    with av.open(str(path)) as container:
        assert container.streams[0].disposition == PICTURE
    assert [frame.shape for frame in read_video(path)] == [(48, 64, 3)] * 6
    assert frame_rate(path) == 30


@pytest.mark.parametrize("suffix", ["mp4", "mp3"])
def test_a_file_with_an_attached_picture_alone_is_refused(tmp_path, suffix):
    codec = "libmp3lame" if suffix == "mp3" else "aac"
    path = write_song(tmp_path / f"song.{suffix}", codec, cover=pictures(1)[0])
    for read in (read_video, frame_rate):
        with pytest.raises(ValueError, match=rf"song\.{suffix}: expected a video, found only attached pictures in it"):
            read(path)


@pytest.mark.parametrize(
    ("suffix", "small", "large", "read"),
    [
        ("mkv", 0, 0, "large"),
        ("mkv", 1, 0, "small"),
        ("mkv", 0, 1, "large"),
        ("mp4", 1, 0, "small"),
        ("mp4", 0, 1, "large"),
        ("ts", 0, 0, "large"),
    ],
)
def test_of_several_videos_the_default_one_is_read_else_the_largest(tmp_path, suffix, small, large, read):
    path = write_streams(
        tmp_path / f"clip.{suffix}", [(pictures(5), "mpeg4", small), (pictures(7, (96, 128)), "mpeg4", large)]
    )
    assert len(read_video(path)) == {"small": 5, "large": 7}[read]


def test_a_single_picture_gives_way_to_a_moving_one(tmp_path):
    path = write_streams(tmp_path / "clip.mp4", [(pictures(1, (96, 128)), "mjpeg", 1), (pictures(7), "mpeg4", 0)])
    assert len(read_video(path)) == 7


@pytest.mark.parametrize(("shape", "even"), [((48, 64), (48, 64)), ((47, 63), (48, 64)), ((1, 1), (2, 2))])
@pytest.mark.parametrize("N", [1, 2, 5])
def test_a_written_video_holds_every_frame_at_an_even_size(tmp_path, shape, even, N):
    write_video(tmp_path / "out.mp4", pictures(N, shape), fps=12.5)
    found = read_video(tmp_path / "out.mp4")
    assert len(found) == N and found[0].shape == (*even, 3)
    assert frame_rate(tmp_path / "out.mp4") == pytest.approx(12.5)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("damage", ["cut", "header", "middle", "empty", "text", "list", "codec"])
def test_a_damaged_video_is_one_clear_error(tmp_path, damage):
    path = write_clip(tmp_path / "clip.mp4", noise(12))
    data = path.read_bytes()
    third = len(data) // 3
    damaged = {
        "cut": data[: 2 * third],
        "header": data[:100],
        "middle": data[:third] + np.random.default_rng(1).bytes(2000) + data[third + 2000 :],
        "empty": b"",
        "text": b"this is no video",
        "list": b"ffconcat version 1.0\nfile /etc/hostname\n",
        "codec": data.replace(b"avc1", b"none"),
    }
    path.write_bytes(damaged[damage])
    said = r"clip\.mp4: (damaged or unknown video|expected a video|frame \d+ is damaged)"
    with pytest.raises(ValueError, match=said):
        read_video(path)


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mov", "mp4", "mpg", "ts"])
def test_damage_in_the_middle_is_said_in_every_container(tmp_path, suffix):
    path = write_clip(
        tmp_path / f"clip.{suffix}", noise(), "mpeg2video" if suffix in ("mpg", "ts") else "mpeg4", rate=25
    )
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + np.random.default_rng(2).bytes(2000) + data[half + 2000 :])
    match = "is damaged or cut off near frame" if suffix == "ts" else "damaged"
    with pytest.warns(UserWarning, match=match) if suffix == "ts" else pytest.raises(ValueError, match=match):
        read_video(path)


@pytest.mark.parametrize("sound", [0, 2.0])
@pytest.mark.parametrize("suffix", CODECS)
def test_an_end_that_is_missing_is_said(tmp_path, suffix, sound):
    path = write_clip(tmp_path / f"clip.{suffix}", pictures(24), CODECS[suffix], sound=sound)
    cut_before_packet(path, 14)
    with pytest.warns(UserWarning, match=r"clip\.\w+: announces \d\.\d\d s, 0\.\d\d s .*its end is missing") as said:
        assert len(read_video(path)) == 14
    assert len(said) == 1 and said[0].filename == __file__


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("avi", "mpeg4"), ("flv", "libx264")])
def test_two_frames_that_are_missing_are_said(tmp_path, suffix, codec):
    path = write_clip(tmp_path / f"clip.{suffix}", pictures(24), codec, max_b_frames=0)
    cut_before_packet(path, 22)
    with pytest.warns(UserWarning, match="its end is missing"):
        assert len(read_video(path)) == 22


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_single_frame_that_is_missing_is_said_where_frames_are_counted(tmp_path, suffix):
    """With B-frames the last packet of the file is not the last frame that is shown."""
    path = write_clip(tmp_path / f"clip.{suffix}", pictures(24))
    cut_before_packet(path, 23)
    with pytest.warns(UserWarning, match="its end is missing"):
        assert len(read_video(path)) == 23


def test_hidden_frames_at_the_start_do_not_stand_in_for_a_missing_end(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", pictures(24))
    edit_list(path, (2 + 8) * 512, 16 / 30)
    cut_before_packet(path, 18)
    with pytest.warns(UserWarning, match="announces 0.53 s, 0.3. s could be read; its end is missing"):
        assert len(read_video(path)) == 10


def test_without_tags_the_longest_stream_is_compared(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", pictures(24), sound=2.0)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"NOTHINGS"))
    assert len(read_video(path)) == 24
    cut_before_packet(path, 14)
    with pytest.warns(UserWarning, match="announces 2.0. s, 0.4. s could be read"):
        read_video(path)


def test_a_transport_stream_cut_in_a_packet_is_said(tmp_path):
    path = write_clip(tmp_path / "clip.ts", pictures(24), "mpeg2video")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.warns(UserWarning, match="no whole number of TS packets: its start or its end is missing"):
        assert 12 < len(read_video(path)) < 24


@pytest.mark.parametrize("lost", [100, 1500])
def test_a_last_frame_that_is_cut_off_is_said(tmp_path, lost):
    path = write_clip(tmp_path / "clip.mov", noise(6), "mjpeg", pix_fmt="yuvj420p")
    path.write_bytes(path.read_bytes()[:-lost])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            read_video(path)
        except ValueError as error:
            assert "damaged" in str(error)
        else:
            assert [str(one.message) for one in said] == [f"{path}: is damaged or cut off near frame 5"]


@pytest.mark.parametrize("suffix", [*CODECS, "ts"])
@pytest.mark.parametrize("kind", ["longer sound", "shorter sound", "one frame"])
def test_a_whole_file_is_read_without_a_warning(tmp_path, suffix, kind):
    path = tmp_path / f"clip.{suffix}"
    N = 1 if kind == "one frame" else 24
    sound = {"longer sound": 2.0, "shorter sound": 0.3}.get(kind, 0.0)
    write_clip(path, pictures(N), CODECS.get(suffix, "libx264"), sound=sound)
    assert len(read_video(path)) == N


@pytest.mark.parametrize("B", [0, 2])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "flv"])
def test_a_variable_rate_is_no_missing_end(tmp_path, suffix, B):
    times = [0, 40, 80, 120, 1000, 1040, 1080, 2500, 2540, 2600, 4600]
    path = write_clip(tmp_path / f"clip.{suffix}", pictures(11), rate=25, times=times, max_b_frames=B)
    assert len(read_video(path)) == 11


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "flv"])
def test_a_clip_that_starts_late_is_whole(tmp_path, suffix):
    """In an mp4 this is an edit list with an empty edit."""
    times = [700 + 40 * i for i in range(24)]
    path = write_clip(tmp_path / f"clip.{suffix}", pictures(24), rate=25, times=times, sound=1.6, max_b_frames=0)
    assert len(read_video(path)) == 24


@pytest.mark.parametrize(("first", "shown"), [(0, 24), (5, 19), (5, 10), (0, 3), (13, 11), (4.5, 10.2)])
def test_an_edit_list_is_no_missing_end(tmp_path, first, shown):
    path = write_clip(tmp_path / "clip.mp4", pictures(24))
    edit_list(path, round((first + 2) * 512), shown / 30)  # B-frames delay the first frame by two
    found = read_video(path)
    assert abs(len(found) - shown) <= 1
    reference = pictures(24)[int(np.ceil(first))]
    assert np.abs(found[0].astype(int) - reference).mean() < 4


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts", "flv"])
@pytest.mark.parametrize(("key", "shift"), [(1, 0.4), (1, 17 / 30), (1, 0.58), (0, 0.2)])
def test_a_clip_cut_by_stream_copy_is_whole(tmp_path, suffix, key, shift):
    """An mp4 hides by an edit list what comes before time 0; the others show it."""
    path = write_clip(tmp_path / "whole.mp4", pictures(36), "mpeg4" if suffix == "avi" else "libx264", max_b_frames=0)
    with av.open(str(path)) as container:
        keys = [i for i, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    copy_packets(path, tmp_path / f"clip.{suffix}", keys[key], shift)
    hidden = max(keys[key], int(np.ceil(shift * 30)) if suffix in ("mp4", "mov") else 0)
    assert len(read_video(tmp_path / f"clip.{suffix}")) == 36 - hidden


def test_a_clip_cut_before_its_first_key_frame_starts_there(tmp_path):
    path = write_clip(tmp_path / "whole.ts", pictures(36), "mpeg2video", max_b_frames=0)
    copy_packets(path, tmp_path / "clip.ts", first=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(read_video(tmp_path / "clip.ts")) == 24


@pytest.mark.parametrize("seconds", [0.8, 0.8 + 1 / 30])
def test_a_length_rounded_up_by_a_frame_is_no_missing_end(tmp_path, seconds):
    path = write_clip(tmp_path / "clip.mkv", pictures(24))
    tag = f"00:00:{seconds + 1e-9:012.9f}".encode()
    replace_once(path, b"00:00:00.800000000", tag)
    replace_once(path, b"\x44\x89\x88" + struct.pack(">d", 800), b"\x44\x89\x88" + struct.pack(">d", seconds * 1000))
    assert len(read_video(path)) == 24


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "shape"),
    [
        ("gif", "gif", "rgb8", (48, 64)),
        ("mov", "prores_ks", "yuva444p10le", (48, 64)),
        ("mp4", "libx264", "yuv420p10le", (48, 64)),
        ("mp4", "libx264", "gray", (48, 64)),
        ("mp4", "libx265", "yuv420p", (48, 64)),
        ("mkv", "ffv1", "yuv444p", (47, 63)),
        ("mov", "png", "rgba", (47, 63)),
        ("avi", "mjpeg", "yuvj420p", (47, 63)),
        ("webm", "libvpx-vp9", "yuva420p", (48, 64)),
        ("mpg", "mpeg2video", "yuv420p", (48, 64)),
    ],
)
def test_codecs_depths_alpha_and_odd_sizes_are_read(tmp_path, suffix, codec, pix_fmt, shape):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    path = write_clip(tmp_path / f"clip.{suffix}", pictures(8, shape), codec, rate=25, pix_fmt=pix_fmt)
    found = read_video(path)
    assert len(found) == 8 and found[0].shape == (*shape, 3) and frame_rate(path) == 25
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(found, pictures(8, shape), strict=True)) < 25


@pytest.mark.parametrize("name", ["a:b.mp4", "frame%03d.mp4", "-clip.mp4", "clip\udce9.mp4", "clip"])
def test_every_name_of_a_file_is_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = write_clip(tmp_path / "clip.mp4", pictures())
    path.rename(name)
    assert len(read_video(name)) == 6


def test_sound_alone_and_a_folder_are_no_video(tmp_path):
    path = write_song(tmp_path / "song.mkv", "pcm_s16le")
    with pytest.raises(ValueError, match=r"song\.mkv: expected a video, found no picture in it"):
        read_video(path)
    with pytest.raises(FileNotFoundError, match="expected a video file, found a folder"):
        read_video(tmp_path)


def test_errors_leave_no_half_written_video(tmp_path):
    frames = pictures(3)
    with pytest.raises(ValueError, match=r"out\.avi: expected a file name that ends in \.mp4"):
        write_video(tmp_path / "out.avi", frames)
    with pytest.raises(ValueError, match="positive number of frames per second, found 0"):
        write_video(tmp_path / "out.mp4", frames, fps=0)
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "out.mp4", [])
    assert not list(tmp_path.iterdir())


def test_a_missing_video_and_missing_pyav_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"clip\.mp4: expected a video file, found nothing"):
        read_video(tmp_path / "clip.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"clip\.mp4: .*PyAV.*pip install av.*folders of frames"):
        read_video(tmp_path / "clip.mp4")
