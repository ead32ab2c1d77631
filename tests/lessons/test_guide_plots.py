"""Guides and training samples as pictures: every panel carries the J of its own map."""

import numpy as np
import torch

from tests.plots.figure_checks import assert_fit_to_be_shown
from tests.stubs import square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.lessons.guide_plots import plot_deformation, plot_samples
from vsreid_lite.training.deformation import deformation_steps

SHAPE = (24, 24)
MASK = square_mask(SHAPE).astype(np.float32)  # 8 x 8
HALF = square_mask(SHAPE, (Box(8, 4, 16, 12),)).astype(np.float32)  # shifted by half: J 1/3


def deformed():
    made = {f"draw {s}": deformation_steps(MASK, np.random.default_rng(s), hard=bool(s)) for s in range(2)}
    return plot_deformation(MASK, made)


def batch():
    """Two samples of a square: the guide of the second is shifted."""
    truth = torch.from_numpy(np.stack([MASK, MASK]))
    guide = torch.from_numpy(np.stack([MASK, HALF]))[:, None]
    grey = torch.linspace(0, 1, 24).expand(2, 3, *SHAPE)
    return {"image": grey, "flow": torch.ones(2, 2, *SHAPE), "guide": guide, "truth": truth}


def sampled():
    return plot_samples(batch(), {"guide": batch()["guide"][:, 0]}, flow=True)


def names(figure):
    """Of the rows, as written at their left."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def test_the_figures_are_fit_to_be_shown():
    assert_fit_to_be_shown(deformed)
    assert_fit_to_be_shown(sampled)


def test_every_step_of_every_draw_has_its_panel_and_its_J():
    figure = plot_deformation(MASK, {"a": {"moved": MASK, "bent": HALF}, "b": {"moved": HALF}})
    assert titles(figure) == ["moved: J 1.00", "bent: J 0.33", "moved: J 0.33", ""]
    assert names(figure) == ["a", "b"]


def test_a_sample_shows_its_guide_its_flow_and_its_truth():
    figure = sampled()
    assert titles(figure) == ["J 1.00", "J 0.33", "", "", "", ""]
    assert names(figure) == ["guide", "flow", "truth"]
    assert figure.get_label() == "2 training samples. J with the truth: guide 1.00, 0.33."


def test_without_flow_there_is_no_row_for_it():
    assert names(plot_samples(batch(), {"guide": batch()["guide"][:, 0]})) == ["guide", "truth"]
