"""Weight files: fp16 safetensors with their provenance in the header. No pickle is ever read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vsreid_lite import __version__

SHIPPED = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True)
class Provenance:
    """What a weight file was made from: enough to make it again, and to know what it must not be tested on."""

    network: str  # "propagation", "detector" or "identification"
    data: str
    command: str
    seed: int
    steps: int
    version: str = __version__
    sequences: tuple[str, ...] = ()  # the real sequences it has seen


def save_weights(path: Path, network: nn.Module, provenance: Provenance) -> None:
    """Write a network's tensors as fp16, atomically."""
    tensors = {name: _half(value) for name, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, {"provenance": json.dumps(asdict(provenance))})
    temporary.replace(path)


def load_weights(path: Path, network: nn.Module) -> Provenance:
    """Fill `network` from a weight file and return the file's provenance.

    Raises FileNotFoundError, or ValueError that names the first ten tensors which are missing, unknown or misshaped;
    the network is then as it was.
    """
    provenance, tensors = _read(path)
    _check(path, network.state_dict(), tensors)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    return provenance


def read_provenance(path: Path) -> Provenance:
    """The header of a weight file."""
    return _read(path)[0]


def _read(path: Path) -> tuple[Provenance, dict[str, Tensor]]:
    if not path.exists():
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors")))
        raise FileNotFoundError(f"{path}: no such weight file; shipped are {shipped}")
    try:
        with safe_open(path, "pt") as file:
            header = (file.metadata() or {}).get("provenance")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: expected a safetensors file, found something else ({error})") from None
    if header is None:
        raise ValueError(f"{path}: expected a weight file of vsreid_lite, found no provenance in its header")
    fields = json.loads(header)
    return Provenance(**{**fields, "sequences": tuple(fields["sequences"])}), tensors


def _check(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is unknown" for name in found if name not in expected]
    problems += [
        f"{name} has shape {tuple(found[name].shape)} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    if problems:
        raise ValueError(f"{path} does not fit the network: {'; '.join(problems[:10])}")


def _half(value: Tensor) -> Tensor:
    return value.to(torch.float16).contiguous() if value.is_floating_point() else value.contiguous()
