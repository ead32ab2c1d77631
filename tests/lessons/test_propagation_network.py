"""Notebook 04: the shapes inside a network, and what one of its answers depends on."""

import numpy as np
import torch
from torch import nn

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from vsreid_lite.lessons.propagation_network import influence, layer_shapes, plot_fields
from vsreid_lite.networks.mask_propagation import Stream


def test_the_shapes_of_the_layers_come_in_the_order_of_their_calls_without_what_a_layer_calls_itself():
    with torch.device("meta"):
        shapes = layer_shapes(Stream().eval(), torch.rand(1, 3, 128, 128), torch.rand(1, 1, 128, 128))
    blocks = [f"backbone.blocks.{index}" for index in range(11)]
    others = ["aspp", "middle", "detail", "head"]
    assert list(shapes) == ["guide", "backbone.stem", "backbone.norm", *blocks, *others]
    assert shapes["backbone.stem"] == shapes["guide"] == (1, 32, 64, 64)
    assert shapes["backbone.blocks.10"] == (1, 112, 16, 16) and shapes["head"] == (1, 2, 64, 64)


def test_looking_at_shapes_leaves_no_hook_behind():
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    layer_shapes(network, torch.zeros(1, 1, 5, 5))
    assert not network[0]._forward_hooks and not network[0]._forward_pre_hooks


def test_the_influence_on_a_dilated_convolution_is_its_kernel_around_the_middle():
    convolution = nn.Conv2d(2, 1, 3, padding=2, dilation=2, bias=False)
    expected = np.zeros((9, 9), np.float32)
    expected[2:7:2, 2:7:2] = convolution.weight[0].detach().abs().sum(0)
    assert np.allclose(influence(convolution, torch.rand(1, 2, 9, 9)), expected)


def test_the_influence_is_that_on_the_last_channel():
    weights = torch.tensor([5.0, 3.0])[:, None, None, None]
    found = influence(lambda x: nn.functional.conv2d(x, weights), torch.zeros(1, 1, 3, 3))
    assert found[1, 1] == 3 and found.sum() == 3


# ---- pictures


FIELD = np.zeros((9, 9), np.float32)
FIELD[2:7:2, 2:7:2] = 1
FAINT = FIELD.copy()
FAINT[0, 0] = 0.009


def fields():
    return plot_fields({"dilation 2": FIELD, "with a faint one": FAINT, "one side": np.eye(9, dtype=np.float32)}, "all")


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(fields)


def test_a_field_is_counted_without_what_is_faint_and_said_in_words():
    words = ["dilation 2: 9 pixels in 5 × 5", "with a faint one: 9 pixels in 5 × 5", "one side: 9 pixels in 9 × 9"]
    assert fields().get_label() == f"all. {'; '.join(words)}."
    assert "dilation 2: 9 px in 5 × 5" in texts(fields())
