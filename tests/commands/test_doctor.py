"""`vsreid doctor`: what is missing is said, with what to do, and nothing breaks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vsreid_lite import __version__
from vsreid_lite.commands import doctor
from vsreid_lite.commands.cli import main
from vsreid_lite.datasets import mini
from vsreid_lite.system import machine

ROOT = Path(__file__).parents[2]


def test_it_knows_how_large_mini_is():
    assert len(mini.CHALLENGES) == machine.MINI_SEQUENCES and mini.FRAMES == machine.MINI_FRAMES
    assert machine.mini_problem(doctor.MINI) == ""


def test_the_repository_itself_is_well(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok      ", "missing ")) for line in lines)
    said = {line[8:].partition(":")[0]: line for line in lines}
    assert set(machine.NEEDED) < set(said)
    assert f"torch: {torch.__version__.partition('+')[0]}" in said["torch"] and __version__ in said["vsreid_lite"]
    assert all("(optional)" in line for line in lines if line.startswith("missing"))
    assert list(tmp_path.iterdir()) == []  # it leaves no trace


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Absent())
from vsreid_lite.commands.cli import main
sys.exit(main(["doctor"]))
"""


@pytest.mark.parametrize("blocked", [{"torch"}, {part.partition(".")[0] for part in machine.NEEDED.values() if part}])
def test_without_torch_or_without_anything_it_still_says_what_is_missing(blocked, tmp_path):
    command = [sys.executable, "-c", WITHOUT.format(blocked=blocked)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert "missing torch: ModuleNotFoundError: " in done.stdout or "missing torch: ImportError: " in done.stdout
    assert "missing weights: cannot be read before the packages above work" in done.stdout
    assert "ok      data mini: 12 sequences" in done.stdout and "make setup" in done.stdout
    assert done.stderr.startswith("vsreid: error: the default path does not work here: torch, ")
    assert done.stderr.count("\n") == 1


# ---- one finding each


def test_mini_that_is_incomplete_or_not_there_is_said_with_how_to_get_it(mini_folder):
    mask = mini_folder / "Annotations" / "480p" / "crowd" / "00007.png"
    mask.unlink()
    assert machine.mini_problem(mini_folder).startswith(f"{mask.parent}: expected 40 files, found 39; it comes with")
    shutil.rmtree(mini_folder)
    assert "expected a list of 12 sequences, found 0; " in machine.mini_problem(mini_folder)


def test_davis_is_looked_for_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAVIS_ROOT", raising=False)
    assert str(doctor._davis()).startswith("missing data DAVIS (optional): not needed for mini; set DAVIS_ROOT")
    (tmp_path / "data" / "downloads" / "davis-2016" / "DAVIS" / "JPEGImages" / "480p" / "dog").mkdir(parents=True)
    assert "1 sequence in " in doctor._davis().text and doctor._davis().ok
    monkeypatch.setenv("DAVIS_ROOT", str(tmp_path / "elsewhere"))
    assert not doctor._davis().ok and f"{tmp_path / 'elsewhere'} has no JPEGImages/480p" in doctor._davis().text


def test_weight_files_that_are_missing_or_damaged_are_said_with_how_to_get_them(weight_folder):
    (weight_folder / "lite-detector.safetensors").write_bytes(b"half")
    (weight_folder / "lite-identification.safetensors").unlink()
    found = {finding.subject: finding for finding in doctor._weights()}
    damaged, absent = found["weights lite-detector"], found["weights lite-identification"]
    assert not damaged.ok and damaged.needed and "truncated, damaged" in damaged.text
    assert not absent.ok and absent.needed and absent.text.startswith("no file; get it again (`git checkout")
    assert not found["networks"].ok and "\n" not in found["networks"].text
    real, row = found["weights lite-real-identification"], found["weights lite-real-box"]
    assert real.needed and not row.needed and all("has seen 12 real" in one.text for one in (real, row))


def test_a_place_that_may_not_be_written_is_said(monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda place, mode: False)
    assert str(doctor.results_folder()).startswith(f"missing results (optional): {Path.cwd()} may not be written")
