"""Files written whole or not at all, a temporary name beside the target and then a rename; and their fingerprints."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

PACKAGE = Path(__file__).parents[1]
ADVICE = "check that the folder may be written and that the disk is not full"


def shipped(name: str) -> Path:
    """A folder or a file that comes with the package.

    Args:
        name: its path in the repository, such as "data", "docs", "notebooks" or "README.md".

    Returns:
        Its path inside the installed package, or in a checkout that below the top of the repository.
    """
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name


MINI = shipped("data") / "mini"  # the frozen test split
STREET = shipped("data") / "street"  # a real clip of people
PAPER_DATA = shipped("data") / "paper"  # the tables that the paper prints
TRAINING_LOGS = shipped("data") / "training"  # of the shipped weights


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`: what the body writes there becomes `path` when the body ends without error.

    Missing folders are made. On any error, Ctrl-C included, the temporary file goes and an older `path` stays.

    Raises:
        OSError: the system refuses (rights, full disk, a folder there); one line that names `path`.
    """
    path = Path(path)
    name = f"{path.name[:40]}.{zlib.crc32(os.fsencode(path.name)):08x}"  # a name may be as long as the system allows
    temporary = path.with_name(f".{name}.{os.getpid()}-{token_hex(3)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}; {ADVICE}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` atomically as UTF-8 with plain line feeds.

    Bytes of a file name that are no UTF-8 become escapes, which JSON reads back as they were.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path | str, data: object) -> None:
    """Write `data` atomically as indented JSON.

    Raises:
        OSError: as `atomic_path`.
        ValueError: NaN or infinity, which JSON has no word for.
    """
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """To sort files by: numbers in their names count as numbers, so that "2.jpg" comes before "10.jpg"."""
    parts = [part for part in re.split(r"(\d+)", path.stem) if part]
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def visible_files(folder: Path) -> list[Path]:
    """What lies in a folder, in natural order, without hidden entries and those that macOS puts into archives."""
    return sorted((p for p in folder.iterdir() if p.name[0] != "." and p.name != "__MACOSX"), key=natural_key)


def fingerprint(files: Iterable[Path]) -> str:
    """Changes with the names and the content of files, and not with where they lie."""
    digests = (f"{file.name} {_digest(file)}\n" for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def code_of(package: Path) -> list[Path]:
    """The code of a package, with the stubs that its facades import by."""
    return sorted([*package.rglob("*.py"), *package.rglob("*.pyi")])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def writable_folder(path: Path | str) -> Path:
    """The folder `path`, made if it is missing, after a trial file: fails before a long run and not after it.

    Raises:
        OSError: it cannot be made or written; one line that names it.
    """
    path = Path(path)
    with cannot_write_into(path):
        path.mkdir(parents=True, exist_ok=True)
        write_trial(path)
    return path


def write_trial(folder: Path) -> None:
    """Write a file into a folder and remove it again. Raises OSError where that is refused."""
    trial = folder / f".{os.getpid()}-{token_hex(3)}.trial.part"  # machines may share a folder, and a number
    trial.touch()
    trial.unlink()


@contextmanager
def cannot_write_into(folder: Path, place: str = "") -> Iterator[None]:
    """An OSError of the body in one line that names the folder. place: what to add to its name."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write into the folder {folder}{place}: {error.strerror or error}; {ADVICE}") from error
