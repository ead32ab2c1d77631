"""The picture of a warped map warps as the library does, and counts what differs from the truth."""

import numpy as np
from matplotlib.colors import to_rgb

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.plots.warping_plots import EXTRA, MISSED, plot_warped_map, show_differences

FRAMES = blank_frames(2, (40, 60))
P = square_mask((40, 60), (Box(8, 8, 24, 24),)).astype(np.float32)
MOVED = square_mask((40, 60), (Box(11, 8, 27, 24),)) > 0  # three pixels to the right


def flow(dx, dy=0):
    return np.stack([np.full((40, 60), dx, np.float32), np.full((40, 60), dy, np.float32)])


def draw(dx=-3, truth=MOVED):
    return plot_warped_map((FRAMES[0], FRAMES[1]), (4, 5), flow(dx), P, truth, 2, "dis")


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(draw)


def test_flow_that_points_to_where_the_pixels_were_brings_the_map_onto_the_truth():
    assert "J 1.00: missed 0 px, too much 0 px" in texts(draw(dx=-3))
    assert "J 0.68: missed 48 px, too much 48 px" in texts(draw(dx=0))  # 3 x 16 pixels on each side
    assert "J 0.45" in " ".join(texts(draw(dx=3)))  # (16 - 6) / (16 + 6)


def test_the_words_name_instance_frames_method_and_error():
    words = draw(dx=0).get_label()
    assert all(part in words for part in ("Instance 2", "frame 4", "frame 5", "dis flow", "missed 48 px"))


def test_without_a_true_mask_the_picture_says_so():
    figure = draw(truth=None)
    assert "no true mask for this frame" in texts(figure) and "no true mask" in figure.get_label()


def test_an_instance_out_of_sight_has_an_empty_truth_and_no_outline():
    assert "too much 256 px" in " ".join(texts(draw(truth=np.zeros_like(MOVED))))


def test_missed_and_extra_differ_in_pattern_and_colour():
    axes = draw().axes[0]
    axes.clear()
    show_differences(axes, FRAMES[0], MOVED, P > 0.5, "differences")
    painted = np.asarray(axes.images[0].get_array())
    missed, extra = painted[MOVED & (P == 0)], painted[~MOVED & (P == 1)]
    assert np.allclose(extra, to_rgb(EXTRA))
    striped = np.isclose(missed, to_rgb(MISSED)).all(1)
    assert 0.3 < striped.mean() < 0.7 and (missed[~striped] == 1).all()
