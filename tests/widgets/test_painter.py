"""The painter: buttons do what they say, mistakes are said, and no file is written over by accident."""

import numpy as np
import pytest
from ipywidgets import Checkbox, Text

from tests.widgets.test_painting import DISC, frame
from tests.widgets.widget_moves import buttons, ends, inside, is_error
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.video.masks import read_first_mask
from vsreid_lite.widgets import FirstMaskPainter


@pytest.fixture
def painter(tmp_path):
    return FirstMaskPainter(frame(), tmp_path / "mask.png")


def press(painter, *names):
    for name in names:
        buttons(painter)[name].click()


def point(painter, x, y):
    with painter.one_redraw():
        painter.controls["x"].value, painter.controls["y"].value = x, y
    press(painter, "add point")


def paint_two(painter):
    point(painter, 22, 12)
    point(painter, 58, 48)
    press(painter, "box", "refine", "next instance")
    for corner in ((2, 2), (9, 2), (9, 9)):
        point(painter, *corner)
    press(painter, "close")


def field(painter, kind):
    return next(widget for widget in inside(painter) if isinstance(widget, kind))


def test_two_instances_are_painted_refined_and_saved_as_a_first_mask(painter, tmp_path):
    other = FirstMaskPainter(frame(), tmp_path / "other.png")
    paint_two(painter)
    assert "Cursor at x 9, y 9" in painter.text.value and "instance 2 has 36 pixels" in painter.text.value
    press(painter, "save")
    first = read_first_mask(tmp_path / "mask.png", frame().shape)
    assert np.array_equal(first.labels, painter.mask) and first.year != 2016
    assert region(DISC, first.labels == 1) > 0.95 and (first.labels == 2).sum() == 36
    assert "Saved" in painter.text.value and "2 instances" in painter.text.value and not is_error(painter)
    press(painter, "undo", "undo", "save")  # what it wrote itself, it writes again
    assert not is_error(painter) and 2 not in read_first_mask(tmp_path / "mask.png").labels
    assert not other.mask.any() and other.controls["x"].value == 40


def test_the_mask_of_a_later_frame_may_begin_with_another_label(tmp_path):
    painter = FirstMaskPainter(frame(), tmp_path / "later.png", label=3)
    press(painter, "save")
    assert is_error(painter) and "instance 3 has no pixel" in painter.text.value
    paint_two(painter)
    press(painter, "save")
    assert set(np.unique(read_first_mask(tmp_path / "later.png").labels)) == {0, 3, 4}
    assert "--mask FRAME=" in painter.text.value and not is_error(painter)


def test_controls_reach_every_pixel_and_nothing_else(painter):
    for name, last in (("x", 79), ("y", 59)):
        control = painter.controls[name]
        assert (control.min, control.max) == (0, last)
        for place in ends(control):
            control.value = place
            assert not is_error(painter)


@pytest.mark.parametrize("name", ["close", "box", "refine", "undo", "next instance", "save"])
def test_what_cannot_be_done_yet_is_said_and_changes_nothing(painter, name, tmp_path):
    press(painter, name)
    assert is_error(painter) and not painter.mask.any() and list(tmp_path.iterdir()) == []
    point(painter, 3, 3)
    assert not is_error(painter)


def test_undo_takes_the_last_step_back_in_the_picture_too(painter):
    before = painter.picture.value
    press(painter, "add point")
    assert painter.picture.value != before
    press(painter, "undo")
    assert painter.picture.value == before


def test_an_existing_file_is_written_over_only_when_that_is_wished(painter, tmp_path):
    (tmp_path / "mask.png").write_bytes(b"precious")
    paint_two(painter)
    press(painter, "save")
    assert is_error(painter) and "is there already" in painter.text.value
    assert (tmp_path / "mask.png").read_bytes() == b"precious"
    field(painter, Checkbox).value = True
    press(painter, "save")
    assert not is_error(painter) and (tmp_path / "mask.png").read_bytes() != b"precious"


def test_an_input_is_never_written_over(tmp_path):
    (tmp_path / "frame.png").write_bytes(b"the frame")
    painter = FirstMaskPainter(frame(), tmp_path / "frame.png", inputs=[tmp_path / "frame.png"])
    paint_two(painter)
    field(painter, Checkbox).value = True
    press(painter, "save")
    assert is_error(painter) and "inputs stay untouched" in painter.text.value
    assert (tmp_path / "frame.png").read_bytes() == b"the frame"


@pytest.mark.parametrize("name", ["", "mask.jpg", "folder.png"])
def test_a_name_that_cannot_be_a_mask_is_refused(painter, tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    paint_two(painter)
    field(painter, Text).value = str(tmp_path / name) if name else ""
    press(painter, "save")
    assert is_error(painter) and [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_an_instance_that_another_has_painted_over_is_not_saved_as_if_it_were_there(painter, tmp_path):
    point(painter, 5, 5)
    point(painter, 9, 9)
    press(painter, "box", "next instance")
    point(painter, 0, 0)
    point(painter, 20, 20)
    press(painter, "box", "save")
    assert "instance 1 has no pixel" in painter.text.value and list(tmp_path.iterdir()) == []
