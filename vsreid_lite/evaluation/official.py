"""The official program, davis2017-evaluation, run on the folders that our own measures score."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vsreid_lite.datasets.davis import MASKS, split_file
from vsreid_lite.evaluation.metrics import Statistics
from vsreid_lite.system.files import write_text
from vsreid_lite.system.machine import OPTIONAL

SUBSET = "val"  # the program asks for one of its own, and for a list of that name


def check_official(year: int | None) -> None:
    """Check that the official program is there and knows the convention.

    Raises:
        ValueError: it is not installed, or the year is 2016.
    """
    if year == 2016:
        raise ValueError("--official: davis2017-evaluation takes 255 as void; it goes without --year 2016")
    if find_spec("davis2017") is None:
        raise ValueError(f"davis2017-evaluation is not installed, which is needed for {OPTIONAL['davis2017']}")


def official_scores(reference: Path, predicted: Path, names: Sequence[str]) -> dict[str, Statistics]:
    """J and F as davis2017-evaluation computes them, means over instances.

    The program reads the files itself. It wants a whole DAVIS root, which is made of the true masks for the time of the
    run; frames are not looked at.

    Args:
        reference: the folder of sequence folders of indexed PNGs, the truth.
        predicted: the same of the prediction.
        names: of the sequences to score.

    Returns:
        The statistics of "J" and "F".

    Raises:
        ValueError: the program gives up, with what it says; or finds no instance.
    """
    from davis2017.evaluation import DAVISEvaluation

    said = io.StringIO()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            shutil.copytree(reference / name, root / MASKS / name)
        write_text(split_file(root, SUBSET), "".join(f"{name}\n" for name in names))
        try:
            with redirect_stdout(said):
                program = DAVISEvaluation(str(root), "semi-supervised", SUBSET, sequences=list(names), codalab=True)
                found = program.evaluate(str(predicted))
        except SystemExit as error:
            raise ValueError(f"davis2017-evaluation gave up: {said.getvalue().strip()}") from error
    if not found["J"]["M"]:
        raise ValueError("davis2017-evaluation finds no instance: 255 is void there, and in DAVIS 2016 the instance")
    return {name: Statistics(*(float(np.mean(found[name][key])) for key in "MRD")) for name in ("J", "F")}
