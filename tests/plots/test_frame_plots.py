"""The figures say what they show, look the same every time, and never rely on colour alone."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.text import Text
from PIL import Image

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
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
from vsreid_lite.plots.panels import instance_colour
from vsreid_lite.reidentification import Retrieval

N = 6
FRAMES = blank_frames(N)
TRUTH = [square_mask(boxes=(Box(4, 4, 12, 12), Box(16, 4, 24, 12)))] * N
NOTHING = [square_mask(boxes=())] * N
LOST = [*TRUTH[:2], *NOTHING[2:]]
FOUND = Retrieval(Box(4, 4, 12, 12), 0.875, 4, 0)
START = np.array([[0, 0], [0, 0], [0, 0], [4, 0], [4, 0], [4, 0]])  # Figure 3 of the paper, and an instance at rest
P = (TRUTH[0] == 1) * np.float32(0.9)
BOXES = [Box(0, 0, 6, 6), Box(10, 2, 20, 12), Box(20, 10, 30, 20)]
SCORES = np.array([0.25, 0.75, -0.125], np.float32)


def lost_and_retrieved(before=LOST, after=TRUTH, truth=TRUTH, columns=(0, 2, 4)):
    return plot_lost_and_retrieved(FRAMES, before, after, truth, 1, [FOUND], columns)


FIGURES = {
    "strip": lambda: plot_strip(FRAMES, TRUTH, [0, 3, 5], "the truth"),
    "lost and retrieved": lost_and_retrieved,
    "checkpoints": lambda: plot_checkpoints(START, [FOUND], (1, 2)),
    "guided map": lambda: plot_guided_map(
        (FRAMES[0], FRAMES[1]), (0, 1), np.ones((2, 20, 30), np.float32), (P, P, P), Box(2, 2, 14, 14)
    ),
    "candidates": lambda: plot_candidates(FRAMES[0][4:12, 4:12], FRAMES[3], BOXES, SCORES, "frame 3", [1, 0, 2]),
    "scores": lambda: plot_scores(np.linspace(1, 0, 4), np.ones(4), np.array([True, True, False, True]), "J of 1"),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_figure_is_fit_to_be_shown(draw):
    assert_fit_to_be_shown(draw)


@pytest.mark.parametrize("columns", [[0], [0, 3, 5]])
@pytest.mark.parametrize("title", ["truth", "overlay.mp4, outlined and numbered here"])
def test_a_strip_of_any_length_holds_its_title_and_the_numbers_of_instances(columns, title):
    figure = plot_strip(FRAMES, TRUTH, columns, title)
    (heading,) = [text for text in figure.texts if text.get_text() == title]
    box, panel = heading.get_window_extent(FigureCanvasAgg(figure).get_renderer()), figure.axes[-1].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and panel.x1 <= figure.bbox.width
    assert panel.width / panel.height == pytest.approx(FRAMES[0].shape[1] / FRAMES[0].shape[0])
    assert {"1", "2"} <= set(texts(figure))


def test_lost_and_retrieved_says_what_became_of_the_instance():
    found = [axes.get_title() for axes in lost_and_retrieved().axes]
    assert found == [f"frame {i}: {said}" for i, said in ((0, "J 1.00"), (2, "lost"), (4, "lost"))] + [
        f"frame {i}: J 1.00" for i in (0, 2, 4)
    ]
    written = texts(lost_and_retrieved())
    assert "found again: 0.88" in written and "2" not in written  # the other instance


def test_an_instance_out_of_sight_is_not_called_lost():
    above, below = lost_and_retrieved(NOTHING, TRUTH, NOTHING, [4]).axes
    assert (above.get_title(), below.get_title()) == ("frame 4: out of sight", "frame 4: out of sight, false")


def test_every_checkpoint_is_written_in_its_cell_and_retrievals_are_numbered():
    axes = FIGURES["checkpoints"]().axes[0]
    numbers = [text for text in axes.texts if text.get_text().isdigit()]
    cells = {tuple(np.rint(text.get_position()).astype(int)): text.get_text() for text in numbers}
    assert cells == {(i, k): str(c) for (i, k), c in np.ndenumerate(START)}
    assert [text.get_text() for text in axes.texts if text not in numbers] == ["r1"]


def test_candidates_have_the_colour_of_what_they_show_and_their_scores_stand_beside_the_frame_apart():
    figure = plot_candidates(FRAMES[0], FRAMES[3], [*BOXES, *BOXES], np.tile(SCORES, 2), "frame 3", [1, 0, 2, 1, 0, 2])
    axes, renderer = figure.axes[1], FigureCanvasAgg(figure).get_renderer()
    assert [text.get_text() for text in axes.texts] == ["1: 0.25", "1: 0.25", "–: 0.75", "–: 0.75"]
    figure.draw(renderer)
    places = [Text.get_window_extent(text, renderer) for text in axes.texts]  # an annotation's own adds its line
    frame = axes.images[0].get_window_extent(renderer)
    assert not any(place.overlaps(frame) for place in places)
    assert all(above.y0 > below.y1 for above, below in zip(places, places[1:], strict=False))
    lines = [line.get_window_extent(renderer) for line in axes.lines]
    assert len(lines) == len(places)
    assert not any(line.x1 > place.x0 for line in lines for place in places), "a line ends at the left of all scores"
    assert {to_rgba(instance_colour(label)) for label in (1, 2)} < {patch.get_edgecolor() for patch in axes.patches}
    assert {"0.75", "0.25"} <= set(texts(plot_candidates(FRAMES[0], FRAMES[3], BOXES, SCORES, "frame 3")))


def test_save_writes_the_figure_or_with_an_empty_folder_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = FIGURES["checkpoints"]()
    save(figure, "", "checkpoints.png")
    assert list(tmp_path.iterdir()) == []
    save(figure, "figures", "checkpoints.png")
    saved = Image.open(tmp_path / "figures" / "checkpoints.png").convert("RGB")
    drawn = Image.open(BytesIO(to_png(figure))).convert("RGB")
    assert np.abs(np.asarray(saved, int) - np.asarray(drawn, int)).mean() < 1
