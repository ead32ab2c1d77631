"""Settings travel in the header of N_mp, and fill in what a configuration leaves open."""

from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from torch import nn

from tests.command_line import half_written
from vsreid_lite import vsreid
from vsreid_lite.config import AUTHORS, PAPER, AdaptationConfig, Config, PropagationConfig, ReidConfig, with_propagation
from vsreid_lite.networks.checkpoints import save_weights, store_settings
from vsreid_lite.networks.loading import with_stored_settings
from vsreid_lite.networks.weight_files import Provenance, read_provenance

CHOSEN = {
    "rho_reid": 0.62,
    "rho_occ": 0.35,
    "scales": [1.0, 1.25],
    "adaptation": {"steps": 90, "learning_rate": 5e-4},
    "patch": 160,
}
PROVENANCE = Provenance("two streams", "some scenes", "vsreid train x", 3, 17, sequences=("dog",), start=("a", "b"))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A set of weights of one file, lite-propagation, in place of the shipped ones."""
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", tmp_path)
    save_weights(tmp_path / "lite-propagation.safetensors", nn.Linear(2, 2), PROVENANCE)
    return tmp_path / "lite-propagation.safetensors"


def thresholds(config):
    return config.matching.rho_reid, config.matching.rho_occ, config.adaptation.steps, config.adaptation.learning_rate


def test_what_is_stored_fills_in_what_is_open(shipped):
    store_settings(shipped, shipped, CHOSEN)
    assert thresholds(with_stored_settings(Config())) == (0.62, 0.35, 90, 5e-4)
    assert thresholds(with_stored_settings(Config(weights=str(shipped)))) == (0.62, 0.35, 90, 5e-4)
    propagation = with_stored_settings(Config()).propagation
    assert (propagation.patch, propagation.side, propagation.scales) == (160, 160, (1.0,))


def test_what_is_given_stays(shipped):
    store_settings(shipped, shipped, CHOSEN)
    given = Config(matching=ReidConfig(rho_occ=0.9, proposals=7), adaptation=AdaptationConfig(steps=5, batch=3))
    config = with_stored_settings(given)
    assert thresholds(config) == (0.62, 0.9, 5, 5e-4)
    assert config.matching.proposals == 7 and config.adaptation.batch == 3
    assert with_stored_settings(with_propagation(config, patch=96)).propagation.patch == 96
    assert with_stored_settings(config) == config


@pytest.mark.parametrize("stored", [{}, {"scales": [1.0]}])
def test_weights_that_store_nothing_have_the_defaults(shipped, stored):
    store_settings(shipped, shipped, stored)
    assert thresholds(with_stored_settings(Config())) == (0.7, 0.5, 100, 1e-3)
    assert with_stored_settings(Config()).propagation.patch == PropagationConfig().side == 128
    assert ReidConfig().thresholds == (0.7, 0.5) and AdaptationConfig().pace == (100, 1e-3)
    shipped.unlink()
    assert thresholds(with_stored_settings(Config())) == (0.7, 0.5, 100, 1e-3)


def test_presets_whose_weights_are_not_ours_keep_their_own(shipped):
    store_settings(shipped, shipped, CHOSEN)
    assert thresholds(with_stored_settings(AUTHORS))[:2] == (0.5, 0.3)
    assert thresholds(with_stored_settings(PAPER))[:2] == (0.7, 0.5)


def test_a_run_has_the_settings_of_its_weights(shipped, monkeypatch):
    store_settings(shipped, shipped, CHOSEN)
    monkeypatch.setattr(vsreid, "load_networks", lambda config: None)
    assert thresholds(vsreid.prepare(None, Config())[1])[:2] == (0.62, 0.35)


def bits(path):
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return {name: (value.dtype, value.numpy().tobytes()) for name, value in tensors.items()}


def test_storing_settings_keeps_the_tensors_bit_for_bit_and_the_rest_of_the_header(tmp_path):
    torch.manual_seed(0)
    path, copy = tmp_path / "a.safetensors", tmp_path / "new" / "b.safetensors"
    save_weights(path, nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), PROVENANCE)
    before = path.read_bytes()
    assert store_settings(path, copy, CHOSEN) == replace(PROVENANCE, settings=CHOSEN) == read_provenance(copy)
    assert path.read_bytes() == before and bits(copy) == bits(path)
    store_settings(path, path, CHOSEN)
    assert path.read_bytes() == copy.read_bytes() and not half_written(tmp_path)
