"""Widgets are shells: a control moved is a figure drawn, an error is not swallowed, and two of them share nothing."""

import pytest
from matplotlib.figure import Figure

from vsreid_lite.visualization.notebooks import to_png
from vsreid_lite.visualization.widgets import frame_slider


def figure_of(i):
    figure = Figure(figsize=(1, 1))
    figure.text(0.5, 0.5, str(i))
    return figure


def test_the_slider_draws_the_frame_it_is_moved_to():
    slider, image = frame_slider(figure_of, 5, 2).children
    assert (slider.min, slider.max, slider.value) == (0, 4, 2)
    assert bytes(image.value) == to_png(figure_of(2))
    slider.value = 4
    assert bytes(image.value) == to_png(figure_of(4))


def test_a_figure_that_fails_raises_when_the_slider_is_moved_by_hand():
    slider, _ = frame_slider(lambda i: figure_of(1 // (3 - i)), 5).children
    with pytest.raises(ZeroDivisionError):
        slider.value = 3


def test_two_sliders_do_not_move_each_other():
    (first, first_image), (second, second_image) = (frame_slider(figure_of, 5).children for _ in range(2))
    first.value = 3
    assert second.value == 0 and bytes(second_image.value) == to_png(figure_of(0)) != bytes(first_image.value)
