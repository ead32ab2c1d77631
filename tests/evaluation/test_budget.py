"""The training of each row's weights, as the files' headers tell it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.command_line import ship_stubs
from vsreid_lite.config import LITE, PAPER
from vsreid_lite.evaluation.budget import training_budget
from vsreid_lite.evaluation.ladder import ladder
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.models.weights import Provenance, save_weights
from vsreid_lite.training.stages import STAGES


@pytest.fixture
def files(tmp_path, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path / "weights")


def train(files, part, network, steps, command=None):
    header = Provenance(network, "scenes", command or f"vsreid train lite-{part} --seed 0", 0, steps, sequences=("a",))
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


def test_the_steps_are_those_done_and_those_planned_for_the_stages_before(files):
    train(files, "propagation", "two streams", 7)
    entry = next(e for e in training_budget(ladder(LITE)) if e["file"] == "lite-propagation")
    *before, last = entry["stages"]
    assert last == "lite-propagation" and entry["stages"][last] == 7
    assert {name: entry["stages"][name] for name in before} == {name: STAGES[name].plan.steps for name in before}
    assert STAGES[last].start == before[-1] and STAGES[before[0]].start is None
    assert entry["steps"] == sum(entry["stages"].values())
    assert entry["command"] == "vsreid train lite-propagation --seed 0" and entry["sequences"] == ["a"]


@pytest.mark.parametrize("command", ["by hand", "vsreid train a-stage-of-old --seed 0", "vsreid train lite-detector"])
def test_a_file_that_no_stage_of_ours_made_has_its_own_steps_alone(files, command):
    train(files, "box", "rgb", 5, command)
    entry = training_budget(ladder(LITE))[1]
    assert entry["steps"] == 5 and list(entry["stages"].values()) == [5]
