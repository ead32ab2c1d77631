"""The networks of the presets `paper` and `authors`, from the files that their users have; none of them ships."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from vsreid_lite.config import Config
from vsreid_lite.networks import Networks, PropagationNetwork, Search
from vsreid_lite.networks.authors import MP2S, load_authors_checkpoint
from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint
from vsreid_lite.networks.detector import PERSON, PaperDetector
from vsreid_lite.networks.identification import PaperIdentification
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.networks.resnet import paper_streams
from vsreid_lite.networks.weight_files import UNTRAINED, WeightFiles, no_identification


def load_full_size(config: Config, files: WeightFiles, device: torch.device) -> Networks:
    """The networks of `config`, preset "paper" or "authors", ready to run; without the ReID module, N_mp alone.

    files: those of `network_files`. Raises FileNotFoundError that names the file which is needed, ValueError for one
    that does not fit and for what the preset cannot do.
    """
    if config.weights == UNTRAINED:
        with torch.device(device), torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return _networks(config, files, device)
    return _networks(config, files, device)


def _networks(config: Config, files: WeightFiles, device: torch.device) -> Networks:
    part, file = files.of_streams(config.propagation)
    network: PropagationNetwork = (
        _ready(_paper_propagation(config, part, file), device)
        if config.preset == "paper"
        else _ready(_authors_propagation(config, file), device)
    )
    if not config.reid:
        return Networks(network)
    detector = _ready(_detector(config, files.detector), device)
    identification = _ready(_identification(config, files.identification), device)
    persons = Search(detector.of_class(PERSON), identification, only_recognised=True)
    return Networks(network, detector, identification, (persons,) if config.release.persons_first else ())


def _paper_propagation(config: Config, part: str, file: Path | None) -> TwoStreams:
    rules = config.propagation
    use_flow = rules.use_flow and rules.use_box
    if config.weights == UNTRAINED:
        return paper_streams(use_flow, config.release.fusion)
    if file is None:
        raise FileNotFoundError(f"weights {config.weights}: no {part} file beside it")
    with torch.device("meta"):
        network = paper_streams(use_flow, config.release.fusion)
    return _filled(network, file)


def _authors_propagation(config: Config, file: Path | None) -> MP2S:
    if not config.propagation.use_flow:
        raise ValueError("preset authors: its N_mp has two streams that were trained together; use_flow cannot be off")
    if config.adapt:
        raise ValueError(
            "preset authors: its weights are adapted to the videos already; adapt works with lite and paper"
        )
    if file is None:
        return MP2S(config.release.fusion)
    return load_authors_checkpoint(file, config.release.fusion)


def _detector(config: Config, file: Path | None) -> PaperDetector:
    proposals = config.matching.proposals
    if config.weights == UNTRAINED and file is None:
        return PaperDetector(proposals)
    with torch.device("meta"):
        detector = PaperDetector(proposals)
    detector.load_coco(file)
    return detector


def _identification(config: Config, file: Path | None) -> PaperIdentification:
    if file is None:
        if config.weights == UNTRAINED:
            return PaperIdentification()
        raise FileNotFoundError(no_identification(config))
    with torch.device("meta"):
        network = PaperIdentification()
    return _filled(network, file)


Network = TypeVar("Network", bound=nn.Module)


def _filled(network: Network, path: Path | str) -> Network:
    load_tensors(network, read_checkpoint(path), path)
    return network


def _ready(network: Network, device: torch.device) -> Network:
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
