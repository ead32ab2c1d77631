"""Weight files: fp16 safetensors with their provenance in the header; and the release's, a pickle of tensors alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vsreid_lite import __version__
from vsreid_lite.files import write_bytes
from vsreid_lite.models.authors import load_authors_checkpoint as load_authors_checkpoint
from vsreid_lite.models.checkpoints import misfits

OPTIONAL = ("settings", "start", "start_steps")  # of a header: what the first files did not have
LISTS = ("sequences", "start", "start_steps")  # tuples that JSON has made lists of
SHIPPED = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True)
class Provenance:
    """What a weight file was made from: enough to make it again, and to know what it must not be tested on."""

    network: str  # "rgb", "two streams", "detector" or "identification"; "paper ..." at the paper's sizes
    data: str
    command: str  # of the last stage
    seed: int
    steps: int
    version: str = __version__
    sequences: tuple[str, ...] = ()  # the real sequences it has seen
    settings: Mapping[str, Any] = field(default_factory=dict)  # chosen on mini-val: thresholds, scales, adaptation
    start: tuple[str, ...] = ()  # the commands of the stages before it, the first one first,
    start_steps: tuple[int, ...] = ()  # and the steps of each


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
    with _opened(path) as file:
        provenance = replace(_provenance(path, file.metadata()), settings=dict(settings))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    write_bytes(output, save(tensors, {"provenance": json.dumps(asdict(provenance))}))
    return provenance


def load_weights(path: Path, network: nn.Module) -> Provenance:
    """Fill `network` from a weight file and return the file's provenance.

    Raises FileNotFoundError; ValueError for a file that is damaged or of another kind, and for one that does not fit,
    with ten tensors which are missing, unknown or misshaped. The network is then as it was.
    """
    with _opened(path) as file:
        provenance = _provenance(path, file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _check(path, provenance, network.state_dict(), tensors)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    return provenance


def read_provenance(path: Path) -> Provenance:
    """The header of a weight file. Raises FileNotFoundError and ValueError as `load_weights` does."""
    with _opened(path) as file:
        return _provenance(path, file.metadata())


def find_provenance(path: Path) -> Provenance | None:
    """The header of a weight file; None for a file of others. Raises ValueError for a damaged header."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):  # of another kind, or damaged, which is said when it is loaded
        return None
    return _provenance(path, metadata) if "provenance" in metadata else None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(f"{path}: no such weight file; shipped are {shipped}")
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a whole safetensors file, found a truncated, damaged or other one ({error}); "
            "get it again, or make it again with `vsreid train`"
        ) from error


def _provenance(path: Path, metadata: Mapping[str, str] | None) -> Provenance:
    if "provenance" not in (metadata or {}):
        raise ValueError(f"{path}: expected a weight file of vsreid_lite, found no provenance in its header")
    try:
        values = dict(json.loads((metadata or {})["provenance"]))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a provenance as a JSON object in its header, found {error}") from error
    known = {part.name for part in fields(Provenance)}
    problems = [f"no {name}" for name in sorted(known - values.keys() - set(OPTIONAL))]
    problems += [f"{name}, which is unknown" for name in sorted(values.keys() - known)]
    if problems:
        version = _other_version(values.get("version"))
        raise ValueError(f"{path}: expected {len(known)} fields of provenance, found {'; '.join(problems)}{version}")
    return Provenance(**{**values, **{name: tuple(values.get(name, ())) for name in LISTS}})


def _check(path: Path, provenance: Provenance, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    if problems := misfits(expected, found):
        raise ValueError(
            f"{path}: its tensors, of network {provenance.network}, do not fit: {problems}"
            f"{_other_version(provenance.version)}"
        )


def _other_version(version: object) -> str:
    """A hint where the file comes from another version of this package."""
    if version == __version__:
        return ""
    return f"; the file was written by vsreid_lite {version or 'of an unknown version'}, this is {__version__}"


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
