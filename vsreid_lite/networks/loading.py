"""From a configuration to its networks: architectures, weight files, device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from vsreid_lite.config import AdaptationConfig, Config, ReidConfig
from vsreid_lite.networks import Networks
from vsreid_lite.networks.detector import COCO, LiteDetector
from vsreid_lite.networks.full_size import load_full_size
from vsreid_lite.networks.identification import LiteIdentification
from vsreid_lite.networks.layers import fold_normalisation
from vsreid_lite.networks.mask_propagation import lite_streams
from vsreid_lite.networks.provenance import read_provenance
from vsreid_lite.networks.weight_files import UNTRAINED, WeightFiles, hub_file, named_files, needed, weight_files
from vsreid_lite.networks.weights import load_weights
from vsreid_lite.system.machine import device_index, no_gpu


def network_files(config: Config) -> WeightFiles:
    """As `named_files`; N_det of the presets "paper" and "authors" is torchvision's where there is no other."""
    files, published = named_files(config), hub_file(COCO)
    if config.preset != "lite" and config.weights != UNTRAINED and files.detector is None and published.is_file():
        return replace(files, detector=published)
    return files


def load_networks(config: Config) -> Networks:
    """The networks of `config`, ready to run; without the ReID module, N_mp alone.

    Raises FileNotFoundError and ValueError as `network_files`, `load_weights`, `choose_device` and, for the presets
    "paper" and "authors", `load_full_size` do; ValueError for another preset.
    """
    files = network_files(config)
    device = choose_device(config.device)
    if config.preset == "lite":
        return _load_lite(config, files, device)
    return load_full_size(config, files, device)


def _load_lite(config: Config, files: WeightFiles, device: torch.device) -> Networks:
    use_flow = config.propagation.use_flow and config.propagation.use_box
    part, file = files.of_streams(config.propagation)
    streams = lite_streams(use_flow, config.release.fusion)
    propagation = _loaded(streams, needed(file, part, config.weights), device, fold=not config.adapt)
    if not config.reid:
        return Networks(propagation)
    if config.release.persons_first:
        raise ValueError("preset lite: its detector knows no persons, so `persons_first` must be off (FIDELITY row 21)")
    detector = LiteDetector(config.matching.proposals)
    return Networks(
        propagation,
        _loaded(detector, needed(files.detector, "detector", config.weights), device),
        _loaded(LiteIdentification(), needed(files.identification, "identification", config.weights), device),
    )


def with_stored_settings(config: Config) -> Config:
    """`config` with numbers in place of None: what `vsreid choose` has stored with N_mp, else defaults (`config.py`).

    Raises FileNotFoundError and ValueError as `weight_files` and `read_provenance` do.
    """
    stored = _stored_settings(config)
    matching = _filled(config.matching, stored)
    adaptation = _filled(config.adaptation, stored.get("adaptation", {}))
    (rho_reid, rho_occ), (steps, learning_rate) = matching.thresholds, adaptation.pace
    return replace(
        config,
        matching=replace(matching, rho_reid=rho_reid, rho_occ=rho_occ),
        adaptation=replace(adaptation, steps=steps, learning_rate=learning_rate),
    )


Part = TypeVar("Part", ReidConfig, AdaptationConfig)


def _filled(part: Part, stored: Mapping[str, Any]) -> Part:
    missing = {name: stored[name] for name, value in vars(part).items() if value is None and name in stored}
    return replace(part, **missing)


def _stored_settings(config: Config) -> Mapping[str, Any]:
    if config.preset != "lite":
        return {}  # files of others store none
    file = weight_files(config.weights).propagation
    return read_provenance(file).settings if file is not None else {}


def choose_device(device: str) -> torch.device:
    """The device of a name: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where it is there.

    Raises ValueError for another name and for a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    index = device_index(device)
    if index is not None and index >= (count := torch.cuda.device_count()):
        raise ValueError(no_gpu(device, count))
    return torch.device(device)


Network = TypeVar("Network", bound=nn.Module)


def _loaded(network: Network, file: Path, device: torch.device, fold: bool = True) -> Network:
    """fold: not for a network that is to be adapted, which learns with its normalisation and is folded afterwards."""
    load_weights(file, network.eval())
    if fold:
        fold_normalisation(network)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
