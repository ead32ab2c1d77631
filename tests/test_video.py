import sys

import numpy as np
import pytest

from vsreid_lite.video import frame_rate, read_video, write_overlay_video

av = pytest.importorskip("av", reason="PyAV is not installed: no video files")


def clip(N=6, shape=(48, 64)):
    """A grey ramp that brightens, so that order and orientation show after compression."""
    ramp = np.linspace(0, 150, shape[1])[None, :, None] + np.zeros((*shape, 3))
    return [(ramp + 15 * i).astype(np.uint8) for i in range(N)]


def write_clip(path, frames, rotation=0):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(rotation)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def test_frames_come_back_in_order(tmp_path):
    frames = clip()
    write_clip(tmp_path / "clip.mp4", frames)
    found = read_video(tmp_path / "clip.mp4")
    assert len(found) == len(frames) and found[0].dtype == np.uint8
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(found, frames, strict=True)) < 4
    assert frame_rate(tmp_path / "clip.mp4") == 30
    assert frame_rate(tmp_path) == 24


def test_a_video_held_upright_is_read_upright(tmp_path):
    write_clip(tmp_path / "clip.mp4", clip(), rotation=90)
    found = read_video(tmp_path / "clip.mp4")[0]
    assert found.shape == (64, 48, 3)
    np.testing.assert_allclose(found.astype(int), np.rot90(clip()[0]).astype(int), atol=12)


@pytest.mark.parametrize(("shape", "even"), [((48, 64), (48, 64)), ((47, 63), (48, 64)), ((1, 1), (2, 2))])
@pytest.mark.parametrize("N", [1, 2, 5])
def test_an_overlay_video_holds_every_frame_at_an_even_size(tmp_path, shape, even, N):
    masks = [np.zeros(shape, np.uint8)] * N
    write_overlay_video(tmp_path / "out.mp4", clip(N, shape), masks, fps=12.5)
    found = read_video(tmp_path / "out.mp4")
    assert len(found) == N and found[0].shape == (*even, 3)
    assert frame_rate(tmp_path / "out.mp4") == pytest.approx(12.5)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_the_overlay_shows_the_instance(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 2
    write_overlay_video(tmp_path / "out.mp4", [np.full((48, 64, 3), 100, np.uint8)], [mask])
    found = read_video(tmp_path / "out.mp4")[0].astype(int)
    np.testing.assert_allclose(found[24, 10], [50, 114, 50], atol=12)
    np.testing.assert_allclose(found[24, 55], [100, 100, 100], atol=12)


@pytest.mark.parametrize("damage", ["cut", "header", "middle", "empty", "text"])
def test_a_damaged_video_is_one_clear_error(tmp_path, damage):
    path = tmp_path / "clip.mp4"
    noise = np.random.default_rng(0)
    write_clip(path, [noise.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(12)])
    data = path.read_bytes()
    third = len(data) // 3
    damaged = {
        "cut": data[: 2 * third],
        "header": data[:100],
        "middle": data[:third] + noise.bytes(2000) + data[third + 2000 :],
        "empty": b"",
        "text": b"this is no video",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(
        ValueError, match=r"clip\.mp4: (damaged or unknown video|expected a video|frame \d+ is damaged)"
    ):
        read_video(path)


def test_errors_leave_no_half_written_video(tmp_path):
    frames, masks = clip(3), [np.zeros((48, 64), np.uint8)] * 3
    with pytest.raises(ValueError, match=r"out\.avi: expected a file name that ends in \.mp4"):
        write_overlay_video(tmp_path / "out.avi", frames, masks)
    with pytest.raises(ValueError, match="positive number of frames per second, found 0"):
        write_overlay_video(tmp_path / "out.mp4", frames, masks, fps=0)
    with pytest.raises(ValueError):
        write_overlay_video(tmp_path / "out.mp4", frames, masks[:2])
    with pytest.raises(ValueError, match="expected a mask of 64 x 48 pixels"):
        write_overlay_video(tmp_path / "out.mp4", frames, [np.zeros((4, 4), np.uint8)] * 3)
    with pytest.raises(ValueError, match="at least one frame"):
        write_overlay_video(tmp_path / "out.mp4", [], [])
    assert not list(tmp_path.iterdir())


def test_a_video_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*out\.mp4"):
        write_overlay_video(tmp_path / "file" / "out.mp4", clip(1), [np.zeros((48, 64), np.uint8)])


def test_a_missing_video_and_missing_pyav_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"clip\.mp4: expected a video file, found nothing"):
        read_video(tmp_path / "clip.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"clip\.mp4: .*PyAV.*pip install av.*folders of frames"):
        read_video(tmp_path / "clip.mp4")
