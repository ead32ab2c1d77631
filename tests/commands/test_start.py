"""What `vsreid` says at once: help and refusals need no torch, and a mask is looked at before the video is read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import SHAPE, refused, ship_stubs, tiny_mask, write_video_folder
from vsreid_lite.video.masks import write_mask

ROOT = Path(__file__).parents[2]
SAID_AT_ONCE = """
--help
segment --help
segment nothing --output out
segment nothing --first-mask no.png --output out
segment clip --first-mask no.png --output out
segment clip --first-mask first.png --output out --weights nothing
segment clip --first-mask first.png --output out --device gpu
evaluate nothing predicted
evaluate clip nothing
ablation --workers 0
ablation --shard 3/2
ablation --dataset davis-2017 --root nothing
ablation --sequences nothing
ablation --split nothing
ablation --rows 9
ablation --flow .
ablation --preset authors --weights random --adapt
ablation --set nothing=1
render composite --output out
render mini --output /dev/null/out
train nothing
train lite-rgb --output out.txt
choose nothing --in-place
figures --only nothing
download nothing
"""
RUN = """
import sys
from vsreid_lite.commands.cli import main
late = [name for name in ("numpy", "multiprocessing", "email.message", "http.client") if name in sys.modules]
if late:
    sys.exit(f"the parser loads {late}")
for line in sys.stdin.read().strip().splitlines():
    try:
        code = main(line.split())
    except SystemExit as end:
        code = end.code
    expected = 0 if "--help" in line else 2
    if code != expected or "torch" in sys.modules:
        sys.exit(f"{line}: code {code}, torch {'torch' in sys.modules}")
"""


def test_help_and_refusals_load_no_torch(tmp_path):
    write_video_folder(tmp_path)
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=SAID_AT_ONCE, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (None, "first.png: expected an image file, found nothing"),
        (tiny_mask()[1:], "first.png: expected"),
        (np.zeros(SHAPE, np.uint8), "first.png"),
    ],
)
def test_a_mask_that_is_missing_or_wrong_is_told_before_the_video_is_read(tmp_path, monkeypatch, capfd, labels, line):
    ship_stubs(monkeypatch, tmp_path / "weights")
    clip = write_video_folder(tmp_path)
    (tmp_path / "first.png").unlink()
    if labels is not None:
        write_mask(tmp_path / "first.png", labels)
    monkeypatch.setattr("vsreid_lite.video.video.load_video", None)
    assert line in refused(capfd, *clip, "--output", tmp_path / "out")
