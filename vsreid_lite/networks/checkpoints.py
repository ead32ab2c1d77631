"""Checkpoints of others: their tensors and nothing else. A pickle is read without running what it asks to run."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

LISTED = 10  # tensors that an error names
NEWER_PICKLE = f"Unsupported operand {pickle.FRAME[0]}"  # torch's word for what protocols from 4 on begin with
COUNTER = "num_batches_tracked"  # of a normalisation layer; torch before 0.4.1 wrote none
SCALAR = np.float64(0).__reduce__()[0]  # numpy's function that makes a number from its pickle
# What numbers such as 'epoch' and 'best_EPE' are made of; files name the function by its address, which has moved.
NUMPY_NUMBERS: list[Any] = [
    *((SCALAR, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")),
    np.dtype,
    *{type(np.dtype(name)) for name in ("bool", "int32", "int64", "uint8", "float32", "float64")},
]


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a pickle by `torch.save`, on the CPU, by their names in the network.

    The pickle holds the tensors, or a dict with them under "state_dict"; its other entries are dropped, and so is the
    prefix "module." where every name has it. Raises FileNotFoundError; ValueError for a file that is damaged, that
    would run code, or that holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a checkpoint (.pth, .pth.tar, .pt or .safetensors), found no such file"
        )
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    tensors = _tensors(
        content["state_dict"] if isinstance(content, dict) and "state_dict" in content else content, path
    )
    while all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return {name: value.detach() for name, value in tensors.items()}


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], path: Path | str) -> None:
    """Fill `module` with the tensors of `path`, in the module's own precision.

    A module on the meta device takes the tensors themselves, so that no second copy lies in memory. The counters of
    normalisation layers may be missing all together. Raises ValueError with ten tensors that are missing,
    unknown or misshaped; the module is then as it was.
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


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a whole safetensors file, found a damaged or other one ({error})"
        ) from error


def _read_pickle(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        if refused := _refused(error):
            raise ValueError(
                f"{path}: refused, expected tensors alone, found a pickle {refused}; where you trust it, keep its "
                "tensors only, with torch.save({'state_dict': ...}) in the program that made it"
            ) from error
        raise ValueError(
            f"{path}: expected a whole checkpoint of torch.save, found a truncated, damaged or other file "
            f"({_reason(error)}); get it again"
        ) from error


def _refused(error: Exception) -> str:
    """What torch will not do for a pickle; empty where the file is at fault in another way."""
    if asked := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"that would run {asked[1]}"
    return "of protocol 4 or later, which torch cannot read without running it" if NEWER_PICKLE in str(error) else ""


def _reason(error: Exception) -> str:
    """What torch says is wrong, without its advice to read the file in the way that runs code."""
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    return re.split(r"\n| In PyTorch \d", text)[0]


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
