"""N_mp: sizes, shapes and ranges, fusion by hand, and torchvision's ResNet as the oracle of the paper's."""

import math

import pytest
import torch
from torchvision.models import ResNet, resnet101
from torchvision.models.resnet import Bottleneck

from vsreid_lite.networks.mask_propagation import (
    ResNetStream,
    Stream,
    TwoStreams,
    flow_stream_from,
    lite_streams,
    normalise_flow,
    paper_streams,
)

SMALL = (1, 1, 1, 1)


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


# the paper's streams


@pytest.fixture(scope="module")
def plain():
    """An undilated classifier of the same depth as the small stream."""
    torch.manual_seed(0)
    return ResNet(Bottleneck, list(SMALL)).eval()


@pytest.fixture
def stream(plain, tmp_path):
    file = tmp_path / "resnet.pth"
    torch.save(plain.state_dict(), file)
    torch.manual_seed(1)
    rgb = ResNetStream(blocks=SMALL).eval()
    rgb.load_published(file)
    return rgb


def features(network, x):
    """The layers' outputs of a torchvision ResNet, strides 4, 8, ..."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    outputs = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        outputs.append(x := layer(x))
    return outputs


def test_with_its_weights_the_backbone_is_torchvisions_but_for_stride_8(plain, stream):
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        ours, theirs = features(stream.backbone, x), features(plain, x)
    assert torch.equal(ours[1], theirs[1])
    assert [o.shape[-1] for o in ours] == [16, 8, 8, 8] and [t.shape[-1] for t in theirs] == [16, 8, 4, 2]
    assert torch.allclose(ours[2][..., ::2, ::2], theirs[2], atol=1e-4)  # dilation: the same values, at more places


def test_a_stream_starts_as_the_resnet_of_its_weights_and_learns_to_listen_to_its_guide(stream):
    x, guide = torch.randn(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    logits = stream(x, guide)
    assert torch.equal(logits, stream(x, torch.zeros_like(guide)))
    logits[:, 1].sum().backward()
    assert stream.guide.weight.grad.abs().sum() > 0


def test_the_flow_stream_starts_from_the_rgb_stream_whose_response_to_grey_it_keeps(stream):
    flow = flow_stream_from(stream)
    same = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        expected = stream.backbone.conv1(same.expand(-1, 3, -1, -1))
        assert torch.allclose(flow.backbone.conv1(same.expand(-1, 2, -1, -1)), expected, atol=1e-5)
    others = {name: value for name, value in stream.state_dict().items() if name != "backbone.conv1.weight"}
    assert all(torch.equal(flow.state_dict()[name], value) for name, value in others.items())
    assert all(a is not b for a, b in zip(flow.parameters(), stream.parameters(), strict=True))


def test_at_the_papers_size_449_becomes_57_and_the_names_are_torchvisions():
    with torch.device("meta"):
        network, theirs = paper_streams(), resnet101()
        assert features(network.rgb.backbone, torch.zeros(1, 3, 449, 449))[-1].shape == (1, 2048, 57, 57)
    shapes = {name: value.shape for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in network.rgb.backbone.state_dict().items()} == shapes
    assert network.flow.backbone.conv1.weight.shape == (64, 2, 7, 7)
