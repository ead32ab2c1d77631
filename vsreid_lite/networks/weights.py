"""Weight files: fp16 safetensors with their provenance in the header; and the release's, a pickle of tensors alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from vsreid_lite.networks.checkpoints import misfits
from vsreid_lite.networks.provenance import Provenance, opened, other_version, provenance_of
from vsreid_lite.system.files import write_bytes


def save_weights(path: Path, network: nn.Module, provenance: Provenance) -> None:
    """Write a network's tensors as fp16, atomically.

    Raises ValueError for a tensor that fp16 cannot hold, OSError as `atomic_path` does.
    """
    tensors = {name: _half(path, name, value) for name, value in network.state_dict().items()}
    write_bytes(path, save(tensors, {"provenance": json.dumps(asdict(provenance))}))


def store_settings(path: Path, output: Path, settings: Mapping[str, Any]) -> Provenance:
    """Write the weight file `path` to `output`, which may be the same, with other settings in its header; atomically.

    The tensors stay as they are, bit for bit. Raises as `load_weights` does for a bad file, OSError as `atomic_path`.
    """
    with opened(path) as file:
        provenance = replace(provenance_of(path, file.metadata()), settings=dict(settings))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    write_bytes(output, save(tensors, {"provenance": json.dumps(asdict(provenance))}))
    return provenance


def load_weights(path: Path, network: nn.Module) -> Provenance:
    """Fill `network` from a weight file and return the file's provenance.

    Raises FileNotFoundError; ValueError for a file that is damaged or of another kind, and for one that does not fit,
    with ten tensors which are missing, unknown or misshaped. The network is then as it was.
    """
    with opened(path) as file:
        provenance = provenance_of(path, file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _check(path, provenance, network.state_dict(), tensors)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    return provenance


def _check(path: Path, provenance: Provenance, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    if problems := misfits(expected, found):
        raise ValueError(
            f"{path}: its tensors, of network {provenance.network}, do not fit: {problems}"
            f"{other_version(provenance.version)}"
        )


def _half(path: Path, name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value.contiguous()
    half = value.to(torch.float16).contiguous()
    if not half.isfinite().all():
        raise ValueError(
            f"{path}: not written: tensor {name} has values that fp16 cannot hold, up to {value.abs().max().item():g} "
            f"(limit {torch.finfo(torch.float16).max:g}); the training went astray"
        )
    return half
