"""Frames that are read when they are needed: the same as at first, in any order, in a bounded memory."""

import pickle

import numpy as np
import pytest
from PIL import Image

from vsreid_lite.system.machine import KINDS_OF_CACHE
from vsreid_lite.video.frame_cache import LEAST
from vsreid_lite.video.movies import read_video
from vsreid_lite.video.video import Video, load_frames

ORDER = [*range(24), *range(23, -1, -1), 5, 20, 3, 12, 11, 22]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(24):
        Image.fromarray(rng.integers(0, 256, (9, 13, 3), dtype=np.uint8)).save(tmp_path / f"{i:02d}.png")
    return tmp_path


def of(size, frames):
    """The bytes of a cache that holds as many frames."""
    return KINDS_OF_CACHE * frames * size


@pytest.mark.parametrize("kept", [0, 3, 10, 24])
def test_a_folder_gives_the_same_frames_in_any_order_and_keeps_as_many_as_it_may(folder, kept):
    whole, frames = list(load_frames(folder)), load_frames(folder, of(9 * 13 * 3, kept))
    assert len(frames) == 24 and frames.all_kept() == (kept == 24)
    for i in ORDER:
        assert np.array_equal(frames[i], whole[i])
        assert len(frames._kept) <= max(kept, LEAST) and frames._bytes == len(frames._kept) * 9 * 13 * 3
    assert np.array_equal(frames[-1], whole[23]) and np.array_equal(frames[np.int64(2)], whole[2])
    assert np.array_equal(frames[20:], whole[20:]) and np.array_equal(list(frames), whole)
    assert np.array_equal(pickle.loads(pickle.dumps(frames))[7], whole[7])
    with pytest.raises(IndexError):
        frames[24]


def test_the_first_frames_are_kept_until_others_are_needed(folder):
    frames = load_frames(folder, of(9 * 13 * 3, 4))
    assert [*frames._kept] == [0, 1, 2, 3]
    assert (frames[0][0, 0] == frames[9][0, 0]).all() or [*frames._kept] == [2, 3, 0, 9]


def test_a_video_of_such_frames_is_not_read_again_to_be_checked(folder):
    frames = load_frames(folder, 0)
    for path in folder.iterdir():
        path.unlink()
    assert Video("dog", frames, np.ones((9, 13), np.uint8)).N == 24


def test_a_picture_that_has_changed_is_named(folder):
    frames = load_frames(folder, 0)
    Image.fromarray(np.zeros((9, 13, 3), np.uint8)).save(folder / "15.png")
    with pytest.raises(ValueError, match=r"15\.png: is not the picture that it was at first"):
        frames[15]


class TestMovies:
    @pytest.fixture(autouse=True)
    def av(self):
        pytest.importorskip("av")

    @pytest.mark.parametrize(
        ("suffix", "codec", "B"),
        [("mp4", "libx264", 2), ("mkv", "libx264", 0), ("avi", "mpeg4", 0), ("mov", "mpeg4", 2)],
    )
    @pytest.mark.filterwarnings("error::UserWarning")
    def test_frames_are_reached_from_the_key_frame_before_them(self, tmp_path, monkeypatch, suffix, codec, B):
        from tests.video.movie_files import pictures, write_clip

        path = write_clip(tmp_path / f"clip.{suffix}", pictures(24), codec, max_b_frames=B)
        whole, frames = read_video(path), read_video(path, of(48 * 64 * 3, 3))
        reader, starts = frames._reader, []
        restart = reader._restart
        monkeypatch.setattr(reader, "_restart", lambda start: starts.append(start) or restart(start))
        assert all(np.array_equal(frames[i], whole[i]) for i in ORDER)
        assert reader._keys[0] == 0 and reader._keys[1] in starts and starts.count(0) < len(starts)
        monkeypatch.undo()
        assert np.array_equal(pickle.loads(pickle.dumps(frames))[20], whole[20])

    def test_a_video_without_random_access_is_said_once_and_read_from_its_start(self, tmp_path):
        from tests.video.movie_files import pictures, write_clip

        path = write_clip(tmp_path / "clip.gif", pictures(24), "gif", pix_fmt="rgb8")
        whole = read_video(path)
        with pytest.warns(UserWarning, match=r"clip\.gif: its frames cannot be reached at random") as said:
            frames = read_video(path, of(48 * 64 * 3, 3))
        assert len(said) == 1 and all(np.array_equal(frames[i], whole[i]) for i in ORDER)

    def test_a_file_that_has_changed_is_named(self, tmp_path):
        from tests.video.movie_files import pictures, write_clip

        path = write_clip(tmp_path / "clip.mp4", pictures(24))
        frames = read_video(path, of(48 * 64 * 3, 3))
        write_clip(path, pictures(24)[::-1])
        with pytest.raises(ValueError, match=r"clip\.mp4: frame 5 is not what it was at first; the file has changed"):
            frames[5]
