"""What a run leaves behind, in Python and as JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.engine_runs import CONFIG, FAR, listed
from tests.stubs import SQUARE, ListedRows, ZeroFlow, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.result import PackedMasks
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment


@pytest.mark.parametrize("N", [0, 1, 3])
def test_packed_masks_are_those_that_were_packed(N):
    masks = list(np.random.default_rng(0).integers(0, 256, (N, 5, 7), np.uint8))
    packed = PackedMasks(masks)
    assert len(packed) == N and all(np.array_equal(a, b) for a, b in zip(packed, masks, strict=True))
    assert np.array_equal(packed[1:], masks[1:])
    with pytest.raises(IndexError):
        packed[N]


def test_masks_of_a_long_video_take_little_memory():
    packed = PackedMasks(square_mask((480, 854)) for _ in range(10))
    assert sum(map(len, packed._packed)) < 480 * 854 / 10


@pytest.fixture(scope="module")
def result():
    sequence, networks = listed(6, {(5, 0): 0.875}, {5: [FAR]})
    return segment(sequence, CONFIG, networks, ZeroFlow())


def test_json_holds_rounds_retrievals_checkpoints_and_times(result):
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (data["sequence"], data["frames"], data["labels"]) == ("listed", 6, [1])
    (round,) = data["rounds"]
    assert round["retrieval"] == {
        "box": [18, 8, 26, 16],
        "score": pytest.approx(0.875),
        "frame": 5,
        "instance": 0,
        "template": 0,
    }
    assert data["given"] == [{"frame": 0, "labels": [1]}]
    assert round["updated"] == [3, 4, 5] and round["seconds"] > 0
    assert data["checkpoints"] == [[0], [0], [0], [5], [5], [5]]
    assert set(data["seconds"]) == {"loading", "adaptation", "initial", "candidates", "rounds", "merge", "total"}
    parts = sum(seconds for name, seconds in data["seconds"].items() if name != "total")
    assert 0 < parts <= data["seconds"]["total"]


def test_json_says_which_masks_were_given_and_which_template_was_found():
    sequence, networks = listed(6, {}, {2: [FAR]})
    later = square_mask(boxes=(SQUARE, Box(20, 0, 24, 4)), labels=(1, 7))
    rows = {(0, SQUARE): [1, 0, 0], (4, SQUARE): [0, 1, 0], (4, Box(20, 0, 24, 4)): [0, 0, 1], (2, FAR): [0, 0.8, 0.6]}
    networks = replace(networks, identification=ListedRows({key: [*map(float, row)] for key, row in rows.items()}))
    video = Video("listed", sequence.frames, sequence.first_mask, later_masks={4: later})
    data = segment(video, CONFIG, networks, ZeroFlow()).to_json()
    assert data["given"] == [{"frame": 0, "labels": [1]}, {"frame": 4, "labels": [1, 7]}]
    assert [(r["retrieval"]["instance"], r["retrieval"]["template"]) for r in data["rounds"]] == [(0, 4), (1, 4)]


def test_a_round_keeps_the_checkpoints_as_they_were(result):
    assert np.array_equal(result.rounds[0].start, result.start) and result.rounds[0].start is not result.start
    assert result.retrievals == [result.rounds[0].retrieval]


def test_maps_that_were_not_kept_are_not_invented(result):
    assert not result.snapshots and not result.records
    with pytest.raises(ValueError, match="keep_maps=True"):
        _ = result.probabilities
