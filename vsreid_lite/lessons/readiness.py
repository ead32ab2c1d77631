"""`ready`, the first cell of a notebook: one line that all it needs is there, or one line of what to run.

Only Python's own modules are imported at the top: this file must run where the rest cannot.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsreid_lite import __version__
from vsreid_lite.config import Config
from vsreid_lite.system.files import MINI
from vsreid_lite.system.machine import INSTALL, NEEDED, OPTIONAL, mini_problem, package, release

if TYPE_CHECKING:
    from vsreid_lite.video.masks import Frame

PROFILES = ("quick", "full")  # of a notebook
CLIP = "exit-and-return"  # of mini: the clip of notebook 10 where it is given none
INJECTED = "# Parameters\n"  # how papermill begins the cell that it puts behind the parameters of a notebook


class NotReady(ValueError):
    """What a notebook lacks, and what to run. Notebooks show the line alone, without the calls that led to it."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not ready: {self}"]


def ready(parameters: Mapping[str, Any], needs: str) -> None:
    """Print one line where all is there that a notebook needs; a second line where changes to it cannot be saved.

    Args:
        parameters: the names of the notebook, `globals()`, of which these are read: `profile`; `dataset` and `root`,
            its folder, "" for mini's own or the environment's DAVIS_ROOT; `sequence`; `weights`; `device`; `figures`,
            the folder of the notebook's pictures, "" for none; and `In`, the cells that were run.
        needs: the oldest version of vsreid_lite that the notebook runs on.

    Raises:
        NotReady: something is missing or cannot be; one line says what, and what to run.
    """
    problems = [_outdated(needs), _unknown_parameters(parameters.get("In", ()))]
    problems += [f"{one.subject}: {one.text}" for one in map(package, NEEDED) if not one.ok]
    if not any(problems):
        problems = [*_lacking(parameters)]
    if any(problems):
        raise NotReady("; and ".join(filter(None, problems)))
    print("ready: data {dataset}, weights {weights}, device {device}".format_map(parameters))
    here = Path.cwd()
    notebook = here / os.environ.get("JPY_SESSION_NAME", "")  # JupyterLab's word for it
    if not all(os.access(place, os.W_OK) for place in (here, notebook) if place.exists()):
        copy = shlex.quote(str(Path.home() / f"copy of {here.name}"))
        copying = f"cp -r {shlex.quote(str(here))} {copy} && chmod -R u+w {copy}"
        print(f"{here} is read-only: changes here are not saved; to keep them, work in a copy: {copying}")


def own_frames(clip: str, first_mask: str) -> list[Frame]:
    """The frames of the clip that a notebook is given.

    Args:
        clip: a video file or a folder of frames; "" for mini's own clip.
        first_mask: the file of the clip's first mask; "" where there is none yet.

    Returns:
        Frames (H, W, 3); none where `clip` is "".

    Raises:
        NotReady: the clip cannot be read, the mask does not fit it, or PyAV is missing.
    """
    if not clip and not first_mask:
        return []
    from vsreid_lite.video.video import load_frames, load_video

    video_ready()
    source = clip or MINI / "JPEGImages" / "480p" / CLIP
    try:
        frames = load_video(source, first_mask).frames if first_mask else load_frames(source)
    except (OSError, ValueError) as error:
        raise NotReady(str(error)) from error
    return list(frames) if clip else []


def video_ready() -> None:
    """Raises NotReady where a notebook can write no video."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise NotReady(f"PyAV is not installed, which is needed for {OPTIONAL['av']}") from None


def _outdated(needs: str) -> str:
    if release(__version__) >= release(needs):
        return ""
    return f"this notebook needs vsreid_lite {needs} or newer, here is {__version__}; update it and {INSTALL}"


def _unknown_parameters(cells: Sequence[str]) -> str:
    """Those that papermill was given and the notebook does not have; papermill itself only warns."""
    known: list[str] = []
    given: list[str] = []  # by the last injected cell; an earlier one may have been mended
    for cell in cells:
        named = re.findall(r"^(\w+) *=", cell, re.MULTILINE)
        if cell.startswith(INJECTED):
            given = named
        elif "profile" in named:
            known = named
    unknown = sorted(set(given) - set(known)) if known else []
    return f"no parameter of this notebook: {', '.join(unknown)}; it has {', '.join(known)}" if unknown else ""


def _lacking(parameters: Mapping[str, Any]) -> Iterator[str]:
    from vsreid_lite.networks.loading import choose_device
    from vsreid_lite.video.outputs import check_folder

    profile, figures = parameters["profile"], parameters["figures"]
    try:
        choose_device(parameters["device"])
    except ValueError as error:
        yield f'{error} (in a notebook: device = "cpu")'
    yield "" if profile in PROFILES else f"profile {profile!r}: expected {' or '.join(PROFILES)}"
    yield _data_problem(parameters["dataset"], parameters["root"], parameters["sequence"])
    yield _weights_problem(parameters["weights"])
    try:
        if figures:
            check_folder(Path(figures))
    except OSError as error:
        yield f'{error} (or write no pictures: figures = "")'


def _data_problem(dataset: str, root: str, sequence: str) -> str:
    from vsreid_lite.datasets import DATASETS
    from vsreid_lite.datasets.benchmarks import open_benchmark

    if dataset not in DATASETS:
        return f"dataset {dataset!r}: expected one of {', '.join(DATASETS)}"
    if dataset == "mini" and not root and (problem := mini_problem(MINI)):
        return problem
    if dataset != "mini" and not (root or os.environ.get("DAVIS_ROOT")):
        year = 2017 if dataset == "davis-2017" else 2016
        return (
            f"dataset {dataset!r}: set root, or DAVIS_ROOT, to the folder of DAVIS {year}, or run `vsreid download "
            f"davis-{year}` first"
        )
    try:
        open_benchmark(dataset, Path(root) if root else None, (sequence,))
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _weights_problem(weights: str) -> str:
    from vsreid_lite.networks.weight_files import examine_weights, weight_files

    try:
        needed = weight_files(weights).used(Config())
    except FileNotFoundError as error:
        return str(error)
    found = (examine_weights(f"{weights}-{part}", file) for part, file in needed.items())
    return next((f"{finding.subject}: {finding.text}" for finding in found if not finding.ok), "")
