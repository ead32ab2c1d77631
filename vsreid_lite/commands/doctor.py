"""What works here: `vsreid doctor`. It leaves no trace.

Only Python's own modules are imported at the top: this file must run where the rest cannot.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vsreid_lite import __version__
from vsreid_lite.config import Config
from vsreid_lite.system.files import MINI, PACKAGE
from vsreid_lite.system.machine import (
    MINI_FRAMES,
    MINI_SEQUENCES,
    NEEDED,
    OPTIONAL,
    Finding,
    available_cores,
    gpu,
    memory,
    mini_problem,
    one_line,
    optional_package,
    package,
    python,
)
from vsreid_lite.system.wording import counted

DOWNLOADS = Path("data/downloads")


def examine() -> Iterator[Finding]:
    """Every finding, as soon as it is known. Raises nothing for what is missing or damaged."""
    yield python()
    yield Finding("vsreid_lite", True, f"{__version__}, {PACKAGE}")
    yield from map(package, NEEDED)
    yield Finding("cores", True, str(available_cores()))
    yield memory()
    yield gpu()
    problem = mini_problem(MINI)
    yield Finding("data mini", not problem, problem or f"{MINI_SEQUENCES} sequences of {MINI_FRAMES} frames")
    yield _davis()
    yield from _weights()
    yield from map(optional_package, OPTIONAL)
    yield results_folder()


def results_folder() -> Finding:
    """Whether results may be written where commands put them unasked."""
    here = Path.cwd()
    writable = os.access(here, os.W_OK)
    advice = f"{here} may not be written; start elsewhere, or give --output"
    return Finding("results", writable, f"go to {here / 'runs'}" if writable else advice, needed=False)


def _davis() -> Finding:
    """DAVIS at DAVIS_ROOT, or where `vsreid download` puts it."""
    chosen = os.environ.get("DAVIS_ROOT")
    root = Path(chosen or DOWNLOADS)
    found = next((folder for depth in ("", "*/", "*/*/") for folder in root.glob(f"{depth}JPEGImages/480p")), None)
    if found is not None:
        return Finding(
            "data DAVIS", True, f"{counted(sum(1 for _ in found.iterdir()), 'sequence')} in {found}", needed=False
        )
    advice = f"{root} has no JPEGImages/480p" if chosen else "not needed for mini"
    get = "set DAVIS_ROOT to its folder, or run `vsreid download davis-2016` or `davis-2017`"
    return Finding("data DAVIS", False, f"{advice}; {get}", needed=False)


def _weights() -> Iterator[Finding]:
    """Every file of the shipped sets, and whether the default networks load from theirs."""
    try:
        from vsreid_lite.networks.loading import load_networks
        from vsreid_lite.networks.weight_files import WEIGHT_SETS, examine_weights, weight_files
    except Exception as error:
        yield Finding("weights", False, f"cannot be read before the packages above work ({one_line(error)})")
        return
    for weights in WEIGHT_SETS:
        files = weight_files(weights)
        needed = files.used(Config())  # of the notebooks, and of `vsreid segment`
        for part, file in vars(files).items():
            yield examine_weights(f"{weights}-{part}", file, part in needed)
    try:
        load_networks(Config(device="cpu"))
        yield Finding("networks", True, f"{Config().weights} loads")
    except (OSError, ValueError) as error:
        yield Finding("networks", False, one_line(error))
