"""One file from the network: resumed where it was cut off, with a bar, and with one line where it cannot be had.

`torch.hub.download_url_to_file` does not resume a download that was cut off.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vsreid_lite.system.files import ADVICE, writable_folder

CHUNK = 1 << 18  # bytes read at a time
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # connections in a row that bring nothing new before a source counts as out of reach
PAUSE = 1.0  # seconds before the second of them, then twice that


def fetch(source: str, part: Path) -> None:
    """Download `source` to `part`, from where `part` ends (HTTP Range), through cuts of the connection.

    Args:
        source: The address.
        part: The file, which stays after an error, for the next run.

    Raises:
        ConnectionError: The source keeps failing.
        FileNotFoundError: The source has no such file.
        OSError: The disk refuses.
    """
    idle = 0
    while idle < ATTEMPTS:
        time.sleep(PAUSE * idle)
        before, reason = _size(part), "the connection was cut"
        try:
            if _fetch_rest(source, part):
                return
        except ConnectionError as error:
            reason = str(error)
        idle = 0 if _size(part) > before else idle + 1
    raise ConnectionError(f"{source}: {reason}")


def hub_file(url: str) -> Path:
    """Where the file of `url` lies in torch's hub folder (the environment's TORCH_HOME moves it), there or not."""
    return _hub_folder() / "checkpoints" / Path(urlsplit(url).path).name


def hub_weights(url: str) -> Path:
    """The file of `url` in torch's hub folder; fetched into it, with a line on stderr, where it is missing.

    The file's name ends with the beginning of its SHA-256, which is checked.

    Raises:
        FileNotFoundError: The network does not give the file; says which file to put where.
        OSError: The folder may not be written; says the same.
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


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _hub_folder() -> Path:
    """torch's own answer where torch is loaded, else by the rule that it documents."""
    if "torch.hub" in sys.modules:
        return Path(sys.modules["torch.hub"].get_dir())
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", Path(cache, "torch"))).expanduser() / "hub"


def _verify(part: Path, file: Path) -> None:
    expected, found = file.stem.rsplit("-", 1)[-1], file_hash(part)
    if not found.startswith(expected):
        part.unlink()
        raise ValueError(f"expected a SHA-256 that begins with {expected}, found {found}")


def _fetch_rest(source: str, part: Path) -> bool:
    """One connection, from where `part` ends. Whether the file is complete afterwards."""
    from tqdm.auto import tqdm  # the command line reads this module where nothing is installed

    start = _size(part)
    with _open(source, start) as response:
        if response.status == 416:  # nothing lies after `start`: all is there, or `part` is of another file
            complete = bool(response.headers["Content-Range"] == f"bytes */{start}")
            if not complete:
                part.unlink()
            return complete
        first, total = _extent(response)
        if first not in (0, start):
            raise ConnectionError(f"expected bytes from {start} on, the server sent them from {first} on")
        with tqdm(total=total, initial=first, desc=part.stem, unit="B", unit_scale=True, leave=False) as bar:
            _append(response, part, "ab" if first else "wb", bar)
    return total is None or _size(part) == total


def _open(source: str, start: int) -> Any:
    """The response, whether 200, 206 (a part) or 416 (no such part)."""
    from http.client import HTTPException  # here, not at every start of the command line
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        return urlopen(Request(source, headers={"Range": f"bytes={start}-"} if start else {}), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:
            return error
        message = f"{source}: HTTP status {error.code} ({error.reason})"
        raise (FileNotFoundError if error.code < 500 else ConnectionError)(message) from error
    except (OSError, HTTPException) as error:
        raise ConnectionError(str(error)) from error


def _extent(response: Any) -> tuple[int, int | None]:
    """The first byte that a response brings and the size of the whole file, where it says so."""
    partial = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+)", response.headers.get("Content-Range", ""))
    if partial:
        return int(partial[1]), int(partial[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _append(response: Any, part: Path, mode: str, bar: Any) -> None:
    try:
        with part.open(mode) as out:
            for chunk in _chunks(response):
                out.write(chunk)
                bar.update(len(chunk))
    except ConnectionError:
        raise
    except OSError as error:
        raise OSError(f"cannot write {part}: {error.strerror or error}; {ADVICE}") from error


def _chunks(response: Any) -> Iterator[bytes]:
    from http.client import HTTPException

    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise ConnectionError(str(error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
