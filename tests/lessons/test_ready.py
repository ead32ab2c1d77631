"""The first cells of a notebook: one line says what is missing and what to run, in every notebook alike."""

import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from traitlets.config import Config as Settings

from tests.command_line import tiny_mask, write_video_folder
from vsreid_lite import __version__
from vsreid_lite.lessons import readiness as module
from vsreid_lite.lessons.readiness import NotReady, own_frames, ready, video_ready
from vsreid_lite.system import machine
from vsreid_lite.video.masks import write_mask
from vsreid_lite.video.video import load_frames

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
OPENING = f"""from vsreid_lite.lessons import ready

ready(globals(), needs="{__version__}")"""


GIVEN = {
    "profile": "quick",
    "dataset": "mini",
    "root": "",
    "sequence": "crowd",
    "weights": "lite",
    "device": "cpu",
    "figures": "",
}


def refused(needs=__version__, **others):
    """The one line of a notebook that is not ready."""
    with pytest.raises(NotReady) as problem:
        ready(GIVEN | others, needs)
    assert "\n" not in str(problem.value)
    return str(problem.value)


def test_a_notebook_that_has_all_goes_on_with_one_line(capsys, tmp_path):
    ready(GIVEN | {"figures": str(tmp_path / "figures")}, __version__)
    assert capsys.readouterr().out == "ready: data mini, weights lite, device cpu\n"
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_without_packages_weights_or_data_says_what_to_run(mini_folder, weight_folder, monkeypatch):
    (weight_folder / "lite-detector.safetensors").unlink()
    assert "weights lite-detector: no file; get it again" in refused()
    shutil.rmtree(mini_folder)
    assert "`git checkout -- data/mini`" in refused()
    monkeypatch.delenv("DAVIS_ROOT", raising=False)
    assert "set root, or DAVIS_ROOT, to the folder of DAVIS 2017, or run `vsreid download davis-2017`" in refused(
        dataset="davis-2017"
    )
    assert "DAVIS 2016" in refused(dataset="composite")
    assert f"{mini_folder}: expected DAVIS 2016 with " in refused(dataset="davis-2016", root=str(mini_folder))
    monkeypatch.setenv("DAVIS_ROOT", str(mini_folder / "elsewhere"))
    assert f"{mini_folder / 'elsewhere'}: expected DAVIS 2016 with " in refused(dataset="davis-2016")
    monkeypatch.setitem(machine.NEEDED, "torch", "no_such_torch")
    assert refused().startswith("torch: ModuleNotFoundError: No module named 'no_such_torch'; run")


def test_a_notebook_that_may_not_write_its_figures_says_so(tmp_path):
    (tmp_path / "file").touch()
    text = refused(figures=str(tmp_path / "file" / "figures"))
    assert "cannot write into the folder" in text and text.endswith('figures = "")')


def test_everything_that_is_missing_is_said_at_once():
    text = refused(dataset="coco", weights="heavy", device="tpu")
    assert """(in a notebook: device = "cpu"); and dataset 'coco': expected one of mini, """ in text
    assert text.count("; and ") == 2
    assert "found neither" in text
    text = refused(sequence="nowhere", profile="fast")
    assert text.startswith("profile 'fast': expected quick or full; and ")
    assert "no sequence nowhere in mini; there are articulation, " in text


def test_a_notebook_that_cannot_be_saved_says_how_to_keep_changes(monkeypatch, capsys, tmp_path):
    here = tmp_path / "home" / "my notebooks"
    here.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(here.parent))
    monkeypatch.chdir(here)
    copy = f"'{here.parent}/copy of my notebooks'"
    copying = f"cp -r '{here}' {copy} && chmod -R u+w {copy}"
    kept = f"{here} is read-only: changes here are not saved; to keep them, work in a copy: {copying}"
    (here / "a.ipynb").touch()
    for name, writable, said in (
        ("", lambda place: place != here, [kept]),
        ("a.ipynb", lambda place: place == here, [kept]),
        ("renamed.ipynb", lambda place: place == here, []),
    ):
        monkeypatch.setenv("JPY_SESSION_NAME", str(here / name))
        monkeypatch.setattr(module.os, "access", lambda place, mode, writable=writable: writable(place))
        ready(GIVEN, __version__)
        assert capsys.readouterr().out.splitlines()[1:] == said


# ---- a clip of one's own


def not_ready(*arguments):
    """The one line of a notebook that cannot run on a clip."""
    with pytest.raises(NotReady) as problem:
        own_frames(*map(str, arguments))
    assert "\n" not in str(problem.value)
    return str(problem.value)


def test_the_frames_of_ones_own_clip_are_read(tmp_path):
    _, clip, _, mask = write_video_folder(tmp_path)
    assert own_frames("", "") == []
    for first_mask in (mask, ""):
        frames = own_frames(clip, first_mask)
        assert np.array_equal(frames, load_frames(clip)) and len(frames) == 4


def test_a_mask_without_a_clip_is_one_of_the_clip_of_mini(tmp_path):
    write_mask(tmp_path / "first.png", tiny_mask(shape=(192, 320)))
    assert own_frames("", str(tmp_path / "first.png")) == []
    write_mask(tmp_path / "first.png", tiny_mask())
    assert "expected a mask of 320 x 192 pixels" in not_ready("", tmp_path / "first.png")
    assert f'open_benchmark("mini", names=("{module.CLIP}",))' in NOTEBOOKS[10].read_text().replace('\\"', '"')


def test_a_clip_or_a_first_mask_that_cannot_be_is_one_line(tmp_path):
    _, clip, _, mask = write_video_folder(tmp_path)
    write_mask(tmp_path / "small.png", tiny_mask(shape=(40, 63)))
    write_mask(tmp_path / "empty.png", tiny_mask(()))
    (tmp_path / "film.mp4").write_bytes(b"no film")
    assert not_ready("nowhere", mask).startswith("nowhere: expected a folder of frames")
    assert not_ready(clip, "nowhere.png").startswith("nowhere.png: expected an image file")
    assert not_ready(clip, clip).startswith(f"{clip}: expected an image file, found a folder")
    assert "found 63 x 40 pixels" in not_ready(clip, tmp_path / "small.png")
    assert "found background only" in not_ready(clip, tmp_path / "empty.png")
    assert "damaged or unknown video" in not_ready(tmp_path / "film.mp4", mask)
    assert "found one image" in not_ready(mask, mask)


def test_without_pyav_a_clip_is_refused_and_the_rest_of_a_notebook_runs(tmp_path, monkeypatch):
    _, clip, _, mask = write_video_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "av", None)
    line = "PyAV is not installed, which is needed for video files: python -m pip install av"
    assert not_ready(clip, mask) == not_ready(clip, "") == line
    assert own_frames("", "") == []
    with pytest.raises(NotReady, match=line):
        video_ready()


# ---- the notebooks


@pytest.fixture
def shell():
    """An IPython that leaves no history behind."""
    yield InteractiveShell.instance(config=Settings({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


def opened(shell, **changes):
    """What notebook 00 says until its opening cell, with these parameters changed by papermill, line by line."""
    notebook = parameterize_notebook(load_notebook_node(str(NOTEBOOKS[0])), changes)
    with capture_output() as shown:
        for cell in [cell for cell in notebook.cells if cell.cell_type == "code"][:3]:
            shell.run_cell(cell.source, store_history=True)
    return [line for line in shown.stdout.splitlines() if line.strip()]


def test_parameters_may_be_mended_and_run_again(shell):
    (line,) = opened(shell, sequnce="crowd")
    assert "no parameter" in line
    with capture_output() as shown:
        shell.run_cell(module.INJECTED + "sequence = 'crowd'", store_history=True)
        shell.run_cell(OPENING, store_history=True)
    assert shown.stdout.startswith("ready: ")


@each_notebook
def test_every_notebook_opens_alike_and_needs_this_version(path):
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert code[1].source == OPENING
    assert [output.text for output in code[1].outputs] == ["ready: data mini, weights lite, device cpu\n"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "cuda:9"}, "Not ready: device 'cuda:9': expected a CUDA GPU"),
        ({"sequence": ""}, "no sequence '' in mini; there are "),
        ({"sequnce": "crowd"}, "Not ready: no parameter of this notebook: sequnce; it has profile, dataset, "),
    ],
)
def test_a_parameter_that_cannot_be_ends_a_notebook_with_one_line(shell, changes, said):
    (line,) = opened(shell, **changes)
    assert said in line


def test_an_older_library_ends_a_notebook_with_one_line(shell, monkeypatch):
    monkeypatch.setattr(module, "__version__", "0.3.9")
    (line,) = opened(shell)
    assert line.startswith(
        f"Not ready: this notebook needs vsreid_lite {__version__} or newer, here is 0.3.9; update it and run"
    )
