"""A mask is painted by points, polygons, boxes and GrabCut, and every step can be taken back."""

import cv2
import numpy as np
import pytest

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.widgets.painting import MOST, Painting, State, plot_painting

SHAPE = (60, 80)
Y, X = np.indices(SHAPE)
DISC = np.hypot(X - 40, Y - 30) <= 12
LOOSE = (22, 12), (58, 48)  # corners of a box around the disc


def frame():
    """A bright disc on dark ground, both noisy."""
    noise = np.random.default_rng(0).integers(0, 40, (*SHAPE, 3))
    return (np.where(DISC[..., None], [180, 150, 60], [40, 60, 90]) + noise).astype(np.uint8)


def painting(*points, then=(), paint=None):
    """A painting with these points marked, and these steps done."""
    paint = paint or Painting(frame())
    for x, y in points:
        paint.add_point(x, y)
    for step in then:
        getattr(paint, step)()
    return paint


@pytest.mark.parametrize(
    ("step", "corners", "shape"),
    [
        ("close", ((10, 10), (19, 10), (19, 29), (10, 29)), (X >= 10) & (X <= 19) & (Y >= 10) & (Y <= 29)),
        ("box", ((19, 29), (12, 15), (10, 20)), (X >= 10) & (X <= 19) & (Y >= 15) & (Y <= 29)),
    ],
)
def test_a_polygon_fills_its_corners_and_a_box_is_that_around_its_points(step, corners, shape):
    now = painting(*corners, then=(step,)).now
    assert np.array_equal(now.mask == 1, shape) and now.points == ()


def test_refine_leaves_the_disc_of_a_loose_box_and_gives_the_same_each_time():
    results = []
    for seed in (0, 7):
        cv2.setRNGSeed(seed)  # as another's use would
        results.append(painting(*LOOSE, then=("box", "refine")).now.mask)
    assert region(DISC, painting(*LOOSE, then=("box",)).now.mask == 1) < 0.4
    assert region(DISC, results[0] == 1) > 0.95 and np.array_equal(*results)


def test_pixels_belong_to_the_instance_that_took_them_last_and_refine_touches_no_other():
    paint = painting((0, 0), (30, 30), then=("box", "next_instance"))
    paint = painting(*LOOSE, then=("box",), paint=paint)
    assert [paint.now.mask[at] for at in ((5, 5), (25, 25), (45, 45))] == [1, 2, 2]
    first = paint.now.mask == 1
    paint.refine()
    assert np.array_equal(first, paint.now.mask == 1)


def test_a_box_that_fills_the_frame_has_no_surroundings_and_stays():
    assert (painting((0, 0), (79, 59), then=("box", "refine")).now.mask == 1).all()


def test_undo_goes_back_step_by_step_to_the_start():
    paint, seen = Painting(frame()), []
    steps = [
        lambda: paint.add_point(20, 10),
        lambda: paint.add_point(60, 50),
        paint.box,
        paint.refine,
        paint.next_instance,
        lambda: paint.add_point(1, 1),
    ]
    for step in steps:
        seen.append((paint.now.mask.copy(), paint.now.label, paint.now.points))
        step()
    for before in reversed(seen):
        paint.undo()
        assert np.array_equal(paint.now.mask, before[0]) and (paint.now.label, paint.now.points) == before[1:]
    with pytest.raises(ValueError, match="nothing has been done"):
        paint.undo()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("close", "polygon: expected at least 3 marked points, found 1"),
        ("box", "box: expected at least 2 marked points, found 1"),
        ("refine", "refine: instance 1 has no pixel yet"),
        ("next_instance", "next instance: instance 1 has no pixel yet"),
    ],
)
def test_a_step_that_cannot_be_done_says_why_and_changes_nothing(step, message):
    paint = painting((5, 5))
    before = paint.now
    with pytest.raises(ValueError, match=message):
        getattr(paint, step)()
    assert paint.now is before and len(paint.past) == 1


@pytest.mark.parametrize("point", [(-1, 5), (80, 5), (5, 60)])
def test_a_point_outside_the_frame_is_refused(point):
    with pytest.raises(ValueError, match="expected x below 80 and y below 60"):
        painting(point)


def test_void_is_no_instance():
    paint = painting((1, 1), (5, 5), then=("box",))
    paint.now = State(np.where(paint.now.mask == 1, MOST, 0).astype(np.uint8), MOST)
    with pytest.raises(ValueError, match="at most 254"):
        paint.next_instance()


def draw():
    return plot_painting(frame(), DISC.astype(np.uint8), 2, [(5, 6), (10, 12), (7, 20)], (7, 20))


def test_the_picture_says_cursor_points_and_pixels():
    assert_fit_to_be_shown(draw)
    words = draw().get_label()
    assert "Cursor at x 7, y 20" in words and "(5, 6), (10, 12), (7, 20)" in words
    assert f"instance 1 has {DISC.sum()} pixels" in words
    assert {"instance 2, 3 points marked", "cursor at x 7, y 20"} <= set(texts(draw()))


@pytest.mark.parametrize("shape", [(60, 80), (80, 40), (40, 200)])
@pytest.mark.parametrize("corner", ["first", "last"])
def test_any_frame_and_any_cursor_can_be_shown(shape, corner):
    cursor = (0, 0) if corner == "first" else (shape[1] - 1, shape[0] - 1)
    figure = plot_painting(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8), 1, [], cursor)
    large = figure.axes[0].get_position()
    width, height = figure.get_size_inches()
    assert large.width * width / (large.height * height) == pytest.approx(shape[1] / shape[0])
    assert all(0 <= edge <= 1 for edge in (large.x0, large.y0, large.x1, large.y1))
