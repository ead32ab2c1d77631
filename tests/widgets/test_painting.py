"""A mask is painted by points, polygons, boxes and GrabCut, every step can be taken back, and no file is lost."""

import cv2
import numpy as np
import pytest
from ipywidgets import Checkbox, Text

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from tests.widgets.widget_moves import buttons, ends, inside, is_error
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.video.masks import read_first_mask
from vsreid_lite.widgets import FirstMaskPainter
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


# ---- the widget


@pytest.fixture
def painter(tmp_path):
    return FirstMaskPainter(frame(), tmp_path / "mask.png")


def press(painter, *names):
    for name in names:
        buttons(painter)[name].click()


def point(painter, x, y):
    with painter.one_redraw():
        painter.controls["x"].value, painter.controls["y"].value = x, y
    press(painter, "add point")


def paint_two(painter):
    point(painter, 22, 12)
    point(painter, 58, 48)
    press(painter, "box", "refine", "next instance")
    for corner in ((2, 2), (9, 2), (9, 9)):
        point(painter, *corner)
    press(painter, "close")


def field(painter, kind):
    return next(widget for widget in inside(painter) if isinstance(widget, kind))


def test_two_instances_are_painted_refined_and_saved_as_a_first_mask(painter, tmp_path):
    other = FirstMaskPainter(frame(), tmp_path / "other.png")
    paint_two(painter)
    assert "Cursor at x 9, y 9" in painter.text.value and "instance 2 has 36 pixels" in painter.text.value
    press(painter, "save")
    first = read_first_mask(tmp_path / "mask.png", frame().shape)
    assert np.array_equal(first.labels, painter.mask) and first.year != 2016
    assert region(DISC, first.labels == 1) > 0.95 and (first.labels == 2).sum() == 36
    assert "Saved" in painter.text.value and "2 instances" in painter.text.value and not is_error(painter)
    press(painter, "undo", "undo", "save")  # what it wrote itself, it writes again
    assert not is_error(painter) and 2 not in read_first_mask(tmp_path / "mask.png").labels
    assert not other.mask.any() and other.controls["x"].value == 40


def test_the_mask_of_a_later_frame_may_begin_with_another_label(tmp_path):
    painter = FirstMaskPainter(frame(), tmp_path / "later.png", label=3)
    press(painter, "save")
    assert is_error(painter) and "instance 3 has no pixel" in painter.text.value
    paint_two(painter)
    press(painter, "save")
    assert set(np.unique(read_first_mask(tmp_path / "later.png").labels)) == {0, 3, 4}
    assert "--mask FRAME=" in painter.text.value and not is_error(painter)


def test_controls_reach_every_pixel_and_nothing_else(painter):
    for name, last in (("x", 79), ("y", 59)):
        control = painter.controls[name]
        assert (control.min, control.max) == (0, last)
        for place in ends(control):
            control.value = place
            assert not is_error(painter)


@pytest.mark.parametrize("name", ["close", "box", "refine", "undo", "next instance", "save"])
def test_what_cannot_be_done_yet_is_said_and_changes_nothing(painter, name, tmp_path):
    press(painter, name)
    assert is_error(painter) and not painter.mask.any() and list(tmp_path.iterdir()) == []
    point(painter, 3, 3)
    assert not is_error(painter)


def test_undo_takes_the_last_step_back_in_the_picture_too(painter):
    before = painter.picture.value
    press(painter, "add point")
    assert painter.picture.value != before
    press(painter, "undo")
    assert painter.picture.value == before


def test_an_existing_file_is_written_over_only_when_that_is_wished(painter, tmp_path):
    (tmp_path / "mask.png").write_bytes(b"precious")
    paint_two(painter)
    press(painter, "save")
    assert is_error(painter) and "is there already" in painter.text.value
    assert (tmp_path / "mask.png").read_bytes() == b"precious"
    field(painter, Checkbox).value = True
    press(painter, "save")
    assert not is_error(painter) and (tmp_path / "mask.png").read_bytes() != b"precious"


def test_an_input_is_never_written_over(tmp_path):
    (tmp_path / "frame.png").write_bytes(b"the frame")
    painter = FirstMaskPainter(frame(), tmp_path / "frame.png", inputs=[tmp_path / "frame.png"])
    paint_two(painter)
    field(painter, Checkbox).value = True
    press(painter, "save")
    assert is_error(painter) and "inputs stay untouched" in painter.text.value
    assert (tmp_path / "frame.png").read_bytes() == b"the frame"


@pytest.mark.parametrize("name", ["", "mask.jpg", "folder.png"])
def test_a_name_that_cannot_be_a_mask_is_refused(painter, tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    paint_two(painter)
    field(painter, Text).value = str(tmp_path / name) if name else ""
    press(painter, "save")
    assert is_error(painter) and [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_an_instance_that_another_has_painted_over_is_not_saved_as_if_it_were_there(painter, tmp_path):
    point(painter, 5, 5)
    point(painter, 9, 9)
    press(painter, "box", "next instance")
    point(painter, 0, 0)
    point(painter, 20, 20)
    press(painter, "box", "save")
    assert "instance 1 has no pixel" in painter.text.value and list(tmp_path.iterdir()) == []
