"""What moves too far for DIS: an instance smaller than its step, on a background that stands still."""

import cv2
import numpy as np
import pytest
import torch

from vsreid_lite.flow import DisFlow, dis, get_flow
from vsreid_lite.flow.dis import match_far


def texture(rng, height, width, grain=3):
    noise = rng.integers(0, 255, (height // grain + 1, width // grain + 1, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def moving_square(shape=(192, 320), side=16, start=(60, 80), step=(45, -20), grain=3):
    """Source, target, and where the square is in the target; it was at `start` (x, y) and went by `step`."""
    rng = np.random.default_rng(0)
    background, square = texture(rng, *shape, grain), texture(rng, side, side, grain)
    place = np.zeros(shape, bool)
    frames = [background.copy(), background.copy()]
    (x, y), (dx, dy) = start, step
    frames[0][y : y + side, x : x + side] = square
    frames[1][y + dy : y + dy + side, x + dx : x + dx + side] = square
    place[y + dy : y + dy + side, x + dx : x + dx + side] = True
    return frames, place


def distance(flow, truth, where):
    return (flow - torch.tensor(truth)[:, None, None]).norm(dim=0)[torch.from_numpy(where)]


@pytest.mark.parametrize(
    ("shape", "side", "start", "step"),
    [
        ((192, 320), 16, (60, 80), (45, -20)),
        ((192, 320), 13, (300, 10), (-58, 40)),
        ((480, 854), 40, (100, 200), (120, -60)),
        ((401, 601), 40, (500, 120), (-90, 70)),
        ((320, 192), 16, (60, 200), (-20, -50)),
        ((97, 131), 14, (20, 40), (22, 20)),
    ],
)
def test_a_square_that_moves_farther_than_its_side_is_followed(shape, side, start, step):
    frames, place = moving_square(shape, side, start, step)
    truth = (-float(step[0]), -float(step[1]))  # where it was, seen from where it is
    inner = cv2.erode(place.astype(np.uint8), np.ones((5, 5))) > 0
    assert (distance(DisFlow("tuned")(frames, 1, 0), truth, inner) < 3).float().mean() < 0.2
    assert (distance(DisFlow()(frames, 1, 0), truth, inner) < 3).float().mean() > 0.8


def test_dis_is_the_flow_that_searches_and_dis_tuned_does_not():
    frames, _ = moving_square()
    searched, plain = (get_flow(name)(frames, 1, 0) for name in ("dis", "dis-tuned"))
    assert torch.equal(searched, DisFlow("far")(frames, 1, 0)) and torch.equal(plain, DisFlow("tuned")(frames, 1, 0))
    assert not torch.equal(searched, plain)


def test_the_background_keeps_the_flow_that_it_had():
    frames, place = moving_square()
    flows = [DisFlow(preset)(frames, 1, 0) for preset in ("tuned", "far")]
    (x, y), side = (60, 80), 16
    place[y : y + side, x : x + side] = True  # uncovered, and in no other frame to be found
    away = cv2.dilate(place.astype(np.uint8), np.ones((25, 25))) == 0
    assert torch.equal(flows[0][:, away], flows[1][:, away])


def test_a_flow_that_explains_the_target_is_left_as_it_is():
    frames, _ = moving_square(step=(0, 0))
    zero = np.zeros((192, 320, 2), np.float32)
    assert np.array_equal(match_far(zero, frames[1], frames[0]), zero)


def test_a_flow_that_explains_a_large_frame_is_left_as_it_is_where_the_frame_is_reduced():
    """480 x 854 pixels are searched at a quarter: there 82 pixels of flow are 20.5, which no search can find."""
    scene = texture(np.random.default_rng(4), 480, 936, grain=20)
    target, source = np.ascontiguousarray(scene[:, :-82]), np.ascontiguousarray(scene[:, 82:])
    flow = np.broadcast_to(np.array([-82, 0], np.float32), (480, 854, 2)).copy()
    found = match_far(flow, target, source)
    assert np.array_equal(found[:, 100:], flow[:, 100:])  # what was left of that is in no other frame


@pytest.mark.parametrize(("left", "taken"), [(25, True), (27, False)])
def test_a_displacement_is_taken_if_it_leaves_less_than_0_65_of_the_difference(left, taken):
    """0.65 was chosen on real video (docs/training.md, "Large displacements").

    The square differs by 40 grey levels, up or down, from what is behind it, and is darker by 25 or 27 in the source.
    """
    rng = np.random.default_rng(5)
    source = texture(rng, 192, 320, 6) // 2 + 64
    sign = np.where(texture(rng, 40, 40, 6)[..., :1] > 127, 1, -1)
    target = source.copy()
    target[100:140, 140:180] = source[100:140, 140:180] + 40 * sign
    source[80:120, 190:230] = target[100:140, 140:180] - left
    moved = match_far(np.zeros((192, 320, 2), np.float32), target, source)[105:135, 145:175]
    assert ((moved == (50, -20)).all(2).mean() > 0.5) == taken  # elsewhere another displacement leaves still less


def test_only_what_looks_clearly_wrong_is_corrected():
    """All moves by 6 pixels; on the ramp of a grey level a pixel that is a difference of 6, on the square far more."""
    ramp = np.tile(np.arange(20, 206, dtype=np.uint8), (120, 1))[..., None].repeat(3, 2)
    scene = ramp.copy()
    scene[40:70, 60:90] = texture(np.random.default_rng(3), 30, 30)
    source, target = scene[:, 6:], scene[:, :-6]
    flow = match_far(np.zeros((120, 180, 2), np.float32), np.ascontiguousarray(target), np.ascontiguousarray(source))
    assert (flow[45:65, 65:85] == (-6, 0)).all(2).mean() > 0.9
    assert not flow[:, :50].any() and not flow[:, 100:].any()


def test_beyond_the_reach_nothing_is_found():
    step = round(dis.REACH * 320) + 30
    frames, place = moving_square(step=(step, 0))
    found = distance(DisFlow()(frames, 1, 0), (-float(step), 0.0), place)
    assert (found < 3).float().mean() < 0.2


def test_the_difference_of_a_displacement_is_that_of_each_pixel_from_where_it_leads():
    rng = np.random.default_rng(1)
    target, source = rng.integers(0, 255, (2, 9, 12, 3), dtype=np.uint8)
    for dx, dy in ((0, 0), (3, -2), (-5, 4), (11, 8), (-11, 0)):
        found = dis._moved_difference(target, source, (dx, dy))
        for y, x in np.ndindex(9, 12):
            inside = 0 <= y + dy < 9 and 0 <= x + dx < 12
            other = source[y + dy, x + dx] if inside else None
            expected = np.abs(target[y, x].astype(float) - other).mean() if inside else 255
            assert found[y, x] == pytest.approx(expected, abs=1e-4), (dx, dy, y, x)


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (300, 32), (32, 2000), (401, 601), (481, 855)])
@pytest.mark.parametrize("grain", [1, 5])
def test_frames_that_have_nothing_in_common_give_a_finite_flow_that_stays_in_reach(shape, grain):
    rng = np.random.default_rng(2)
    target, source = texture(rng, *shape, grain), texture(rng, *shape, grain)
    flow = match_far(np.zeros((*shape, 2), np.float32), target, source)
    assert flow.shape == (*shape, 2) and flow.dtype == np.float32
    assert np.isfinite(flow).all() and np.abs(flow).max() <= dis.REACH * max(shape) + 4 * (dis.CORRECTION + 1)


@pytest.mark.parametrize("shape", [(400, 600), (401, 601), (481, 853)])
def test_corrections_lie_where_they_belong_also_in_reduced_frames(shape):
    frames, place = moving_square(shape, 64, (200, 150), (80, 40))
    flow = DisFlow()(frames, 1, 0)
    found = (flow - torch.tensor([-80.0, -40.0])[:, None, None]).norm(dim=0).numpy() < 2
    y, x = np.nonzero(found & (cv2.dilate(place.astype(np.uint8), np.ones((25, 25))) > 0))
    middle = np.array([150 + 40 + 31.5, 200 + 80 + 31.5])
    assert np.abs(np.array([y.mean(), x.mean()]) - middle).max() < 2
    assert (found & place).sum() > 0.8 * place.sum()  # measured: 0.84 and more, of a side of 48 pixels 0.73


def test_of_too_many_blocks_the_most_wrong_is_one():
    error = np.full((192, 320), dis.WRONG + 1, np.float32)
    error[100, 200] = 250  # a centre: a multiple of four from the first one
    chosen = dis._blocks(error)
    assert len(chosen) == dis.BLOCKS and (100, 200) in chosen
