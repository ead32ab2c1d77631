"""Notebook 08: trained with true masks a network copies its guide, with deformed ones it looks; their pictures."""

import numpy as np
import pytest
import torch

from tests.plots.figure_checks import assert_fit_to_be_shown
from tests.stubs import square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.lessons.training_guides import (
    crossing_clips,
    crossing_videos,
    plot_collapse,
    plot_deformation,
    plot_samples,
    show_collapse,
)
from vsreid_lite.training.deformation import deformation_steps

FRAMES = 6


@pytest.fixture(scope="module")
def collapse():
    videos = crossing_videos(4, FRAMES + 1)
    return show_collapse(crossing_clips(8), videos, steps=100, frames=FRAMES, patch=32, width=8)


def test_without_deformation_a_network_learns_to_copy_its_guide(collapse):
    assert collapse.true.guide.mean() > 0.85
    assert np.abs(collapse.true.truth - collapse.still).max() < 0.2  # as good as no network
    assert collapse.true.truth[-1] < 0.2


def test_with_deformed_guides_the_same_network_follows_what_it_sees(collapse):
    assert collapse.deformed.guide.mean() < collapse.true.guide.mean() - 0.1
    assert collapse.deformed.truth[3] > collapse.true.truth[3] + 0.3
    assert collapse.deformed.truth[-1] > collapse.true.truth[-1] + 0.2


def test_the_figure_says_what_became_of_both(collapse):
    figure = plot_collapse(collapse)
    assert f"{collapse.true.truth[-1]:.2f} for one trained with true masks" in figure.get_label()
    lines = figure.axes[0].get_lines()
    assert [line.get_linestyle() for line in lines] == ["-", "--", ":"]  # not by colour alone
    assert np.array_equal(lines[1].get_ydata(), collapse.true.truth)


def test_frames_without_annotation_are_named():
    with pytest.raises(ValueError, match="103: expected annotations of frames 0 to 9, found 7"):
        show_collapse(crossing_clips(1), crossing_videos(1, 7, first=103), steps=1, frames=9, patch=32, width=8)


def test_a_crossing_keeps_its_disk_in_the_frame_and_moves_it_every_frame():
    for video in crossing_videos(4, FRAMES + 1):
        x = [np.nonzero(mask)[1].mean() for mask in video.annotations]
        assert np.diff(x) == pytest.approx(5, abs=0.3)
        assert not any(mask[:, [0, -1]].any() or mask[[0, -1]].any() for mask in video.annotations)


# ---- pictures


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
