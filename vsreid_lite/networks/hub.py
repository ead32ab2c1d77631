"""Weights that torchvision publishes: from torch's hub folder, or fetched into it, never without a word."""

from __future__ import annotations

import sys
from pathlib import Path

import pooch
from torch import nn

from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint
from vsreid_lite.networks.weight_files import hub_file
from vsreid_lite.system.downloads import fetch
from vsreid_lite.system.files import writable_folder


def hub_weights(url: str) -> Path:
    """The file of `url` in torch's hub folder; fetched into it, with a line on stderr, where it is missing.

    The file's name ends with the beginning of its SHA-256, which is checked. Raises FileNotFoundError that says which
    file to put where when the network does not give it, OSError that says so when the folder may not be written.
    """
    file = hub_file(url)
    if file.is_file():
        return file
    try:
        part = writable_folder(file.parent) / f"{file.name}.part"
    except OSError as error:
        raise OSError(f"{error}; or get {file.name} from {url} and have it put there") from error
    print(f"{file.name} is not in {file.parent}: fetching it from {url}", file=sys.stderr)
    try:
        fetch(url, part)
        _verify(part, file)
    except (ConnectionError, FileNotFoundError, ValueError) as error:
        raise FileNotFoundError(
            f"{file}: expected the weights of {url}, could not fetch them ({error}); get {file.name} where there is a "
            "network and put it there"
        ) from error
    part.replace(file)
    return file


def load_imagenet(backbone: nn.Module, url: str, file: Path | str | None = None) -> None:
    """Fill a torchvision ResNet without its `fc` with a classifier's weights: those of `file`, else of `url`.

    Raises FileNotFoundError and OSError as `hub_weights`, ValueError as `read_checkpoint` and `load_tensors`.
    """
    path = hub_weights(url) if file is None else Path(file)
    tensors = {name: value for name, value in read_checkpoint(path).items() if not name.startswith("fc.")}
    load_tensors(backbone, tensors, path)


def _verify(part: Path, file: Path) -> None:
    expected, found = file.stem.rsplit("-", 1)[-1], pooch.file_hash(str(part), alg="sha256")
    if not found.startswith(expected):
        part.unlink()
        raise ValueError(f"expected a SHA-256 that begins with {expected}, found {found}")
