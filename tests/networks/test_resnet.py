"""The streams of the paper: torchvision's own ResNet is the oracle; small depths, the full one on the meta device."""

import pytest
import torch
from torchvision.models import ResNet, resnet101
from torchvision.models.resnet import Bottleneck

from vsreid_lite.networks import hub
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.networks.resnet import ResNetStream, paper_streams, resnet_flow_stream

SMALL = (1, 1, 1, 1)


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
    rgb.load_imagenet(file)
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


@pytest.mark.parametrize("shape", [(57, 57), (64, 40)])
def test_logits_have_the_size_of_the_patch_and_two_channels(stream, shape):
    with torch.inference_mode():
        assert stream(torch.randn(2, 3, *shape), torch.rand(2, 1, *shape)).shape == (2, 2, *shape)


def test_the_flow_stream_starts_from_the_rgb_stream_whose_response_to_grey_it_keeps(stream):
    flow = resnet_flow_stream(stream)
    same = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        expected = stream.backbone.conv1(same.expand(-1, 3, -1, -1))
        assert torch.allclose(flow.backbone.conv1(same.expand(-1, 2, -1, -1)), expected, atol=1e-5)
    others = {name: value for name, value in stream.state_dict().items() if name != "backbone.conv1.weight"}
    assert all(torch.equal(flow.state_dict()[name], value) for name, value in others.items())
    assert all(a is not b for a, b in zip(flow.parameters(), stream.parameters(), strict=True))


def test_a_two_stream_network_of_them_predicts_probabilities_of_the_patch():
    network = TwoStreams(ResNetStream(blocks=SMALL), ResNetStream(2, SMALL)).eval()
    with torch.inference_mode():
        P = network.predict(torch.rand(2, 3, 49, 49), torch.randn(2, 2, 49, 49), torch.rand(2, 1, 49, 49))
    assert P.shape == (2, 49, 49) and P.min() >= 0 and P.max() <= 1


def test_at_the_papers_size_449_becomes_57_and_the_names_are_torchvisions():
    with torch.device("meta"):
        network, theirs = paper_streams(), resnet101()
        assert features(network.rgb.backbone, torch.zeros(1, 3, 449, 449))[-1].shape == (1, 2048, 57, 57)
    shapes = {name: value.shape for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in network.rgb.backbone.state_dict().items()} == shapes
    assert network.flow.backbone.conv1.weight.shape == (64, 2, 7, 7)


def test_weights_of_another_depth_are_refused_and_nothing_changes(stream, tmp_path):
    file = tmp_path / "other.pth"
    torch.save(ResNet(Bottleneck, [1, 1, 1, 2]).state_dict(), file)
    before = {name: value.clone() for name, value in stream.state_dict().items()}
    with pytest.raises(ValueError, match=r"other\.pth: .*layer4\.1\.conv1\.weight is unknown"):
        stream.load_imagenet(file)
    assert all(torch.equal(value, before[name]) for name, value in stream.state_dict().items())


def test_without_network_the_file_to_put_where_is_named(tmp_path, monkeypatch):
    def no_network(*_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(hub, "fetch", no_network)
    with pytest.raises(FileNotFoundError, match=r"get resnet101-63fe2227\.pth where there is a network"):
        ResNetStream(blocks=SMALL).load_imagenet()
