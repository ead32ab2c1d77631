"""Decay, the two means that are ours (visible frames, after re-appearance), and the JSON."""

import json

import numpy as np
import pytest

from tests.evaluation.samples import frames
from vsreid_lite.evaluation import evaluate, score_sequence
from vsreid_lite.evaluation.metrics import decay


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
