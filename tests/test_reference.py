"""The printed algorithms themselves: repairs R1-R4 one by one, and the line order of the loops."""

import pytest
import torch

from tests.engine_runs import CONFIG, FAR, listed
from tests.stubs import SQUARE, CopyGuide, SpyFlow
from vsreid_lite.networks import Networks
from vsreid_lite.reference import segment_as_printed


def run(N, retrieved_at, **options):
    sequence, networks = listed(N, {(retrieved_at, 0): 0.9}, {retrieved_at: [FAR]})
    flow = SpyFlow()
    return segment_as_printed(sequence, CONFIG, networks, flow, **options), flow.asked


def test_r1_sets_the_checkpoint_of_the_recovered_frame():
    assert run(5, 3)[0].start[:, 0].tolist() == [0, 0, 3, 3, 3]
    assert run(5, 3, repair_r1=False, max_rounds=1)[0].start[:, 0].tolist() == [0, 0, 3, 0, 3]


@pytest.mark.parametrize(
    ("N", "retrieved_at", "asked"),
    [
        (4, 3, [(3, 2), (2, 3)]),  # R2: the recovery in the last frame; then the backward sweep into frame 2
        (5, 2, [(2, 3), (3, 2), (4, 3)]),  # frame 1 is as near to the first frame, which is older
        (4, 99, []),
    ],
)
def test_r2_and_r3_flows_are_those_of_the_target_towards_the_source(N, retrieved_at, asked):
    assert run(N, retrieved_at)[1] == [(i, i - 1) for i in range(1, N)] + asked


def test_the_recovered_map_fills_the_retrieved_box_with_the_first_frames_patch():
    result, _ = run(4, 3)
    recovered = result.snapshots[1][3][0]
    assert recovered.box == FAR and torch.equal(recovered.values, torch.ones(8, 8))
    assert result.snapshots[0][3][0].probability_box() == SQUARE


def test_r4_without_networks_for_reid_there_is_only_the_first_propagation():
    sequence, _ = listed(3, {}, {})
    result = segment_as_printed(sequence, CONFIG, Networks(CopyGuide()), SpyFlow())
    assert not result.rounds and len(result.masks) == 3
