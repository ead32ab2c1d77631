"""Layers that several networks are made of: folded normalisation computes the same."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from vsreid_lite.networks.identification import LiteIdentification
from vsreid_lite.networks.layers import fold_normalisation
from vsreid_lite.networks.mask_propagation import ResNetStream, Stream


@pytest.mark.parametrize(
    ("build", "sizes", "left"),
    [
        (Stream, [(2, 3, 32, 32), (2, 1, 32, 32)], ["backbone.norm"]),
        (LiteIdentification, [(2, 3, 32, 32)], ["backbone.norm"]),
        (partial(ResNetStream, blocks=(2, 1, 1, 1)), [(2, 3, 33, 33), (2, 1, 33, 33)], ["backbone.bn1"]),
    ],
)
def test_folded_normalisation_computes_the_same(build, sizes, left):
    torch.manual_seed(0)
    network = build()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.running_var):
                nn.init.uniform_(values, 0.5, 2.0)
            for values in (layer.bias, layer.running_mean):
                nn.init.normal_(values)
    folded = copy.deepcopy(network.eval())
    fold_normalisation(folded)
    assert [name for name, layer in folded.named_modules() if isinstance(layer, nn.BatchNorm2d)] == left
    inputs = [torch.rand(size) for size in sizes]
    with torch.inference_mode():
        torch.testing.assert_close(folded(*inputs), network(*inputs), rtol=1e-4, atol=1e-5)
