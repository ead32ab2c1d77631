"""Two processes with half a batch each do what one does with the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.training import together
from vsreid_lite.training.losses import _own_guides
from vsreid_lite.training.processes import Processes, assemble, mixed_precision

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
ROOT = Path(__file__).parents[2]
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32, sums in another order


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return {
        run: getattr(together, run)(Processes(), folder / f"{run}.state") for run in ("regression", "identification")
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two CPU processes (gloo) have left what they saw, and their states."""
    pytest.importorskip("accelerate")
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    common |= {"MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "tests.training.together", str(folder)]
    processes = [
        subprocess.Popen(command, env={**common, "RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=600)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    return folder


@pytest.fixture(scope="module")
def both(folder):
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("run", ["regression", "identification"])
def test_two_processes_with_half_a_batch_have_the_losses_of_one_with_the_whole_batch(both, alone, run):
    expected = torch.tensor(alone[run]["losses"])
    assert len(expected) == together.PLAN.steps and len(set(expected.tolist())) > 20
    for one in both:
        torch.testing.assert_close(torch.tensor(one[run]["losses"]), expected, **TOLERANCE)


@pytest.mark.parametrize("run", ["regression", "identification"])
def test_and_learn_the_same_weights_and_the_same_table_of_identities(both, alone, run):
    for one in both:
        for name, value in alone[run]["weights"].items():
            torch.testing.assert_close(one[run]["weights"][name], value, **TOLERANCE)


def test_a_loss_that_is_not_finite_in_one_process_stops_both_at_that_step(both):
    for one in both:
        assert one["divergence"]["error"].startswith("divergence: the loss is nan at step 3; ")


def test_the_first_process_alone_writes_state_and_log(folder):
    assert {path.name for path in folder.iterdir()} == {"0.pt", "1.pt", "regression.state", "identification.state"}
    assert torch.load(folder / "regression.state", weights_only=True)["step"] == together.PLAN.steps


def test_the_parts_of_a_batch_hold_every_sample_once_and_its_first_half_in_their_first_halves():
    batch = {"x": torch.arange(8), "pair": (list("abcdefgh"), torch.arange(8) * 10)}
    processess = [Processes(accelerator=SimpleNamespace(num_processes=2, process_index=rank)) for rank in range(2)]
    parts = [processes.share(batch) for processes in processess]
    assert sorted(torch.cat([part["x"] for part in parts]).tolist()) == list(range(8))
    assert sorted(torch.cat([part["x"][:2] for part in parts]).tolist()) == [0, 1, 2, 3]
    for part in parts:
        assert ["abcdefgh"[i] for i in part["x"]] == part["pair"][0]
        assert (part["x"] * 10).tolist() == part["pair"][1].tolist()
    assert Processes().share(batch) is batch


def test_parts_of_a_batch_get_the_own_guides_that_the_whole_gets():
    network = SimpleNamespace(
        predict=lambda image, flow, guide: (image.sum(1) + flow.sum(1) - 3 * guide[:, 0]).sigmoid()
    )
    batch = {name: torch.rand(8, channels, 4, 4) for name, channels in (("image", 3), ("flow", 2), ("guide", 1))}
    processess = [Processes(accelerator=SimpleNamespace(num_processes=2, process_index=rank)) for rank in range(2)]
    whole = _own_guides(network, batch, 2)
    parts = torch.stack([_own_guides(network, processes.share(batch), 2) for processes in processess], 1).flatten(0, 1)
    assert torch.equal(parts, whole)
    assert (whole != batch["guide"]).flatten(1).any(1).tolist() == [True] * 4 + [False] * 4


def test_the_first_process_decides_for_all(both):
    for one in both:
        assert one["decided"] == [True, False]
    assert Processes().decide(lambda: True) and not Processes().decide(lambda: False)


def test_a_batch_that_cannot_be_shared_equally_is_refused(both):
    for one in both:
        assert one["odd"] == "a batch of 9 cannot be shared by 2 processes: start as many as divide it"


def test_a_cpu_computes_in_float32_alone_and_together(both):
    with mixed_precision(torch.device("cpu")):
        assert (torch.ones(8, 8) @ torch.ones(8, 8)).dtype == torch.float32
    assert [one["mixed"] for one in both] == [torch.float32] * 2


def test_several_processes_need_accelerate_and_a_gpu_each(monkeypatch):
    assert assemble("cpu") == Processes()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="device 'cuda:1': several processes take a GPU each"):
        assemble("cuda:1")
    monkeypatch.setattr("vsreid_lite.training.processes.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="several processes needs accelerate"):
        assemble("cpu")
