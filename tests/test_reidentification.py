"""Algorithm 2: the best candidate only, both thresholds, and the same for a whole video without networks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_runs import small_boxes
from tests.stubs import SQUARE, Batches, ListedDetector, ListedRows, RandomDetector, RandomIdentification, blank_frames
from vsreid_lite.config import ReidConfig, ReleaseRules
from vsreid_lite.geometry import Box, iou
from vsreid_lite.reidentification import (
    Candidates,
    Outcome,
    as_row,
    cosine_similarity,
    embed_candidates,
    embed_templates,
    find_candidates,
    overlaps,
    recognised,
    reidentify,
    similarities,
    template_box,
)

FAR, NEAR = Box(18, 8, 26, 16), Box(5, 4, 13, 12)
FRAMES = blank_frames(4)
TEMPLATE = torch.tensor([1.0, 0.0])


class ScoreByBox:
    """Cosine with TEMPLATE written down for each box."""

    def __init__(self, scores):
        self.scores = scores

    def embed(self, frame, boxes):
        s = torch.tensor([self.scores[box] for box in boxes])
        return torch.stack([s, (1 - s * s).sqrt()], 1)


def found(scores, config=None, P=None, boxes=None, **rules):
    detector = ListedDetector({0: list(scores) if boxes is None else boxes})
    P = square() if P is None else P
    networks = detector, ScoreByBox(scores)
    return reidentify(FRAMES[0], P, TEMPLATE, *networks, config or ReidConfig(0.5, 0.3), 3, 2, ReleaseRules(**rules))


def square():
    P = torch.zeros(20, 30)
    P[4:12, 4:12] = 1
    return P


def test_the_candidate_most_like_the_template_is_returned():
    retrieval = found({FAR: 0.9, Box(0, 0, 2, 2): 0.6})
    assert retrieval.box == FAR and retrieval.score == pytest.approx(0.9)
    assert (retrieval.frame, retrieval.instance) == (3, 2)


def test_a_candidate_must_be_more_like_the_template_than_rho_reid():
    assert found({FAR: 0.5}) is None
    assert found({FAR: 0.5001}).box == FAR
    assert retrieved(*table([FAR], [None], [[0.5]])) is None
    assert retrieved(*table([FAR], [None], [[0.5001]])) == 0


def test_line_17_gives_up_below_0_so_a_score_of_exactly_0_is_a_retrieval():
    for score, instance in [(0.0, 0), (-0.0001, None)]:
        assert retrieved(*table([FAR], [None], [[score]]), rho_reid=-0.5) == instance


def test_a_candidate_where_the_instance_already_is_is_unnecessary():
    assert found({NEAR: 0.9}) is None
    assert found({NEAR: 0.9}, P=torch.zeros(20, 30)).box == NEAR
    assert iou(NEAR, SQUARE) == 56 / 72
    assert found({NEAR: 0.9}, ReidConfig(0.5, rho_occ=56 / 72)) is None
    assert found({NEAR: 0.9}, ReidConfig(0.5, rho_occ=0.78)).box == NEAR
    assert retrieved(*table([NEAR], [SQUARE], [[0.9]]), rho_occ=56 / 72) is None
    assert retrieved(*table([NEAR], [SQUARE], [[0.9]]), rho_occ=0.78) == 0


def test_only_the_best_candidate_is_tried():
    assert found({NEAR: 0.9, FAR: 0.8}) is None


def test_no_candidate_is_no_retrieval():
    assert found({}) is None


def test_of_equal_candidates_the_detectors_first_wins_and_proposals_are_limited():
    assert found({FAR: 0.75, Box(0, 0, 2, 2): 0.75}).box == FAR
    few = ReidConfig(0.5, 0.3, proposals=1)
    assert found({FAR: 0.6, Box(0, 0, 2, 2): 0.9}, few).box == FAR


def test_cosine_similarity_is_that_of_numpy_whatever_the_length_and_the_company():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 7)), rng.normal(size=(3, 7))
    expected = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    ours = cosine_similarity(torch.from_numpy(a), torch.from_numpy(b))
    assert ours.dtype == np.float32 and np.allclose(ours, expected, atol=1e-6)
    alone = cosine_similarity(torch.from_numpy(a[2:3]), torch.from_numpy(b[1:2]))
    assert alone[0, 0] == ours[2, 1]
    assert cosine_similarity(torch.ones(1, 3), torch.ones(1, 3)).item() == 1


def test_a_template_needs_an_instance():
    assert template_box(square(), 1) == SQUARE
    with pytest.raises(ValueError, match="instance 5 is absent"):
        template_box(torch.zeros(20, 30), 5)


@settings(deadline=None)
@given(small_boxes, small_boxes)
def test_overlaps_is_iou_and_zero_for_a_missing_box(a, b):
    A, B = (np.array([[box.x0, box.y0, box.x1, box.y1], [0, 0, 0, 0]]) for box in (a, b))
    assert overlaps(A, B).tolist() == [iou(a, b), 0]
    assert overlaps(A, B[::-1]).tolist() == [0, 0]


@settings(deadline=None)
@given(
    st.integers(0, 2**16),
    st.sampled_from([-1.0, 0.0, 0.3, 0.9]),
    st.sampled_from([0.1, 0.5, 1.01]),
    st.sampled_from([None, -0.5, 0.0, 0.3]),
)
def test_a_retrieval_is_the_printed_loop(seed, rho_reid, rho_occ, improvement):
    """Lines 11-18 of Algorithm 3 over `reidentify`, against arithmetic on the table of candidates."""
    config = ReidConfig(rho_reid, rho_occ, proposals=3, improvement=improvement)
    rng = np.random.default_rng(seed)
    N, K = 4, 2
    start = rng.integers(0, N, (N, K))
    P = torch.zeros(N, K, 20, 30)
    current = np.zeros((N, K, 4), np.int64)
    for i, k in np.ndindex(N, K):
        if rng.random() < 0.7:
            box = RandomDetector(seed + 1 + i * K + k)(FRAMES[i])[:1] or [SQUARE]
            P[i, k, box[0].y0 : box[0].y1, box[0].x0 : box[0].x1] = 1
            current[i, k] = box[0].x0, box[0].y0, box[0].x1, box[0].y1
    detector, identification = RandomDetector(seed), RandomIdentification(seed)
    templates = dict(enumerate(embed_templates(FRAMES[0], [SQUARE, FAR], identification)))
    best, s_hat = None, -1.0
    for i in range(1, N):
        for k in range(K):
            r = reidentify(FRAMES[i], P[i, k], templates[k], detector, identification, config, i, k)
            if r and r.score > s_hat and start[i, k] != i:
                best, s_hat = r, r.score
    candidates = find_candidates(FRAMES, {(0, k): t for k, t in templates.items()}, detector, identification, config)
    assert candidates.retrieve(current, start, config) == (None if s_hat < 0 else best)


def test_a_video_without_candidates_or_with_one_frame_has_no_retrieval():
    nobody = find_candidates(FRAMES, {(0, 0): torch.ones(2)}, ListedDetector({}), ScoreByBox({}), ReidConfig())
    assert nobody.scores.max() == -np.inf
    assert nobody.retrieve(np.zeros((4, 1, 4), np.int64), np.zeros((4, 1), np.int64), ReidConfig()) is None
    one = Candidates(np.zeros((1, 1, 4), np.int64), np.ones((1, 1, 1), np.float32), np.zeros((1, 1), np.int64), nothing)
    assert one.retrieve(np.zeros((1, 1, 4), np.int64), np.zeros((1, 1), np.int64), ReidConfig()) is None


def test_frames_where_all_instances_are_given_are_not_searched():
    detector, identification = ListedDetector({i: [FAR] for i in range(4)}), ScoreByBox({FAR: 0.9})
    templates = {(0, 0): TEMPLATE, (0, 1): TEMPLATE, (2, 0): TEMPLATE}
    found = find_candidates(FRAMES, templates, detector, identification, ReidConfig())
    assert np.isfinite(found.scores).all(1).tolist() == [False, True, True, True] and detector.calls == 3


def test_frames_are_searched_several_at_once_by_networks_that_can():
    """Frames 1 to 6 by threes; frame 4 is given, too."""
    frames, networks = blank_frames(7), (ListedDetector({i: [FAR, SQUARE] for i in range(7)}), RandomIdentification(1))
    at_once, rest = [*map(Batches, networks)], (ReidConfig(proposals=1), 1)
    one = [*embed_candidates(frames, [(0, 0), (4, 0)], *networks, *rest)]
    several = [*embed_candidates(frames, [(0, 0), (4, 0)], *at_once, *rest, 3)]
    assert [X for X, _ in several] == [X for X, _ in one] == [[] if i == 4 else [FAR] for i in range(1, 7)]
    assert all((a is b is None) or torch.equal(a, b) for (_, a), (_, b) in zip(one, several, strict=True))
    assert [network.sizes for network in at_once] == [[3, 2], [3, 2]]


def test_of_several_templates_the_most_similar_counts_and_of_equal_ones_the_first():
    """By hand, and as `reidentify` has it for one frame and one instance."""
    templates = {(0, 0): [1.0, 0.0], (1, 1): [0.0, 1.0], (2, 0): [0.0, 1.0], (3, 0): [0.0, 1.0]}
    templates = {place: torch.tensor(row) for place, row in templates.items()}
    scores, frames = similarities(templates, torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
    assert np.allclose(scores, [[1, 0], [0.8, 0.8]]) and frames.tolist() == [[0, 1], [2, 1]]
    own = torch.stack([templates[i, 0] for i in (0, 2, 3)])
    detector, identification = ListedDetector({0: [FAR]}), ListedRows({(0, FAR): [0.6, 0.8]})
    retrieval = reidentify(FRAMES[0], square(), own, detector, identification, ReidConfig(0.5, 0.3), 5)
    assert (retrieval.score, retrieval.frame, retrieval.template) == (pytest.approx(0.8), 5, 1)
    assert reidentify(FRAMES[0], square(), own[:1], detector, identification, ReidConfig(0.7, 0.3)) is None


def nothing(i, k, box):
    raise AssertionError("without the rule of improvement nobody asks what a map shows")


BELOW = Box(18, 12, 26, 20)  # IoU with FAR is 1/3


def table(best, current, scores, N=2, similarity_of=nothing):
    """The last frame's best candidates and current boxes of K instances; scores[k][l] of instance l on that of k."""
    K = len(best)
    boxes, now = np.zeros((N, K, 4), np.int64), np.zeros((N, K, 4), np.int64)
    boxes[-1], now[-1] = [as_row(box) for box in best], [as_row(box) for box in current]
    similarity = np.full((N, K, K), -np.inf, np.float32)
    similarity[-1] = scores
    return Candidates(boxes, similarity, np.zeros((N, K), np.int64), similarity_of), now


def retrieved(candidates, current, rho_reid=0.5, rho_occ=0.3, improvement=None, **rules):
    """The instance retrieved, after it was found that `outcomes` says the same."""
    start, config = np.zeros(current.shape[:2], np.int64), ReidConfig(rho_reid, rho_occ, improvement=improvement)
    found = candidates.retrieve(current, start, config, ReleaseRules(**rules))
    accepted = candidates.outcomes(current, start, config, ReleaseRules(**rules)) == Outcome.ACCEPTED
    assert accepted.any() == (found is not None)
    return None if found is None else found.instance


def test_row_13_an_instance_that_is_visible_anywhere_in_the_frame_is_not_searched():
    candidates, current = table([FAR], [SQUARE], [[0.9]])
    assert retrieved(candidates, current) == 0
    assert retrieved(candidates, current, only_absent=True) is None
    assert retrieved(*table([FAR], [None], [[0.9]]), only_absent=True) == 0
    assert found({FAR: 0.9}, only_absent=True) is None
    assert found({FAR: 0.9}, P=torch.zeros(20, 30), only_absent=True).box == FAR


def test_row_13_a_candidate_must_improve_on_what_the_map_shows():
    scores = {FAR: 1.0, SQUARE: 0.5}
    assert found(scores, boxes=[FAR], P=square()).box == FAR
    for improvement, retrieves in [(0.0, True), (0.4999, True), (0.5, False)]:
        rule = ReidConfig(0.5, 0.3, improvement=improvement)
        assert (found(scores, rule, square(), [FAR]) is not None) == retrieves
        assert found(scores, rule, torch.zeros(20, 30), [FAR]).box == FAR  # an empty map shows nothing
        candidates, current = table([FAR], [SQUARE], [[1.0]], similarity_of=lambda i, k, box: scores[box])
        assert (retrieved(candidates, current, improvement=improvement) == 0) == retrieves
        assert retrieved(*table([FAR], [None], [[1.0]]), improvement=improvement) == 0


def test_row_13_the_next_best_frame_is_tried_where_the_best_does_not_improve():
    shown = {0: 0.8, 1: 0.1}
    scores = [[0.9, 0.0], [0.0, 0.7]]
    candidates, current = table([FAR, BELOW], [SQUARE, SQUARE], scores, similarity_of=lambda i, k, box: shown[k])
    assert retrieved(candidates, current) == 0
    assert retrieved(candidates, current, improvement=0.2) == 1
    assert retrieved(candidates, current, improvement=0.65) is None


def test_row_13_what_a_map_shows_is_embedded_once():
    class Counting(ScoreByBox):
        asked = 0

        def embed(self, frame, boxes):
            Counting.asked += 1
            return super().embed(frame, boxes)

    rule = ReidConfig(0.5, 0.3, improvement=0.5)
    network = Counting({FAR: 0.9, SQUARE: 0.75})
    candidates = find_candidates(FRAMES[:2], {(0, 0): TEMPLATE}, ListedDetector({1: [FAR]}), network, rule)
    current = np.array([[as_row(SQUARE)], [as_row(SQUARE)]])
    for _ in range(3):
        assert candidates.retrieve(current, np.zeros((2, 1), np.int64), rule) is None
    assert Counting.asked == 2  # the candidate and the map, not three times


def test_row_13_a_candidate_must_not_overlap_another_visible_instance():
    candidates, current = table([FAR, None], [None, BELOW], [[0.9, 0.1], [-np.inf, -np.inf]])
    assert iou(FAR, BELOW) == pytest.approx(1 / 3)
    assert retrieved(candidates, current) == 0
    assert retrieved(candidates, current, spare_others=True) is None
    assert retrieved(candidates, current, spare_others=True, rho_occ=1 / 3) == 0  # refused by more, not by as much
    absent, nobody = table([FAR, None], [None, None], [[0.9, 0.1], [-np.inf, -np.inf]])
    assert retrieved(absent, nobody, spare_others=True) == 0


def test_row_14_a_candidate_goes_to_the_absent_instance_that_it_is_most_like():
    scores = [[0.8, 0.85], [0.7, 0.6]]  # the best of 0 is still more like 1, whose own best is refused by rho_reid
    candidates, nobody = table([FAR, BELOW], [None, None], scores)
    assert retrieved(candidates, nobody, rho_reid=0.65) == 0
    assert retrieved(candidates, nobody, rho_reid=0.65, exclusive=True) is None
    candidates, current = table([FAR, BELOW], [None, SQUARE], scores)
    assert retrieved(candidates, current, rho_reid=0.65, exclusive=True) == 0  # a visible rival does not compete
    alike, nobody = table([FAR, BELOW], [None, None], [[0.8, 0.8], [0.7, 0.6]])
    assert retrieved(alike, nobody, rho_reid=0.65, exclusive=True) == 0  # nor does one who is only as like it


def test_row_22_the_last_frame_may_be_left_out():
    assert retrieved(*table([FAR], [None], [[0.9]])) == 0
    assert retrieved(*table([FAR], [None], [[0.9]]), skip_last=True) is None


def test_row_21_only_some_instances_may_be_searched_and_compete():
    candidates, nobody = table([FAR, FAR], [None, None], [[0.8, 0.9], [0.8, 0.9]])
    assert retrieved(candidates, nobody) == 1
    assert retrieved(candidates.restricted_to([True, False]), nobody, exclusive=True) == 0
    assert retrieved(candidates.restricted_to([False, False]), nobody) is None


def test_a_detector_recognises_the_instances_that_it_finds_in_the_first_frame():
    detector = ListedDetector({0: [NEAR, Box(20, 8, 28, 20)]})
    assert iou(NEAR, SQUARE) > 0.5 > iou(Box(20, 8, 28, 20), FAR)
    assert recognised(FRAMES, {(0, 0): SQUARE, (0, 1): FAR}, detector) == [True, False]
    assert recognised(FRAMES, {(0, 0): SQUARE}, ListedDetector({})) == [False]
    half, less = Box(4, 4, 12, 8), Box(4, 4, 12, 7)  # an IoU of one half will do, 0.375 will not
    assert [recognised(FRAMES, {(0, 0): SQUARE}, ListedDetector({0: [box]})) for box in (half, less)] == [
        [True],
        [False],
    ]
