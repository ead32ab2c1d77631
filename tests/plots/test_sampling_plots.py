"""The picture of one sampled point holds the numbers that `warp` adds up; compared maps carry their J."""

import re

import numpy as np
import pytest
import torch

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.geometry import Box, warp
from vsreid_lite.plots.warping_plots import plot_compared, plot_sampling

P = np.arange(120, dtype=np.float32).reshape(10, 12) / 120
FRAME = blank_frames(1)[0]
TRUTH = square_mask() > 0
SHIFTED = square_mask(boxes=(Box(6, 4, 14, 12),)).astype(np.float32)


def compared():
    return plot_compared(FRAME, TRUTH, {"same": TRUTH.astype(np.float32), "shifted": SHIFTED}, "frame 0")


def test_the_figures_are_fit_to_be_shown():
    assert_fit_to_be_shown(lambda: plot_sampling(P, 4.25, 5.5))
    assert_fit_to_be_shown(compared)


@pytest.mark.parametrize(("x", "y"), [(4.25, 5.5), (0.5, 0.25), (10.5, 8.75), (3.0, 3.0)])
def test_values_times_weights_of_the_four_pixels_are_what_warp_samples(x, y):
    pairs = [re.fullmatch(r"([\d.]+)\n× ([\d.]+)", text) for text in texts(plot_sampling(P, x, y))]
    numbers = [(float(pair[1]), float(pair[2])) for pair in pairs if pair]
    assert len(numbers) == 4 and sum(weight for _, weight in numbers) == pytest.approx(1, abs=0.02)
    sampled = float(warp(torch.from_numpy(P), torch.tensor([x, y])[:, None, None]))
    assert sum(value * weight for value, weight in numbers) == pytest.approx(sampled, abs=0.02)


def test_a_point_at_the_border_shows_the_pixels_that_there_are():
    assert texts(plot_sampling(P, -0.5, 9.5))


def test_maps_are_compared_with_the_truth_above_one_half():
    found = texts(compared())
    assert "same: J 1.00" in found and "shifted: J 0.60" in found  # 48 / 80 pixels
    assert "same 1.00, shifted 0.60" in compared().get_label()
