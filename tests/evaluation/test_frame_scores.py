"""J and F of every frame of every instance, for pictures and browsers."""

import numpy as np
import pytest

from tests.stubs import blank_frames, square_mask
from vsreid_lite.evaluation import score_sequence
from vsreid_lite.evaluation.metrics import FrameScores, Statistics, frame_gains, score_frames
from vsreid_lite.geometry import Box
from vsreid_lite.video.video import Video

TRUTH = [square_mask(boxes=(Box(2, 2, 12, 12), Box(16, 4, 26, 14)))] * 6
LOST = [*TRUTH[:2], *[square_mask(boxes=(Box(2, 2, 12, 12),))] * 3, TRUTH[5]]


def video(truth=TRUTH):
    return Video("two", blank_frames(6), TRUTH[0], annotations=truth)


@pytest.mark.parametrize("masks", [LOST, [np.roll(mask, 1, 1) for mask in TRUTH]])
def test_the_scores_of_counted_frames_are_those_of_the_benchmark(masks):
    found, official = score_frames(video(), masks), score_sequence("two", TRUTH, masks)
    for k in range(2):
        J, F = found.of(k)
        assert np.array_equal(J[1:-1], official[f"two_{k + 1}"].J)
        assert np.array_equal(F[1:-1], official[f"two_{k + 1}"].F)
        means = [Statistics.of_frames(values).mean for values in (J[1:-1], F[1:-1])]
        assert found.mean(k) == pytest.approx(np.mean(means))


def test_the_mean_over_instances_is_their_mean():
    found = score_frames(video(), LOST)
    assert found.of(None)[0].tolist() == [1, 1, 0.5, 0.5, 0.5, 1]
    assert found.mean(None) == 0.625


def test_gains_are_differences_of_the_mean_of_J_and_F_and_zero_where_nothing_is_in_sight():
    seen = np.array([[True, True, True, False]])
    a, b = (FrameScores(np.array([J]), np.array([J[::-1]]), seen) for J in ([0.0, 0.5, 1.0, 1.0], [0.5, 0.0, 1.0, 0.0]))
    assert frame_gains(a, b, 0).tolist() == frame_gains(a, b, None).tolist() == [-0.25, -0.25, -0.25, 0]
    truth = [*TRUTH[:3], *[square_mask(boxes=(Box(2, 2, 12, 12),))] * 3]
    assert score_frames(video(truth), LOST).visible.tolist() == [[True] * 6, [True] * 3 + [False] * 3]


@pytest.mark.parametrize(("annotations", "masks"), [(None, LOST), ([*TRUTH[:5], None], LOST), (TRUTH, LOST[:5])])
def test_missing_truth_and_missing_masks_are_refused(annotations, masks):
    with pytest.raises(ValueError, match="sequence two: expected 6 true and as many found masks"):
        score_frames(video(annotations), masks)
