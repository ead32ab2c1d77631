"""The tiny example: numbers that can be computed by hand, by the library's own functions; and how they are drawn."""

import numpy as np
import pytest
import torch

from tests.plots.figure_checks import assert_fit_to_be_shown, texts
from vsreid_lite.geometry import Box, iou, warp
from vsreid_lite.lessons import Drawn, plot_numbers, tiny_example
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.reidentification import template_box

TINY = tiny_example()


def test_the_disc_has_five_pixels_moves_by_one_and_jumps_once_and_the_flow_follows_three_quarters_of_a_step():
    assert [mask.sum() for mask in TINY.video.annotations] == [5] * 6
    places = [np.argwhere(mask).mean(0) for mask in TINY.video.annotations]  # y, x
    assert np.diff(places, axis=0).tolist() == [[0, 1], [0, 1], [3, -3], [0, 1], [0, 1]]
    flows = [TINY.flow(TINY.video.frames, j, i)[:, 7, 7].tolist() for j, i in ((1, 0), (4, 5), (3, 2))]
    assert flows == [[-0.75, 0], [0.75, 0], [0, 0]]


def test_a_warped_disc_has_its_box_and_the_network_sharpens_it():
    P, flow = TINY.video.first_probabilities()[0], TINY.flow(TINY.video.frames, 1, 0)
    guided, rules = warp(P, flow), (TINY.networks.propagation, TINY.config.propagation)
    assert guided[2].tolist() == [0, 0, 0.25, 1, 1, 0.75, 0, 0]
    assert Box.from_probability(guided) == Box(3, 1, 6, 4)
    new = propagate_mask(TINY.video.frames[1], flow, P, *rules)
    assert torch.equal(new, torch.from_numpy(TINY.video.annotations[1]).float())


def test_the_disc_is_found_by_its_counted_pixels_and_its_map_leaves_the_candidate_loose():
    template, X = template_box(TINY.video.first_probabilities()[0], 1), TINY.networks.detector(TINY.video.frames[5])
    embed = TINY.networks.identification.embed
    assert embed(TINY.video.frames[0], [template]).tolist() == [[5, 4]]
    assert embed(TINY.video.frames[5], X).tolist() == [[5, 20], [0, 20]]
    (found,) = TINY.result.retrievals
    assert (found.frame, found.box) == (5, X[0]) and found.score == pytest.approx(105 / (425 * 41) ** 0.5)
    assert iou(found.box, TINY.result.snapshots[1][5][0].probability_box()) == 9 / 25
    assert all(TINY.networks.detector(frame) == [] for frame in TINY.video.frames[:5])


GRIDS = {
    "a": Drawn(np.array([[0, 0.25], [1, 0.75]]), (Box(0, 0, 1, 2), Box(0, 0, 2, 2)), ((1, 1), (0.25, 1))),
    "b": torch.eye(2),
    "c": np.eye(3),
    "d": np.eye(3),
}


def test_every_number_is_written_in_its_pixel_and_boxes_and_arrows_are_said_in_words():
    figure = plot_numbers(GRIDS, "four grids")
    written = {text.get_position(): text.get_text() for text in figure.axes[0].texts if text.get_text()}
    assert written == {(0, 0): "0", (1, 0): "0.25", (0, 1): "1", (1, 1): "0.75"}
    assert {"four grids", "a", "b", "c", "d"} <= set(texts(figure))
    label = figure.get_label()
    assert label.startswith("four grids: a: values") and "0 (1), 0.25 (1), 0.75 (1), 1 (1)" in label
    assert "box (0, 0, 1, 2), box (0, 0, 2, 2), an arrow from (1, 1) to (0.25, 1); b:" in label


def test_the_figure_is_fit_to_be_shown():
    assert_fit_to_be_shown(lambda: plot_numbers(GRIDS))
