"""The overlay video looks like the pictures of the notebooks: tinted, outlined, numbered, with what was found again."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.command_line import FIRST, SHAPE, tiny_frame, tiny_mask
from vsreid_lite.geometry import Box
from vsreid_lite.plots.overlay_video import draw_instances, write_overlay_video
from vsreid_lite.plots.panels import RETRIEVED, instance_colour, tint
from vsreid_lite.reidentification import Retrieval
from vsreid_lite.result import Result, Round
from vsreid_lite.video.masks import PALETTE
from vsreid_lite.video.video import load_frames

GREY = np.full((240, 320, 3), 128, np.uint8)
MASK = np.zeros((240, 320), np.uint8)
MASK[60:180, 40:160] = 3
BOX = Box(200, 40, 300, 200)


def rgb(colour):
    return np.round(np.array(to_rgb(colour)) * 255)


def result(masks, rounds, label=3):
    start = np.zeros((len(masks), 1), np.int64)
    found = [Round(Retrieval(box, 0.87, frame, 0), (frame,), start, 0.0) for frame, box in rounds]
    return Result("clip", (label,), masks, found, start, {})


def test_an_instance_is_tinted_outlined_and_numbered_and_the_rest_stays():
    drawn = draw_instances(GREY, MASK, {}, 0)
    assert np.array_equal(drawn[:50], GREY[:50]) and (GREY == 128).all()
    assert np.array_equal(drawn[70:80, 50:150], tint(GREY, MASK)[70:80, 50:150])
    assert np.abs(drawn[120, 40] - rgb(instance_colour(3))).max() < 60 and drawn[120, 35:39].min(1).max() > 180
    number = drawn[110:130, 90:110].reshape(-1, 3)
    assert (number.max(1) < 60).any() and (number.min(1) > 220).any()  # black on white, at the widest place


def test_a_retrieved_box_is_thick_with_its_score_in_its_own_frame_and_thin_after():
    retrieval = Retrieval(BOX, 0.87, 4, 0)
    now, after = (draw_instances(GREY, MASK, {3: retrieval}, i) for i in (4, 5))
    blue = [np.abs(drawn - rgb(RETRIEVED)).max(2) < 30 for drawn in (now, after)]
    assert [column[100, 190:215].sum() for column in blue] == pytest.approx([2, 1], abs=1)
    assert blue[0][100, 190:215].sum() > blue[1][100, 190:215].sum() >= 1
    assert (now[20:36, 190:] != GREY[20:36, 190:]).any() and np.array_equal(after[:36], GREY[:36])


def test_a_text_stays_in_the_picture():
    for box in (Box(0, 0, 320, 240), Box(300, 0, 320, 30), Box(0, 220, 30, 240)):
        drawn = draw_instances(GREY, MASK * 0, {3: Retrieval(box, 0.87, 0, 0)}, 0)
        assert (np.abs(drawn - rgb(RETRIEVED)).max(2) < 30).sum() > 150  # the letters are there


def test_a_video_shows_each_box_for_half_a_second_the_newest_of_an_instance(tmp_path):
    masks, boxes = [MASK] * 12, [(2, BOX), (4, Box(10, 10, 30, 30))]
    write_overlay_video(tmp_path / "a.mp4", [GREY] * 12, result(masks, boxes), 8)
    frames = load_frames(tmp_path / "a.mp4")
    assert len(frames) == 12
    seen = [bool(np.abs(frame[100, 190:210].astype(int) - 128).max() > 40) for frame in frames]
    assert [i for i, one in enumerate(seen) if one] == [2, 3]
    seen = [bool(np.abs(frame[5:15, 20].astype(int) - 128).max() > 40) for frame in frames]
    assert [i for i, one in enumerate(seen) if one] == [4, 5, 6, 7]


def test_colours_are_those_of_the_notebooks_whatever_the_palette_of_a_mask():
    drawn = draw_instances(tiny_frame(0), tiny_mask((1,)), {}, 0)
    red, _, blue = drawn[FIRST.y0 + 2 : FIRST.y1 - 2, FIRST.x0 + 2 : FIRST.x1 - 2].reshape(-1, 3).mean(0)
    assert red > blue + 30 and drawn.shape == (*SHAPE, 3) and not np.array_equal(rgb(instance_colour(1)), PALETTE[1])


@pytest.mark.parametrize("masks", [[MASK], [MASK[:9]] * 2])
def test_a_result_of_other_frames_is_refused(tmp_path, masks):
    with pytest.raises(ValueError, match=r"a\.mp4: expected the result of 2 frames, 320 x 240"):
        write_overlay_video(tmp_path / "a.mp4", [GREY] * 2, result(masks, []))
    assert not list(tmp_path.iterdir())
