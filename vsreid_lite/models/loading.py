"""From a configuration to its networks: architectures, weight files, device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from vsreid_lite.config import PRESETS, AdaptationConfig, Config, PropagationConfig, ReidConfig
from vsreid_lite.models import Networks
from vsreid_lite.models.detector import COCO, LiteDetector
from vsreid_lite.models.full_size import UNTRAINED, load_full_size, propagation_file
from vsreid_lite.models.hub import hub_file
from vsreid_lite.models.identification import LiteIdentification
from vsreid_lite.models.layers import fold_normalisation
from vsreid_lite.models.mask_propagation import lite_streams
from vsreid_lite.models.weights import SHIPPED, find_provenance, load_weights, read_provenance

WEIGHT_SETS = ("lite", "lite-davis")


@dataclass(frozen=True)
class WeightFiles:
    """The files of one choice of weights: N_mp of Table 1's rows 1, 2 and 3 to 6, N_det and N_reid; None: not there."""

    baseline: Path | None
    box: Path | None
    propagation: Path | None
    detector: Path | None
    identification: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        """Those that are there."""
        return tuple(file for file in vars(self).values() if file is not None)

    def sequences(self) -> frozenset[str]:
        """Every real sequence that one of the files has seen in training, by their headers; others' files have none."""
        headers = (find_provenance(file) for file in self.all)
        return frozenset(name for header in headers if header for name in header.sequences)

    def of_streams(self, config: PropagationConfig) -> tuple[str, Path | None]:
        """The name of the N_mp file that `config` needs, and the file."""
        name = "baseline" if not config.use_box else "propagation" if config.use_flow else "box"
        return name, getattr(self, name)

    def used(self, config: Config) -> dict[str, Path | None]:
        """The files that the networks of `config` need, by the names above."""
        part, file = self.of_streams(config.propagation)
        modules = {"detector": self.detector, "identification": self.identification}
        return {part: file, **(modules if config.reid else {})}


def weight_files(weights: str) -> WeightFiles:
    """The files of a shipped set ("lite", "lite-davis"), or an N_mp file NAME-propagation.safetensors of one's own.

    With one's own come the other files NAME-*.safetensors beside it; N_det and N_reid, where it has none, are lite's.
    Raises FileNotFoundError for a name that is neither a set nor a file.
    """
    if weights in WEIGHT_SETS:
        return _beside(SHIPPED / f"{weights}-propagation.safetensors")
    own = Path(weights)
    if not own.is_file():
        raise FileNotFoundError(f"{weights}: expected {' or '.join(WEIGHT_SETS)} or a weight file, found neither")
    files = _beside(own)
    lite = {part: SHIPPED / f"lite-{part}.safetensors" for part in ("detector", "identification")}
    return replace(files, propagation=own, **{part: getattr(files, part) or file for part, file in lite.items()})


def network_files(config: Config) -> WeightFiles:
    """The files of all rows of Table 1 by the preset and the weights of `config`, and N_det and N_reid of its own.

    Preset "lite": as `weight_files`. "paper": a file of one's own and those beside it, by the same names; "authors":
    the release's N_mp alone. N_det of both is torchvision's where there is no other; random weights have no file.
    Raises FileNotFoundError for a file that is named and not there, and as `propagation_file`.
    """
    files = weight_files(config.weights) if config.preset == "lite" else _full_size_files(config)
    own = {"detector": config.detector_weights, "identification": config.identification_weights}
    given = {part: Path(file) for part, file in own.items() if file is not None}
    for file in given.values():
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such weight file")
    return replace(files, **given)


def _full_size_files(config: Config) -> WeightFiles:
    if config.weights == UNTRAINED:
        return WeightFiles(None, None, None, None, None)
    own, published = propagation_file(config), hub_file(COCO)
    detector = published if published.is_file() else None
    if config.preset == "authors":
        return WeightFiles(None, None, own, detector, None)
    files = _beside(own)
    return replace(files, propagation=own, detector=files.detector or detector)


def _beside(propagation: Path) -> WeightFiles:
    """The files NAME-PART beside NAME-propagation, or beside NAME, that are there."""
    files = {part: beside(propagation, part) for part in WeightFiles.__annotations__}
    return WeightFiles(**{part: file if file.is_file() else None for part, file in files.items()})


def beside(propagation: Path, part: str) -> Path:
    """NAME-PART for the N_mp file NAME-propagation, or NAME, with its suffix."""
    return propagation.with_name(f"{propagation.stem.removesuffix('-propagation')}-{part}{propagation.suffix}")


def load_networks(config: Config) -> Networks:
    """The networks of `config`, ready to run; without the ReID module, N_mp alone.

    Raises FileNotFoundError and ValueError as `network_files`, `load_weights`, `choose_device` and, for the presets
    "paper" and "authors", `load_full_size` do; ValueError for another preset.
    """
    if config.preset not in PRESETS:
        raise ValueError(f"preset {config.preset!r}: expected one of {', '.join(PRESETS)}")
    device = choose_device(config.device)
    files = network_files(config)
    if config.preset == "lite":
        return _load_lite(config, files, device)
    return load_full_size(config, files, device)


def _load_lite(config: Config, files: WeightFiles, device: torch.device) -> Networks:
    use_flow = config.propagation.use_flow and config.propagation.use_box
    part, file = files.of_streams(config.propagation)
    streams = lite_streams(use_flow, config.propagation.fusion)
    propagation = _loaded(streams, _there(file, part, config.weights), device, fold=not config.adapt)
    if not config.reid:
        return Networks(propagation)
    if config.matching.searches != ("all",):
        raise ValueError("preset lite: its detector knows no persons, so `searches` must be all (FIDELITY row 21)")
    detector = LiteDetector(config.matching.proposals)
    return Networks(
        propagation,
        _loaded(detector, _there(files.detector, "detector", config.weights), device),
        _loaded(LiteIdentification(), _there(files.identification, "identification", config.weights), device),
    )


def settled(config: Config) -> Config:
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


def _there(file: Path | None, part: str, weights: str) -> Path:
    if file is None:
        name = f"{weights}-{part}"
        where = SHIPPED / f"{name}.safetensors"
        raise FileNotFoundError(f"weights {weights}: no {part} file; make it: vsreid train {name} --output {where}")
    return file


def choose_device(device: str) -> torch.device:
    """The device of a name: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where it is there.

    Raises ValueError for another name and for a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]*))?", device):
        raise ValueError(f"device {device!r}: expected auto, cpu, cuda or cuda:N")
    index = int(device.partition(":")[2] or 0)
    if device != "cpu" and index >= (count := torch.cuda.device_count()):
        raise ValueError(f"device {device!r}: expected a CUDA GPU, found {count}; use --device cpu or auto")
    return torch.device(device)


Network = TypeVar("Network", bound=nn.Module)


def _loaded(network: Network, file: Path, device: torch.device, fold: bool = True) -> Network:
    """fold: not for a network that is to be adapted, which learns with its normalisation and is folded afterwards."""
    load_weights(file, network.eval())
    if fold:
        fold_normalisation(network)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
