"""From a configuration to its networks: architectures, weight files, device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from vsreid_lite.config import Config
from vsreid_lite.models import Networks
from vsreid_lite.models.detector import LiteDetector
from vsreid_lite.models.identification import LiteIdentification
from vsreid_lite.models.mask_propagation import LiteMaskPropagation
from vsreid_lite.models.weights import SHIPPED, load_weights, read_provenance

WEIGHT_SETS = ("lite", "lite-davis")


@dataclass(frozen=True)
class WeightFiles:
    """The files of one choice of weights."""

    propagation: Path
    detector: Path
    identification: Path

    @property
    def all(self) -> tuple[Path, Path, Path]:
        """The three of them."""
        return self.propagation, self.detector, self.identification

    def sequences(self) -> frozenset[str]:
        """Every real sequence that one of the files has seen in training."""
        return frozenset(name for file in self.all for name in read_provenance(file).sequences)


def weight_files(weights: str) -> WeightFiles:
    """The files of a shipped set ("lite", "lite-davis"), or an N_mp file beside the other two networks of `lite`.

    Raises FileNotFoundError for a name that is neither a set nor a file.
    """
    name = weights if weights in WEIGHT_SETS else "lite"
    files = WeightFiles(*(SHIPPED / f"{name}-{part}.safetensors" for part in WeightFiles.__annotations__))
    if weights in WEIGHT_SETS:
        return files
    if not Path(weights).is_file():
        raise FileNotFoundError(f"{weights}: expected {' or '.join(WEIGHT_SETS)} or a weight file, found neither")
    return WeightFiles(Path(weights), files.detector, files.identification)


def load_networks(config: Config) -> Networks:
    """The networks of `config`, ready to run; without the ReID module, N_mp alone.

    Raises FileNotFoundError and ValueError as `weight_files`, `load_weights` and `choose_device` do.
    """
    files, device = weight_files(config.weights), choose_device(config.device)
    propagation = _loaded(LiteMaskPropagation(), files.propagation, device)
    if not config.reid:
        return Networks(propagation)
    detector = _loaded(LiteDetector(config.matching.proposals), files.detector, device)
    return Networks(propagation, detector, _loaded(LiteIdentification(), files.identification, device))


def choose_device(device: str) -> torch.device:
    """The device of a name: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where it is there.

    Raises ValueError for another name and for a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise ValueError(f"device {device!r}: expected auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(index or 0) >= (count := torch.cuda.device_count()):
        raise ValueError(f"device {device!r}: expected a CUDA GPU, found {count}; use --device cpu or auto")
    return torch.device(device)


Network = TypeVar("Network", bound=nn.Module)


def _loaded(network: Network, file: Path, device: torch.device) -> Network:
    load_weights(file, network)
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
