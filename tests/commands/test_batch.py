"""A folder of videos: each has its result, finished ones stay, and a bad one ends no other."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest

from tests.command_line import ship_stubs, snapshot, tiny_frame, tiny_mask, truncate, write_frames
from vsreid_lite import vsreid
from vsreid_lite.commands.cli import main
from vsreid_lite.video.frame_folders import videos_with_masks
from vsreid_lite.video.masks import read_mask, write_mask
from vsreid_lite.video.movies import write_video


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """A film and two folders of frames, each with its mask; and a file that is none of them."""
    ship_stubs(monkeypatch, tmp_path / "weights")
    folder = tmp_path / "videos"
    for name in ("2", "10"):
        write_frames(folder / name, 2)
        write_mask(folder / f"{name}.png", tiny_mask())
    write_video(folder / "film.mp4", [tiny_frame(i, (42, 64)) for i in range(3)])
    write_mask(folder / "film.png", tiny_mask(shape=(42, 64)))
    (folder / "notes.txt").write_text("of the cameraman")
    return folder


def run(videos, *options, output="out"):
    return main(["segment", str(videos), "--output", str(videos.parent / output), *options])


def results(videos, output="out"):
    return sorted(str(path.relative_to(videos.parent / output)) for path in (videos.parent / output).rglob("*.*"))


EVERY = ["10/.finished", "10/00000.png", "10/00001.png", "2/.finished", "2/00000.png", "2/00001.png"]
EVERY += ["film/.finished", "film/00000.png", "film/00001.png", "film/00002.png"]


@pytest.fixture
def segmented(monkeypatch):
    """The names of the videos that are segmented, in order."""
    names, segment = [], vsreid.segment
    monkeypatch.setattr(vsreid, "segment", lambda video, *a, **b: names.append(video.name) or segment(video, *a, **b))
    return names


def test_each_video_has_its_result_in_natural_order(videos, segmented):
    before = snapshot(videos)
    assert run(videos) == 0
    assert segmented == ["film", "2", "10"] and results(videos) == EVERY
    assert np.array_equal(read_mask(videos.parent / "out" / "10" / "00000.png"), tiny_mask())
    assert snapshot(videos) == before


def test_other_outputs_lie_in_each_result(videos):
    options = ["--overlay", "over.mp4", "--json", "run.json", "--coco", "coco.json", "--cutouts", "cut"]
    assert run(videos, *options) == 0
    cut = [f"cut/{label}/0000{i}.png" for label in (1, 2) for i in (0, 1)]
    assert [name[2:] for name in results(videos) if name.startswith("2/")] == sorted(
        [".finished", "00000.png", "00001.png", "coco.json", "over.mp4", "run.json", *cut]
    )


def test_what_is_finished_is_skipped_and_what_has_changed_is_done_again(videos, segmented, capsys):
    assert run(videos) == 0
    segmented.clear()
    assert run(videos) == 0 and segmented == []
    assert f"film.mp4: finished before: {videos.parent / 'out' / 'film'}" in capsys.readouterr().out
    write_mask(videos / "10.png", tiny_mask((1,)))
    assert run(videos) == 0 and segmented == ["10"]
    assert run(videos, "--seed", "1") == 0 and segmented == ["10", "film", "2", "10"]


def test_a_result_that_has_lost_its_files_is_made_again(videos, segmented):
    assert run(videos, "--json", "run.json") == 0
    segmented.clear()
    (videos.parent / "out" / "2" / "run.json").unlink()
    for mask in (videos.parent / "out" / "10").glob("*.png"):
        mask.unlink()
    assert run(videos, "--json", "run.json") == 0 and segmented == ["2", "10"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--flow", "{}"), "a folder holds the flow of one video; segment each by itself"),
        (("--overlay", "over.txt"), "over.txt: expected"),
    ],
)
def test_what_no_video_can_have_is_refused_once_and_before_the_first(videos, segmented, capsys, options, line):
    assert run(videos, *(option.format(videos) for option in options)) == 2
    assert capsys.readouterr().err.count(line) == 1 and segmented == []


def test_what_was_stopped_is_done_again(videos, segmented, monkeypatch, capsys):
    count = []

    def stop(*_):
        count.append(1)
        if len(count) == 4:  # in the second video
            raise KeyboardInterrupt
        write_mask(*_)

    with monkeypatch.context() as patch:
        patch.setattr("vsreid_lite.video.outputs.write_mask", stop)
        assert run(videos) == 1
    assert results(videos) == ["film/.finished", "film/00000.png", "film/00001.png", "film/00002.png"]
    segmented.clear()
    assert run(videos) == 0 and segmented == ["2", "10"] and results(videos) == EVERY


def test_a_video_whose_adaptation_was_stopped_is_done_again(videos, segmented, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(vsreid, "adapt", lambda network, video, *_: ([network] * video.K, video.name == "2"))
        assert run(videos) == 0
    said = capsys.readouterr().out
    assert "\n2: adaptation was stopped; the same command makes this result again\n" in said
    assert said.count("adaptation was stopped") == 1 and results(videos) == [name for name in EVERY if name != EVERY[3]]
    segmented.clear()
    assert run(videos) == 0 and segmented == ["2"] and results(videos) == EVERY


def test_a_bad_video_ends_no_other_and_is_named_at_the_end(videos, segmented, capsys):
    truncate(videos / "10.png")
    assert run(videos) == 2
    assert segmented == ["film", "2"]
    lines = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("vsreid:")]
    assert "10.png: unreadable or truncated image" in lines[0]
    assert lines[1:] == [f"vsreid: error: {videos}: 1 of 3 videos failed, see above: 10; run again when mended"]
    write_mask(videos / "10.png", tiny_mask())
    assert run(videos) == 0 and segmented == ["film", "2", "10"] and results(videos) == EVERY


def test_an_error_of_the_package_itself_ends_all(videos, monkeypatch):
    monkeypatch.setattr(vsreid, "segment", lambda *_, **__: {}["a fault"])
    with pytest.raises(KeyError):
        run(videos)


@pytest.mark.filterwarnings("default")
def test_workers_do_the_same_and_what_they_say_and_warn_of_is_said_here(videos, monkeypatch, capsys):
    """An executor of one thread stands for workers: stubs do not reach other processes."""
    truncate(videos / "10.png")
    (videos.parent / "out" / "2").mkdir(parents=True)
    (videos.parent / "out" / "2" / "others.png").touch()
    with ThreadPoolExecutor(1) as executor:
        monkeypatch.setattr("vsreid_lite.commands.batch.open_workers", lambda *_: nullcontext(executor))
        assert run(videos, "--scheduler", "tcp://a") == 2
    assert results(videos) == sorted([*EVERY[3:], "2/others.png"])
    said = capsys.readouterr()
    assert "film: 3 frames, 2 instances, 64 x 42" in said.out and "\n2: 2 frames" in said.out
    lines = [line for line in said.err.splitlines() if line.strip()]
    assert len(lines) == 3 and "vsreid: warning: " in lines[0] and "others.png" in lines[0]
    assert "10.png: unreadable" in lines[1] and lines[2].endswith(
        "1 of 3 videos failed, see above: 10; run again when mended"
    )


def test_shards_share_the_videos(videos, segmented):
    assert run(videos, "--shard", "2/2") == 0 and segmented == ["2"]
    assert run(videos, "--shard", "1/2") == 0 and segmented == ["2", "film", "10"] and results(videos) == EVERY


@pytest.mark.parametrize("option", [["--workers", "2"], ["--shard", "1/2"], ["--scheduler", "local"]])
def test_options_of_many_videos_are_refused_for_one(videos, capsys, option):
    assert run(videos / "2", "--first-mask", str(videos / "2.png"), *option) == 2
    assert "are for a folder of videos; leave out --first-mask" in capsys.readouterr().err


def test_results_among_the_videos_are_no_video(videos):
    assert run(videos, output="videos/results") == 0
    assert run(videos, output="videos/results") == 0
    assert results(videos, "videos/results") == EVERY


def test_pairs_are_found_whatever_the_case_of_an_ending(videos):
    (videos / "film.mp4").rename(videos / "film.MOV")
    (videos / "film.png").rename(videos / "film.PNG")
    shutil.move(videos / "2", videos / "take.2")
    (videos / "2.png").rename(videos / "take.2.png")
    found = [(video.name, mask.name) for video, mask in videos_with_masks(videos, videos / "out")]
    assert found == [("film.MOV", "film.PNG"), ("take.2", "take.2.png"), ("10", "10.png")]
