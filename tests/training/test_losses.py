"""The losses of N_mp by hand: cross-entropy and soft Jaccard, and what two streams are trained for together."""

import math

import pytest
import torch

from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.training.losses import flow_loss, joint_loss, segmentation_loss


class Constant(torch.nn.Module):
    """A stream whose log-odds are the same everywhere."""

    def __init__(self, odds):
        super().__init__()
        self.odds = torch.nn.Parameter(torch.tensor(odds))

    def forward(self, x, guide):
        return torch.stack([torch.zeros_like(guide[:, 0]), guide[:, 0] * 0 + self.odds], 1)


def batch(size=4):
    """Two patches, the left half of each is the instance."""
    truth = torch.zeros(2, size, size)
    truth[:, :, : size // 2] = 1
    return {"image": torch.rand(2, 3, size, size), "flow": torch.rand(2, 2, size, size), "guide": truth[:, None]} | {
        "truth": truth
    }


def by_hand(probability):
    """Of `probability` everywhere: cross-entropy, and 1 - (8 p + 1) / (16 p + 8 - 8 p + 1)."""
    entropy = -(math.log(probability) + math.log(1 - probability)) / 2
    return entropy + 1 - (8 * probability + 1) / (8 * probability + 9)


def sigmoid(odds):
    return 1 / (1 + math.exp(-odds))


def test_a_perfect_answer_has_no_loss_and_the_opposite_one_a_large_one():
    truth = batch()["truth"]
    sure = torch.where(truth > 0, 30.0, -30.0)
    assert segmentation_loss(sure, truth) == pytest.approx(0, abs=1e-6)
    assert segmentation_loss(-sure, truth) == pytest.approx(30 + 1 - 1 / 17)
    nothing = torch.zeros_like(truth)
    assert segmentation_loss(torch.full_like(truth, -30.0), nothing) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("odds", [-2.0, 0.0, 1.5])
def test_the_loss_is_cross_entropy_plus_one_minus_the_soft_jaccard_index(odds):
    truth = batch()["truth"]
    assert segmentation_loss(torch.full_like(truth, odds), truth).item() == pytest.approx(by_hand(sigmoid(odds)))


def test_two_streams_are_trained_for_their_own_answers_and_for_their_average():
    """The average of the probabilities is what is used (docs/fidelity.md, row 7)."""
    network = TwoStreams(Constant(3.0), Constant(-1.0))
    probabilities = [sigmoid(3), sigmoid(-1), (sigmoid(3) + sigmoid(-1)) / 2]
    expected = sum(by_hand(p) for p in probabilities) / 3
    assert joint_loss(network, batch()).item() == pytest.approx(expected, rel=1e-5)


def test_one_stream_is_trained_for_its_own_answer():
    assert joint_loss(TwoStreams(Constant(3.0)), batch()).item() == pytest.approx(by_hand(sigmoid(3)))
    network = TwoStreams(Constant(3.0), Constant(-1.0))
    assert flow_loss(network, batch()).item() == pytest.approx(by_hand(sigmoid(-1)), rel=1e-5)
