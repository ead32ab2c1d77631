"""What the canvas asks Python for, and how its masks are saved; that clicks draw is tested in tests/browser."""

import re

import cv2
import numpy as np
import pytest

from tests.widgets.test_painting import DISC, LOOSE, SHAPE, frame, press
from tests.widgets.widget_moves import is_error
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.plots.panels import INSTANCES
from vsreid_lite.video.masks import read_first_mask
from vsreid_lite.widgets import FirstMaskPainter, mask_painter

canvas = pytest.importorskip("vsreid_lite.widgets.canvas", exc_type=ImportError)

BOX = np.zeros(SHAPE, np.uint8)
BOX[LOOSE[0][1] : LOOSE[1][1], LOOSE[0][0] : LOOSE[1][0]] = 1


@pytest.fixture
def painter(tmp_path):
    return mask_painter([frame(), frame()[::-1]], tmp_path / "mask.png")


def ask(painter, step, **values):
    """What Python answers to the browser, and the bytes that come with it."""
    told = []
    painter.canvas.send = lambda answer, buffers: told.append((answer, buffers))
    painter.canvas._answer(None, {"id": "7", "step": step, "values": values}, None)
    assert told[0][0].pop("id") == "7"
    return told[0]


def save(painter, masks, trouble=""):
    runs = [(at, canvas.to_runs(mask)) for at, mask in masks.items()]
    ask(painter, "keep", shapes={"0": ["drawn"]}, runs=runs, trouble=trouble)
    press(painter, "save")
    return painter.text.value


def test_a_view_begins_with_what_was_drawn_and_gets_frames_as_they_are(painter):
    _, (png,) = ask(painter, "frame", at=1)
    assert np.array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], frame()[::-1])
    save(painter, {})
    assert ask(painter, "start") == ({"count": 2, "label": 1, "shapes": {"0": ["drawn"]}}, [])


def test_grabcut_keeps_the_disc_of_a_loose_box_or_says_why_not(painter):
    answer, _ = ask(painter, "grab_cut", at=0, runs=canvas.to_runs(BOX))
    assert region(DISC, canvas.from_runs(answer["runs"], SHAPE) > 0) > 0.95
    answer, _ = ask(painter, "grab_cut", at=0, runs=[0, BOX.size])
    assert answer == {"error": "GrabCut: the shape has no pixel; move its corners apart"}


def test_the_masks_of_two_frames_are_saved_and_the_next_command_is_said(painter, tmp_path):
    masks, paths = {1: 2 * BOX, 0: BOX + 2 * (DISC & (BOX == 0))}, [tmp_path / "mask.png", tmp_path / "mask-00001.png"]
    assert f"--first-mask {paths[0]} --mask 1={paths[1]} --output DIR" in save(painter, masks)
    assert all(np.array_equal(read_first_mask(path).labels, masks[at]) for at, path in enumerate(paths))
    assert "--first-mask FIRST-MASK --mask 1=" in save(painter, {1: BOX}) and not is_error(painter)


def test_what_cannot_be_saved_is_said_and_nothing_is_written(painter, tmp_path):
    (tmp_path / "mask-00001.png").write_bytes(b"precious")
    assert "save: no instance is drawn" in save(painter, {})
    assert "save: frame 0: a polygon is open" in save(painter, {0: BOX}, "frame 0: a polygon is open")
    assert "mask-00001.png is there already" in save(painter, {0: BOX, 1: BOX}) and is_error(painter)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_frames_of_two_sizes_and_a_single_array_are_refused():
    with pytest.raises(ValueError, match=r"frame 1: expected 80 x 60 pixels .* as frame 0, found 80 x 30"):
        mask_painter([frame(), frame()[:30]])
    with pytest.raises(ValueError, match="a single frame goes into a list"):
        mask_painter(frame())


def test_without_anywidget_sliders_paint_the_first_frame(monkeypatch):
    monkeypatch.setattr("vsreid_lite.widgets.painting.find_spec", lambda name: None)
    assert isinstance(mask_painter([frame()], label=2), FirstMaskPainter)


def test_instances_have_the_colours_of_the_figures():
    assert tuple(re.findall(r'"(#\w{6})"', canvas.PAINTER.partition("COLOURS = ")[2].partition("]")[0])) == INSTANCES
