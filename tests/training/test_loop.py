"""The training loop: resumed to the bit, stopped by what is not finite, and a log that says nothing twice."""

import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from tests.command_line import half_written
from vsreid_lite.training import loop
from vsreid_lite.training.loop import append_to_log, cut_log, read_log, read_logs, train
from vsreid_lite.training.stages import Plan

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")


class Steps(Dataset):
    """Batch number `step` depends on the step alone."""

    def __getitem__(self, step):
        return torch.randn(8, 4, generator=torch.Generator().manual_seed(step))


def network():
    """With statistics and random numbers of its own, as Faster R-CNN has in N_det."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 1))


def loss_of(model):
    return lambda batch: ((model(batch)[:, 0] - batch.sum(1)) ** 2).mean()


def values(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


class Killed(Exception):
    pass


def killed_after(steps, loss):
    count = []

    def run(batch):
        count.append(batch)
        if len(count) > steps:
            raise Killed
        return loss(batch)

    return run


ROOT = Path(__file__).parents[2]
PLAN = Plan(20, 1e-2, warm_up=3)


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)


def test_a_killed_run_resumes_to_the_weights_of_one_that_was_not(tmp_path, every_step):
    """Its random numbers go on where the state was saved."""
    whole, cut, resumed = network(), network(), network()
    torch.manual_seed(1)
    assert train(whole, Steps(), loss_of(whole), PLAN, tmp_path / "whole.state") == 20
    torch.manual_seed(1)
    with pytest.raises(Killed):
        train(cut, Steps(), killed_after(7, loss_of(cut)), PLAN, tmp_path / "cut.state")
    torch.manual_seed(2)
    assert train(resumed, Steps(), loss_of(resumed), PLAN, tmp_path / "cut.state") == 20
    assert torch.equal(values(resumed), values(whole)) and not torch.equal(values(network()), values(whole))
    assert not half_written(tmp_path)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, second = network(), network()
    train(first, Steps(), loss_of(first), PLAN, tmp_path / "a.state")
    assert train(second, Steps(), killed_after(0, loss_of(second)), PLAN, tmp_path / "a.state") == 20
    assert torch.equal(values(second), values(first))


def test_training_stops_when_its_minutes_are_over_and_keeps_its_state(tmp_path):
    model = network()
    assert train(model, Steps(), loss_of(model), Plan(1000, minutes=1e-9), tmp_path / "a.state") == 1
    assert torch.load(tmp_path / "a.state", weights_only=True)["step"] == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_not_learnt_from_and_the_last_good_state_stays(tmp_path, every_step, what, bad):
    model, done = network(), []

    def loss(batch):
        done.append(values(model))
        value = loss_of(model)(batch)
        if len(done) == 6 and what == "gradient":
            value.register_hook(lambda gradient: gradient * bad)
        return value * bad if len(done) == 6 and what == "loss" else value

    with pytest.raises(FloatingPointError, match=rf"a: the {what} is (nan|inf) at step 5; last good state: .*a\.state"):
        train(model, Steps(), loss, PLAN, tmp_path / "a.state")
    assert all(torch.isfinite(p).all() for p in model.parameters())
    state, kept = torch.load(tmp_path / "a.state", weights_only=True), network()
    kept.load_state_dict(state["model"])
    assert state["step"] == 5 and torch.equal(values(kept), done[-1])


def test_a_first_loss_that_is_not_finite_says_that_there_is_no_state(tmp_path):
    model = network()
    with pytest.raises(FloatingPointError, match="a: the loss is nan at step 0; no state was saved yet"):
        train(model, Steps(), lambda batch: model(batch).mean() * math.nan, PLAN, tmp_path / "a.state")
    assert not (tmp_path / "a.state").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_on_a_full_disk_is_one_line_that_names_it():
    with pytest.raises(OSError, match="cannot write /dev/full: No space left on device; check that"):
        append_to_log(Path("/dev/full"), 50, 1.0, 2.0)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("part", ["optimiser", "schedule"])
def test_a_state_whose_parts_do_not_fit_is_refused_in_one_line(tmp_path, part):
    model = network()
    train(model, Steps(), loss_of(model), replace(PLAN, steps=2), tmp_path / "a.state")
    kept = torch.load(tmp_path / "a.state", weights_only=True)
    torch.save({**kept, part: {}}, tmp_path / "a.state")
    with pytest.raises(ValueError, match=rf"a\.state: not the state .* \(its {part} does not fit\); delete it"):
        train(model, Steps(), loss_of(model), PLAN, tmp_path / "a.state")


@pytest.mark.parametrize("content", [{"step": Trap()}, {"step": 3}, [1, 2], {"step": 3, "model": {}}])
def test_a_state_that_is_none_is_refused_in_one_line_and_nothing_in_it_is_run(tmp_path, content):
    torch.save(content, tmp_path / "a.state")
    model = network()
    with pytest.raises(
        ValueError, match=r"a\.state: not the state of an earlier run of this stage .*delete it to start"
    ):
        train(model, Steps(), loss_of(model), PLAN, tmp_path / "a.state")


def test_the_log_has_a_row_every_fifty_steps_and_says_nothing_twice_after_a_kill(tmp_path, monkeypatch):
    """The rows of steps that the killed run had done after its last state go; seconds go on and never back."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    plan, log = Plan(220, 1e-2), tmp_path / "a.csv"
    model = network()
    with pytest.raises(Killed):
        train(model, Steps(), killed_after(60, loss_of(model)), plan, tmp_path / "a.state")
    assert not (tmp_path / "a.state").exists() and list(read_log(log).steps) == [50]
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    model = network()
    with pytest.raises(Killed):
        train(model, Steps(), killed_after(110, loss_of(model)), plan, tmp_path / "a.state")
    seconds = read_log(log).seconds
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    append_to_log(log, 150, 9.0, 1000.0)  # of a step that came after the state
    model = network()
    assert train(model, Steps(), loss_of(model), plan, tmp_path / "a.state") == 220
    curve = read_log(log)
    assert list(curve.steps) == [50, 100, 150, 200]
    assert list(curve.seconds[:2]) == list(seconds) and (np.diff(curve.seconds) >= 0).all()
    assert curve.seconds[-1] < 900 and (curve.loss < 9).all()


def test_a_row_of_the_log_has_the_mean_loss_of_its_steps(tmp_path, monkeypatch):
    """After a kill in the middle of a row, of those since the state."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    losses = iter(range(1000))
    model = network()

    def counting(batch):
        return loss_of(model)(batch) * 0 + next(losses)

    train(model, Steps(), counting, Plan(120), tmp_path / "a.state")
    assert read_log(tmp_path / "a.csv").loss.tolist() == [24.5, 74.5]
    train(model, Steps(), counting, Plan(150), tmp_path / "a.state")
    assert read_log(tmp_path / "a.csv").loss.tolist() == [24.5, 74.5, 134.5]


class Bad(Dataset):
    """Batches that cannot be drawn, each by another error."""

    def __getitem__(self, step):
        raise ERRORS[step]


ERRORS = [ValueError("a.jpg: unreadable"), RuntimeError("shapes do not fit")]


@pytest.mark.parametrize("step", range(len(ERRORS)))
def test_what_goes_wrong_in_a_process_that_draws_batches_comes_as_it_is(step):
    with pytest.raises(type(ERRORS[step])) as raised:
        next(loop._draw(Bad(), range(step, step + 1), processes=1))
    assert str(raised.value) == str(ERRORS[step])


class Deadly(Dataset):
    """Ends the process that draws it, as a system without memory does."""

    def __getitem__(self, step):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_that_draws_batches_is_told_with_what_to_do():
    with pytest.raises(OSError, match=r"out of memory: a process that draws batches was killed, .*/dev/shm; free"):
        next(loop._draw(Deadly(), range(2), processes=1))


# the log


def test_a_log_is_cut_behind_a_step_and_a_torn_last_row_goes(tmp_path):
    log = tmp_path / "a.csv"
    for step in (50, 100, 150):
        append_to_log(log, step, 1.0, step)
    with log.open("a") as file:
        file.write("200,0.")
    cut_log(log, 100)
    assert read_log(log).steps.tolist() == [50, 100]
    cut_log(log, 0)
    assert log.read_text() == "step,loss,seconds\n"
    cut_log(tmp_path / "none.csv", 0)
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("step,loss,seconds\n", "found no row"),
        ("a,b\n1,2\n", "expected the log of a training"),
        ("step,loss,seconds\n50,x,1\n", "with columns step, loss, seconds"),
        ("step,loss,seconds\n50\n", "with columns step, loss, seconds"),
    ],
)
def test_a_file_that_is_no_log_is_named(tmp_path, content, line):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=rf"a\.csv: .*{line}"):
        read_log(tmp_path / "a.csv")


def test_logs_come_in_the_order_of_training(tmp_path):
    for name in ("mine", "lite-detector", "lite-stills"):
        append_to_log(tmp_path / f"{name}.csv", 50, 1.0, 1.0)
    assert list(read_logs(tmp_path)) == ["lite-stills", "lite-detector", "mine"]
    assert read_logs(tmp_path / "none") == {}


def test_the_logs_of_the_shipped_weights_are_logs():
    for curve in read_logs(Path(__file__).parents[2] / "data" / "training").values():
        assert (np.diff(curve.steps) > 0).all() and (curve.loss > 0).all()
