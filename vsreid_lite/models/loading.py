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
from vsreid_lite.models.detector import LiteDetector
from vsreid_lite.models.full_size import load_full_size
from vsreid_lite.models.identification import LiteIdentification
from vsreid_lite.models.layers import fold_normalisation
from vsreid_lite.models.mask_propagation import lite_streams
from vsreid_lite.models.weights import SHIPPED, load_weights, read_provenance

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
        """Every real sequence that one of the files has seen in training."""
        return frozenset(name for file in self.all for name in read_provenance(file).sequences)

    def of_streams(self, config: PropagationConfig) -> tuple[str, Path | None]:
        """The name of the N_mp file that `config` needs, and the file."""
        name = "baseline" if not config.use_box else "propagation" if config.use_flow else "box"
        return name, getattr(self, name)


def weight_files(weights: str) -> WeightFiles:
    """The files of a shipped set ("lite", "lite-davis"), or an N_mp file NAME-propagation.safetensors of one's own.

    With one's own come the other files NAME-*.safetensors beside it; N_det and N_reid, where it has none, are lite's.
    Raises FileNotFoundError for a name that is neither a set nor a file.
    """
    own = Path(weights)
    if weights not in WEIGHT_SETS and not own.is_file():
        raise FileNotFoundError(f"{weights}: expected {' or '.join(WEIGHT_SETS)} or a weight file, found neither")
    prefix = SHIPPED / weights if weights in WEIGHT_SETS else own.with_name(own.stem.removesuffix("-propagation"))
    files = {part: prefix.with_name(f"{prefix.name}-{part}.safetensors") for part in WeightFiles.__annotations__}
    there = {part: file if file.is_file() else None for part, file in files.items()}
    if weights not in WEIGHT_SETS:
        lite = {part: SHIPPED / f"lite-{part}.safetensors" for part in ("detector", "identification")}
        there |= {"propagation": own, **{part: there[part] or file for part, file in lite.items()}}
    return WeightFiles(**there)


def load_networks(config: Config) -> Networks:
    """The networks of `config`, ready to run; without the ReID module, N_mp alone.

    Raises FileNotFoundError and ValueError as `weight_files`, `load_weights`, `choose_device` and, for the presets
    "paper" and "authors", `load_full_size` do; ValueError for another preset.
    """
    if config.preset not in PRESETS:
        raise ValueError(f"preset {config.preset!r}: expected one of {', '.join(PRESETS)}")
    device = choose_device(config.device)
    return _load_lite(config, device) if config.preset == "lite" else load_full_size(config, device)


def _load_lite(config: Config, device: torch.device) -> Networks:
    files = weight_files(config.weights)
    use_flow = config.propagation.use_flow and config.propagation.use_box
    part, file = files.of_streams(config.propagation)
    streams = lite_streams(use_flow, config.propagation.fusion)
    propagation = _loaded(streams, _there(file, part, config.weights), device)
    if not config.reid:
        return Networks(propagation)
    if config.matching.searches != ("all",):
        raise ValueError("preset lite: its detector knows no persons, so `searches` must be all (FIDELITY row 21)")
    own = {"detector": config.detector_weights, "identification": config.identification_weights}
    files = replace(files, **{part: Path(file) for part, file in own.items() if file is not None})
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


def _loaded(network: Network, file: Path, device: torch.device) -> Network:
    load_weights(file, network)
    fold_normalisation(network.eval())
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
