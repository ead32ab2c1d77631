"""RAFT as F: sizes, files of weights, and the direction of its flow where its weights are at hand."""

import numpy as np
import pytest
import torch

from tests.flow.test_estimators import shifted
from vsreid_lite.flow import RaftFlow
from vsreid_lite.flow.raft import SIZES
from vsreid_lite.networks.weight_files import hub_file


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


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_weights_is_loaded_into_the_network_of_its_size(tmp_path, size):
    written = RaftFlow(size, untrained=True).network.state_dict()
    torch.save(written, tmp_path / "raft.pth")
    with torch.inference_mode():  # as the engine does
        loaded = RaftFlow(tmp_path / "raft.pth").network
    assert not loaded.training and all(torch.equal(value, written[name]) for name, value in loaded.state_dict().items())


def test_a_file_of_weights_gives_the_flow_of_these_weights(tmp_path, small):
    torch.save(small.network.state_dict(), tmp_path / "raft.pth")
    images = shifted((128, 128), 1, 0)
    assert torch.equal(RaftFlow(tmp_path / "raft.pth")(images, 1, 0), small(images, 1, 0))


def test_a_file_of_another_network_names_the_first_ten_tensors(tmp_path, small):
    tensors = small.network.state_dict()
    tensors["extra"] = tensors.pop("feature_encoder.conv.weight")
    torch.save(tensors, tmp_path / "raft.pth")
    with pytest.raises(ValueError, match=r"raft\.pth: .*feature_encoder\.conv\.weight is missing; extra is unknown"):
        RaftFlow(tmp_path / "raft.pth")


def test_an_untrained_network_leaves_torchs_random_numbers_alone(small):
    state = torch.get_rng_state()
    assert torch.equal(
        RaftFlow("small", untrained=True).network.feature_encoder.conv.weight, small.network.feature_encoder.conv.weight
    )
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("size", SIZES)
def test_raft_finds_where_each_pixel_of_the_target_was_in_the_source(size):
    file = hub_file(SIZES[size][1].url)
    if not file.is_file():
        pytest.skip(f"no weights of RAFT: {file} is not there")
    flow = RaftFlow(size)(shifted((128, 160), dx=5, dy=-3), target=1, source=0)
    assert flow[0].median() == pytest.approx(5, abs=0.3)
    assert flow[1].median() == pytest.approx(-3, abs=0.3)
