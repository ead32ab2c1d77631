import io
import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.command_line import (
    FIRST,
    SECOND,
    SHAPE,
    half_written,
    refused,
    ship_stubs,
    small_disk,
    snapshot,
    tiny_frame,
    tiny_mask,
    write_video_folder,
)
from tests.stubs import square_mask
from vsreid_lite import vsreid
from vsreid_lite.commands.cli import main
from vsreid_lite.config import PRESETS, ReleaseRules
from vsreid_lite.flow import write_flo
from vsreid_lite.networks import weight_files
from vsreid_lite.video.masks import PALETTE, write_mask
from vsreid_lite.video.movies import write_video
from vsreid_lite.video.video import load_frames, read_frames


@pytest.fixture(autouse=True)
def weights(tmp_path_factory, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def clip(tmp_path):
    """The first arguments of `vsreid segment` for a folder of four frames."""
    return write_video_folder(tmp_path)


def colours(path):
    with Image.open(path) as image:
        return np.array(image.getpalette()).reshape(-1, 3)


def written(folder):
    """The labels of each PNG of a folder, which must be indexed."""
    masks = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            assert image.mode == "P"
            masks[path.name] = np.array(image)
    return masks


def test_segment_writes_an_indexed_png_for_each_frame(clip, tmp_path, capsys):
    assert main([*clip, "--output", str(tmp_path / "out")]) == 0
    masks = written(tmp_path / "out")
    assert list(masks) == ["00000.png", "00001.png", "00002.png", "00003.png"]
    assert np.array_equal(masks["00000.png"], tiny_mask())
    assert all(mask.shape == SHAPE and set(np.unique(mask)) == {0, 1, 2} for mask in masks.values())
    assert np.array_equal(colours(tmp_path / "out" / "00003.png"), PALETTE)
    assert "clip: 4 frames, 2 instances, 63 x 41" in capsys.readouterr().out
    assert not half_written(tmp_path)


def test_labels_and_colours_are_those_of_the_first_mask(clip, tmp_path):
    palette = np.roll(PALETTE, 5, axis=1)
    palette[7] = 10, 200, 30
    write_mask(tmp_path / "first.png", tiny_mask((3, 7)), palette)
    assert main([*clip, "--output", str(tmp_path / "out")]) == 0
    assert all(set(np.unique(mask)) == {0, 3, 7} for mask in written(tmp_path / "out").values())
    assert np.array_equal(colours(tmp_path / "out" / "00002.png"), palette)


def test_a_later_mask_brings_an_instance_with_its_colour(clip, tmp_path):
    later = square_mask(SHAPE, (SECOND,), (2,))
    write_mask(tmp_path / "first.png", tiny_mask((1,)))
    write_mask(tmp_path / "later.png", later, np.array([[0, 0, 0], [9, 9, 9], [1, 2, 3]]))
    extras = ["--mask", f"2={tmp_path / 'later.png'}", "--output", str(tmp_path / "out")]
    assert main([*clip, *extras, "--json", str(tmp_path / "run.json")]) == 0
    masks = written(tmp_path / "out")
    assert all(set(np.unique(mask)) == {0, 1, 2} for mask in masks.values())
    assert np.array_equal(masks["00002.png"] == 2, later == 2) and np.array_equal(
        masks["00000.png"] == 1, tiny_mask((1,))
    )
    assert colours(tmp_path / "out" / "00000.png")[:3].tolist() == [[0, 0, 0], [128, 0, 0], [1, 2, 3]]
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["given"] == [{"frame": 0, "labels": [1]}, {"frame": 2, "labels": [2]}]
    extras = ["--mask", f"0={tmp_path / 'first.png'}", *extras]
    assert main([*clip[:2], *extras]) == 0  # --first-mask is the mask of frame 0
    assert all(np.array_equal(mask, masks[name]) for name, mask in written(tmp_path / "out").items())


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_a_mask_of_0_and_255_is_one_instance_in_a_visible_colour(clip, tmp_path, mode):
    white = Image.fromarray((tiny_mask() > 0).astype(np.uint8) * 255)
    (white if mode == "L" else white.convert(mode)).save(tmp_path / "first.png")
    assert main([*clip, "--output", str(tmp_path / "out")]) == 0
    assert all(set(np.unique(mask)) == {0, 1} for mask in written(tmp_path / "out").values())
    assert colours(tmp_path / "out" / "00001.png")[1].tolist() == [128, 0, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
@pytest.mark.parametrize("name", [b"caf\xe9", "café-北京".encode(), b"a\nb"])
def test_any_folder_name_is_printed_in_any_terminal_and_written_to_json(tmp_path, monkeypatch, encoding, name):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    write_video_folder(folder / "up")
    (folder / "up" / "clip").rename(folder / "clip")
    (folder / "clip").rename(folder / "up" / folder.name)
    outputs = ["--output", folder / "out", "--json", folder / "run.json", "--overlay", folder / "o.mp4"]
    arguments = ["segment", folder / "up" / folder.name, "--first-mask", folder / "up" / "first.png", *outputs]
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main([str(argument) for argument in arguments]) == 0
    terminal.flush()
    assert b": 4 frames, 2 instances, 63 x 41" in terminal.buffer.getvalue()
    assert len(written(folder / "out")) == len(load_frames(folder / "o.mp4")) == 4
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["sequence"] == folder.name


def test_output_below_a_video_file_with_overlay_and_json(tmp_path, capsys):
    """From an mp4, as a phone makes it: even size, 4 frames at 10 frames per second."""
    shape = (42, 64)
    video = tmp_path / "phone.mp4"
    write_video(video, [tiny_frame(i, shape) for i in range(4)], 10)
    write_mask(tmp_path / "first.png", tiny_mask(shape=shape))
    out = tmp_path / "a" / "b"
    extras = ["--overlay", str(tmp_path / "v" / "over.mp4"), "--json", str(tmp_path / "j" / "run.json")]
    before = snapshot(video, tmp_path / "first.png")
    assert (
        main(["segment", str(video), "--first-mask", str(tmp_path / "first.png"), "--output", str(out), *extras]) == 0
    )
    assert list(written(out)) == [f"0000{i}.png" for i in range(4)]
    overlay, _ = read_frames(tmp_path / "v" / "over.mp4")
    assert len(overlay) == 4 and overlay[0].shape == (42, 64, 3)
    orange = overlay[3].astype(int)[10:22, 10:22].mean((0, 1))
    assert orange[0] > orange[1] + 10 > orange[2] + 20
    run = json.loads((tmp_path / "j" / "run.json").read_text())
    assert run.keys() >= {"sequence", "frames", "labels", "rounds", "checkpoints", "seconds"}
    assert run["frames"] == 4 and run["labels"] == [1, 2] and np.array(run["checkpoints"]).shape == (4, 2)
    assert snapshot(video, tmp_path / "first.png") == before
    assert not half_written(tmp_path)


@pytest.mark.parametrize(("frames", "option"), [(1, []), (3, []), (3, ["--no-adapt"])])
def test_the_closing_line_has_the_time_of_each_part_and_they_add_up(tmp_path, monkeypatch, capsys, frames, option):
    def slow(network, video, *_):
        time.sleep(0.3)
        return [network] * video.K, False

    monkeypatch.setattr(vsreid, "adapt", slow)
    clip = write_video_folder(tmp_path, frames)
    run = tmp_path / "run.json"
    started = time.perf_counter()
    assert main([*clip, "--output", str(tmp_path / "out"), "--json", str(run), *option]) == 0
    elapsed = time.perf_counter() - started
    seconds = json.loads(run.read_text())["seconds"]
    adapted = frames > 1 and not option
    assert (seconds["adaptation"] >= 0.3) == adapted and seconds["total"] >= seconds["adaptation"]
    line = re.search(r"0 rounds, (\S+) s \((.*)\), (\S+) frames/s", capsys.readouterr().out)
    parts = {name: float(value) for name, value in (part.split() for part in line[2].split(", "))}
    assert parts.get("adaptation", 0) == pytest.approx(0.3 * adapted, abs=0.1)
    named = {"reading", "loading", "propagation", "candidates", "rounds", "merging", "writing"}
    assert named == {*parts} - {"adaptation"}
    assert sum(parts.values()) == pytest.approx(float(line[1]), abs=0.5)  # of rounding, 0.05 each
    assert elapsed - 1 < float(line[1]) <= elapsed + 0.05  # but for what parses the command


@pytest.mark.parametrize("labels", [None, tiny_mask()[1:], tiny_mask() * 0], ids=["missing", "small", "empty"])
def test_a_mask_that_is_missing_or_wrong_is_told_before_the_video_is_read(clip, tmp_path, monkeypatch, capfd, labels):
    (tmp_path / "first.png").unlink()
    if labels is not None:
        write_mask(tmp_path / "first.png", labels)
    monkeypatch.setattr("vsreid_lite.video.video.load_video", None)
    assert "first.png: expected" in refused(capfd, *clip, "--output", tmp_path / "out")


@pytest.mark.parametrize("name", ["x" * 251, "é" * 125 + "0"])
def test_names_as_long_as_the_system_allows_are_written(tmp_path, name):
    """255 bytes with the ending; what is written first has a shorter name."""
    clip = write_video_folder(tmp_path, 1)
    (tmp_path / "clip" / "00000.jpg").rename(tmp_path / "clip" / f"{name}.jpg")
    extras = ["--json", str(tmp_path / f"{name[:120]}.json")]
    assert main([*clip, "--output", str(tmp_path / "out"), *extras]) == 0
    assert list(written(tmp_path / "out")) == [f"{name}.png"]


class Asked(Exception):
    """Carries the configuration that a command asked for."""


def asked(monkeypatch, *arguments):
    def ask(_, config, **__):
        raise Asked(config)

    monkeypatch.setattr(vsreid, "segment", ask)
    nothing = weight_files.WeightFiles(None, None, None, None, None)
    monkeypatch.setattr(weight_files, "check_weights", lambda config: None)
    monkeypatch.setattr(weight_files, "named_files", lambda config: nothing)
    with pytest.raises(Asked) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.args[0]


@pytest.mark.parametrize("preset", [*PRESETS, None])
def test_a_preset_is_run_as_it_is_but_lite_has_the_weights_for_real_video_and_adapts(
    clip, tmp_path, monkeypatch, preset
):
    option = ["--preset", preset] if preset else []
    real = PRESETS | {"lite": replace(PRESETS["lite"], weights="lite-real", adapt=True)}
    assert asked(monkeypatch, *clip, "--output", tmp_path / "out", *option) == real[preset or "lite"]


@pytest.mark.parametrize(
    ("options", "weights", "adapt", "steps"),
    [
        ("--no-adapt", "lite-real", False, None),
        ("--adapt-steps 9", "lite-real", True, 9),
        ("--weights lite --no-adapt", "lite", False, None),
        ("--weights my.safetensors", "my.safetensors", True, None),
        ("--preset paper --weights a --adapt --adapt-steps 3", "a", True, 3),
    ],
)
def test_what_is_adapted_and_how_long_may_be_chosen(clip, tmp_path, monkeypatch, options, weights, adapt, steps):
    config = asked(monkeypatch, *clip, "--output", tmp_path / "out", *options.split())
    assert (config.weights, config.adapt, config.adaptation.steps) == (weights, adapt, steps)


def test_any_field_can_be_set_and_goes_before_the_other_options(clip, tmp_path, monkeypatch):
    options = ["--set", "release.exclusive=true", "--set", "adaptation.steps=2", "--adapt-steps", "9"]
    config = asked(monkeypatch, *clip, "--output", tmp_path / "out", *options)
    assert (config.release, config.adaptation.steps) == (ReleaseRules(exclusive=True), 2)


def test_options_replace_what_the_preset_says(clip, tmp_path, monkeypatch):
    options = ["--preset", "authors", "--weights", "a", "--flow", "raft", "--detector", "b", "--identification", "c"]
    config = asked(monkeypatch, *clip, "--output", tmp_path / "out", *options, "--seed", "3", "--device", "cpu")
    files = {"weights": "a", "flow": "raft", "detector_weights": "b", "identification_weights": "c"}
    assert config == replace(PRESETS["authors"], seed=3, device="cpu", **files)


def test_flow_may_come_from_a_folder(clip, tmp_path):
    flows = tmp_path / "flows"
    flows.mkdir()
    moved = torch.zeros(2, *SHAPE)
    moved[0] = -5  # what is at x was at x - 5 in the frame before
    for i in (1, 2, 3):
        write_flo(flows / f"{i:05d}.rflo", moved)
    assert main([*clip, "--output", str(tmp_path / "out"), "--flow", str(flows)]) == 0
    masks = written(tmp_path / "out")
    assert np.flatnonzero((masks["00003.png"] == 1).any(0))[0] == FIRST.x0 + 15


def test_a_folder_without_the_flow_of_a_frame_names_the_file(clip, tmp_path, capfd):
    line = refused(capfd, *clip, "--output", tmp_path / "out", "--flow", tmp_path / "clip")
    assert "clip/00001.rflo: expected a .flo or .rflo file" in line and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--weights", "heavy"], "heavy: expected lite or lite-real or a weight file"),
        (["--device", "gpu"], "device 'gpu': expected auto, cpu, cuda"),
        (["--flow", "sparrow"], "flow 'sparrow': expected one of dis"),
        (["--flow", "flownet2:{}/gone.pth"], "gone.pth"),
        (["--detector", "{}/gone.safetensors"], "gone.safetensors: no such weight file"),
        (["--identification", "{}/first.png"], "first.png: expected a whole safetensors file"),
        (["--preset", "paper", "--flow", "dis"], "preset paper: no weights of its N_mp"),
        (["--preset", "authors", "--flow", "dis", "--weights", "{}/gone.tar"], "gone.tar"),
    ],
)
def test_a_choice_that_is_not_there_is_named(clip, tmp_path, capfd, monkeypatch, options, line):
    monkeypatch.undo()
    arguments = [option.format(tmp_path) for option in options]
    assert line in refused(capfd, *clip, "--output", tmp_path / "out", "--device", "cpu", *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["--output", "--json", "--overlay", "--coco", "--cutouts"])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(clip, tmp_path, capfd, what):
    with small_disk(tmp_path / "disk") as disk:
        outputs = {"--output": tmp_path / "out", what: disk / "new.mp4"}
        before = snapshot(disk, tmp_path / "clip", tmp_path / "first.png")
        line = refused(capfd, *clip, *(argument for pair in outputs.items() for argument in pair))
        assert "new.mp4" in line and "No space left on device" in line
        assert snapshot(disk, tmp_path / "clip", tmp_path / "first.png") == before
        assert not half_written(disk, tmp_path)


def test_ctrl_c_in_the_engine_is_one_line_and_leaves_nothing(clip, tmp_path, capfd, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(vsreid, "segment", interrupt)
    before = snapshot(tmp_path)
    assert main([*clip, "--output", str(tmp_path / "out")]) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("vsreid: interrupted; ")
    assert snapshot(tmp_path) == before


def test_ctrl_c_while_masks_are_written_leaves_none(clip, tmp_path, capfd, monkeypatch):
    count = []

    def third(path, *arguments):
        count.append(path)
        if len(count) == 3:
            raise KeyboardInterrupt
        write_mask(path, *arguments)

    monkeypatch.setattr("vsreid_lite.video.outputs.write_mask", third)
    assert main([*clip, "--output", str(tmp_path / "out")]) == 1
    assert list((tmp_path / "out").iterdir()) == []
