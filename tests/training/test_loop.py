import csv
import math

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from tests.command_line import half_written
from vsreid_lite.training import loop
from vsreid_lite.training.loop import Plan, train

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")


class Steps(Dataset):
    """Batch number `step` depends on the step alone."""

    def __getitem__(self, step):
        return torch.randn(8, 4, generator=torch.Generator().manual_seed(step))


def network():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1))


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


PLAN = Plan(20, 1e-2, warm_up=3)


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)


def test_a_killed_run_resumes_to_the_weights_of_one_that_was_not(tmp_path, every_step):
    whole, cut = network(), network()
    assert train(whole, Steps(), loss_of(whole), PLAN, tmp_path / "whole.state") == 20
    with pytest.raises(Killed):
        train(cut, Steps(), killed_after(7, loss_of(cut)), PLAN, tmp_path / "cut.state")
    resumed = network()
    assert train(resumed, Steps(), loss_of(resumed), PLAN, tmp_path / "cut.state") == 20
    assert torch.equal(values(resumed), values(whole))
    assert not torch.equal(values(network()), values(whole))
    assert not half_written(tmp_path)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, second = network(), network()
    train(first, Steps(), loss_of(first), PLAN, tmp_path / "a.state")
    assert train(second, Steps(), killed_after(0, loss_of(second)), PLAN, tmp_path / "a.state") == 20
    assert torch.equal(values(second), values(first))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_its_step_and_the_last_good_state_stays(tmp_path, every_step, bad):
    model = network()
    good = loss_of(model)
    done = []

    def loss(batch):
        done.append(values(model))
        return good(batch) * (bad if len(done) == 6 else 1)

    with pytest.raises(FloatingPointError, match=r"a: the loss is (nan|inf) at step 5; last good state: .*a\.state"):
        train(model, Steps(), loss, PLAN, tmp_path / "a.state")
    state = torch.load(tmp_path / "a.state", weights_only=True)
    assert state["step"] == 5
    kept = network()
    kept.load_state_dict(state["model"])
    assert torch.equal(values(kept), done[-1]) and torch.isfinite(values(kept)).all()


def test_training_stops_when_its_minutes_are_over_and_keeps_its_state(tmp_path):
    model = network()
    assert train(model, Steps(), loss_of(model), Plan(1000, minutes=1e-9), tmp_path / "a.state") == 1
    assert torch.load(tmp_path / "a.state", weights_only=True)["step"] == 1


def test_the_log_has_a_row_every_fifty_steps_and_goes_on_after_a_stop(tmp_path):
    plan = Plan(120, 1e-2)
    for steps in (60, 120):
        model = network()
        loss = killed_after(steps, loss_of(model)) if steps == 60 else loss_of(model)
        try:
            train(model, Steps(), loss, plan, tmp_path / "a.state")
        except Killed:
            assert not (tmp_path / "a.state").exists()  # it was less than 45 seconds
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [int(row["step"]) for row in rows] == [50, 50, 100]
    assert all(float(row["loss"]) >= 0 and float(row["seconds"]) >= 0 for row in rows)


def test_the_loss_falls(tmp_path):
    model = network()
    before = loss_of(model)(Steps()[999]).item()
    train(model, Steps(), loss_of(model), Plan(300, 1e-2, warm_up=10), tmp_path / "a.state")
    assert loss_of(model.eval())(Steps()[999]).item() < 0.5 * before
