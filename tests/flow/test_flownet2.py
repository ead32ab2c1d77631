"""FlowNet2 as F around a stand-in for its network: sizes, scales and the order of the frames."""

import cv2
import numpy as np
import pytest
import torch

from vsreid_lite.flow import FlowNet2Flow, flownet2


class StandIn(torch.nn.Module):
    """A flow that is linear in the coordinates of the resized frames, so that resizing it back can be done by hand."""

    def forward(self, pair):
        self.pair = pair
        y, x = torch.meshgrid(*(torch.arange(size) + 0.5 for size in pair.shape[3:]), indexing="ij")
        return torch.stack([0.1 * x + 2, 3 - 0.2 * y])[None]


@pytest.fixture
def estimator(monkeypatch):
    monkeypatch.setattr(flownet2, "load_flownet2", lambda path, device: StandIn())
    return FlowNet2Flow("weights.pth")


def frames(shape, count=2):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*shape, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize(
    ("shape", "resized"),
    [
        ((64, 128), (64, 128)),
        ((100, 130), (128, 192)),
        ((65, 63), (128, 64)),
        ((1, 1), (64, 64)),
        ((480, 854), (512, 896)),
    ],
)
def test_frames_are_resized_to_the_next_multiples_of_64_and_the_flow_back(estimator, shape, resized):
    images = frames(shape)
    flow = estimator(images, target=0, source=1)
    assert flow.shape == (2, *shape) and flow.dtype == torch.float32
    assert estimator.network.pair.shape == (1, 3, 2, *resized)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    across, down = resized[1] / shape[1], resized[0] / shape[0]
    by_hand = np.stack([(0.1 * x * across + 2) / across, (3 - 0.2 * y * down) / down])
    inner = np.s_[:, 2:-2, 2:-2] if min(shape) > 4 else np.s_[:]
    assert np.allclose(flow.numpy()[inner], by_hand[inner], atol=1e-3 * max(resized))


def test_the_target_comes_first_and_the_source_second_as_rgb_in_0_255(estimator):
    images = frames((100, 130), 3)
    estimator(images, target=2, source=0)
    for k, i in enumerate((2, 0)):
        by_hand = cv2.resize(images[i].astype(np.float32), (192, 128), interpolation=cv2.INTER_LINEAR)
        assert np.allclose(estimator.network.pair[0, :, k].permute(1, 2, 0), by_hand, atol=0.01)


def test_frames_may_be_read_only_or_mirrored(estimator):
    images = [image[:, ::-1] for image in frames((64, 64))]
    images[0].flags.writeable = False
    assert estimator(images, 0, 1).shape == (2, 64, 64)


def test_an_untrained_network_is_the_same_each_time_and_leaves_torchs_random_numbers_alone(monkeypatch):
    monkeypatch.setattr(flownet2, "FlowNet2", lambda: torch.nn.Linear(3, 3))
    state = torch.get_rng_state()
    first, second = (FlowNet2Flow(untrained=True).network for _ in range(2))
    assert torch.equal(first.weight, second.weight) and not first.weight.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
