"""FlowNet2 against the common port's own numbers, and its checkpoint."""

import gc
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden.reference_weights import reference_tensor
from vsreid_lite.networks.flownet2 import FlowNet2, load_flownet2

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPES = {
    name: tuple(shape) for name, shape in json.loads((GOLDEN / "flownet2_state_dict_shapes.json").read_text()).items()
}


def relative_error(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Loaded from a checkpoint as the common port writes it: 650 MB, so it is written once and deleted at once."""
    path = tmp_path_factory.mktemp("flownet2") / "FlowNet2_checkpoint.pth.tar"
    tensors = {f"module.{name}": torch.from_numpy(reference_tensor(name, shape)) for name, shape in SHAPES.items()}
    torch.save({"arch": "FlowNet2", "epoch": 0, "state_dict": tensors, "best_EPE": np.float64(1e10)}, path)
    del tensors
    network = load_flownet2(path)
    path.unlink()
    yield network
    del network
    gc.collect()


def test_names_and_shapes_are_those_of_the_common_checkpoint():
    with torch.device("meta"):
        network = FlowNet2()
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == SHAPES
    assert sum(parameter.numel() for parameter in network.parameters()) == 162_518_834


def test_the_flow_is_that_of_the_common_port(network):
    with np.load(GOLDEN / "flownet2_reference.npz") as values:
        pair, expected = torch.from_numpy(values["pair"]), torch.from_numpy(values["flow"])
    before = pair.clone()
    flow = network(pair)
    assert flow.dtype == torch.float32
    assert relative_error(flow, expected) < 1e-4
    assert torch.equal(pair, before)


def test_the_pairs_of_a_batch_do_not_touch_each_other(network):
    pairs = 255 * torch.rand(2, 3, 2, 64, 128, generator=torch.Generator().manual_seed(1))
    both = network(pairs)
    assert both.shape == (2, 2, 64, 128)
    assert relative_error(both[1:], network(pairs[1:])) < 1e-5


def test_a_loaded_network_only_runs(network):
    assert not network.training
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in network.parameters())


@pytest.mark.parametrize("shape", [(1, 3, 2, 64, 100), (1, 3, 2, 0, 64), (3, 2, 64, 64), (1, 2, 3, 64, 64)])
def test_another_size_is_refused(shape):
    with torch.device("meta"):
        network = FlowNet2()
    with pytest.raises(ValueError, match=r"multiples of 64, found \("):
        network(torch.zeros(shape))
