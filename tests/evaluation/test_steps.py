"""One step from the truth: a perfect network scores 1, a copying one as the warped map, what is not shown NaN."""

import numpy as np
import pytest
import torch

from tests.stubs import ZeroFlow, blank_frames, square_mask
from vsreid_lite.config import Config, with_propagation
from vsreid_lite.evaluation.steps import WARPED, one_step_scores
from vsreid_lite.geometry import Box
from vsreid_lite.video.video import Video

CONFIG = with_propagation(Config(device="cpu"), patch=32)
EMPTY = np.zeros_like(square_mask())


class Copying:
    """Answers with its guide."""

    def predict(self, image, flow, guide):
        return guide[:, 0]


class Blind:
    """Answers with nothing."""

    def predict(self, image, flow, guide):
        return torch.zeros_like(guide[:, 0])


def video(masks):
    return Video("v", blank_frames(len(masks)), masks[0], annotations=masks)


def test_a_step_is_scored_from_the_true_mask_of_the_frame_before():
    moved = square_mask(boxes=(Box(6, 4, 14, 12),))
    still = square_mask()
    scores = one_step_scores(video([still, moved, moved]), ZeroFlow(), {"copy": Copying(), "blind": Blind()}, CONFIG)
    assert list(scores) == [WARPED, "copy", "blind"]
    J = (still.astype(bool) & moved.astype(bool)).sum() / (still.astype(bool) | moved.astype(bool)).sum()
    assert 0 < J < 1 and scores[WARPED][0, 1:] == pytest.approx([J, 1])
    assert scores["copy"][0, 1:] == pytest.approx([J, 1], abs=0.1) and not scores["blind"][0, 1:].any()


def test_frames_that_are_left_out_or_do_not_show_the_instance_have_no_score():
    mask = square_mask()
    J = one_step_scores(video([mask, mask, EMPTY, mask, mask, mask]), ZeroFlow(), {}, CONFIG, every=2)[WARPED]
    assert np.isnan(J[0]).tolist() == [True, False, True, True, True, False]
    assert np.isnan(one_step_scores(video([mask, EMPTY, mask]), ZeroFlow(), {}, CONFIG)[WARPED]).all()


def test_a_video_without_truth_is_refused():
    with pytest.raises(ValueError, match="sequence v: expected 3 true masks, found 0"):
        one_step_scores(Video("v", blank_frames(3), square_mask()), ZeroFlow(), {}, CONFIG)
