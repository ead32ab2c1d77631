"""The release's network against the release's own numbers, and its checkpoint in every wrapping it may come in."""

import gc
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden.reference_weights import reference_tensor
from vsreid_lite.config import AUTHORS
from vsreid_lite.networks.authors import MP2S
from vsreid_lite.networks.loading import load_networks

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPES = {
    name: tuple(shape) for name, shape in json.loads((GOLDEN / "mp2s_state_dict_shapes.json").read_text()).items()
}


def relative_error(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def golden():
    with np.load(GOLDEN / "mp2s_reference.npz") as values:
        return {name: torch.from_numpy(values[name]) for name in values}


def load(path):
    return load_networks(replace(AUTHORS, weights=str(path), reid=False, device="cpu")).propagation


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Loaded from a checkpoint in its worst wrapping: 814 MB, so it is written once and deleted at once."""
    path = tmp_path_factory.mktemp("authors") / "MP2S.pth.tar"
    tensors = {f"module.{name}": torch.from_numpy(np.asarray(reference_tensor(name, s))) for name, s in SHAPES.items()}
    torch.save({"epoch": 3, "state_dict": tensors}, path)
    del tensors
    network = load(path)
    path.unlink()
    yield network
    del network
    gc.collect()


def test_names_shapes_and_their_order_are_those_of_the_release():
    with torch.device("meta"):
        found = {name: tuple(value.shape) for name, value in MP2S().state_dict().items()}
    assert list(found.items()) == list(SHAPES.items())
    assert sum(int(np.prod(shape)) for shape in SHAPES.values()) == pytest.approx(203.4e6, rel=1e-3)


def test_logits_are_those_of_the_release(network):
    values = golden()
    with torch.inference_mode():
        logits = network(values["image"], values["flow"], values["guide"])
    assert logits.dtype == torch.float32
    assert relative_error(logits, values["logits"]) < 1e-4
    assert torch.allclose(logits.softmax(1), values["probability"], atol=1e-3)


def test_predict_takes_rgb_in_0_1_and_gives_the_probability_of_the_instance(network):
    values = golden()
    with torch.inference_mode():
        P = network.predict(values["image"].flip(1) / 255, values["flow"], values["guide"])
    assert torch.allclose(P, values["probability"][:, 1], atol=1e-3)


def test_the_paper_averages_probabilities_where_the_release_adds_logits(network, monkeypatch):
    """Row 7. Each stream alone, the other one's classifier switched off, gives what is averaged."""
    values = {name: value[:1, :, :40, :40] for name, value in golden().items()}
    inputs = values["image"].flip(1) / 255, values["flow"], values["guide"]
    monkeypatch.setattr(network, "fusion", "probabilities")
    with torch.inference_mode():
        average = network.predict(*inputs)
        network.fusion = "logits"
        alone = []
        for silent in (network.flow_classifier, network.classifier):
            with monkeypatch.context() as patch:
                patch.setattr(silent, "forward", lambda x: x.new_zeros(len(x), 2, *x.shape[2:]))
                alone.append(network.predict(*inputs))
    assert torch.allclose(average, sum(alone) / 2, atol=1e-5)
    assert not torch.allclose(alone[0], alone[1], atol=0.1)


def test_patches_may_be_oblong_and_one_does_not_touch_the_other(network):
    values = {name: value[..., :72, :97] for name, value in golden().items()}
    inputs = [values[name] for name in ("image", "flow", "guide")]
    with torch.inference_mode():
        both, second = network(*inputs), network(*(x[1:] for x in inputs))
    assert both.shape == (2, 2, 72, 97)
    assert relative_error(both[1:], second) < 1e-5


def test_a_loaded_network_is_ready_to_run_and_to_be_trained(network):
    assert not network.training
    assert all(p.requires_grad and p.dtype == torch.float32 and not p.is_meta for p in network.parameters())


def test_a_checkpoint_that_does_not_fit_names_ten_tensors(tmp_path):
    path = tmp_path / "MP2S.pth.tar"
    torch.save({"backbone.prob_encode.weight": torch.zeros(64, 2, 3, 3), "classifier.bias": torch.zeros(2)}, path)
    with pytest.raises(ValueError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    assert str(error.value).count("is missing") == 9 and "and 1085 more" in str(error.value)
    assert "prob_encode.weight has shape (64, 2, 3, 3) instead of (64, 1, 3, 3)" in str(error.value)
