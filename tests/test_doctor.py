"""`vsreid doctor` and the first cell of a notebook: what is missing is said, with what to do, and nothing breaks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from vsreid_lite import __version__, doctor, machine
from vsreid_lite.cli import main
from vsreid_lite.config import Config
from vsreid_lite.datasets import frozen, mini
from vsreid_lite.doctor import NotReady, ready
from vsreid_lite.models import loading, weights

ROOT = Path(__file__).parents[1]


def refused(*arguments, **others):
    """The one line of a notebook that is not ready."""
    with pytest.raises(NotReady) as problem:
        ready(*arguments, **others)
    assert "\n" not in str(problem.value)
    return str(problem.value)


@pytest.fixture
def weight_folder(tmp_path, monkeypatch):
    """A copy of the shipped weights that may be spoilt."""
    folder = shutil.copytree(weights.SHIPPED, tmp_path / "weights")
    monkeypatch.setattr(weights, "SHIPPED", folder)
    monkeypatch.setattr(loading, "SHIPPED", folder)
    return folder


@pytest.fixture
def mini_folder(tmp_path, monkeypatch):
    """A copy of mini that may be spoilt."""
    folder = shutil.copytree(doctor.MINI, tmp_path / "mini")
    monkeypatch.setattr(doctor, "MINI", folder)
    return folder


# ---- what it knows without importing the rest


def test_it_knows_where_mini_is_and_how_large():
    assert doctor.MINI == frozen.MINI
    assert len(mini.CHALLENGES) == doctor.SEQUENCES and mini.FRAMES == doctor.FRAMES
    assert doctor.mini_problem(doctor.MINI) == ""


def test_it_knows_the_weight_files_of_the_default_configuration():
    part, _ = loading.weight_files("lite").of_streams(Config().propagation)
    assert doctor._default_parts() == (part, "detector", "identification")


# ---- the command


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
from vsreid_lite.cli import main
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


def test_something_needed_that_is_missing_ends_with_code_2(monkeypatch, capsys):
    monkeypatch.setattr(
        doctor, "examine", lambda: iter([machine.Finding("x", False, "why"), machine.Finding("y", True, "")])
    )
    assert main(["doctor"]) == 2
    assert "the default path does not work here: x missing" in capsys.readouterr().err


# ---- one finding each


def test_mini_that_is_incomplete_or_not_there_is_said_with_how_to_get_it(mini_folder):
    mask = mini_folder / "Annotations" / "480p" / "crowd" / "00007.png"
    mask.unlink()
    assert doctor.mini_problem(mini_folder).startswith(f"{mask.parent}: expected 40 files, found 39; it comes with")
    shutil.rmtree(mini_folder)
    assert "expected a list of 12 sequences, found 0; " in doctor.mini_problem(mini_folder)


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
    assert (
        not found["weights lite-davis-detector"].needed
        and "has seen 10 real" in found["weights lite-davis-detector"].text
    )


def test_a_place_that_may_not_be_written_is_said(monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda place, mode: False)
    assert str(doctor.results_folder()).startswith(f"missing results (optional): {Path.cwd()} may not be written")


# ---- the first cell of a notebook


def test_a_notebook_that_has_all_goes_on_with_one_line(capsys, tmp_path):
    ready("mini", "lite", "cpu", "", str(tmp_path / "figures"), version=__version__)
    assert capsys.readouterr().out == "ready: data mini, weights lite, device cpu\n"
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_for_a_newer_library_says_so(monkeypatch):
    text = refused("mini", "lite", "cpu", version="99.0")
    assert text.startswith(f"this notebook needs vsreid_lite 99.0 or newer, here is {__version__}; update it and run")


def test_a_notebook_without_a_package_says_which(monkeypatch):
    monkeypatch.setitem(machine.NEEDED, "torch", "no_such_torch")
    assert refused("mini", "lite", "cpu").startswith("torch: ModuleNotFoundError: No module named 'no_such_torch'; run")


def test_a_notebook_without_data_says_what_to_run(mini_folder):
    shutil.rmtree(mini_folder)
    assert "`git checkout -- data/mini`" in refused("mini", "lite", "cpu")
    assert "set root to the folder of DAVIS 2017, or run `vsreid download davis-2017`" in refused(
        "davis-2017", "lite", "cpu"
    )
    assert "DAVIS 2016" in refused("composite", "lite", "cpu")
    assert f"{mini_folder}: expected DAVIS 2016 with " in refused("davis-2016", "lite", "cpu", str(mini_folder))
    assert refused("coco", "lite", "cpu").startswith("dataset 'coco': expected one of mini, ")


def test_a_notebook_without_weights_says_how_to_get_them(weight_folder):
    assert "found neither" in refused("mini", "heavy", "cpu")
    (weight_folder / "lite-detector.safetensors").unlink()
    assert "weights lite-detector: no file; get it again" in refused("mini", "lite", "cpu")


def test_a_notebook_without_a_gpu_says_which_device_to_set(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    text = refused("mini", "lite", "cuda")
    assert text.startswith("device 'cuda': expected a CUDA GPU, found 0") and text.endswith('device = "cpu")')


def test_a_notebook_that_may_not_write_its_figures_says_so(tmp_path):
    (tmp_path / "file").touch()
    text = refused("mini", "lite", "cpu", figures=str(tmp_path / "file" / "figures"))
    assert "cannot write into the folder" in text and text.endswith('figures = "")')


def test_everything_that_is_missing_is_said_at_once(tmp_path):
    assert refused("coco", "heavy", "tpu").count("; and ") == 2


def test_a_notebook_shows_the_line_alone_and_no_calls():
    shell = InteractiveShell.instance()
    try:
        with capture_output() as shown:
            shell.run_cell("from vsreid_lite.doctor import ready\nready('coco', 'lite', 'cpu')")
    finally:
        InteractiveShell.clear_instance()
    lines = [line for line in shown.stdout.splitlines() if line.strip()]
    assert lines == ["Not ready: dataset 'coco': expected one of mini, composite, davis-2016, davis-2017"]
