"""Wheel and source archive, built without the network: what is in them, and that the wheel works outside of here."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command_line import snapshot
from tests.test_docs_code import numbers, program, promised
from vsreid_lite import __version__
from vsreid_lite.commands.run import LINKED

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300  # seconds: the machine may be busy
SHIPPED = {"notebooks": "*.ipynb", "docs": "*.md"}
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def run(*command, cwd=None):
    """What a command prints. It must succeed, and sees nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*arguments):
    run(sys.executable, "-m", "pip", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory):
    """The folder of commands of a new environment with the wheel and with the libraries of this one."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place)
    python = place / SCRIPTS / "python"
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(own, "libraries.pth").write_text("\n".join(libraries), encoding="utf-8")
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    return place / SCRIPTS


@pytest.fixture
def installed(scripts, tmp_path):
    """Runs a command of the new environment in `tmp_path`."""
    return lambda name, *arguments: run(shutil.which(name, path=scripts), *arguments, cwd=tmp_path)


def files(folder, pattern="*"):
    """The files below a folder of the repository that belong to it, by their path in the folder."""
    paths = [path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob(pattern) if path.is_file()]
    ignored = {"__pycache__", "downloads", ".ipynb_checkpoints"}
    return {path.as_posix() for path in paths if ignored.isdisjoint(path.parts)}


def test_it_holds_the_package_with_data_documents_and_notebooks_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    beside = {name for name in names if name.startswith(f"vsreid_lite-{__version__}.dist-info/")}
    data = {f"data/{name}" for name in files("data")}
    notebooks = {f"{folder}/{name}" for folder, kind in SHIPPED.items() for name in files(folder, kind)}
    linked = {"README.md", *LINKED}
    assert names - beside == {f"vsreid_lite/{name}" for name in files("vsreid_lite") | data | notebooks | linked}
    assert {"LICENSE", "LICENSE-APACHE", "NOTICE"} <= {Path(name).name for name in beside}
    assert {"vsreid_lite/py.typed", "vsreid_lite/data/paper/table1.csv"} <= names


def test_the_source_archive_is_the_repository(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository to compare with")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, cwd=ROOT)
    with tarfile.open(next(tmp_path.iterdir())) as archive:
        held = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    tracked = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    assert held - {"PKG-INFO"} == set(tracked) - {""}


def test_doctor_finds_all_that_is_needed_in_it(installed, scripts):
    printed = installed("vsreid", "doctor")
    assert f"ok      vsreid_lite: {__version__}, {scripts.parent}" in printed
    assert "ok      data mini: 12 sequences of 40 frames" in printed


def test_the_code_of_the_readme_prints_its_numbers(installed):
    """Scores move by the number of threads, by 0.001, and by their rounding."""
    code = program("README.md")
    assert promised(code) and numbers(installed("python", "-c", code)) == pytest.approx(promised(code), abs=0.0011)


def test_an_ablation_and_its_figures_need_no_repository(installed, tmp_path):
    installed("vsreid", "ablation", "--sequences", "scale-change", "--rows", "1", "--device", "cpu")
    results = json.loads((tmp_path / "runs" / "mini-lite" / "results.json").read_text(encoding="utf-8"))
    assert results["sequences"] == ["scale-change"]
    installed("vsreid", "figures", "--only", "table1,training")
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"table1.png", "table1.svg", "training.png", "training.svg"}


def test_a_video_is_segmented(installed, tmp_path):
    frames, masks = (ROOT / "data" / "mini" / kind / "480p" / "crowd" for kind in ("JPEGImages", "Annotations"))
    for i in range(4):
        shutil.copy(frames / f"{i:05d}.jpg", tmp_path)
    options = ("--first-mask", masks / "00000.png", "--output", "out", "--device", "cpu", "--adapt-steps", "2")
    installed("vsreid", "segment", tmp_path, *options)
    found = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "out").iterdir())]
    assert len(found) == 4 and np.array_equal(found[0], Image.open(masks / "00000.png"))


def test_the_notebooks_and_all_that_is_linked_come_out_of_it(installed, tmp_path):
    installed("vsreid", "notebooks", "course")
    copied = {Path(path).relative_to(tmp_path / "course").as_posix() for path in snapshot(tmp_path)}
    documents = {"README.md", *LINKED, *(f"docs/{name}" for name in files("docs", "*.md"))}
    assert copied == files("notebooks", "*.ipynb") | documents
