"""Decay, the two means that are ours (visible frames, after re-appearance), and the JSON."""

import json

import numpy as np
import pytest

from tests.evaluation.samples import frames
from tests.stubs import blank_frames, square_mask
from vsreid_lite.evaluation import evaluate, score_sequence
from vsreid_lite.evaluation.metrics import differing_frames, score_frames
from vsreid_lite.evaluation.scores import FrameScores, Statistics, decay
from vsreid_lite.geometry import Box
from vsreid_lite.video.video import Video


def official_decay(values: np.ndarray) -> float:
    """As davis2017-evaluation computes it: edges cast to uint8."""
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.uint8)
    first, *_, last = (values[edges[i] : edges[i + 1] + 1] for i in range(4))
    return float(np.mean(first) - np.mean(last))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 28, 47, 58, 255])
def test_decay_is_the_official_one_up_to_255_counted_frames(n):
    values = np.random.default_rng(n).random(n)
    assert decay(values) == pytest.approx(official_decay(values), abs=1e-12)


def test_decay_stays_right_for_longer_sequences_where_the_official_one_wraps_round():
    values = np.linspace(1, 0, 401)
    by_hand = values[:101].mean() - values[300:].mean()  # edges 0, 100, 200, 300, 400
    assert decay(values) == pytest.approx(by_hand) == pytest.approx(0.75)
    assert official_decay(values) != pytest.approx(by_hand, abs=0.01)  # edges 0, 100, 200, 44, 144


def test_visible_frames_and_reappearance():
    truth = frames(1, 1, 0, 1, 0, 1, 1)
    predicted = frames(1, 1, 0, 0, 0, 1, 1)
    instance = score_sequence("a", truth, predicted)["a_1"]
    assert instance.J.tolist() == [1, 1, 0, 1, 1]
    assert instance.visible.tolist() == [True, False, True, False, True]
    assert instance.reappeared.tolist() == [False, False, True, False, True]
    assert instance.visible_J == pytest.approx(2 / 3)
    assert instance.reappeared_J == pytest.approx(1 / 2)


def test_an_absence_may_begin_right_after_the_first_frame():
    instance = score_sequence("a", frames(1, 0, 1, 1), frames(1, 0, 0, 1))["a_1"]
    assert instance.reappeared.tolist() == [False, True]
    assert instance.reappeared_J == 0


def test_a_first_appearance_is_no_reappearance():
    truth = frames(0, 0, 1, 1)
    truth[0, 0, 0] = 2
    assert not score_sequence("a", truth, np.zeros_like(truth))["a_1"].reappeared.any()


def test_what_is_undefined_is_null_in_the_json():
    scores = evaluate({"a": frames(1, 0, 0, 1)}, {"a": frames(1, 0, 0, 1)})
    assert (scores.visible_J, scores.reappeared_J) == (None, None)
    assert json.loads(json.dumps(scores.to_json(), allow_nan=False)) == {
        "global": {
            "J": {"mean": 1, "recall": 1, "decay": 0},
            "F": {"mean": 1, "recall": 1, "decay": 0},
            "global-mean": 1,
            "J-visible": None,
            "J-after-reappearance": None,
        },
        "instances": {
            "a_1": {
                "J": {"mean": 1, "recall": 1, "decay": 0, "per_frame": [1, 1]},
                "F": {"mean": 1, "recall": 1, "decay": 0, "per_frame": [1, 1]},
                "J-visible": None,
                "J-after-reappearance": None,
            }
        },
    }


def test_global_means_leave_out_instances_where_they_are_undefined():
    truth = frames(1, 0, 1, 1) + frames(1, 1, 1, 1, label=2)[:, :, ::-1] * (frames(1, 0, 1, 1) == 0)
    scores = evaluate({"a": truth}, {"a": np.where(truth == 2, 2, 0)})
    assert [instance.reappeared_J for instance in scores.instances.values()] == [0, None]
    assert (scores.visible_J, scores.reappeared_J) == (1 / 2, 0)


# Every frame of every instance

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


def test_frames_are_ordered_by_their_difference_and_ties_by_number():
    a, b = (FrameScores(*[np.array([values])] * 2) for values in ([0.0, 0.5, 1.0, 0.5], [0.25, 0.0, 0.75, 1.0]))
    assert differing_frames(a, b, 0) == [1, 3, 0, 2]


@pytest.mark.parametrize(("annotations", "masks"), [(None, LOST), ([*TRUTH[:5], None], LOST), (TRUTH, LOST[:5])])
def test_missing_truth_and_missing_masks_are_refused(annotations, masks):
    with pytest.raises(ValueError, match="sequence two: expected 6 true and as many found masks"):
        score_frames(video(annotations), masks)
