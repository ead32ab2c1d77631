"""The figures say what they show, look the same every time, and never rely on colour alone."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image

from tests.stubs import blank_frames, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.lessons.notebooks import save, to_png
from vsreid_lite.plots.frame_plots import (
    plot_candidates,
    plot_checkpoints,
    plot_guided_map,
    plot_lost_and_retrieved,
    plot_scores,
    plot_strip,
)
from vsreid_lite.plots.panels import INSTANCES, colour_wheel, flow_colours, instance_colour, tint
from vsreid_lite.reidentification import Retrieval

N = 6
FRAMES = blank_frames(N)
TRUTH = [square_mask(boxes=(Box(4, 4, 12, 12), Box(16, 4, 24, 12)))] * N
LOST = [*TRUTH[:2], *[square_mask(boxes=())] * 4]
FOUND = Retrieval(Box(4, 4, 12, 12), 0.875, 4, 0)
START = np.array([[0, 0], [0, 0], [0, 0], [4, 0], [4, 0], [4, 0]])  # Figure 3 of the paper, and an instance at rest


def checkpoints():
    return plot_checkpoints(START, [FOUND], (1, 2))


def lost_and_retrieved():
    return plot_lost_and_retrieved(FRAMES, LOST, TRUTH, TRUTH, 1, [FOUND], [0, 2, 4])


def guided_map():
    P = np.zeros((20, 30), np.float32)
    P[4:12, 4:12] = 0.9
    flow = np.ones((2, 20, 30), np.float32)
    return plot_guided_map((FRAMES[0], FRAMES[1]), (0, 1), flow, (P, P, P), Box(2, 2, 14, 14))


def candidates():
    boxes = [Box(0, 0, 6, 6), Box(10, 2, 20, 12), Box(20, 10, 30, 20)]
    scores = np.array([0.25, 0.75, -0.125], np.float32)
    return plot_candidates(FRAMES[0][4:12, 4:12], FRAMES[3], boxes, scores, "candidates in frame 3", named=2)


def scores():
    return plot_scores(np.linspace(1, 0, 4), np.ones(4), np.array([True, True, False, True]), "J of instance 1")


FIGURES = {
    "strip": lambda: plot_strip(FRAMES, TRUTH, [0, 3, 5], "the truth"),
    "lost and retrieved": lost_and_retrieved,
    "checkpoints": checkpoints,
    "guided map": guided_map,
    "candidates": candidates,
    "scores": scores,
}


def texts(figure):
    """Everything written in a figure."""
    found = [figure.get_suptitle()]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), *(text.get_text() for text in axes.texts)]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        found += [text.get_text() for text in (axes.get_legend().get_texts() if axes.get_legend() else ())]
    return [text for text in found if text]


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_a_figure_has_the_same_bytes_each_time_a_white_ground_and_an_alternative_text(draw):
    first, second = draw(), draw()
    png = to_png(first)
    assert png == to_png(second)
    image = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    assert (image[0, -1] == 255).all() and (image[-1, -1] == 255).all()
    assert len(first.get_label()) > 40


def test_figures_leave_pyplot_alone():
    for draw in FIGURES.values():
        draw()
    assert pyplot.get_fignums() == []


def test_inputs_stay_as_they_are():
    frame, mask = FRAMES[0].copy(), TRUTH[0].copy()
    tint(FRAMES[0], TRUTH[0])
    lost_and_retrieved()
    assert np.array_equal(frame, FRAMES[0]) and np.array_equal(mask, TRUTH[0])


def test_instances_carry_their_number_and_only_they_are_painted():
    assert {"1", "2"} <= set(texts(plot_strip(FRAMES, TRUTH, [0], "truth")))
    painted = tint(FRAMES[0], TRUTH[0])
    assert np.array_equal(painted != FRAMES[0], np.repeat((TRUTH[0] > 0)[..., None], 3, 2) & (painted != FRAMES[0]))
    assert (painted[TRUTH[0] == 1] != FRAMES[0][TRUTH[0] == 1]).any(1).all()


@pytest.mark.parametrize("columns", [[0], [0, 3, 5]])
@pytest.mark.parametrize("title", ["truth", "overlay.mp4, outlined and numbered here"])
def test_a_strip_of_any_length_holds_its_title(columns, title):
    figure = plot_strip(FRAMES, TRUTH, columns, title)
    (heading,) = [text for text in figure.texts if text.get_text() == title]
    box, panel = heading.get_window_extent(FigureCanvasAgg(figure).get_renderer()), figure.axes[-1].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and panel.x1 <= figure.bbox.width
    assert panel.width / panel.height == pytest.approx(FRAMES[0].shape[1] / FRAMES[0].shape[0])


def test_the_colours_differ_in_brightness_or_in_blue_against_yellow():
    """What most colour-blind readers keep: luminance, and blue against yellow."""
    rgb = np.array([to_rgb(colour) for colour in INSTANCES])
    seen = np.stack([rgb @ [0.299, 0.587, 0.114], (rgb[:, :2].mean(1) - rgb[:, 2]) / 2], 1)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distance[~np.eye(len(INSTANCES), dtype=bool)].min() > 0.05
    assert instance_colour(1) == instance_colour(len(INSTANCES) + 1)


def test_lost_and_retrieved_says_what_became_of_the_instance():
    found = texts(lost_and_retrieved())
    assert "frame 2: lost" in found and "frame 2: J 1.00" in found
    assert "found again: 0.88" in found
    assert "2" not in found  # the other instance


def test_an_instance_out_of_sight_is_not_called_lost():
    nothing = [square_mask(boxes=())] * N
    found = texts(plot_lost_and_retrieved(FRAMES, nothing, TRUTH, nothing, 1, [FOUND], [4]))
    assert "frame 4: out of sight" in found and "frame 4: out of sight, false" in found


def test_every_checkpoint_is_written_in_its_cell():
    axes = checkpoints().axes[0]
    cells = {
        (round(t.get_position()[0]), round(t.get_position()[1] - 0.16)): t.get_text()
        for t in axes.texts
        if "r" not in t.get_text()
    }
    assert all(cells[i, k] == str(START[i, k]) for i in range(N) for k in range(2))
    assert [t.get_text() for t in axes.texts if t.get_text().startswith("r")] == ["r1"]


def test_the_best_candidates_carry_their_score():
    found = texts(candidates())
    assert {"0.75", "0.25"} <= set(found) and "-0.12" not in found


def test_flow_colours_show_direction_as_hue_and_rest_as_white():
    flow = np.zeros((2, 1, 3), np.float32)
    flow[:, 0, 1], flow[:, 0, 2] = (4, 0), (-4, 0)
    still, right, left = flow_colours(flow, 4.0)[0]
    assert still.tolist() == [255, 255, 255]
    assert right.tolist() == [255, 0, 0] and left.tolist() == [0, 255, 255]
    wheel = colour_wheel()
    assert wheel[32, 32].tolist() == [255, 255, 255] and wheel[32, -1].tolist() == [255, 0, 0]


def test_save_writes_the_figure_or_with_an_empty_folder_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(checkpoints(), "", "checkpoints.png")
    assert list(tmp_path.iterdir()) == []
    save(checkpoints(), "figures", "checkpoints.png")
    saved = Image.open(tmp_path / "figures" / "checkpoints.png").convert("RGB")
    drawn = Image.open(BytesIO(to_png(checkpoints()))).convert("RGB")
    assert np.abs(np.asarray(saved, int) - np.asarray(drawn, int)).mean() < 1
