"""The lite networks: sizes, shapes, ranges; the OIM loss against a hand calculation."""

import math

import numpy as np
import pytest
import torch

from vsreid_lite.geometry import Box
from vsreid_lite.models.detector import LiteDetector
from vsreid_lite.models.identification import LiteIdentification, OIMLoss
from vsreid_lite.models.mask_propagation import Stream, TwoStreams, flow_stream_from, lite_streams


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


def test_embeddings_lie_on_the_unit_sphere_and_no_box_is_no_row():
    network = LiteIdentification().eval()
    frame = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    rows = network.embed(frame, [Box(0, 0, 20, 30), Box(10, 10, 79, 60)])
    assert rows.shape == (2, 256) and torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-5)
    assert network.embed(frame, []).shape == (0, 256)


def test_candidates_lie_in_the_frame_best_first_and_are_no_more_than_asked_for():
    torch.manual_seed(0)
    frame = np.random.default_rng(0).integers(0, 255, (97, 131, 3), dtype=np.uint8)
    boxes = LiteDetector(proposals=7).eval()(frame)
    assert len(boxes) <= 7
    assert all(0 <= b.x0 < b.x1 <= 131 and 0 <= b.y0 < b.y1 <= 97 for b in boxes)


def test_oim_loss_and_gradient_of_a_small_case_by_hand():
    loss = OIMLoss(identities=2, dimensions=2, queue=1)
    loss.table.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    loss.queue.copy_(torch.tensor([[-1.0, 0.0]]))
    x = torch.tensor([[0.6, 0.8]], requires_grad=True)
    value = loss.eval()(x, torch.tensor([0]))
    exponentials = [math.exp(10 * s) for s in (0.6, 0.8, -0.6)]
    p = [e / sum(exponentials) for e in exponentials]
    assert float(value.detach()) == pytest.approx(-math.log(p[0]), rel=1e-5)
    value.backward()
    by_hand = [10 * (p[0] - 1) - 10 * p[2], 10 * p[1]]
    assert x.grad is not None and x.grad[0].tolist() == pytest.approx(by_hand, rel=1e-4)


def test_oim_moves_the_table_by_half_and_queues_strangers_in_a_circle():
    loss = OIMLoss(identities=1, dimensions=2, queue=2).train()
    loss.table.copy_(torch.tensor([[1.0, 0.0]]))
    loss(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    assert loss.table[0].tolist() == pytest.approx([math.sqrt(0.5)] * 2)
    for x in ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]):
        loss(torch.tensor([x]), torch.tensor([-1]))
    assert loss.queue.tolist() == [[-1.0, 0.0], [0.0, 1.0]]
