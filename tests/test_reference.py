"""The printed algorithms themselves: repairs R1-R4 one by one, and the line order of the loops."""

import torch

from tests.stubs import SQUARE, CopyGuide, ListedDetector, ListedScores, ZeroFlow, blank_frames, square_mask
from vsreid_lite.config import Config, PropagationConfig
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.reference import segment_as_printed
from vsreid_lite.video.video import Video

CONFIG = Config(device="cpu", propagation=PropagationConfig(patch=16))
FAR = Box(18, 8, 26, 16)


class SpyFlow(ZeroFlow):
    """Remembers the pairs (target, source) it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, frames, target, source):
        self.asked.append((target, source))
        return super().__call__(frames, target, source)


def run(N, retrieved_at, network=None, **options):
    sequence = Video("printed", blank_frames(N), square_mask())
    detector = ListedDetector({retrieved_at: [FAR]})
    scores = ListedScores({(retrieved_at, 0): 0.9}, [SQUARE])
    flow = SpyFlow()
    networks = Networks(network or CopyGuide(), detector, scores)
    return segment_as_printed(sequence, CONFIG, networks, flow, **options), flow.asked


def test_r1_sets_the_checkpoint_of_the_recovered_frame():
    assert run(5, 3)[0].start[:, 0].tolist() == [0, 0, 3, 3, 3]
    assert run(5, 3, repair_r1=False, max_rounds=1)[0].start[:, 0].tolist() == [0, 0, 3, 0, 3]


def test_r2_the_last_frame_uses_its_previous_neighbour():
    _, asked = run(4, 3)
    assert asked[3:] == [(3, 2), (2, 3)]  # the recovery, then the backward sweep into frame 2


def test_a_recovery_in_the_middle_uses_the_next_neighbour():
    _, asked = run(5, 2)
    assert asked[4:] == [(2, 3), (3, 2), (4, 3)]  # frame 1 is as near to the first frame, which is older


def test_r3_flows_are_those_of_the_target_towards_the_source():
    _, asked = run(4, 99)
    assert asked == [(1, 0), (2, 1), (3, 2)]


def test_the_recovered_map_fills_the_retrieved_box_with_the_first_frames_patch():
    result, _ = run(4, 3)
    recovered = result.snapshots[1][3][0]
    assert recovered.box == FAR and torch.equal(recovered.values, torch.ones(8, 8))
    assert result.snapshots[0][3][0].probability_box() == SQUARE


def test_r4_without_networks_for_reid_there_is_only_the_first_propagation():
    sequence = Video("printed", blank_frames(3), square_mask())
    result = segment_as_printed(sequence, CONFIG, Networks(CopyGuide()), ZeroFlow())
    assert not result.rounds and len(result.masks) == 3
