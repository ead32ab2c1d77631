"""`ready`, the first cell of a notebook: one line that all it needs is there, or one line of what to run.

Only Python's own modules are imported at the top: this file must run where the rest cannot.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vsreid_lite import __version__
from vsreid_lite.config import Config
from vsreid_lite.system.files import MINI
from vsreid_lite.system.machine import (
    INSTALL,
    NEEDED,
    OPTIONAL,
    Finding,
    one_line,
    package,
    release,
)
from vsreid_lite.system.wording import counted

if TYPE_CHECKING:
    from vsreid_lite.video.masks import Frame

SEQUENCES, FRAMES = 12, 40  # of the frozen test split of mini, and of each of its sequences
PROFILES = ("quick", "full")  # of a notebook
CLIP = "scale-change"  # of mini: the clip of notebook 10 where it is given none
INJECTED = "# Parameters\n"  # how papermill begins the cell that it puts behind the parameters of a notebook


class NotReady(ValueError):
    """What a notebook lacks, and what to run. Notebooks show the line alone, without the calls that led to it."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not ready: {self}"]


def ready(
    dataset: str,
    weights: str,
    device: str,
    root: str = "",
    figures: str = "",
    sequence: str | None = None,
    profile: str = PROFILES[0],
    version: str = "",
) -> None:
    """The first cell of a notebook: one printed line where all is there, else NotReady with one line of what to run.

    dataset to profile: the notebook's parameters; root: the folder of `dataset`, "" for mini's own; figures: where its
    pictures go, "" for nowhere; sequence: None for a notebook without one. version: the oldest vsreid_lite that the
    notebook runs on; each notebook holds its own, as a library cannot know what was written for a later one. Where
    changes cannot be saved, a second line says so.
    """
    problems = [_outdated(version), _unknown_parameters()]
    problems += [f"{one.subject}: {one.text}" for one in map(package, NEEDED) if not one.ok]
    if not any(problems):
        problems = [*_lacking(dataset, weights, device, root, figures, sequence, profile)]
    if any(problems):
        raise NotReady("; and ".join(filter(None, problems)))
    print(f"ready: data {dataset}, weights {weights}, device {device}")
    here = Path.cwd()
    notebook = here / os.environ.get("JPY_SESSION_NAME", "")  # JupyterLab's word for it
    if not all(os.access(place, os.W_OK) for place in (here, notebook) if place.exists()):
        copy = shlex.quote(str(Path.home() / f"copy of {here.name}"))
        copying = f"cp -r {shlex.quote(str(here))} {copy} && chmod -R u+w {copy}"
        print(f"{here} is read-only: changes here are not saved; to keep them, work in a copy: {copying}")


def own_frames(clip: str, first_mask: str) -> list[Frame]:
    """The frames (H, W, 3) of the clip that a notebook is given, none where `clip` is "".

    Raises NotReady with one line where the clip cannot be read, the mask does not fit it, or PyAV is missing.
    first_mask: the file of the clip's first mask, without a clip that of mini's; "" where there is none yet.
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


def _outdated(version: str) -> str:
    if release(__version__) >= release(version):
        return ""
    return f"this notebook needs vsreid_lite {version} or newer, here is {__version__}; update it and {INSTALL}"


def _unknown_parameters() -> str:
    """Those that papermill was given and the notebook does not have; papermill itself only warns."""
    from IPython import get_ipython

    shell = get_ipython()
    known: list[str] = []
    given: list[str] = []  # by the last injected cell; an earlier one may have been mended
    for cell in shell.user_ns.get("In", []) if shell else []:
        named = re.findall(r"^(\w+) *=", cell, re.MULTILINE)
        if cell.startswith(INJECTED):
            given = named
        elif "profile" in named:
            known = named
    unknown = sorted(set(given) - set(known)) if known else []
    return f"no parameter of this notebook: {', '.join(unknown)}; it has {', '.join(known)}" if unknown else ""


def _lacking(
    dataset: str, weights: str, device: str, root: str, figures: str, sequence: str | None, profile: str
) -> Iterator[str]:
    from vsreid_lite.networks.loading import choose_device
    from vsreid_lite.video.outputs import check_folder

    try:
        choose_device(device)
    except ValueError as error:
        yield f'{error} (in a notebook: device = "cpu")'
    yield "" if profile in PROFILES else f"profile {profile!r}: expected {' or '.join(PROFILES)}"
    yield _data_problem(dataset, root, sequence)
    yield _weights_problem(weights)
    try:
        if figures:
            check_folder(Path(figures))
    except OSError as error:
        yield f'{error} (or write no pictures: figures = "")'


def _data_problem(dataset: str, root: str, sequence: str | None) -> str:
    from vsreid_lite.datasets.benchmarks import DATASETS, open_benchmark

    if dataset not in DATASETS:
        return f"dataset {dataset!r}: expected one of {', '.join(DATASETS)}"
    if dataset == "mini" and not root and (problem := mini_problem(MINI)):
        return problem
    if dataset != "mini" and not root:
        year = 2017 if dataset == "davis-2017" else 2016
        return (
            f"dataset {dataset!r}: set root to the folder of DAVIS {year}, or run `vsreid download davis-{year}` first"
        )
    try:
        open_benchmark(dataset, Path(root) if root else None, () if sequence is None else (sequence,))
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _weights_problem(weights: str) -> str:
    from vsreid_lite.networks.weight_files import weight_files

    try:
        files = weight_files(weights)
    except FileNotFoundError as error:
        return str(error)
    found = (weight_file(f"{weights}-{part}", getattr(files, part), True) for part in default_parts())
    return next((f"{finding.subject}: {finding.text}" for finding in found if not finding.ok), "")


def mini_problem(root: Path) -> str:
    """What the mini test split at `root` lacks and how to get it; empty where it is complete."""
    advice = "it comes with the repository (`git checkout -- data/mini`), or `vsreid render mini --output DIR`"
    path = root / "ImageSets" / "2017" / "test.txt"
    names = path.read_text(encoding="utf-8").split() if path.is_file() else []
    if len(names) != SEQUENCES:
        return f"{path}: expected a list of {SEQUENCES} sequences, found {len(names)}; {advice}"
    kinds = (("JPEGImages", "jpg"), ("Annotations", "png"))
    counts = {
        f"{kind}/480p/{name}": len(list((root / kind / "480p" / name).glob(f"*.{ending}")))
        for name in names
        for kind, ending in kinds
    }
    short = [place for place, count in counts.items() if count != FRAMES]
    return f"{root / short[0]}: expected {FRAMES} files, found {counts[short[0]]}; {advice}" if short else ""


def default_parts() -> tuple[str, ...]:
    """The weight files that `Config()` needs."""
    propagation = Config().propagation
    streams = "baseline" if not propagation.use_box else "propagation" if propagation.use_flow else "box"
    return (streams, "detector", "identification")


def weight_file(name: str, file: Path | None, needed: bool) -> Finding:
    """Whether a weight file is there and can be read, and what it was trained on."""
    from vsreid_lite.networks.provenance import read_provenance

    if file is None:
        return Finding(f"weights {name}", False, f"no file; {_again(name)}", needed)
    try:
        made = read_provenance(file)
    except (OSError, ValueError) as error:
        return Finding(f"weights {name}", False, f"{one_line(error)}; {_again(name)}", needed)
    seen = f"; has seen {counted(len(made.sequences), 'real sequence')}" if made.sequences else ""
    return Finding(f"weights {name}", True, f"version {made.version}, {made.steps} steps on {made.data}{seen}", needed)


def _again(name: str) -> str:
    return f"get it again (`git checkout -- vsreid_lite/weights`), or make it: vsreid train {name}"
