"""Two rows side by side: the scores are those of the benchmark, and the frame where they differ most is that."""

import numpy as np
import pytest

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.stubs import blank_frames, square_mask
from vsreid_lite.evaluation.metrics import FrameScores, differing_frames, score_frames, score_sequence
from vsreid_lite.geometry import Box
from vsreid_lite.plots.metric_plots import plot_rows
from vsreid_lite.video.video import Video

BOXES = (Box(2, 2, 12, 12), Box(16, 4, 26, 14))
TRUTH = [square_mask(boxes=BOXES)] * 6
LOST = [*TRUTH[:2], *[square_mask(boxes=BOXES[:1])] * 3, TRUTH[5]]
SEQUENCE = Video("two", blank_frames(6), TRUTH[0], annotations=TRUTH)
MASKS = {"+ box": LOST, "+ re-id": [np.roll(mask, 1, 1) for mask in TRUTH]}
SCORES = {row: score_frames(SEQUENCE, masks) for row, masks in MASKS.items()}


@pytest.mark.parametrize("row", list(MASKS))
def test_the_scores_of_counted_frames_are_those_of_the_benchmark(row):
    official = score_sequence("two", TRUTH, MASKS[row])
    for k in range(2):
        J, F = SCORES[row].of(k)
        assert np.array_equal(J[1:-1], official[f"two_{k + 1}"].J)
        assert np.array_equal(F[1:-1], official[f"two_{k + 1}"].F)


def test_the_mean_over_instances_is_their_mean():
    J, _ = SCORES["+ box"].of(None)
    assert J.tolist() == [1, 1, 0.5, 0.5, 0.5, 1]


def test_frames_are_ordered_by_their_difference_and_ties_by_number():
    def scores(values):
        return FrameScores(np.array([values]), np.array([values]))

    a, b = scores([0.0, 0.5, 1.0, 0.5]), scores([0.25, 0.0, 0.75, 1.0])
    assert differing_frames(a, b, 0) == [1, 3, 0, 2]
    assert differing_frames(SCORES["+ box"], SCORES["+ re-id"], 1)[0] == 2


@pytest.mark.parametrize(("annotations", "masks"), [(None, LOST), ([*TRUTH[:5], None], LOST), (TRUTH, LOST[:5])])
def test_missing_truth_and_missing_masks_are_refused(annotations, masks):
    sequence = Video("two", blank_frames(6), TRUTH[0], annotations=annotations)
    with pytest.raises(ValueError, match="sequence two: expected 6 true and as many found masks"):
        score_frames(sequence, masks)


def test_rows_have_their_names_line_styles_and_scores():
    figure = plot_rows(SEQUENCE, MASKS, SCORES, ("+ box", "+ re-id"), 3, 1)
    written = texts(figure)
    assert {"two, frame 3: the truth", "+ box (dashed)", "+ re-id (solid)", "J of instance 2"} <= set(written)
    assert "+ box: J 0.00, F 0.00; + re-id: J 0.82" in figure.get_label()
    assert "all instances" in plot_rows(SEQUENCE, MASKS, SCORES, ("+ box", "+ re-id"), 3).get_label()


def test_the_lines_are_the_scores_dashed_for_the_first_row():
    figure = plot_rows(SEQUENCE, MASKS, SCORES, ("+ box", "+ re-id"), 3, 1)
    for axes, name in zip(figure.axes[3:], ("J", "F"), strict=True):
        first, second = (line for line in axes.lines if len(line.get_ydata()) == 6)
        assert (first.get_linestyle(), second.get_linestyle()) == ("--", "-")
        assert np.array_equal(first.get_ydata(), getattr(SCORES["+ box"], name)[1])
        assert np.array_equal(second.get_ydata(), getattr(SCORES["+ re-id"], name)[1])


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(lambda: plot_rows(SEQUENCE, MASKS, SCORES, ("+ box", "+ re-id"), 3, 1))
