"""What several test modules share."""

import os
import shutil
from pathlib import Path

import pytest

from vsreid_lite.commands import doctor
from vsreid_lite.lessons import readiness
from vsreid_lite.networks.weight_files import SHIPPED

SHARED_DAVIS = Path(__file__).resolve().parents[2] / "shared" / "data" / "davis2016"


@pytest.fixture(scope="session")
def davis_root() -> Path:
    """A DAVIS 2016 root with real sequences: DAVIS_ROOT, or the shared ten beside the repository."""
    root = Path(os.environ.get("DAVIS_ROOT") or SHARED_DAVIS)
    if not (root / "JPEGImages" / "480p").is_dir():
        pytest.skip(f"no real sequences: set DAVIS_ROOT to a DAVIS folder ({root} has no JPEGImages/480p)")
    return root


@pytest.fixture
def weight_folder(tmp_path, monkeypatch):
    """A copy of the shipped weights that may be spoilt."""
    folder = shutil.copytree(SHIPPED, tmp_path / "weights")
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", folder)
    return folder


@pytest.fixture
def mini_folder(tmp_path, monkeypatch):
    """A copy of mini that may be spoilt."""
    folder = shutil.copytree(doctor.MINI, tmp_path / "mini")
    for module in (doctor, readiness):
        monkeypatch.setattr(module, "MINI", folder)
    return folder
