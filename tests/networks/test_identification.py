"""N_reid: embeddings of frames and boxes; the OIM loss against a calculation by hand and finite differences."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.models import ResNet, resnet50
from torchvision.models.resnet import Bottleneck

from vsreid_lite.geometry import Box
from vsreid_lite.networks.identification import LiteIdentification, OIMLoss, PaperIdentification, enlargement
from vsreid_lite.networks.layers import normalise

SMALL = (1, 1, 4, 1)
BOXES = [Box(0, 0, 20, 30), Box(10, 10, 79, 60)]


def frame(height=60, width=80):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def paper():
    torch.manual_seed(0)
    return PaperIdentification(blocks=SMALL).eval()


@pytest.mark.parametrize("kind", ["lite", "paper"])
def test_embeddings_lie_on_the_unit_sphere_and_no_box_is_no_row(kind, paper):
    network = paper if kind == "paper" else LiteIdentification().eval()
    rows = network.embed(frame(), BOXES)
    assert rows.shape == (2, 256) and torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-5)
    assert network.embed(frame(), []).shape == (0, 256)


def test_a_box_is_embedded_alike_whatever_else_is_asked_for(paper):
    rows = paper.embed(frame(), BOXES)
    assert torch.allclose(paper.embed(frame(), BOXES[1:])[0], rows[1], atol=1e-5)
    assert not torch.allclose(rows[0], rows[1], atol=1e-3)


@pytest.mark.parametrize("kind", ["lite", "paper"])
def test_several_frames_at_once_have_the_rows_of_each_and_in_bfloat16_nearly(kind, paper, monkeypatch):
    monkeypatch.setattr("vsreid_lite.networks.identification.SHORT_SIDE", 120)  # for speed
    network = paper if kind == "paper" else LiteIdentification().eval()
    frames, boxes = [frame(), frame()[::-1].copy()], [BOXES, BOXES[1:]]
    alone = torch.cat([network.embed(*one) for one in zip(frames, boxes, strict=True)])
    assert torch.allclose(torch.cat(network.in_batch(frames, boxes)), alone, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        halves = torch.cat(network.in_batch(frames, boxes))
    assert halves.dtype == torch.float32 and not torch.equal(halves, alone) and (halves * alone).sum(1).min() > 0.99


@pytest.mark.parametrize(
    ("shape", "larger"), [((480, 854), 1000 / 854), ((480, 640), 1.25), ((1200, 600), 1000 / 1200), ((600, 600), 1.0)]
)
def test_the_short_side_becomes_600_unless_the_long_one_would_pass_1000(shape, larger):
    assert enlargement(shape) == pytest.approx(larger)


def test_with_one_region_that_is_the_frame_it_is_torchvisions_resnet(tmp_path):
    """224 x 224 pixels are 14 x 14 cells; RoI pooling from the first to the last of them takes each cell once."""
    torch.manual_seed(0)
    theirs = ResNet(Bottleneck, list(SMALL)).eval()
    torch.save(theirs.state_dict(), tmp_path / "resnet.pth")
    ours = PaperIdentification(blocks=SMALL).eval()
    ours.load_published(tmp_path / "resnet.pth")
    theirs.fc = ours.embedding
    image = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        expected = F.normalize(theirs(normalise(image)), dim=1)
        found = ours(image, [torch.tensor([[0.0, 0, 13 * 16, 13 * 16]])])
    assert torch.allclose(found, expected, atol=1e-5)


def test_at_the_papers_size_the_names_are_torchvisions_and_a_frame_is_shared_at_stride_16():
    with torch.device("meta"):
        network, theirs = PaperIdentification(), resnet50()
    shapes = {name: value.shape for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in network.backbone.state_dict().items()} == shapes
    assert network.embedding.weight.shape == (256, 2048)


def by_hand(x, others, target):
    """-log softmax of 10 x'o at the target's place, and its gradient in x: 10 (sum_o p_o o - o_target)."""
    weights = [math.exp(10 * sum(a * b for a, b in zip(x, o, strict=True))) for o in others]
    p = [w / sum(weights) for w in weights]
    mean = [sum(p_o * o[d] for p_o, o in zip(p, others, strict=True)) for d in range(len(x))]
    return -math.log(p[target]), [10 * (m - t) for m, t in zip(mean, others[target], strict=True)]


def test_oim_loss_and_gradient_of_a_small_case_by_hand():
    loss = OIMLoss(identities=2, dimensions=2, queue=1).eval()
    loss.table.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    loss.queue.copy_(torch.tensor([[-1.0, 0.0]]))
    x = torch.tensor([[0.6, 0.8]], requires_grad=True)
    value = loss(x, torch.tensor([0]))
    value.backward()
    expected, gradient = by_hand((0.6, 0.8), ((1, 0), (0, 1), (-1, 0)), 0)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)
    assert x.grad is not None and x.grad[0].tolist() == pytest.approx(gradient, rel=1e-4)


def test_oim_loss_is_the_mean_over_known_embeddings_and_strangers_add_none():
    loss = OIMLoss(identities=2, dimensions=2, queue=1).eval()
    loss.table.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    rows = [(0.6, 0.8), (-1.0, 0.0), (0.8, -0.6)]
    x = torch.tensor(rows, requires_grad=True)
    value = loss(x, torch.tensor([1, -1, 0]))
    value.backward()
    others = ((1, 0), (0, 1), (0, 0))  # an empty place of the queue is a zero row, and counts
    first, last = by_hand(rows[0], others, 1), by_hand(rows[2], others, 0)
    assert float(value.detach()) == pytest.approx((first[0] + last[0]) / 2, rel=1e-5)
    gradient = [[g / 2 for g in first[1]], [0, 0], [g / 2 for g in last[1]]]
    assert x.grad is not None and torch.allclose(x.grad, torch.tensor(gradient), atol=1e-4)


def test_a_batch_of_strangers_has_no_loss_and_no_gradient_and_can_still_be_differentiated():
    x = torch.randn(2, 3, requires_grad=True)
    value = OIMLoss(2, 3, 4)(x, torch.tensor([-1, -1]))
    value.backward()
    assert value == 0 and (x.grad == 0).all()


def test_an_identity_moves_half_way_to_each_embedding_and_is_normalised_each_time():
    loss = OIMLoss(identities=2, dimensions=2, queue=2).train()
    loss.table.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    loss(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), torch.tensor([0, 0]))
    half = math.sqrt(0.5)
    moved = ((half - 1) / 2, half / 2)  # of (half, half), where the first one brought it
    length = math.hypot(*moved)
    assert loss.table[0].tolist() == pytest.approx([moved[0] / length, moved[1] / length])
    assert loss.table[1].tolist() == [0.0, 1.0]


def test_strangers_enter_the_queue_in_a_circle_and_the_oldest_go_first():
    loss = OIMLoss(identities=1, dimensions=2, queue=3).train()
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.6, 0.8]])
    loss(rows[:2], torch.tensor([-1, -1]))
    assert loss.queue.tolist() == [[1, 0], [0, 1], [0, 0]]
    loss(rows[2:], torch.tensor([-1, -1, -1]))
    assert torch.equal(loss.queue, rows[[3, 4, 2]]) and int(loss.position) == 2


def test_evaluation_leaves_table_and_queue_as_they_are():
    loss = OIMLoss(identities=1, dimensions=2, queue=2).eval()
    loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, -1]))
    assert not loss.table.any() and not loss.queue.any() and int(loss.position) == 0
