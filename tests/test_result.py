"""What a run leaves behind, in Python and as JSON."""

import json

import numpy as np
import pytest

from tests.stubs import CopyGuide, ListedDetector, ListedScores, ZeroFlow, blank_frames, square_mask
from vsreid_lite.config import Config, PropagationConfig
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment

FAR = Box(18, 8, 26, 16)


@pytest.fixture(scope="module")
def result():
    sequence = Video("video", blank_frames(6), square_mask())
    networks = Networks(CopyGuide(), ListedDetector({5: [FAR]}), ListedScores({(5, 0): 0.875}, [Box(4, 4, 12, 12)]))
    return segment(sequence, Config(device="cpu", propagation=PropagationConfig(patch=16)), networks, ZeroFlow())


def test_json_holds_rounds_retrievals_checkpoints_and_times(result):
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (data["sequence"], data["frames"], data["labels"]) == ("video", 6, [1])
    (round,) = data["rounds"]
    assert round["retrieval"] == {
        "box": [18, 8, 26, 16],
        "score": pytest.approx(0.875),
        "frame": 5,
        "instance": 0,
    }
    assert round["updated"] == [3, 4, 5] and round["seconds"] > 0
    assert data["checkpoints"] == [[0], [0], [0], [5], [5], [5]]
    assert set(data["seconds"]) == {"adaptation", "initial", "candidates", "rounds", "merge", "total"}
    parts = sum(seconds for name, seconds in data["seconds"].items() if name != "total")
    assert 0 < parts <= data["seconds"]["total"]


def test_a_round_keeps_the_checkpoints_as_they_were(result):
    assert np.array_equal(result.rounds[0].start, result.start) and result.rounds[0].start is not result.start
    assert result.retrievals == [result.rounds[0].retrieval]


def test_maps_that_were_not_kept_are_not_invented(result):
    assert not result.snapshots and not result.records
    with pytest.raises(ValueError, match="keep_maps=True"):
        _ = result.probabilities
