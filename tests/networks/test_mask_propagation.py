"""N_mp: sizes, shapes and ranges of the lite one, and the fusion of two streams by hand."""

import math

import pytest
import torch

from vsreid_lite.networks.mask_propagation import Stream, TwoStreams, flow_stream_from, lite_streams, normalise_flow


@pytest.mark.parametrize("size", [64, 128, 136, 192])
def test_mask_propagation_gives_probabilities_of_the_patch_it_gets(size):
    network = lite_streams().eval()
    with torch.inference_mode():
        P = network.predict(torch.rand(2, 3, size, size), torch.zeros(2, 2, size, size), torch.rand(2, 1, size, size))
    assert P.shape == (2, size, size) and P.min() >= 0 and P.max() <= 1


def test_mask_propagation_has_at_most_two_million_parameters_and_listens_to_its_guide():
    network = lite_streams().eval()
    assert all(sum(p.numel() for p in stream.parameters()) <= 2_000_000 for stream in (network.rgb, network.flow))
    image, still = torch.rand(1, 3, 64, 64), torch.zeros(1, 2, 64, 64)
    with torch.inference_mode():
        answers = [network.predict(image, still, torch.full((1, 1, 64, 64), value)) for value in (0.0, 1.0)]
    assert not torch.allclose(*answers)


class Constant(torch.nn.Module):
    """A stream whose log-odds are the same everywhere."""

    def __init__(self, odds):
        super().__init__()
        self.odds = odds

    def forward(self, x, guide):
        return torch.stack([torch.zeros_like(guide[:, 0]), torch.full_like(guide[:, 0], self.odds)], 1)


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [("probabilities", (1 / (1 + math.exp(-3)) + 1 / (1 + math.exp(1))) / 2), ("logits", 1 / (1 + math.exp(-2)))],
)
def test_the_streams_are_fused_by_their_probabilities_or_by_their_logits(fusion, expected):
    network = TwoStreams(Constant(3.0), Constant(-1.0), fusion)
    P = network.predict(torch.rand(1, 3, 8, 8), torch.rand(1, 2, 8, 8), torch.rand(1, 1, 8, 8))
    assert P.shape == (1, 8, 8) and P.flatten().tolist() == pytest.approx([expected] * 64, rel=1e-6)


def test_another_fusion_is_refused():
    with pytest.raises(ValueError, match="fusion 'max': expected one of probabilities, logits"):
        TwoStreams(Constant(0.0), None, "max")


def test_row_11_flow_is_divided_by_8_and_cut_off_at_4():
    pixels = torch.tensor([-100.0, -32.0, -8.0, 0.0, 4.0, 31.0, 32.0, 33.0])  # of the patch
    assert normalise_flow(pixels).tolist() == [-4, -4, -1, 0, 0.5, 3.875, 4, 4]


def test_a_flow_stream_starts_as_the_rgb_stream_on_a_grey_image():
    """Three equal channels through the RGB kernel, and two through its mean times 3/2, give the same features."""
    rgb = Stream().eval()
    flow = flow_stream_from(rgb).eval()
    grey, guide = torch.randn(1, 1, 32, 32), torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(
            rgb(grey.expand(-1, 3, -1, -1), guide), flow(grey.expand(-1, 2, -1, -1), guide), atol=1e-4
        )
    assert sum(p.numel() for p in rgb.parameters()) - sum(p.numel() for p in flow.parameters()) == 32 * 9
