"""Maps of influence as pictures: what counts in them, and what they say."""

import numpy as np

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from vsreid_lite.lessons.network_plots import plot_fields

FIELD = np.zeros((9, 9), np.float32)
FIELD[2:7:2, 2:7:2] = 1
FAINT = FIELD.copy()
FAINT[0, 0] = 0.009


def fields():
    return plot_fields({"dilation 2": FIELD, "with a faint one": FAINT, "one side": np.eye(9, dtype=np.float32)}, "all")


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(fields)


def test_a_field_is_counted_without_what_is_faint_and_said_in_words():
    words = ["dilation 2: 9 pixels in 5 × 5", "with a faint one: 9 pixels in 5 × 5", "one side: 9 pixels in 9 × 9"]
    assert fields().get_label() == f"all. {'; '.join(words)}."
    assert "dilation 2: 9 px in 5 × 5" in texts(fields())
