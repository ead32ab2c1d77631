"""The header of a weight file: what it was made from. Read without torch, so that a wrong file is told at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from vsreid_lite import __version__

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


def read_provenance(path: Path) -> Provenance:
    """The header of a weight file. Raises FileNotFoundError and ValueError as `load_weights` does."""
    with opened(path, "np") as file:
        return provenance_of(path, file.metadata())


def find_provenance(path: Path) -> Provenance | None:
    """The header of a weight file; None for a file of others. Raises ValueError for a damaged header."""
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):  # of another kind, or damaged, which is said when it is loaded
        return None
    return provenance_of(path, metadata) if "provenance" in metadata else None


@contextmanager
def opened(path: Path, framework: str = "pt") -> Iterator[Any]:
    """A weight file to read from. Raises FileNotFoundError, ValueError for one that is damaged or of another kind."""
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(f"{path}: no such weight file; shipped are {shipped}")
    try:
        with safe_open(path, framework) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a whole safetensors file, found a truncated, damaged or other one ({error}); "
            "get it again, or make it again with `vsreid train`"
        ) from error


def provenance_of(path: Path, metadata: Mapping[str, str] | None) -> Provenance:
    """The provenance in the metadata of a safetensors file. Raises ValueError where there is none, or another one."""
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
        version = other_version(values.get("version"))
        raise ValueError(f"{path}: expected {len(known)} fields of provenance, found {'; '.join(problems)}{version}")
    return Provenance(**{**values, **{name: tuple(values.get(name, ())) for name in LISTS}})


def other_version(version: object) -> str:
    """A hint where the file comes from another version of this package."""
    if version == __version__:
        return ""
    return f"; the file was written by vsreid_lite {version or 'of an unknown version'}, this is {__version__}"
