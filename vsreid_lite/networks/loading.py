"""From a configuration to its networks: one loader for the preset "lite", one for "paper" and "authors"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from vsreid_lite.config import AdaptationConfig, Config, PropagationConfig, ReidConfig
from vsreid_lite.networks import Networks, Search
from vsreid_lite.networks.authors import MP2S
from vsreid_lite.networks.checkpoints import load_tensors, load_weights, read_checkpoint
from vsreid_lite.networks.detector import PERSON, LiteDetector, PaperDetector
from vsreid_lite.networks.identification import LiteIdentification, PaperIdentification
from vsreid_lite.networks.layers import fold_normalisation, random_weights
from vsreid_lite.networks.mask_propagation import TwoStreams, lite_streams, paper_streams
from vsreid_lite.networks.weight_files import (
    UNTRAINED,
    WeightFiles,
    needed,
    network_files,
    no_identification,
    read_provenance,
    weight_files,
)
from vsreid_lite.system.machine import device_index, no_gpu
from vsreid_lite.system.workers import own_gpu


def load_networks(config: Config) -> Networks:
    """The networks of `config`, ready to run; without the ReID module, N_mp alone.

    Raises:
        FileNotFoundError: A weight file is missing.
        ValueError: A weight file is damaged or does not fit, the preset cannot do what `config` asks for, or there is
            no such preset or device.
    """
    files, device = network_files(config), choose_device(config.device)
    if config.preset == "lite":
        return _load_lite(config, files, device)
    if config.weights != UNTRAINED:
        return _load_full_size(config, files, device)
    with torch.device(device), random_weights(config.seed):
        return _load_full_size(config, files, device)


def choose_device(device: str) -> torch.device:
    """The device of a name: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where it is there.

    "cuda" is the current GPU, which among several workers of one machine is each one's own (`own_gpu`).

    Raises:
        ValueError: There is no such name, or no such GPU.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and (own := own_gpu(torch.cuda.device_count())) is not None:
        torch.cuda.set_device(own)  # of this thread
    index = device_index(device)
    if index is not None and index >= (count := torch.cuda.device_count()):
        raise ValueError(no_gpu(device, count))
    return torch.device(device)


def free_on_gpu(device: torch.device) -> int | None:
    """The free memory of a GPU in bytes; None of a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def with_stored_settings(config: Config) -> Config:
    """`config` with numbers in place of None: what `vsreid choose` has stored with N_mp, else defaults (`config.py`).

    The stored scales are not filled in: they belong to row 5 of Table 1 (`evaluation.ladder`).

    Raises:
        FileNotFoundError: The weight file is missing.
        ValueError: The weight file is damaged or of another kind.
    """
    stored = _stored_settings(config)
    matching, propagation = _filled(config.matching, stored), _filled(config.propagation, stored)
    adaptation = _filled(config.adaptation, stored.get("adaptation", {}))
    (rho_reid, rho_occ), (steps, learning_rate) = matching.thresholds, adaptation.pace
    return replace(
        config,
        propagation=replace(propagation, patch=propagation.side),
        matching=replace(matching, rho_reid=rho_reid, rho_occ=rho_occ),
        adaptation=replace(adaptation, steps=steps, learning_rate=learning_rate),
    )


def _load_lite(config: Config, files: WeightFiles, device: torch.device) -> Networks:
    """The preset "lite". N_mp is folded unless it is to be adapted: it learns with its normalisation, folded after."""

    def load(network: Network, part: str, file: Path | None, fold: bool = True) -> Network:
        load_weights(needed(file, part, config.weights), network)
        if fold:
            fold_normalisation(network.eval())
        return _ready(network, device)

    streams = lite_streams(_with_flow(config), config.release.fusion)
    propagation = load(streams, *files.of_streams(config.propagation), fold=not config.adapt)
    if not config.reid:
        return Networks(propagation)
    if config.release.persons_first:
        raise ValueError(
            "preset lite: its detector knows no persons, so `persons_first` must be off (docs/fidelity.md, row 21)"
        )
    detector = load(LiteDetector(config.matching.proposals), "detector", files.detector)
    identification = load(LiteIdentification(), "identification", files.identification)
    detector.autocast = identification.autocast = config.propagation.autocast
    return Networks(propagation, detector, identification)


def _load_full_size(config: Config, files: WeightFiles, device: torch.device) -> Networks:
    """The presets "paper" and "authors", from files of their users; none ships. N_mp is folded as by `_load_lite`."""
    streams = _paper_streams(config, files) if config.preset == "paper" else _authors_streams(config, files)
    if not config.adapt:
        fold_normalisation(streams.eval())
    propagation = _ready(streams, device)
    if not config.reid:
        return Networks(propagation)
    detector = _ready(_paper_detector(config, files.detector), device)
    if files.identification is None and config.weights != UNTRAINED:
        raise FileNotFoundError(no_identification(config))
    identification = _ready(_built(PaperIdentification, files.identification), device)
    detector.autocast = identification.autocast = config.propagation.autocast
    persons = Search(detector.of_class(PERSON), identification, only_recognised=True)
    return Networks(propagation, detector, identification, (persons,) if config.release.persons_first else ())


def _paper_streams(config: Config, files: WeightFiles) -> TwoStreams:
    part, file = files.of_streams(config.propagation)
    if file is None and config.weights != UNTRAINED:
        raise FileNotFoundError(f"weights {config.weights}: no {part} file beside it")
    return _built(lambda: paper_streams(_with_flow(config), config.release.fusion), file)


def _authors_streams(config: Config, files: WeightFiles) -> MP2S:
    if not config.propagation.use_flow:
        raise ValueError("preset authors: its N_mp has two streams that were trained together; use_flow cannot be off")
    if config.adapt:
        raise ValueError(
            "preset authors: its weights are adapted to the videos already; adapt works with lite and paper"
        )
    return _built(lambda: MP2S(config.release.fusion), files.of_streams(config.propagation)[1])


def _paper_detector(config: Config, file: Path | None) -> PaperDetector:
    """N_det of both presets: from `file`, else with torchvision's weights, which are fetched."""
    if config.weights == UNTRAINED and file is None:
        return PaperDetector(config.matching.proposals)
    with torch.device("meta"):
        detector = PaperDetector(config.matching.proposals)
    detector.load_published(file)
    return detector


Network = TypeVar("Network", bound=nn.Module)


def _built(build: Callable[[], Network], file: Path | None) -> Network:
    """A network with the tensors of a file, of which no second copy is made; without a file as it was built."""
    if file is None:
        return build()
    with torch.device("meta"):
        network = build()
    load_tensors(network, read_checkpoint(file), file)
    return network


def _ready(network: Network, device: torch.device) -> Network:
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _with_flow(config: Config) -> bool:
    """Whether N_mp has a flow stream: that of the whole frame (Table 1, row 1) has none."""
    return config.propagation.use_flow and config.propagation.use_box


Part = TypeVar("Part", PropagationConfig, ReidConfig, AdaptationConfig)


def _filled(part: Part, stored: Mapping[str, Any]) -> Part:
    missing = {name: stored[name] for name, value in vars(part).items() if value is None and name in stored}
    return replace(part, **missing)


def _stored_settings(config: Config) -> Mapping[str, Any]:
    if config.preset != "lite":
        return {}  # files of others store none
    file = weight_files(config.weights).propagation
    return read_provenance(file).settings if file is not None else {}
