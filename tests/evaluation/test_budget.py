"""The training of each row's weights, as the files' headers tell it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.command_line import ship_stubs
from vsreid_lite.config import LITE, PAPER
from vsreid_lite.evaluation.ladder import ladder, training_budget
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.networks.provenance import Provenance
from vsreid_lite.networks.weights import save_weights


@pytest.fixture
def files(tmp_path, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path / "weights")


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


def test_files_of_rows_that_are_not_measured_are_left_out(files):
    (files / "lite-propagation.safetensors").unlink()
    assert [entry["file"] for entry in training_budget(ladder(LITE))] == ["lite-baseline", "lite-box"]


def test_files_of_others_have_no_header_and_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    torch.save({}, tmp_path / "my-propagation.pth")
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
