"""The official program beside ours: run as it documents, and refused in one line where it cannot be."""

import sys
from dataclasses import astuple

import numpy as np
import pytest

from tests.command_line import refused
from tests.evaluation import stand_in
from tests.evaluation.samples import frames, write
from vsreid_lite.commands.cli import main
from vsreid_lite.evaluation import evaluate
from vsreid_lite.evaluation.official import official_scores


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Truth and prediction of two sequences, one of them moved and lost for a while."""
    stand_in.install(monkeypatch)
    two = frames(1, 1, 0, 1, 1, 1) + frames(1, 1, 1, 1, 0, 1, label=2)[:, ::-1, ::-1]
    moved = np.roll(two, 2, axis=2)
    truth = write(tmp_path / "truth", {"a": two, "b": frames(1, 1, 1, 1)})
    return truth, write(tmp_path / "predicted", {"a": moved, "b": frames(1, 0, 1, 1)})


def test_it_gives_the_numbers_of_ours(folders):
    ours, theirs = evaluate(*folders), official_scores(*folders, ["a", "b"])
    for name, measure in (("J", ours.J), ("F", ours.F)):
        assert astuple(theirs[name]) == pytest.approx(astuple(measure), abs=1e-12)


def test_both_are_printed(folders, capsys):
    assert main(["evaluate", *map(str, folders), "--official", "--sequences", "a"]) == 0
    printed = capsys.readouterr().out.splitlines()
    ours = [line for line in printed if line.startswith(("J: ", "F: ", "global-mean "))]
    assert printed[-3:] == [f"official {line}" for line in ours]


def test_where_it_is_not_installed_one_line_says_how(folders, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "davis2017", None)
    said = refused(capfd, "evaluate", *folders, "--official")
    assert "davis2017-evaluation is not installed" in said and "pip install 'davis2017 @ git+https://" in said


def test_what_it_cannot_score_is_said(folders, tmp_path, capfd):
    assert "it goes without --year 2016" in refused(capfd, "evaluate", *folders, "--official", "--year", "2016")
    (folders[1] / "b" / "00001.png").unlink()
    with pytest.raises(ValueError, match="davis2017-evaluation gave up: b frame 00001 not found!"):
        official_scores(*folders, ["b"])
    of_2016 = write(tmp_path / "2016", {"a": frames(1, 1, 1, label=255)})
    with pytest.raises(ValueError, match="finds no instance: 255 is void there"):
        official_scores(of_2016, folders[1], ["a"])
