"""Widgets are shells: a control moved is a figure drawn, words follow the picture, errors show, nothing is shared."""

import base64
import re

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.widgets.widget_moves import buttons, is_error
from vsreid_lite.lessons.notebooks import to_png
from vsreid_lite.widgets import PictureBox, frame_slider
from vsreid_lite.widgets.shell import as_image, slider, stepper


def figure_of(i, j=0):
    figure = Figure(figsize=(1, 1), facecolor="white")
    figure.text(0.5, 0.5, f"{i} {j}")
    figure.set_label(f"the numbers {i} and {j}")
    return figure


def pixels(html):
    data = base64.b64decode(re.search('base64,([^"]*)', html)[1])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def two_sliders(draw=figure_of, first=None):
    return PictureBox(draw, {"i": slider("i", 0, 5, 0), "j": slider("j", 0, 5, 0)}, first=first)


def test_the_slider_draws_the_frame_it_is_moved_to():
    box = frame_slider(figure_of, 5, 2)
    control = box.controls["frame"]
    assert (control.min, control.max, control.value) == (0, 4, 2)
    assert box.picture.value == as_image(figure_of(2))
    other = frame_slider(figure_of, 5)
    control.value = 4
    assert box.picture.value == as_image(figure_of(4)) and "the numbers 4 and 0" in box.text.value
    assert other.controls["frame"].value == 0 and other.picture.value == as_image(figure_of(0))


def test_the_image_is_the_figure_as_it_is_saved():
    saved = cv2.imdecode(np.frombuffer(to_png(figure_of(3)), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(pixels(as_image(figure_of(3))), saved)
    assert 'width="100" height="100"' in as_image(figure_of(3))


def test_the_words_are_read_out_and_cannot_be_markup():
    box = frame_slider(lambda i: figure_of("<b>&"), 5)
    assert 'aria-live="polite"' in box.text.value and "&lt;b&gt;&amp;" in box.text.value


def test_a_figure_that_fails_is_seen_in_the_widget_and_raised_and_the_next_picture_mends_it():
    box = frame_slider(lambda i: figure_of(6 // (3 - i)), 5)
    before = box.picture.value
    with pytest.raises(ZeroDivisionError):
        box.controls["frame"].value = 3
    assert is_error(box) and "ZeroDivisionError: integer division" in box.text.value
    assert box.picture.value == before
    box.controls["frame"].value = 4
    assert not is_error(box) and box.picture.value != before
    with pytest.raises(ZeroDivisionError):  # and at once
        frame_slider(lambda i: figure_of(1 // i), 5)


def test_a_picture_follows_a_dragged_slider_where_it_comes_at_once_and_is_drawn_once(monkeypatch):
    drawn, busy, now = [], [], iter([0, 1, 1, 2, 2, 3, 3, 3.05])  # seconds at the start and the end of each picture

    def draw(frame):
        drawn.append(frame)
        return figure_of(frame)

    monkeypatch.setattr("vsreid_lite.widgets.shell.time.perf_counter", lambda: next(now))
    box = frame_slider(draw, 5)
    box.busy.observe(lambda change: busy.append(change.new), names="value")
    control = box.controls["frame"]
    assert not control.continuous_update
    control.value = 1
    assert busy == ["<b>computing …</b>", ""]
    control.value = 2
    control.value = 3
    assert control.continuous_update and drawn == [0, 1, 2, 3]
    control.value = 1
    assert drawn == [0, 1, 2, 3] and "numbers 1 and" in box.text.value and box.picture.value == as_image(figure_of(1))
    monkeypatch.undo()
    box.redraw()
    assert drawn[4:] == [1]


def test_an_expected_error_is_only_shown():
    box = frame_slider(figure_of, 5)
    with box.errors_shown(ValueError):
        raise ValueError("<that> is not there")
    assert is_error(box) and "&lt;that&gt; is not there" in box.text.value and "ValueError" not in box.text.value


def test_what_comes_first_moves_other_controls_and_the_picture_is_drawn_once():
    drawn = []

    def draw(i, j):
        drawn.append((i, j))
        return figure_of(i, j)

    box = two_sliders(draw, {"i": lambda: setattr(box.controls["j"], "value", box.controls["i"].value - 1)})
    box.controls["i"].value = 3
    assert drawn == [(0, 0), (3, 2)]
    box.controls["j"].value = 5
    assert drawn[2:] == [(3, 5)]


def test_an_error_in_what_comes_first_is_shown_and_raised_and_the_widget_goes_on():
    box = two_sliders(first={"i": lambda: 1 // 0})
    with pytest.raises(ZeroDivisionError):
        box.controls["i"].value = 3
    assert is_error(box)
    box.controls["j"].value = 2
    assert "the numbers 3 and 2" in box.text.value


def test_steps_stay_within_the_range():
    control = slider("round", 0, 2, 1)
    steps = buttons(stepper(control))
    seen = []
    for name in ("◀ back", "◀ back", "on ▶", "on ▶", "on ▶"):
        steps[name].click()
        seen.append(control.value)
    assert seen == [0, 0, 1, 2, 2]
