"""FlowNet2 against the common port's own numbers, its two operations against loops, its checkpoint."""

import gc
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden.reference_weights import reference_tensor
from vsreid_lite.networks.flownet2 import FlowNet2, correlate, load_flownet2, sample

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


def naive_correlation(first, second, displacement, stride):
    """The definition, one product at a time."""
    batch, channels, height, width = first.shape
    steps = range(-displacement, displacement + 1, stride)
    result = torch.zeros(batch, len(steps) ** 2, height, width)
    for b in range(batch):
        for channel, (dy, dx) in enumerate((dy, dx) for dy in steps for dx in steps):
            for y in range(height):
                for x in range(width):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        product = (first[b, :, y, x] * second[b, :, y + dy, x + dx]).sum()
                        result[b, channel, y, x] = product / channels
    return result


@pytest.mark.parametrize(("displacement", "stride"), [(4, 2), (2, 1), (6, 3), (0, 1)])
def test_correlation_is_its_definition(displacement, stride):
    generator = torch.Generator().manual_seed(displacement)
    first, second = (torch.randn(2, 5, 4, 7, generator=generator) for _ in range(2))
    found = correlate(first, second, displacement, stride)
    assert torch.allclose(found, naive_correlation(first, second, displacement, stride), atol=1e-6)


def test_correlation_has_441_channels_dy_outside_dx_inside():
    first, second = torch.zeros(1, 1, 48, 48), torch.zeros(1, 1, 48, 48)
    first[0, 0, 24, 24], second[0, 0, 24 - 20, 24 + 18] = 1, 1  # dy = -20 is row 0, dx = 18 is column 19
    found = correlate(first, second)
    assert found.shape == (1, 441, 48, 48)
    assert found.nonzero().tolist() == [[0, 19, 24, 24]]


def naive_sample(image, flow):
    channels, height, width = image.shape
    result = torch.zeros(channels, height, width)
    for y in range(height):
        for x in range(width):
            px, py = x + float(flow[0, y, x]), y + float(flow[1, y, x])
            for qy, wy in ((math.floor(py), 1 - py % 1), (math.floor(py) + 1, py % 1)):
                for qx, wx in ((math.floor(px), 1 - px % 1), (math.floor(px) + 1, px % 1)):
                    pixel = image[:, min(max(qy, 0), height - 1), min(max(qx, 0), width - 1)]
                    result[:, y, x] += wy * wx * pixel
    return result


def test_sampling_is_bilinear_and_the_border_goes_on_outside():
    generator = torch.Generator().manual_seed(2)
    image, flow = torch.randn(2, 5, 8, generator=generator), 4 * torch.randn(2, 5, 8, generator=generator)
    assert torch.allclose(sample(image[None], flow[None])[0], naive_sample(image, flow), atol=1e-5)
