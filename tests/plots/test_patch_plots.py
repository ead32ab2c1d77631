"""The picture of a step of N_mp shows what Algorithm 1 computes, for one stream and for two."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import square_mask
from vsreid_lite.config import PRINTED, PropagationConfig, ReleaseRules
from vsreid_lite.geometry import Box
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.plots.patch_plots import plot_patches, trace_patches
from vsreid_lite.propagation import propagate_mask

SHAPE = (40, 60)
CONFIG = PropagationConfig(patch=16)
RNG = np.random.default_rng(0)
FRAME = RNG.integers(0, 256, (*SHAPE, 3), np.uint8)
FLOW = torch.from_numpy(RNG.normal(0, 2, (2, *SHAPE)).astype(np.float32))
P = torch.from_numpy(square_mask(SHAPE, (Box(8, 8, 24, 30),)).astype(np.float32))


class Pixelwise(nn.Module):
    """A stream without neighbourhood: the guide, and a little of its input."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x, guide):
        return torch.cat([torch.zeros_like(guide), 4 * guide - 2 + self.weight * x[:, :1]], 1)


def network(flow=True, fusion="probabilities"):
    return TwoStreams(Pixelwise(0.5), Pixelwise(-1.5) if flow else None, fusion).eval()


def trace(net=None, config=CONFIG, source=P, release=PRINTED, flow=FLOW):
    return trace_patches(FRAME, flow, source, net or network(), config, release)


@pytest.mark.parametrize("flow", [True, False])
@pytest.mark.parametrize(
    ("config", "release"),
    [
        (CONFIG, PRINTED),
        (PropagationConfig(patch=13, enlarge=0.4), ReleaseRules(unscaled_flow=True, truncated_box=True)),
    ],
)
@pytest.mark.parametrize("fusion", ["probabilities", "logits"])
def test_the_answer_is_that_of_algorithm_1(flow, config, release, fusion):
    net = network(flow, fusion)
    with torch.inference_mode():
        expected = propagate_mask(FRAME, FLOW, P, net, config, release)
    assert np.array_equal(trace(net, config, release=release).answer, expected.numpy())


def test_two_streams_and_their_average_are_named_and_counted():
    found = trace()
    written = texts(plot_patches(FRAME, found, 7, 2))
    count = int((found.fused > 0.5).sum())
    assert f"their average: {count} px" in written and any("flow stream:" in text for text in written)
    assert "no flow stream" not in written
    assert f"together {count}" in plot_patches(FRAME, found, 7, 2).get_label()
    assert any("their logits' sum" in text for text in texts(plot_patches(FRAME, trace(network(True, "logits")), 7, 2)))


def test_a_network_of_one_stream_leaves_the_place_of_the_flow_empty():
    found = trace(network(flow=False))
    assert found.flow is None and len(found.streams) == 1
    written = texts(plot_patches(FRAME, found, 7, 2))
    assert written.count("no flow stream") == 2 and any("the one stream alone" in text for text in written)


def test_an_empty_map_has_no_box_and_the_network_is_not_asked():
    found = trace(net=network(), source=torch.zeros(SHAPE))
    assert found.box is None and not found.answer.any()
    figure = plot_patches(FRAME, found, 7, 2)
    assert "no box" in figure.get_label() and "an empty map has no box, the network is not asked" in texts(figure)


@pytest.mark.parametrize("source", [P, torch.zeros(SHAPE)], ids=["a map", "an empty map"])
def test_the_figure_is_fit_to_be_shown(source):
    assert_fit_to_be_shown(lambda: plot_patches(FRAME, trace(source=source), 7, 2))
