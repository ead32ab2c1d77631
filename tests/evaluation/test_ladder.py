"""Each row of Table 1 is one configuration with weights of its own, and says what it waits for."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.command_line import ship_stubs
from vsreid_lite.config import AUTHORS, LITE, PAPER, with_propagation
from vsreid_lite.evaluation import ladder as module
from vsreid_lite.evaluation.ladder import (
    ADAPTATION,
    IMPROVING,
    MIRRORED,
    ONE_NETWORK,
    SCALES,
    SPARING,
    adapted,
    ladder,
    training_budget,
)
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.networks.checkpoints import save_weights
from vsreid_lite.networks.weight_files import Provenance

MADE = "vsreid train lite-real-propagation --seed 0 --root DAVIS --sequences a,b"


@pytest.fixture
def files(tmp_path, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path / "weights")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Torch's hub folder, which holds N_det as published."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").write_bytes(b"N_det")
    return folder


def save(path, network="two streams", settings=None):
    save_weights(path, nn.Linear(1, 1), Provenance(network, "", MADE, 0, 0, settings=settings or {}))
    return str(path)


def what(row):
    """What a row sets: box, flow, ReID module, scales, adaptation."""
    config = row.config
    return config.propagation.use_box, config.propagation.use_flow, config.reid, config.propagation.scales, config.adapt


def missing(rows):
    return [bool(row.missing) for row in rows]


def test_each_row_adds_one_thing_to_the_row_before(files):
    rows = ladder(replace(LITE, adapt=True, device="cpu", seed=3))
    assert [row.name for row in rows] == [*(row.name for row in table1()), ADAPTATION]
    assert [what(row) for row in rows] == [
        (False, False, False, (1.0,), False),
        (True, False, False, (1.0,), False),
        (True, True, False, (1.0,), False),
        (True, True, True, (1.0,), False),
        (True, True, True, SCALES, False),
        (True, True, True, SCALES, True),
    ]
    assert not any(missing(rows)) and {(row.config.device, row.config.seed) for row in rows} == {("cpu", 3)}


def test_the_scales_are_those_stored_with_the_weights(files):
    save(files / "lite-propagation.safetensors", settings={"scales": [0.875, 1.0]})
    assert ladder(LITE)[4].config.propagation.scales == (0.875, 1.0)


def test_with_adaptation_everywhere_the_papers_rows_are_as_before_but_adapted(files):
    (files / "lite-box.safetensors").unlink()
    rows = ladder(replace(LITE, adapt=True))
    every = adapted(rows)
    assert [row.name for row in every] == [row.name for row in table1()]
    assert [what(row) for row in every] == [(*what(row)[:4], True) for row in rows[:5]]
    assert every[4].config == rows[5].config  # measured once
    assert missing(every) == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("part", "waiting"),
    [
        ("baseline", [True, False, False, False, False]),
        ("box", [False, True, False, False, False]),
        ("propagation", [False, False, True, True, True]),
        ("detector", [False, False, False, True, True]),
        ("identification", [False, False, False, True, True]),
    ],
)
def test_a_row_without_its_file_says_which_command_makes_it(files, part, waiting):
    (files / f"lite-{part}.safetensors").unlink()
    rows = ladder(LITE)
    assert missing(rows) == waiting
    said = f"not measured: no file lite-{part}; make it: vsreid train lite-{part}"
    assert {row.missing for row in rows} == {"", said}


def test_a_file_of_ones_own_serves_the_rows_of_two_streams(files, tmp_path):
    own = save(tmp_path / "seven-propagation.safetensors")
    rows = ladder(replace(LITE, weights=own))
    assert missing(rows) == [True, True, False, False, False]
    box = tmp_path / "seven-box.safetensors"
    assert rows[1].missing == (
        f"not measured: no file {box}; make it: vsreid train lite-real-box --seed 0 --root DAVIS --sequences a,b "
        f"--output {box}"
    )
    save(box, "rgb")
    assert missing(ladder(replace(LITE, weights=own))) == [True, False, False, False, False]


def test_a_file_of_one_stream_serves_none_of_them(files, tmp_path):
    own = save(tmp_path / "seven-propagation.safetensors", "rgb")
    save(tmp_path / "seven-box.safetensors", "rgb")
    rows = ladder(replace(LITE, weights=own))
    assert missing(rows) == [True, False, True, True, True]
    assert rows[2].missing == "not measured: seven-propagation.safetensors has no flow stream"


@pytest.mark.parametrize(
    ("chosen", "adapt", "line"),
    [
        ((7,), True, "row 7: expected numbers from 1 to 6, as in Table 1"),
        ((1, 6), False, "row 6: expected numbers from 1 to 5, as in Table 1; 6 is ours, with --adapt"),
        ((1,), False, "weights lite: no row can be measured: no file lite-baseline; make it: vsreid train"),
    ],
)
def test_a_choice_that_cannot_be_measured_is_one_line(files, chosen, adapt, line):
    (files / "lite-baseline.safetensors").unlink()
    with pytest.raises(ValueError, match=re.escape(line)):
        ladder(replace(LITE, adapt=adapt), chosen)


def test_a_row_that_adapts_says_which_rules_change_with_it(files):
    rows, both = ladder(replace(LITE, adapt=True)), f"{IMPROVING}; {SPARING}"
    assert rows[5].note == f"not in the paper's table; {both}"
    assert [row.note for row in adapted(rows)] == ["", "", "", both, both]
    given = replace(LITE, adapt=True, matching=replace(LITE.matching, improvement=0.1))
    assert adapted(ladder(given))[4].note == SPARING
    assert adapted(ladder(replace(given, release=replace(LITE.release, spare_others=True))))[4].note == ""
    mirrored = ladder(with_propagation(replace(LITE, adapt=True), flip=True))
    assert mirrored[5].note == f"not in the paper's table; {MIRRORED}; {both}"
    assert adapted(mirrored)[4].note == f"{MIRRORED}; {both}"


def test_flow_and_other_files_are_those_of_the_whole_ladder(files):
    own = save(files / "other.safetensors")
    for row in ladder(replace(LITE, flow="raft", detector_weights=own, identification_weights=own)):
        assert (row.config.flow, row.config.detector_weights, row.config.identification_weights) == ("raft", own, own)
    with pytest.raises(FileNotFoundError, match="gone: no such weight file"):
        ladder(replace(LITE, detector_weights="gone"))


# presets paper and authors


def test_the_rows_of_the_paper_s_networks_have_files_beside_each_other(hub, tmp_path):
    own, box = save(tmp_path / "my-propagation.safetensors"), tmp_path / "my-box.safetensors"
    config = replace(PAPER, weights=own)
    rows = ladder(config)
    assert missing(rows) == [True, True, False, True, True]
    assert rows[1].missing == f"not measured: no file {box}; vsreid train paper-box makes one"
    assert rows[3].missing == "not measured: no file of N_reid; give one with --identification"
    for part in ("baseline", "box", "identification"):
        save(tmp_path / f"my-{part}.safetensors")
    rows = ladder(replace(config, adapt=True))
    assert not any(missing(rows)) and all(row.documented for row in rows)
    assert [what(row) for row in rows[4:]] == [(True, True, True, SCALES, False), (True, True, True, SCALES, True)]
    configs = [row.config for row in rows]
    assert {(one.preset, one.weights, one.propagation.patch) for one in configs} == {("paper", own, 449)}


def test_files_of_others_do_not_say_what_they_have_seen(hub, tmp_path):
    for part in ("propagation", "box"):
        torch.save({}, tmp_path / f"my-{part}.pth")
    save(tmp_path / "my-baseline.safetensors")
    rows = ladder(replace(PAPER, weights=str(tmp_path / "my-propagation.pth")))
    assert missing(rows) == [True, False, False, True, True]  # the others have the suffix of the file that is given
    assert [row.documented for row in rows[1:3]] == [False, False]


def test_without_n_det_the_rows_that_search_wait_and_it_is_asked_for_once(hub, tmp_path, monkeypatch):
    asked = []

    def refused(url):
        asked.append(url)
        raise FileNotFoundError("put it there")

    monkeypatch.setattr(module, "hub_weights", refused)
    (hub / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").unlink()
    for part in ("baseline", "box", "propagation", "identification"):
        save(tmp_path / f"my-{part}.safetensors")
    config = replace(PAPER, weights=str(tmp_path / "my-propagation.safetensors"))
    rows = ladder(config)
    assert missing(rows) == [False, False, False, True, True] and len(asked) == 1
    assert rows[3].missing == rows[4].missing == "not measured: put it there"
    assert missing(ladder(config, (1, 2))) == [False, False, True, True, True] and len(asked) == 1
    assert not any(missing(ladder(replace(config, detector_weights=save(tmp_path / "d.safetensors")))))


def test_of_the_release_only_the_rows_of_two_streams_can_be_measured(hub, tmp_path):
    weights, identification = str(tmp_path / "MP2S.pth.tar"), save(tmp_path / "reid.safetensors")
    torch.save({}, weights)
    config = replace(AUTHORS, weights=weights, identification_weights=identification)
    rows = ladder(config)
    assert missing(rows) == [True, True, False, False, False] and rows[0].missing == rows[1].missing == ONE_NETWORK
    rules = [(row.config.reid, row.config.propagation.flip) for row in rows[2:]]
    assert rules == [(False, False), (True, False), (True, True)]
    assert "mirrored" in rows[4].note and rows[4].config.propagation.scales == (1.0,)
    assert not any(row.documented for row in rows[2:])
    with pytest.raises(ValueError, match=r"preset authors: its weights are adapted .* measure it without --adapt"):
        ladder(replace(config, adapt=True))


def test_random_weights_need_no_file(hub):
    (hub / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").unlink()
    assert not any(missing(ladder(replace(PAPER, weights="random"))))
    assert missing(ladder(replace(AUTHORS, weights="random"))) == [True, True, False, False, False]
    with pytest.raises(FileNotFoundError, match="random: expected lite or lite-real or a weight file"):
        ladder(replace(LITE, weights="random"))


# What the weights of each row were trained with


def train(files, part, network, steps, command=None, **before):
    command = command or f"vsreid train lite-{part} --seed 0"
    header = Provenance(network, "scenes", command, 0, steps, sequences=("a",), **before)
    save_weights(files / f"lite-{part}.safetensors", nn.Linear(1, 1), header)


def test_each_file_is_listed_once_with_the_rows_that_use_it(files):
    names = [row.name for row in table1()]
    budget = {entry["file"]: entry["rows"] for entry in training_budget(ladder(LITE))}
    assert budget == {
        "lite-baseline": names[:1],
        "lite-box": names[1:2],
        "lite-propagation": names[2:],
        "lite-detector": names[3:],
        "lite-identification": names[3:],
    }


def test_files_of_others_and_of_rows_that_are_not_measured_are_left_out(files, hub, tmp_path):
    (files / "lite-propagation.safetensors").unlink()
    assert [entry["file"] for entry in training_budget(ladder(LITE))] == ["lite-baseline", "lite-box"]
    torch.save({}, tmp_path / "my-propagation.pth")  # without a header
    rows = ladder(replace(PAPER, weights=str(tmp_path / "my-propagation.pth")), (3,))
    assert training_budget(rows) == []


def test_the_steps_are_those_of_the_header_whatever_the_plan_is_today(files):
    start = tuple(f"vsreid train lite-{name} --seed 0" for name in ("stills", "rgb", "flow"))
    train(files, "propagation", "two streams", 7, start=start, start_steps=(2, 3, 5))
    entry = next(e for e in training_budget(ladder(LITE)) if e["file"] == "lite-propagation")
    assert entry["stages"] == {"lite-stills": 2, "lite-rgb": 3, "lite-flow": 5, "lite-propagation": 7}
    assert list(entry["stages"])[-1] == "lite-propagation" and entry["steps"] == 17
    assert entry["command"] == "vsreid train lite-propagation --seed 0" and entry["sequences"] == ["a"]


@pytest.mark.parametrize(
    ("command", "name"), [("by hand", "rgb"), ("vsreid train", "rgb"), ("vsreid train lite-box --seed 1", "lite-box")]
)
def test_a_stage_that_no_command_of_ours_made_has_the_name_of_its_network(files, command, name):
    train(files, "box", "rgb", 5, command)
    entry = training_budget(ladder(LITE))[1]
    assert entry["steps"] == 5 and entry["stages"] == {name: 5}
