"""J, F, recall and decay: the official numbers, a peer's, hand calculations, and the laws that hold for all masks."""

import json
from dataclasses import astuple
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.morphology import disk
from vos_benchmark.benchmark import VideoEvaluator

from tests.evaluation.samples import frames, official_decay, rectangle, slow_F, write
from vsreid_lite.evaluation import Scores, evaluate, metrics, score_instance, score_sequence
from vsreid_lite.evaluation.metrics import decay
from vsreid_lite.evaluation.official import official_scores
from vsreid_lite.video.masks import read_labels

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "metrics"
EXACT = 1e-9


@pytest.fixture(scope="module")
def golden() -> Scores:
    return evaluate(GOLDEN / "reference", GOLDEN / "predicted")


# The official program


def test_golden_values_of_each_instance(golden):
    official = json.loads((GOLDEN / "official.json").read_text())
    ours = golden.to_json()["instances"]
    assert set(ours) == set(official["objects"])
    for name, entry in official["objects"].items():
        for measure in "JF":
            for key in ("mean", "recall", "decay", "per_frame"):
                np.testing.assert_allclose(ours[name][measure][key], entry[measure][key], rtol=0, atol=EXACT)


def test_golden_global_values(golden):
    official = json.loads((GOLDEN / "official.json").read_text())["global"]
    ours = golden.to_json()["global"]
    for measure in "JF":
        for theirs, key in (("M", "mean"), ("R", "recall"), ("D", "decay")):
            assert ours[measure][key] == pytest.approx(official[measure][theirs], abs=EXACT)
    assert ours["global-mean"] == pytest.approx(official["J&F-Mean"], abs=EXACT)


@pytest.mark.skipif(find_spec("davis2017") is None, reason="davis2017-evaluation: environment.yml installs it")
def test_the_official_program_agrees_where_it_is_installed(golden):
    from davis2017 import metrics as official

    truth, predicted = (
        np.stack([read_labels(path) for path in sorted((GOLDEN / side / "judo").glob("*.png"))])
        for side in ("reference", "predicted")
    )
    for k in (1, 2):
        J, F = score_instance(truth == k, predicted == k)
        np.testing.assert_allclose(J, official.db_eval_iou(truth == k, predicted == k), rtol=0, atol=EXACT)
        np.testing.assert_allclose(F, official.db_eval_boundary(truth == k, predicted == k), rtol=0, atol=EXACT)
    names = sorted(path.name for path in (GOLDEN / "reference").iterdir())
    found = official_scores(GOLDEN / "reference", GOLDEN / "predicted", names)
    for name, ours in (("J", golden.J), ("F", golden.F)):
        assert astuple(found[name]) == pytest.approx(astuple(ours), abs=EXACT)


# vos-benchmark, a peer


@pytest.mark.parametrize("name", sorted(path.name for path in (GOLDEN / "reference").iterdir()))
def test_vos_benchmark_agrees(golden, name):
    _, J, F = VideoEvaluator(str(GOLDEN / "reference"), str(GOLDEN / "predicted"))(name)
    for k in J:
        scores = golden.instances[f"{name}_{k}"]
        assert scores.J.mean() == pytest.approx(J[k] / 100, abs=EXACT)
        assert scores.F.mean() == pytest.approx(F[k] / 100, abs=EXACT)


# Hand calculations


def test_F_of_one_pixel_moved_by_two():
    assert metrics.boundary_radius((20, 20)) == 1
    truth = rectangle(5, 5, 6, 6)  # boundary: columns 4 and 5
    J, F = score_instance(np.stack([truth] * 3), np.stack([rectangle(x, 5, x + 1, 6) for x in (5, 7, 8)]))
    assert J.tolist() == [1, 0, 0]
    assert F.tolist() == [1, 1 / 2, 0]  # columns 6, 7: half of each boundary is found; columns 7, 8: none


@pytest.mark.parametrize(
    ("shape", "radius"),
    [((480, 854), 8), ((240, 427), 4), ((1080, 1920), 18), ((1, 1), 1), ((300, 400), 4), ((301, 400), 5)],
)
def test_the_boundary_radius_is_0_008_of_the_diagonal_rounded_up(shape, radius):
    assert metrics.boundary_radius(shape) == radius


def test_empty_masks():
    empty, square = rectangle(0, 0, 0, 0), rectangle(3, 3, 9, 9)
    assert metrics.score_frame(empty, empty) == (1, 1)
    assert metrics.score_frame(empty, square) == (0, 0)
    assert metrics.score_frame(square, empty) == (0, 0)


def test_a_mask_that_fills_the_frame_has_no_boundary():
    full = rectangle(0, 0, 20, 20)
    assert metrics.score_frame(full, full) == (1, 1)
    assert metrics.score_frame(full, rectangle(3, 3, 9, 9)) == (36 / 400, 0)
    assert metrics.score_frame(full, rectangle(0, 0, 0, 0)) == (0, 1)


# Laws


def masks(count: int) -> st.SearchStrategy[list[np.ndarray]]:
    shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
    return shapes.flatmap(
        lambda shape: st.lists(arrays(bool, shape, elements=st.booleans()), min_size=count, max_size=count)
    )


def sparse(masks: list[np.ndarray]) -> list[np.ndarray]:
    """Each mask kept in a corner of its own, so that boxes, empty rows and the border all occur."""
    return [mask & (np.add.outer(*map(np.arange, mask.shape)) % (i + 2) < 1) for i, mask in enumerate(masks)]


@settings(max_examples=100, deadline=None)
@given(masks(2), st.integers(1, 9), st.booleans())
def test_F_is_that_of_the_definition(pair, radius, thinned):
    truth, predicted = sparse(pair) if thinned else pair
    assert metrics.boundary(truth, predicted, radius) == pytest.approx(slow_F(truth, predicted, radius), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(masks(2), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_nothing_is_lost_by_cropping(pair, left, top, right, bottom):
    truth, predicted = (np.pad(mask, ((top, bottom), (left, right))) for mask in pair)
    radius = metrics.boundary_radius(truth.shape)
    expected = metrics.region(truth, predicted), metrics.boundary(truth, predicted, radius)
    assert metrics.score_frame(truth, predicted) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(masks(1), st.integers(1, 12))
def test_dilation_is_that_of_the_official_disk(mask, radius):
    stride = mask[0].shape[1] + radius
    expected = cv2.dilate(mask[0].astype(np.uint8), disk(radius))
    grown = metrics.dilate(metrics.as_bits(mask[0], stride), radius, stride)
    everywhere = metrics.as_bits(np.ones_like(mask[0]), stride)
    assert grown & everywhere == metrics.as_bits(expected.astype(bool), stride)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.uint8, (5, 12, 14), elements=st.integers(0, 3)), arrays(np.uint8, (5, 12, 14), elements=st.integers(0, 3))
)
def test_renumbering_the_instances_changes_nothing_but_their_names(truth, predicted):
    order = np.array([0, 3, 1, 2], dtype=np.uint8)
    before = score_sequence("a", truth, predicted, 3)
    after = score_sequence("a", order[truth], order[predicted], 3)
    for k in (1, 2, 3):
        assert before[f"a_{k}"].to_json() == after[f"a_{order[k]}"].to_json()


# The protocol


def test_the_first_and_the_last_frame_do_not_count(tmp_path):
    truth = frames(1, 1, 1, 1)
    write(tmp_path / "truth", {"a": truth})
    write(tmp_path / "predicted", {"a": truth})
    for unread in ("00000.png", "00003.png"):
        (tmp_path / "predicted" / "a" / unread).unlink()
    scores = evaluate(tmp_path / "truth", tmp_path / "predicted")
    assert scores.instances["a_1"].J.tolist() == [1, 1]
    truth_and_wrong_ends = truth.copy()
    truth_and_wrong_ends[[0, -1]] = 9
    assert evaluate({"a": truth}, {"a": truth_and_wrong_ends}).global_mean == 1


@pytest.mark.parametrize("label", [-1, 2])
def test_a_predicted_label_that_is_no_instance_is_refused(label):
    predicted = frames(1, 1, 1).astype(int)
    predicted[1, 0, 0] = label
    with pytest.raises(ValueError, match=f"sequence a, frame 1: expected labels 0 to 1, .* found {label}$"):
        score_sequence("a", frames(1, 1, 1), predicted)


def test_void_in_the_truth_is_background():
    truth = frames(1, 1, 1, 1)
    void = truth.copy()
    void[:, 15:] = 255
    predicted = truth.copy()
    predicted[1, 15:] = 1
    assert list(evaluate({"a": void}, {"a": predicted}).instances) == ["a_1"]
    assert evaluate({"a": void}, {"a": predicted}).to_json() == evaluate({"a": truth}, {"a": predicted}).to_json()


def test_instances_are_those_of_the_first_true_frame_and_a_missing_label_is_empty():
    truth = frames(1, 1, 1, 1, label=3)
    truth[1:, 0, 0] = 5  # appears later: not scored
    with pytest.warns(UserWarning, match="sequence a, frame 0: shows 1 instance, but its largest label is 3"):
        scores = evaluate({"a": truth}, {"a": np.zeros_like(truth)})
    assert list(scores.instances) == ["a_1", "a_2", "a_3"]
    assert [instance.J.tolist() for instance in scores.instances.values()] == [[1, 1], [1, 1], [0, 0]]


def test_global_means_are_over_instances_not_sequences():
    one, three = frames(1, 1, 1), frames(1, 1, 1, label=3)
    with pytest.warns(UserWarning, match="sequence b, frame 0: shows 1 instance"):
        scores = evaluate({"a": one, "b": three}, {"a": np.zeros_like(one), "b": three})
    assert scores.J.mean == scores.F.mean == scores.global_mean == 3 / 4


def test_recall_counts_values_above_one_half():
    truth = frames(*[1] * 6)
    predicted = truth.copy()
    predicted[1, :, :] = 0
    predicted[2] = rectangle(5, 5, 12, 19) * np.uint8(1)  # J is exactly one half
    scores = evaluate({"a": truth}, {"a": predicted})
    assert scores.instances["a_1"].J.tolist() == [0, 1 / 2, 1, 1]
    assert scores.J.recall == 2 / 4


def test_folders_and_arrays_score_alike(tmp_path):
    rng = np.random.default_rng(0)
    truth = {"a": rng.integers(0, 3, (5, 30, 41)), "b": rng.integers(0, 2, (4, 16, 9))}
    predicted = {"a": rng.integers(0, 3, (5, 30, 41)), "b": rng.integers(0, 2, (4, 16, 9))}
    folders = write(tmp_path / "truth", truth), write(tmp_path / "predicted", predicted)
    in_memory = evaluate(truth, predicted).to_json()
    assert evaluate(*folders).to_json() == in_memory
    assert evaluate(str(folders[0]), predicted).to_json() == evaluate(truth, str(folders[1])).to_json() == in_memory


# Decay, the two means that are ours (visible frames, after re-appearance), and the JSON


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
