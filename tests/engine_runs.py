"""What the tests of the engines share: random runs, runs that are written down, and when two runs are the same."""

import dataclasses

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.stubs import (
    SQUARE,
    CopyGuide,
    ListedDetector,
    ListedScores,
    RandomFlow,
    blank_frames,
    random_networks,
    random_sequence,
    square_mask,
)
from vsreid_lite.config import Config, PropagationConfig, ReidConfig, ReleaseRules
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment

CONFIG = Config(device="cpu", propagation=PropagationConfig(patch=16), matching=ReidConfig(0.5, 0.3))
THOROUGH = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))

runs = st.builds(
    dict,
    seed=st.integers(0, 2**16),
    N=st.integers(1, 8),
    K=st.integers(1, 4),
    shape=st.tuples(st.integers(9, 25), st.integers(9, 25)),
    later=st.booleans(),
    adapted=st.booleans(),
    config=st.builds(
        lambda patch, use_box, scales, flip, enlarge, rho_reid, rho_occ, only_absent, improvement: dataclasses.replace(
            CONFIG,
            propagation=PropagationConfig(patch, enlarge, use_box, scales=scales, flip=flip),
            matching=ReidConfig(rho_reid, rho_occ, 3, improvement),
            release=ReleaseRules(only_absent=only_absent),
        ),
        patch=st.sampled_from([8, 13, 16]),
        use_box=st.sampled_from([True, True, True, False]),
        scales=st.sampled_from([(1.0,), (0.75, 1.0, 1.5)]),
        flip=st.booleans(),
        enlarge=st.sampled_from([0.0, 0.15, 0.5]),
        rho_reid=st.sampled_from([-1.0, -0.2, 0.3, 0.8]),
        rho_occ=st.sampled_from([0.1, 0.3, 1.01]),
        only_absent=st.sampled_from([False, False, True]),
        improvement=st.sampled_from([None, None, 0.0, 0.3]),
    ),
)


release_rules = st.builds(
    ReleaseRules,
    absent_below=st.sampled_from([0.0, 0.1, 0.9]),
    passes=st.integers(1, 3),
    joint_passes=st.integers(0, 2),
    **{field.name: st.booleans() for field in dataclasses.fields(ReleaseRules) if field.type == "bool"},
)


small_boxes = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def run(seed, N, K, shape, config, later=False, adapted=False, run_segment=segment, **options):
    sequence = random_sequence(seed, N, K, shape, later)
    return run_segment(sequence, config, random_networks(seed, K * adapted), RandomFlow(seed), **options)


def sequence_of(arguments):
    """The sequence that `run` segments."""
    return random_sequence(*(arguments[name] for name in ("seed", "N", "K", "shape", "later")))


def given_places(sequence):
    """The (frame, instance) whose masks are given."""
    return [place for place, _ in sequence.given_probabilities()]


def assert_equal_runs(ours, theirs):
    assert ours.retrievals == theirs.retrievals
    assert [r.updated for r in ours.rounds] == [r.updated for r in theirs.rounds]
    for a, b in zip(ours.rounds, theirs.rounds, strict=True):
        assert np.array_equal(a.start, b.start)
    assert np.array_equal(ours.start, theirs.start)
    for a, b in zip(ours.snapshots, theirs.snapshots, strict=True):
        assert all(
            torch.equal(p.dense(), q.dense()) for P, Q in zip(a, b, strict=True) for p, q in zip(P, Q, strict=True)
        )
    assert all(np.array_equal(a, b) for a, b in zip(ours.masks, theirs.masks, strict=True))


FAR = Box(18, 8, 26, 16)


def listed(N, scores, candidates, boxes=(SQUARE,), network=None, values=None, labels=None):
    """A sequence of grey frames with networks whose every answer is written down."""
    sequence = Video("listed", blank_frames(N, values=values), square_mask(boxes=boxes, labels=labels))
    detector = ListedDetector(candidates)
    return sequence, Networks(network or CopyGuide(), detector, ListedScores(scores, list(boxes)))
