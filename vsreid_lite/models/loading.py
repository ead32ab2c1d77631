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

    def sequences(self) -> frozenset[str]:
        """Every real sequence that one of the files has seen in training."""
        files = (self.propagation, self.detector, self.identification)
        return frozenset(name for file in files for name in read_provenance(file).sequences)


def weight_files(weights: str) -> WeightFiles:
    """The files of a shipped set ("lite", "lite-davis"), or an N_mp file beside the other two networks of `lite`.

    Raises FileNotFoundError for a file that is not there.
    """
    shipped = weights if weights in WEIGHT_SETS else "lite"
    files = {network: SHIPPED / f"{shipped}-{network}.safetensors" for network in NETWORKS}
    if weights not in WEIGHT_SETS:
        files["propagation"] = Path(weights)
        if not files["propagation"].is_file():
            raise FileNotFoundError(f"{weights}: expected {' or '.join(WEIGHT_SETS)} or a weight file, found neither")
    return WeightFiles(**files)


NETWORKS: dict[str, type[nn.Module]] = {
    "propagation": LiteMaskPropagation,
    "detector": LiteDetector,
    "identification": LiteIdentification,
}


def load_networks(config: Config) -> Networks:
    """The networks of `config`, ready to run; without the ReID module, N_mp alone."""
    files, device = weight_files(config.weights), choose_device(config.device)
    propagation = LiteMaskPropagation()
    load_weights(files.propagation, propagation)
    if not config.reid:
        return Networks(_ready(propagation, device))
    detector, identification = LiteDetector(config.matching.proposals), LiteIdentification()
    load_weights(files.detector, detector)
    load_weights(files.identification, identification)
    return Networks(_ready(propagation, device), _ready(detector, device), _ready(identification, device))


def choose_device(device: str) -> torch.device:
    """The device of a name; "auto" is CUDA where it is there. Raises ValueError for CUDA where it is not."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r}: expected a CUDA GPU, found none; use --device cpu or auto")
    return torch.device(device)


Network = TypeVar("Network", bound=nn.Module)


def _ready(network: Network, device: torch.device) -> Network:
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
