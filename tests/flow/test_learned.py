"""F by a network: FlowNet2 around a stand-in for its network, RAFT with random weights, and with its own if at hand."""

import cv2
import numpy as np
import pytest
import torch

from tests.flow.test_estimators import shifted
from vsreid_lite.flow import FlowNet2Flow, RaftFlow, learned
from vsreid_lite.flow.learned import RAFT_SIZES
from vsreid_lite.system.downloads import hub_file


@pytest.fixture(scope="module")
def small():
    return RaftFlow("small", untrained=True)


@pytest.mark.parametrize("shape", [(1, 1), (31, 130), (61, 83), (129, 136)])
def test_frames_of_every_size_have_a_flow_of_their_size(small, shape):
    for images in (shifted(shape, 1, 0), shifted(shape, 0, 0)):
        flow = small(images, 1, 0)
        assert flow.shape == (2, *shape) and flow.dtype == torch.float32 and flow.isfinite().all()


def test_frames_are_continued_to_multiples_of_8_and_128_at_least(small):
    images = shifted((100, 131), 2, 1)
    by_hand = [np.pad(image, ((0, 28), (0, 5), (0, 0)), mode="edge") for image in images]
    assert torch.equal(small(images, 1, 0), small(by_hand, 1, 0)[:, :100, :131])


def test_the_target_comes_first(small):
    images = shifted((128, 128), 3, 1)
    first, second = (torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1 for image in images)
    with torch.no_grad():
        assert torch.allclose(small(images, 1, 0), small.network(second, first)[-1][0], atol=1e-4)


def test_both_directions_at_once_have_the_flow_of_each(small):
    images = shifted((100, 131), 3, 1)
    both = small.in_batch([images] * 2, (1, 0), (0, 1))
    alone = [small(images, 1, 0), small(images, 0, 1)]
    assert all(torch.allclose(flow, one, atol=1e-3) for flow, one in zip(both, alone, strict=True))
    assert not torch.allclose(*alone, atol=1e-1)


@pytest.mark.parametrize("size", RAFT_SIZES)
def test_a_file_of_weights_is_loaded_into_the_network_of_its_size(tmp_path, size):
    written = RaftFlow(size, untrained=True).network.state_dict()
    torch.save(written, tmp_path / "raft.pth")
    with torch.inference_mode():  # as the engine does
        loaded = RaftFlow(tmp_path / "raft.pth").network
    assert not loaded.training and all(torch.equal(value, written[name]) for name, value in loaded.state_dict().items())


def test_an_untrained_network_leaves_torchs_random_numbers_alone(small):
    state = torch.get_rng_state()
    assert torch.equal(
        RaftFlow("small", untrained=True).network.feature_encoder.conv.weight, small.network.feature_encoder.conv.weight
    )
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("size", RAFT_SIZES)
def test_raft_finds_where_each_pixel_of_the_target_was_in_the_source(size):
    file = hub_file(RAFT_SIZES[size][1].url)
    if not file.is_file():
        pytest.skip(f"no weights of RAFT: {file} is not there")
    flow = RaftFlow(size)(shifted((128, 160), dx=5, dy=-3), target=1, source=0)
    assert flow[0].median() == pytest.approx(5, abs=0.3)
    assert flow[1].median() == pytest.approx(-3, abs=0.3)


# FlowNet2


class StandIn(torch.nn.Module):
    """A flow that is linear in the coordinates of the resized frames, so that resizing it back can be done by hand."""

    def forward(self, pair):
        self.pair = pair
        y, x = torch.meshgrid(*(torch.arange(size) + 0.5 for size in pair.shape[3:]), indexing="ij")
        return torch.stack([0.1 * x + 2, 3 - 0.2 * y])[None]


@pytest.fixture
def estimator(monkeypatch):
    monkeypatch.setattr(learned, "load_flownet2", lambda path, device: StandIn())
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


def test_several_pairs_at_once_have_the_flow_of_each_from_flownet2(estimator):
    estimator.network = lambda pairs: pairs[:, :2, 0] - 2 * pairs[:, 1:, 1]
    images = frames((100, 130), 3)
    both = estimator.in_batch([images] * 2, (0, 2), (1, 0))
    assert all(torch.equal(flow, estimator(images, *pair)) for flow, pair in zip(both, [(0, 1), (2, 0)], strict=True))


def test_an_untrained_network_is_the_same_each_time_and_leaves_torchs_random_numbers_alone(monkeypatch):
    monkeypatch.setattr(learned, "FlowNet2", lambda: torch.nn.Linear(3, 3))
    state = torch.get_rng_state()
    first, second = (FlowNet2Flow(untrained=True).network for _ in range(2))
    assert torch.equal(first.weight, second.weight) and not first.weight.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_frames_may_be_read_only_or_mirrored(estimator):
    images = [image[:, ::-1] for image in frames((64, 64))]
    images[0].flags.writeable = False
    assert estimator(images, 0, 1).shape == (2, 64, 64)
