"""What several test modules share."""

import os
from pathlib import Path

import pytest

SHARED_DAVIS = Path(__file__).resolve().parents[2] / "shared" / "data" / "davis2016"


@pytest.fixture(scope="session")
def davis_root() -> Path:
    """A DAVIS 2016 root with real sequences: DAVIS_ROOT, or the shared ten beside the repository."""
    root = Path(os.environ.get("DAVIS_ROOT") or SHARED_DAVIS)
    if not (root / "JPEGImages" / "480p").is_dir():
        pytest.skip(f"no real sequences: set DAVIS_ROOT to a DAVIS folder ({root} has no JPEGImages/480p)")
    return root
