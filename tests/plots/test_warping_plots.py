"""The pictures of the warp warp as the library does, and count what differs from the truth."""

import re

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.geometry import Box, warp
from vsreid_lite.plots.warping_plots import (
    EXTRA,
    MISSED,
    plot_compared,
    plot_sampling,
    plot_warped_map,
    show_differences,
)

SHAPE = (40, 60)
FRAMES = blank_frames(2, SHAPE)
P = square_mask(SHAPE, (Box(8, 8, 24, 24),)).astype(np.float32)
MOVED = square_mask(SHAPE, (Box(11, 8, 27, 24),)) > 0  # three pixels to the right
VALUES = np.arange(120, dtype=np.float32).reshape(10, 12) / 120


def draw(dx=-3, truth=MOVED):
    flow = np.stack([np.full(SHAPE, dx, np.float32), np.zeros(SHAPE, np.float32)])
    return plot_warped_map((FRAMES[0], FRAMES[1]), (4, 5), flow, P, truth, 2, "dis")


def compared():
    return plot_compared(FRAMES[0], MOVED, {"same": MOVED.astype(np.float32), "at rest": P}, "frame 0")


@pytest.mark.parametrize("make", [draw, compared, lambda: plot_sampling(VALUES, 4.25, 5.5)])
def test_the_figure_is_fit_to_be_shown(make):
    assert_fit_to_be_shown(make)


@pytest.mark.parametrize(
    ("dx", "said"),
    [  # the flow says where the pixels were; 3 x 16 pixels differ on each side; 10 / 22 overlap
        (-3, "J 1.00: missed 0 px, too much 0 px"),
        (0, "J 0.68: missed 48 px, too much 48 px"),
        (3, "J 0.45: missed 96 px, too much 96 px"),
    ],
)
def test_flow_that_points_to_where_the_pixels_were_brings_the_map_onto_the_truth(dx, said):
    assert said in texts(draw(dx))
    assert all(part in draw(dx).get_label() for part in ("Instance 2", "frame 4", "frame 5", "dis flow", said))


def test_without_a_true_mask_or_out_of_sight_the_picture_says_so():
    figure = draw(truth=None)
    assert "no true mask for this frame" in texts(figure) and "no true mask" in figure.get_label()
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


@pytest.mark.parametrize(("x", "y"), [(4.25, 5.5), (0.5, 0.25), (10.5, 8.75), (3.0, 3.0)])
def test_values_times_weights_of_the_four_pixels_are_what_warp_samples(x, y):
    pairs = [re.fullmatch(r"([\d.]+)\n× ([\d.]+)", text) for text in texts(plot_sampling(VALUES, x, y))]
    numbers = [(float(pair[1]), float(pair[2])) for pair in pairs if pair]
    assert len(numbers) == 4 and sum(weight for _, weight in numbers) == pytest.approx(1, abs=0.02)
    sampled = float(warp(torch.from_numpy(VALUES), torch.tensor([x, y])[:, None, None]))
    assert sum(value * weight for value, weight in numbers) == pytest.approx(sampled, abs=0.02)


def test_maps_are_compared_with_the_truth_above_one_half():
    assert {"same: J 1.00", "at rest: J 0.68"} <= set(texts(compared()))
    assert "same 1.00, at rest 0.68" in compared().get_label()
