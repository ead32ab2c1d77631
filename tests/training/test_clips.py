"""Clips are rendered once: by whom, in how many processes, and kept on disk for a run that is resumed."""

from dataclasses import replace

import numpy as np
import pytest

from tests.command_line import half_written, small_disk
from tests.training.tiny_clips import tiny_clip
from vsreid_lite.geometry import Box
from vsreid_lite.training import clips
from vsreid_lite.training.clips import ClipStore


def test_a_clip_is_rendered_once_whoever_asks(monkeypatch):
    rendered = []
    monkeypatch.setattr(clips, "mini_clip", lambda index: rendered.append(index) or tiny_clip(f"mini-train {index}"))
    store = ClipStore(quiet=True)
    first, second = store.mini(3), store.mini(5)
    assert rendered == [0, 1, 2, 3, 4] and all(a is b for a, b in zip(first, second, strict=False))
    assert [clip.video for clip in second] == [f"mini-train {index}" for index in range(5)]
    monkeypatch.setattr(clips, "real_clips", lambda root, names, each_of: rendered.append(names) or [])
    assert store.real("root", ("a",), 2) is store.real("root", ("a",), 2) and rendered[5:] == [["a"]]


def test_clips_do_not_depend_on_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(clips, "WORTH", 1)
    several, alone = ClipStore(2, quiet=True).mini(2), ClipStore(1, quiet=True).mini(2)
    for one, other in zip(several, alone, strict=True):
        assert one.video == other.video and one.strangers == other.strangers
        for part in ("frames", "labels", "flows"):
            assert all(np.array_equal(a, b) for a, b in zip(getattr(one, part), getattr(other, part), strict=True))


@pytest.fixture
def counted(monkeypatch):
    """Tiny clips instead of rendered ones; the scenes that were rendered."""
    rendered = []
    box = ((Box(1, 2, 30, 40), Box(3, 4, 5, 6)), (), (Box(0, 0, 1, 1),), ())

    def render(index):
        rendered.append(index)
        return replace(tiny_clip(f"mini-train {index}"), strangers=box)

    monkeypatch.setattr(clips, "mini_clip", render)
    return rendered


def test_clips_on_disk_are_those_that_were_rendered_and_a_killed_run_goes_on(counted, tmp_path):
    before = ClipStore(quiet=True, folder=tmp_path / "clips").mini(3)
    after = ClipStore(quiet=True, folder=tmp_path / "clips").mini(4)
    assert counted == [0, 1, 2, 3] and not half_written(tmp_path / "clips")
    for one, other in zip(before, after, strict=False):
        assert one.video == other.video and one.strangers == other.strangers
        for part in ("frames", "labels", "flows"):
            for a, b in zip(getattr(one, part), getattr(other, part), strict=True):
                assert np.array_equal(a, b) and a.dtype == b.dtype


def test_clips_of_other_code_and_damaged_ones_are_rendered_again(counted, tmp_path, monkeypatch):
    ClipStore(quiet=True, folder=tmp_path).mini(2)
    first = next(iter(sorted(tmp_path.iterdir())))
    first.write_bytes(first.read_bytes()[:-100])
    ClipStore(quiet=True, folder=tmp_path).mini(2)
    assert counted == [0, 1, 0]
    (tmp_path / "code" / "datasets").mkdir(parents=True)
    (tmp_path / "code" / "datasets" / "mini.py").write_text("x = 2")
    monkeypatch.setattr(clips, "PACKAGE", tmp_path / "code")
    clips._made_by.cache_clear()
    ClipStore(quiet=True, folder=tmp_path).mini(2)
    ClipStore(quiet=True, folder=tmp_path).mini(2)
    clips._made_by.cache_clear()
    assert counted == [0, 1, 0, 0, 1] and len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_disk_that_is_full_keeps_no_clips_and_stops_nothing(counted, tmp_path):
    with small_disk(tmp_path / "full") as full:
        store = ClipStore(quiet=True, folder=full / "clips")
        with pytest.warns(UserWarning, match="clips are not kept for a run that is resumed") as said:
            assert len(store.mini(3)) == 3
        assert len(said) == 1 and counted == [0, 1, 2]


def test_arrays_in_any_order_and_kinds_of_scenes_come_back_as_they_were(counted, monkeypatch, tmp_path):
    clip = tiny_clip("footage 0")
    turned = replace(clip, frames=tuple(np.asfortranarray(frame) for frame in clip.frames), identities={2: "seal"})
    monkeypatch.setattr(clips, "footage_clip", lambda index: turned)
    for _ in range(2):
        store = ClipStore(quiet=True, folder=tmp_path)
        mini, footage = store.mini(1)[0], store.footage(1)[0]
        assert (mini.video, footage.video) == ("mini-train 0", "footage 0")
        assert (mini.identities, footage.identities) == ({}, {2: "seal"})
        assert all(np.array_equal(a, b) for a, b in zip(footage.frames, clip.frames, strict=True))


def test_of_processes_that_train_together_one_keeps_the_clips_and_all_read_them(counted, tmp_path):
    ClipStore(quiet=True, folder=tmp_path, keeps=False).mini(1)
    assert not list(tmp_path.iterdir())
    ClipStore(quiet=True, folder=tmp_path).mini(1)
    ClipStore(quiet=True, folder=tmp_path, keeps=False).mini(1)
    assert counted == [0, 0]
