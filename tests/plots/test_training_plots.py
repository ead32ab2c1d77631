"""Curves of training: what the log holds, smoothed, and said in words."""

import numpy as np
import pytest

from vsreid_lite.plots.line_plots import plot_training
from vsreid_lite.training.loop import Curve


def curve(loss):
    steps = 50 * np.arange(1, len(loss) + 1)
    return Curve(steps, np.asarray(loss, float), steps / 2)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_every_stage_has_its_panel(count):
    curves = {f"stage-{i}": curve(np.linspace(2, 1, 40)) for i in range(count)}
    figure = plot_training(curves)
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == [f"stage-{i}, 17 min" for i in range(count)]
    assert all(f"stage-{i} from " in figure.get_label() for i in range(count))


def test_the_thick_curve_is_the_mean_of_the_thin_one():
    loss = np.r_[np.full(20, 2.0), np.full(20, 1.0)] + np.tile([0.3, -0.3], 20)
    thin, thick = plot_training({"a": curve(loss)}).axes[0].get_lines()
    assert np.array_equal(thin.get_ydata(), loss)
    smooth = thick.get_ydata()
    assert abs(smooth[5] - 2) < 0.06 and abs(smooth[34] - 1) < 0.06 and (np.diff(smooth[10:30]) < 0.11).all()


def test_a_log_of_one_row_is_drawn():
    assert plot_training({"a": curve([1.0])}).get_label() == "Training loss against steps: a from 1.00 to 1.00."
