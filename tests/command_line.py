"""What the tests of the commands share: tiny videos, stand-ins for the networks, and how a refusal must look."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from tests.stubs import ListedDetector, ListedScores, square_mask
from vsreid_lite import vsreid
from vsreid_lite.commands.cli import main
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.networks.checkpoints import save_weights
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.networks.weight_files import WEIGHT_SETS, Provenance
from vsreid_lite.video.masks import write_mask
from vsreid_lite.video.video import Video

SHAPE = (41, 63)  # odd on purpose
FIRST, SECOND = Box(8, 8, 24, 24), Box(34, 12, 52, 30)


class GuideAsAnswer(TwoStreams):
    """An N_mp that returns its guide."""

    def __init__(self):
        nn.Module.__init__(self)

    def predict(self, image, flow, guide):
        return guide[:, 0]


def stub_networks(_config=None) -> Networks:
    """Networks that keep what flow carries and never retrieve."""
    return Networks(GuideAsAnswer(), ListedDetector({}), ListedScores({}, [FIRST, SECOND]))


def ship_stubs(monkeypatch, folder: Path, seen: tuple[str, ...] = ()) -> Path:
    """Weight files that are none, but have a provenance, in place of the shipped ones; and `stub_networks` for them.

    Adaptation leaves the network as it is.
    """
    for part in ("baseline", "box", "propagation", "detector", "identification"):
        provenance = Provenance(part, "none", "none", 0, 0, sequences=seen)
        for name in WEIGHT_SETS:
            save_weights(folder / f"{name}-{part}.safetensors", nn.Linear(1, 1), provenance)
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", folder)
    monkeypatch.setattr(vsreid, "load_networks", stub_networks)
    monkeypatch.setattr(vsreid, "adapt", lambda network, video, *_: ([network] * video.K, False))
    return folder


def tiny_frame(i: int, shape=SHAPE) -> np.ndarray:
    """A textured frame that is the same for all i but for some noise: flow is nearly zero."""
    texture = np.random.default_rng(3).integers(0, 256, (*shape, 3))
    return np.clip(texture + np.random.default_rng(i).integers(0, 3, texture.shape), 0, 255).astype(np.uint8)


def tiny_mask(labels=(1, 2), shape=SHAPE) -> np.ndarray:
    return square_mask(shape, (FIRST, SECOND)[: len(labels)], labels)


def tiny_sequence(name="tiny", frames=4, labels=(1, 2)) -> Video:
    masks = [tiny_mask(labels) for _ in range(frames)]
    return Video(name, [tiny_frame(i) for i in range(frames)], masks[0], annotations=masks)


def write_frames(folder: Path, count=4, shape=SHAPE) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(tiny_frame(i, shape)).save(folder / f"{i:05d}.jpg", quality=95)
    return folder


def write_video_folder(root: Path, count=4, labels=(1, 2)) -> list[str]:
    """A folder of frames and a first mask below `root`, as the first arguments of `vsreid segment`."""
    write_frames(root / "clip", count)
    write_mask(root / "first.png", tiny_mask(labels))
    return ["segment", str(root / "clip"), "--first-mask", str(root / "first.png")]


def snapshot(*places: Path) -> dict[str, str]:
    """Every file below some places, with a hash of its content."""
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def half_written(*places: Path) -> list[Path]:
    return [path for place in places for path in place.rglob("*") if path.name.endswith((".part", ".tmp"))]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 kB at `folder`, already full. Skips the test where it may not be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    try:
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def refused(capfd, *arguments) -> str:
    """Runs a command that must fail, and returns the one line that it says: exit code 2, no traceback."""
    capfd.readouterr()
    code = main([str(argument) for argument in arguments])
    lines = [line for line in capfd.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("vsreid:")]
    assert code == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("vsreid: error: ")
    return lines[0]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])
