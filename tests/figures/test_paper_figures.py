"""The paper's figures: laid out as in the paper, true to what they are drawn from, and the same bytes each time."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from matplotlib.patches import FancyArrow, Rectangle
from PIL import Image

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from vsreid_lite.evaluation.metrics import Statistics
from vsreid_lite.evaluation.paper import table2
from vsreid_lite.figures.drawing import labels_on_black, map_on_black
from vsreid_lite.figures.figure1 import plot_figure1
from vsreid_lite.figures.figure2 import plot_figure2, telling_rounds
from vsreid_lite.figures.figure3 import plot_figure3, run_figure3
from vsreid_lite.figures.figures4and5 import Example, even_frames, plot_figure4, plot_figure5, telling_frames
from vsreid_lite.figures.table2 import plot_table2
from vsreid_lite.geometry import Box
from vsreid_lite.plots.figure_files import small_png, small_svg, write_both
from vsreid_lite.plots.patch_plots import Patches

SEQUENCE, REPAIRED = run_figure3()
PRINTED = run_figure3(repair_r1=False)[1]
EXAMPLE = Example.of(SEQUENCE, REPAIRED)
COLUMNS = [0, 2, 4, 5]
OURS = Statistics(0.625, 0.7, 0.125), Statistics(0.655, 0.75, -0.01)


def pictures(figure):
    return [axes for axes in figure.axes if axes.images]


def boxes(axes):
    """How many boxes are drawn in a picture; each is drawn twice, white and coloured."""
    return len(axes.patches) // 2


FIGURES = {
    "figure 1": lambda: draw_figure1(),
    "figure 2": lambda: plot_figure2(SEQUENCE, REPAIRED, COLUMNS, [1]),
    "figure 3": lambda: plot_figure3(REPAIRED.rounds[0], PRINTED.rounds[0]),
    "figure 4": lambda: plot_figure4([EXAMPLE], [COLUMNS]),
    "figure 5": lambda: plot_figure5([EXAMPLE], [COLUMNS]),
    "table 2": lambda: plot_table2(table2(), *OURS, "two clips"),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_figure_is_fit_to_be_shown(draw):
    assert_fit_to_be_shown(draw)


# Figure 1

SQUARE, MAP = np.full((8, 8), 0.75, np.float32), np.zeros((40, 60), np.float32)
PATCHES = Patches(
    guided=MAP,
    found=Box(10, 10, 20, 20),
    box=Box(8, 8, 22, 22),
    image=np.full((8, 8, 3), 9, np.uint8),
    flow=np.ones((2, 8, 8), np.float32),
    guide=SQUARE,
    streams=(SQUARE, SQUARE),
    fused=SQUARE,
    fusion="probabilities",
    answer=MAP,
)


def draw_figure1(**changed):
    frame, flow = np.full((40, 60, 3), 90, np.uint8), np.full((2, 40, 60), 3, np.float32)
    return plot_figure1(frame, flow, replace(PATCHES, **changed), 7, 2)


def test_figure_1_shows_three_frames_two_pairs_of_patches_the_answer_and_the_prediction():
    figure = draw_figure1()
    sizes = sorted(axes.images[0].get_array().shape[:2] for axes in pictures(figure))
    assert sizes == [(8, 8)] * 5 + [(40, 60)] * 4
    assert [boxes(axes) for axes in pictures(figure) if axes.images[0].get_array().shape[0] == 40] == [1] * 4
    names = {"Guided Probability Map", "RGB Branch", "Flow Branch", "Prediction", "their average"}
    assert names <= set(texts(figure))
    assert "instance 2 of frame 7" in figure.get_label() and "8 by 8" in figure.get_label()


@pytest.mark.parametrize("lacking", ["box", "flow"])
def test_figure_1_of_a_step_without_box_or_flow_stream_is_refused(lacking):
    with pytest.raises(ValueError, match=f"frame 7, instance 2: no {lacking}"):
        draw_figure1(**{lacking: None})


# Figure 2


def test_figure_2_has_the_input_the_initial_masks_and_two_rows_for_each_round():
    figure = plot_figure2(SEQUENCE, REPAIRED, COLUMNS, [1])
    assert len(pictures(figure)) == len(COLUMNS) + 3 + 1 + 3
    assert sum(boxes(axes) for axes in pictures(figure)) == 1
    written = texts(figure)
    assert {"Input\nFrames", "Initiali-\nzation", "Round 1\nof 1", "no instance retrieved any more"} <= set(written)
    assert "round 1 retrieves instance 1 in frame 5 and writes frames 3 to 5" in figure.get_label()
    assert "…… 1 more round" in texts(plot_figure2(SEQUENCE, PRINTED, COLUMNS, [1, 2]))


@pytest.mark.parametrize("rounds", [[], [2], [0, 1]])
def test_rounds_that_a_result_has_not_are_refused(rounds):
    with pytest.raises(ValueError, match="Figure 3: expected some of its 1 round, found "):
        plot_figure2(SEQUENCE, REPAIRED, COLUMNS, rounds)


# Figure 3


def test_figure_3_only_the_papers_frames_4_5_and_6_change():
    assert [c + 1 for c in REPAIRED.start[:, 0]] == [1, 1, 1, 6, 6, 6]
    assert REPAIRED.rounds[0].updated == (3, 4, 5) and len(REPAIRED.rounds) == 1
    before, after = ([P[0].dense().any().item() for P in maps] for maps in REPAIRED.snapshots)
    assert before == [True] * 3 + [False] * 3 and after == [True] * 6
    for truth, mask in zip(SEQUENCE.annotations, REPAIRED.masks, strict=True):
        assert np.array_equal(truth, mask)


def test_figure_3_shows_the_checkpoints_of_the_toy_counted_from_1():
    figure = plot_figure3(REPAIRED.rounds[0], PRINTED.rounds[0])
    c = [text for text in texts(figure) if re.fullmatch(r"c = \d", text)]
    assert c == ["c = 1"] * 6 + ["c = 1"] * 3 + ["c = 6"] * 3
    assert any("as printed, Algorithm 3 leaves c = 1 there" in text for text in texts(figure))
    assert "become 1, 1, 1, 6, 6, 6" in figure.get_label()
    patches = figure.axes[0].patches  # the arrows reach as far as in the paper
    squares = [patch for patch in patches if isinstance(patch, Rectangle)][:6]
    arrows = [patch.get_xy()[:, 0] for patch in patches if isinstance(patch, FancyArrow)]
    first, fourth, last = squares[0].get_x(), squares[3].get_x(), squares[5].get_x() + squares[5].get_width()
    assert [arrow.max() for arrow in arrows] == pytest.approx([last] * 4)
    assert [arrow.min() for arrow in arrows] == pytest.approx([first, first, first, fourth])


def test_figure_3_of_a_long_video_is_refused():
    found = REPAIRED.rounds[0]
    with pytest.raises(ValueError, match="8 frames at most, found 9"):
        plot_figure3(replace(found, start=np.zeros((9, 1), np.int64)), found)


# Figures 4 and 5


def test_figure_4_shows_input_before_and_after_and_boxes_where_an_instance_was_retrieved():
    figure = plot_figure4([EXAMPLE, EXAMPLE], [COLUMNS, COLUMNS])
    shown = pictures(figure)
    assert len(shown) == 2 * (4 + 3 + 3)
    assert [boxes(axes) for axes in shown[:10]] == [0] * 9 + [1]
    assert [text for text in texts(figure) if text in ("Input", "Before", "After")] == ["Input", "Before", "After"] * 2
    before, after = (EXAMPLE.scores(masks).global_mean for masks in (EXAMPLE.before, EXAMPLE.after))
    assert f"boxes in 5: global-mean {before:.2f} before, {after:.2f} after 1 round" in figure.get_label()
    assert before < after


def test_figure_5_shows_each_frame_above_its_masks_without_boxes():
    figure = plot_figure5([EXAMPLE], [COLUMNS])
    shown = pictures(figure)
    assert len(shown) == 2 * 4 and sum(boxes(axes) for axes in shown) == 0
    for i, above, below in zip(COLUMNS, shown[::2], shown[1::2], strict=True):
        assert np.array_equal(above.images[0].get_array(), SEQUENCE.frames[i])
        assert np.array_equal(below.images[0].get_array(), labels_on_black(EXAMPLE.after[i]))


def test_telling_frames_begin_with_the_first_and_hold_the_best_retrieval():
    frames = telling_frames(EXAMPLE, 3)
    changed = [i for i in range(6) if not np.array_equal(EXAMPLE.before[i], EXAMPLE.after[i])]
    assert frames[0] == 0 and frames[2] == REPAIRED.retrievals[0].frame == 5
    assert frames[1] in (changed or [1]) and frames == sorted(frames)


def test_telling_rounds_are_those_that_change_pixels_in_their_order():
    assert telling_rounds(PRINTED, 1) == [1]  # the same retrieval again and again changes nothing
    assert telling_rounds(PRINTED, 2) == [1, 2]


@pytest.mark.parametrize(("N", "count", "frames"), [(40, 5, [0, 10, 20, 29, 39]), (3, 5, [0, 1, 2])])
def test_even_frames_reach_from_the_first_to_the_last_and_come_once(N, count, frames):
    assert even_frames(N, count) == frames


def test_labels_and_maps_are_colours_on_black():
    picture = labels_on_black(np.array([[0, 1]], np.uint8))
    assert picture[0, 0].tolist() == [0, 0, 0] and picture[0, 1].tolist() == [230, 159, 0]
    shade = map_on_black(np.array([[0.5, 1.0]], np.float32), 1)
    assert shade[0].tolist() == [[115, 80, 0], [230, 159, 0]]


# Table 2


def test_table_2_holds_every_printed_number_and_ours_apart():
    entries = table2()
    written = texts(plot_table2(entries, *OURS, "two clips"))
    for entry in entries:
        assert entry.team in written and f"{entry.global_mean:.1f}" in written
        assert {f"{getattr(entry.J, part):.1f}" for part in ("mean", "recall", "decay")} <= set(written)
    assert {"here", "none", "62.5", "65.5", "64.00", "-1.0"} <= set(written)
    assert any("measured on two clips" in text and "no rank" in text for text in written)
    assert any("holds for all" in text for text in written)
    figure = plot_table2([replace(entries[0], global_mean=70.9), *entries[1:]], *OURS, "two clips")  # no such mean
    assert any("not so for Ours" in text for text in texts(figure)) and "1 of them differ" in figure.get_label()


def test_the_best_of_the_challenge_are_bold_and_ours_is_not():
    figure = plot_table2(table2(), Statistics(0.99, 0.99, 0.0), Statistics(0.99, 0.99, 0.0), "two clips")
    bold = [text.get_text() for axes in figure.axes for text in axes.texts if text.get_weight() == "bold"]
    assert bold == ["69.9", "67.9", "74.6", "71.9", "79.8"]  # as in the paper


# files


def test_files_have_the_same_bytes_each_time_and_their_alternative_text_inside(tmp_path):
    draw = FIGURES["figure 4"]
    png, svg = (path.read_bytes() for path in write_both(draw(), tmp_path / "new", "figure4"))
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["figure4.png", "figure4.svg"]
    assert (png, svg) == (small_png(draw()), small_svg(draw()))
    alternative = draw().get_label()
    assert Image.open(BytesIO(png)).text["Description"] == alternative
    assert f"<title>{alternative}</title>" in svg.decode() and b"dc:date" not in svg
    chart = small_png(plot_table2(table2(), *OURS, "two clips"))
    assert (Image.open(BytesIO(png)).mode, Image.open(BytesIO(chart)).mode) == ("RGB", "P")  # frames keep their colours


def test_pictures_inside_an_svg_are_whole():
    figure = FIGURES["figure 4"]()
    embedded = re.findall(r"data:image/(png|jpeg);base64,([^\"]+)", small_svg(figure).decode())
    assert len(embedded) == len(pictures(figure))
    for kind, data in embedded:
        image = Image.open(BytesIO(b64decode(data)))
        assert image.format == kind.upper() and image.mode == "RGB" and min(image.size) > 20
