"""A network that is trained with true masks as guides copies its guide; with deformed ones it looks at the image."""

import numpy as np
import pytest

from vsreid_lite.lessons.collapse import plot_collapse, show_collapse
from vsreid_lite.lessons.crossing import crossing_clips, crossing_sequences

FRAMES = 6


@pytest.fixture(scope="module")
def collapse():
    videos = crossing_sequences(4, FRAMES + 1)
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
        show_collapse(crossing_clips(1), crossing_sequences(1, 7, first=103), steps=1, frames=9, patch=32, width=8)


def test_a_crossing_keeps_its_disk_in_the_frame_and_moves_it_every_frame():
    for video in crossing_sequences(4, FRAMES + 1):
        x = [np.nonzero(mask)[1].mean() for mask in video.annotations]
        assert np.diff(x) == pytest.approx(5, abs=0.3)
        assert not any(mask[:, [0, -1]].any() or mask[[0, -1]].any() for mask in video.annotations)
