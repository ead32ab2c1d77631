"""Downloads that resume, are verified, and appear as a whole folder or not at all."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from vsreid_lite.system.downloads import fetch, file_hash
from vsreid_lite.system.files import ADVICE, writable_folder


@dataclass(frozen=True)
class Archive:
    """A zip file to download. checksum: "sha256:…" or "md5:…"; None where nobody published one."""

    name: str  # also of the folder it becomes
    sources: tuple[str, ...]  # tried in this order
    checksum: str | None
    size: str  # for people

    @property
    def file(self) -> str:
        """The name of the zip file."""
        return urlsplit(self.sources[0]).path.rsplit("/", 1)[-1]


OFFICIAL = "https://data.vision.ee.ethz.ch/csergi/share/davis"
OLDER = "https://data.vision.ee.ethz.ch/jpont/davis"  # the address of the organisers' first scripts
TRAINVAL = Archive(
    "davis-2017-trainval-480p",
    (f"{OFFICIAL}/DAVIS-2017-trainval-480p.zip", f"{OLDER}/DAVIS-2017-trainval-480p.zip"),
    "sha256:e3d0b5b77c3d031b000a19e0e25e3e2cac65d183755601bc2cf066df1a2aa492",  # as TensorFlow Datasets lists it
    "0.8 GB",
)
TEST_DEV = Archive(
    "davis-2017-test-dev-480p",
    (f"{OFFICIAL}/DAVIS-2017-test-dev-480p.zip", f"{OLDER}/DAVIS-2017-test-dev-480p.zip"),
    None,
    "0.3 GB",
)
DAVIS_2016 = Archive(
    "davis-2016",
    ("https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip", f"{OFFICIAL}/DAVIS-data.zip"),
    "md5:464ebb594dcbc34e012487f4cd0f8213",  # from the organisers' own script, data/get_davis.sh of davis-2017
    "1.9 GB",
)
ARCHIVES = {archive.name: archive for archive in (TRAINVAL, TEST_DEV, DAVIS_2016)} | {"davis-2017": TRAINVAL}


def download(name: str, destination: Path | str) -> Path:
    """The folder of data set `name` under `destination`, downloaded and unpacked unless it is there already.

    An interrupted download goes on where it stopped.

    Raises:
        FileNotFoundError: No source answers; says how to do it by hand.
        OSError: The disk refuses.
        ValueError: There is no such data set, or a file is not the published one.
    """
    if name not in ARCHIVES:
        raise ValueError(f"expected a data set among {', '.join(sorted(ARCHIVES))}, found {name}")
    return fetch_archive(ARCHIVES[name], destination)


def fetch_archive(archive: Archive, destination: Path | str) -> Path:
    """As `download`, for any archive. A zip file put by hand into `destination` is verified, used and kept."""
    folder, file = Path(destination, archive.name), Path(destination, archive.file)
    if folder.is_dir():
        return folder
    writable_folder(destination)
    if file.is_file():
        _verify(file, archive)
        unpack(file, folder)
        return folder
    _fetch_verified(archive, file)
    try:
        unpack(file, folder)
    except ValueError:
        file.unlink()
        raise
    file.unlink()  # after Ctrl-C or on a full disk it stays instead, for the next run
    return folder


def unpack(file: Path, folder: Path) -> None:
    """Unpack a zip file as `folder`, whole or not at all.

    Raises:
        OSError: The disk refuses.
        ValueError: The file is damaged, or members would lie outside `folder`.
    """
    from tqdm.auto import tqdm  # the names above are read where nothing is installed

    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive, file)
            for member in tqdm(archive.infolist(), desc=f"unpack {file.name}", unit="file", leave=False):
                archive.extract(member, temporary)
        temporary.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(
            f"{file}: expected a zip file, found a damaged one ({error}); delete it and try again"
        ) from error
    except OSError as error:
        raise OSError(f"cannot unpack into {folder}: {error.strerror or error}; {ADVICE}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fetch_verified(archive: Archive, file: Path) -> None:
    part = file.with_name(f"{file.name}.part")
    failures = []
    for source in archive.sources:
        try:
            fetch(source, part)
            _verify(part, archive)
        except (ConnectionError, FileNotFoundError) as error:
            failures.append(str(error))
        except ValueError as error:  # another source, or another run, starts anew
            part.unlink()
            failures.append(f"{source}: {error}")
        else:
            part.replace(file)
            return
    raise FileNotFoundError(
        f"{file}: expected {archive.name} from one of its sources, found none ({'; '.join(failures)}). Run the "
        f"command again to resume; or get {archive.file} ({archive.size}) elsewhere, put the file here: {file}, "
        "and run it again"
    )


def _verify(file: Path, archive: Archive) -> None:
    if archive.checksum is None:
        found = file_hash(file)
        print(f"{archive.file}: not verified, no checksum is published for it; sha256:{found}")
        return
    algorithm = archive.checksum.split(":")[0]
    found = f"{algorithm}:{file_hash(file, algorithm)}"
    if found != archive.checksum:
        raise ValueError(
            f"{file}: expected checksum {archive.checksum}, found {found}; delete the file and get it again"
        )


def _check_members(archive: zipfile.ZipFile, file: Path) -> None:
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in member.filename or link:
            raise ValueError(
                f"{file}: expected files inside the data set's folder, found {member.filename!r}; not unpacked"
            )
