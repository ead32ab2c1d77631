import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.command_line import tiny_mask, tiny_sequence
from vsreid_lite.datasets import benchmarks
from vsreid_lite.datasets.benchmarks import open_benchmark, open_scenes
from vsreid_lite.datasets.composite import CompositeVideo
from vsreid_lite.datasets.davis import FRAMES, MASKS, write_benchmark
from vsreid_lite.datasets.mini import CHALLENGES, challenge_name
from vsreid_lite.system.files import MINI


@pytest.fixture
def root(tmp_path):
    """A DAVIS root with a val split of two sequences, and a third sequence in none."""
    write_benchmark([tiny_sequence("apes"), tiny_sequence("bees")], tmp_path, "val")
    write_benchmark([tiny_sequence("cats")], tmp_path, "train")
    return tmp_path


def test_the_shipped_mini_benchmark_has_a_sequence_for_each_challenge():
    benchmark = open_benchmark("mini")
    assert benchmark.root == MINI and set(benchmark.names) == set(CHALLENGES)
    assert benchmark.sources("occlusion") == ()
    assert len(benchmark.files("occlusion")) == 80


def test_another_mini_root_brings_its_own_test_split(tmp_path):
    write_benchmark([tiny_sequence("one")], tmp_path, "test")
    benchmark = open_benchmark("mini", tmp_path)
    assert benchmark.names == ("one",)
    assert benchmark.load("one").K == 2


def test_davis_is_its_val_split(root):
    assert open_benchmark("davis-2017", root).names == ("apes", "bees")
    assert open_benchmark("davis-2017", root).split == "val"
    assert open_benchmark("davis-2017", root).sources("apes") == ("apes",)


def test_any_sequence_that_is_there_can_be_named_once(root):
    assert open_benchmark("davis-2017", root, ("cats", "apes", "cats")).names == ("cats", "apes")
    assert open_benchmark("davis-2017", root, ("cats",)).split == "named"


@pytest.mark.filterwarnings("default")
def test_without_any_list_all_sequences_count_and_that_is_said(root):
    shutil.rmtree(root / "ImageSets")
    with pytest.warns(UserWarning, match="expected ImageSets with a list of a split, found none"):
        assert open_benchmark("davis-2017", root).names == ("apes", "bees", "cats")


def test_a_split_that_is_not_listed_is_an_error_where_there_are_lists(root):
    with pytest.raises(FileNotFoundError, match=r"test.txt: expected the list of split test, found \['train', 'val'\]"):
        open_benchmark("mini", root)


def test_the_root_of_the_environment_is_taken_where_none_is_given(root, tmp_path, monkeypatch):
    monkeypatch.setenv("DAVIS_ROOT", str(root))
    assert open_benchmark("davis-2017").root == root
    assert open_benchmark("mini", names=("crowd",)).root == MINI
    with pytest.raises(FileNotFoundError, match="none"):
        open_benchmark("davis-2017", tmp_path / "none")


def test_a_root_that_is_missing_or_another_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("DAVIS_ROOT", raising=False)
    with pytest.raises(ValueError, match="--dataset davis-2017 needs --root"):
        open_benchmark("davis-2017")
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none"))):
        open_benchmark("davis-2016", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="found another folder"):
        open_benchmark("composite", tmp_path)
    with pytest.raises(ValueError, match="expected one of mini, composite"):
        open_benchmark("coco")


def test_the_split_that_is_named_is_scored_or_else_the_only_one_there_is(tmp_path):
    for name, split in (("apes", "test"), ("bees", "mine")):
        write_benchmark([tiny_sequence(name)], tmp_path, split)
        benchmark = open_benchmark("davis-2017", tmp_path, split=split if split == "mine" else None)
        assert (benchmark.split, benchmark.names) == (split, (name,))
    with pytest.raises(FileNotFoundError, match=r"split val, found \['mine', 'test'\]"):
        open_benchmark("davis-2017", tmp_path)
    with pytest.raises(ValueError, match="--split test: composites have no splits"):
        open_benchmark("composite", tmp_path, split="test")


def test_scenes_are_rendered_anew_as_sequences_of_their_own(tmp_path, monkeypatch):
    drawn = []

    def draw(split, index):
        drawn.append((split, index))
        return tiny_sequence(f"{challenge_name(index)}-{index:04d}")

    monkeypatch.setattr("vsreid_lite.datasets.mini.mini_video", draw)
    benchmark = open_scenes(range(21, 23), tmp_path / "scenes")
    assert drawn == [("test", 21), ("test", 22)]
    assert benchmark.names == ("occlusion-0021", "scale-change-0022") and benchmark.sources(benchmark.names[0]) == ()
    assert (benchmark.dataset, benchmark.split, benchmark.scenes) == ("mini", "test", (21, 22))
    assert benchmark.load("occlusion-0021").K == 2
    again = open_scenes(range(21, 23), tmp_path / "scenes", ("scale-change-0022",))
    assert again.names == ("scale-change-0022",) and (again.split, again.scenes) == ("test", (22,))
    with pytest.raises(ValueError, match="no sequence crowd-0014 in mini; there are occlusion-0021, scale-change"):
        open_scenes(range(21, 23), tmp_path / "scenes", ("crowd-0014",))


def test_a_missing_mini_split_says_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks, "MINI", tmp_path / "mini")
    with pytest.raises(FileNotFoundError, match="comes with the repository, or write it with `vsreid render mini"):
        open_benchmark("mini")


def test_a_sequence_is_scored_by_the_true_masks_that_it_has_and_that_is_said(root):
    masks = root / MASKS / "bees"
    (masks / "00002.png").unlink()
    (masks / "00001.png").rename(masks / "00001.PNG")
    with pytest.warns(UserWarning, match="1 sequence with true masks for some frames only.*: bees 3 of 4"):
        assert [m is None for m in open_benchmark("davis-2017", root).load("bees").annotations] == [0, 0, 1, 0]
    (masks / "00001.PNG").unlink()
    with pytest.raises(ValueError, match="bees: expected true masks of at least 3 frames, .* found 2; without"):
        open_benchmark("davis-2017", root)
    (masks / "00000.png").unlink()
    with pytest.raises(FileNotFoundError, match="00000.png: expected the mask of the first frame"):
        open_benchmark("davis-2017", root)
    assert open_benchmark("davis-2017", root, ("apes",)).names == ("apes",)


def test_the_files_of_a_sequence_are_its_frames_and_masks(root):
    (root / FRAMES / "apes" / ".DS_Store").touch()
    files = open_benchmark("davis-2017", root).files("apes")
    assert {file.parent for file in files} == {root / FRAMES / "apes", root / MASKS / "apes"}
    assert len(files) == 8


def test_a_composite_shows_and_depends_on_its_sources(root, monkeypatch):
    made = CompositeVideo("cross-apes", [np.zeros((41, 63, 3), np.uint8)] * 3, tiny_mask(), sources=("apes", "bees"))
    monkeypatch.setattr(
        "vsreid_lite.datasets.composite.composite_videos", lambda _: [made, replace(made, name="hide-apes")]
    )
    benchmark = open_benchmark("composite", root, ("cross-apes",))
    assert benchmark.names == ("cross-apes",) and benchmark.load("cross-apes") is made
    assert benchmark.sources("cross-apes") == ("apes", "bees")
    assert {file.parent.name for file in benchmark.files("cross-apes")} == {"apes", "bees"}
    assert open_benchmark("composite", root).names == ("cross-apes", "hide-apes")
