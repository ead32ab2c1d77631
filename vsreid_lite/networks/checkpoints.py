"""Tensors in files: our own weights, fp16 with their provenance, and checkpoints of others, of which nothing is run."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from vsreid_lite.networks.weight_files import Provenance, opened, other_version, read_provenance
from vsreid_lite.system.downloads import hub_weights
from vsreid_lite.system.files import write_bytes

LISTED = 10  # tensors that an error names
LONGEST_NAME = 300  # letters of a module and a name in a pickle
COUNTER = "num_batches_tracked"  # of a normalisation layer; torch before 0.4.1 wrote none
OLDEST_REFUSED = 4  # protocol of pickles from which on torch cannot read them without running them
TENSOR_MODULES = ("torch", "torch._utils", "torch.storage", "torch.nn.parameter", "collections", "_codecs")
SCALAR = np.float64(0).__reduce__()[0]  # numpy's function that makes a number from its pickle
# What numbers such as 'epoch' and 'best_EPE' are made of; files name the function by its address, which has moved.
NUMPY_NUMBERS: list[Any] = [
    *((SCALAR, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")),
    np.dtype,
    *{type(np.dtype(name)) for name in ("bool", "int32", "int64", "uint8", "float32", "float64")},
]


def save_weights(path: Path, network: nn.Module, provenance: Provenance) -> None:
    """Write a network's tensors as fp16, atomically.

    Raises:
        OSError: The file cannot be written.
        ValueError: fp16 cannot hold a tensor.
    """
    tensors = {name: _half(path, name, value) for name, value in network.state_dict().items()}
    write_bytes(path, save(tensors, {"provenance": json.dumps(asdict(provenance))}))


def store_settings(path: Path, output: Path, settings: Mapping[str, Any]) -> Provenance:
    """Write a weight file once more with other settings in its header, atomically; its tensors stay, bit for bit.

    Args:
        path: The weight file.
        output: The file to write, which may be the same.
        settings: The settings, in place of those that are there.

    Returns:
        The provenance with the settings.

    Raises:
        FileNotFoundError: There is no such weight file.
        OSError: `output` cannot be written.
        ValueError: The weight file is damaged or of another kind.
    """
    provenance, tensors = _read_weights(path)
    provenance = replace(provenance, settings=dict(settings))
    write_bytes(output, save(tensors, {"provenance": json.dumps(asdict(provenance))}))
    return provenance


def load_weights(path: Path, network: nn.Module) -> Provenance:
    """Fill `network` from a weight file and return the file's provenance.

    Raises:
        FileNotFoundError: There is no such weight file.
        ValueError: The file is damaged, of another kind, or does not fit: ten tensors are named which are missing,
            unknown or misshaped. The network is then as it was.
    """
    provenance, tensors = _read_weights(path)
    expected = network.state_dict()
    if problems := misfits(expected, tensors):
        raise ValueError(
            f"{path}: its tensors, of network {provenance.network}, do not fit: {problems}"
            f"{other_version(provenance.version)}"
        )
    network.load_state_dict({name: tensors[name].to(value.dtype) for name, value in expected.items()})
    return provenance


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a pickle by `torch.save`, on the CPU, by their names in the network.

    The pickle holds the tensors, or a dict with them under "state_dict"; its other entries are dropped, and so is the
    prefix "module." where every name has it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, would run code, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a checkpoint (.pth, .pth.tar, .pt or .safetensors), found no such file"
        )
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
    tensors = _tensors(
        content["state_dict"] if isinstance(content, dict) and "state_dict" in content else content, path
    )
    while all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return {name: value.detach() for name, value in tensors.items()}


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], path: Path | str) -> None:
    """Fill a module with tensors, in its own precision.

    A module on the meta device takes the tensors themselves, so that no second copy lies in memory. The counters of
    normalisation layers may be missing all together.

    Args:
        module: The module.
        tensors: The tensors, by their names in the module.
        path: The file that they come from, for the error.

    Raises:
        ValueError: Ten tensors which are missing, unknown or misshaped; the module is then as it was.
    """
    expected = module.state_dict()
    if not any(name.endswith(COUNTER) for name in tensors):
        zero = {
            name: torch.zeros_like(value, device="cpu") for name, value in expected.items() if name.endswith(COUNTER)
        }
        tensors = {**tensors, **zero}
    if problems := misfits(expected, tensors):
        raise ValueError(f"{path}: its tensors do not fit {type(module).__name__}: {problems}; nothing was changed")
    values = {name: tensors[name].to(value.dtype) for name, value in expected.items()}
    module.load_state_dict(values, assign=any(value.is_meta for value in expected.values()))


def load_resnet(backbone: nn.Module, url: str, file: Path | str | None = None) -> None:
    """Fill a torchvision ResNet without its `fc` with a classifier's weights.

    Args:
        backbone: The ResNet.
        url: The weights that torchvision publishes, as `hub_weights` gives them.
        file: A file of such weights instead.

    Raises:
        FileNotFoundError: The weights are not there and cannot be fetched.
        OSError: torch's hub folder may not be written.
        ValueError: The file is damaged or does not fit.
    """
    path = hub_weights(url) if file is None else Path(file)
    tensors = {name: value for name, value in read_checkpoint(path).items() if not name.startswith("fc.")}
    load_tensors(backbone, tensors, path)


def misfits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps `found` from filling `expected`: ten missing, unknown and misshaped tensors, or "".

    Of each kind the first ones come in turn, so that many of one kind do not hide another.
    """
    kinds = (
        [f"{name} is missing" for name in expected if name not in found],
        [f"{name} is unknown" for name in found if name not in expected],
        [
            f"{name} has shape {tuple(found[name].shape)} instead of {tuple(value.shape)}"
            for name, value in expected.items()
            if name in found and found[name].shape != value.shape
        ],
    )
    problems = [problem for turn in zip_longest(*kinds) for problem in turn if problem]
    more = f" and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
    return "; ".join(problems[:LISTED]) + more


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


def _read_weights(path: Path) -> tuple[Provenance, dict[str, Tensor]]:
    return read_provenance(path), _read_safetensors(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_pickle(path: Path, content: bytes | None = None) -> Any:
    """What a file of torch.save holds: tensors, numbers and texts, on the CPU. Nothing in it is run.

    Args:
        path: The file, which errors name.
        content: What torch.save has written, where it is a part of the file.

    Raises:
        ValueError: The file is damaged, or would run code.
    """
    file: Path | io.BytesIO = path if content is None else io.BytesIO(content)
    try:
        if any(kind == "GLOBAL" and len(name) > LONGEST_NAME for kind, name in _instructions(path, content)):
            raise EOFError  # torch's error handling takes minutes for very long names
        with torch.serialization.safe_globals(NUMPY_NUMBERS):
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        if isinstance(error, pickle.UnpicklingError) and (found := _unreadable(path, content)):
            raise ValueError(
                f"{path}: refused, expected tensors alone, found a pickle {found}; where you trust it, keep its "
                "tensors only, with torch.save({'state_dict': ...}) in the program that made it"
            ) from error
        raise ValueError(
            f"{path}: expected a whole checkpoint of torch.save, found a truncated, damaged or other file "
            f"({type(error).__name__}); get it again"
        ) from error


def _unreadable(path: Path, content: bytes | None) -> str:
    """Why torch has refused a pickle: its protocol, or what it would run; "" where the file is damaged."""
    allowed = {name for _, name in NUMPY_NUMBERS[:2]} | {f"{x.__module__}.{x.__name__}" for x in NUMPY_NUMBERS[2:]}
    for instruction, argument in _instructions(path, content):
        if instruction == "PROTO" and argument >= OLDEST_REFUSED:
            return "of protocol 4 or later, which torch cannot read without running it"
        if instruction == "GLOBAL":
            module, _, name = argument.partition(" ")
            if module not in TENSOR_MODULES and f"{module}.{name}" not in allowed:
                return f"that would run {module}.{name}"
    return ""


def _instructions(path: Path, content: bytes | None) -> Iterator[tuple[str, Any]]:
    """The instructions of a file of pickles, or of that in the archive that torch.save writes, up to the first fault.

    They are read, and not run.
    """
    try:
        with path.open("rb") if content is None else io.BufferedReader(io.BytesIO(content)) as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
                    yield from ((code.name, argument) for code, argument, _ in pickletools.genops(archive.read(name)))
                return
            file.seek(0)
            while file.peek(1):
                yield from ((code.name, argument) for code, argument, _ in pickletools.genops(file))
    except Exception:  # as in `read_pickle`
        return


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    """`content`, when it is a dict of tensors by name, and a ValueError otherwise."""
    if not isinstance(content, dict) or not content:
        found = "an empty one" if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: expected a dict of tensors, or one under 'state_dict', found {found}")
    others = [
        repr(name) for name, value in content.items() if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if others:
        more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
        raise ValueError(f"{path}: expected tensors by name, found other entries: {', '.join(others[:LISTED])}{more}")
    return content
