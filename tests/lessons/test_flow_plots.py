"""The picture of the flows: every estimator beside the exact one, with its error, the same each time."""

from io import BytesIO

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from PIL import Image

from tests.stubs import blank_frames, square_mask
from vsreid_lite.lessons.flow_comparison import FlowPair
from vsreid_lite.lessons.flow_plots import plot_flows
from vsreid_lite.lessons.notebooks import to_png

FLOWS = {"DIS": torch.ones(2, 20, 30), "RAFT, untrained": torch.full((2, 20, 30), 4.0)}


@pytest.fixture
def pair():
    seen = np.ones((20, 30), bool)
    seen[:, :5] = False
    frames = blank_frames(2)
    return FlowPair("two frames", (frames[0], frames[1]), torch.ones(2, 20, 30), seen, square_mask())


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title() and "px" not in axes.get_title()[:5]]


def test_titles_give_the_errors_and_the_mark_of_the_untrained(pair):
    assert titles(plot_flows(pair, FLOWS)) == [
        "target (hatched: not in the source)",
        "exact flow",
        "DIS: 0.00 px, in instances 0.00 px",
        "RAFT, untrained: 4.24 px, in instances 4.24 px",
    ]


def test_the_figure_has_the_same_bytes_each_time_a_white_ground_and_an_alternative_text(pair):
    first, second = plot_flows(pair, FLOWS), plot_flows(pair, FLOWS)
    png = to_png(first)
    assert png == to_png(second)
    image = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    assert (image[0, -1] == 255).all() and (image[-1, -1] == 255).all()
    assert "two frames" in first.get_label() and "RAFT, untrained: 4.24 px" in first.get_label()
    assert pyplot.get_fignums() == []


def test_all_flows_are_drawn_in_the_scale_of_the_exact_one(pair):
    _, exact, same, longer = plot_flows(pair, {"same": pair.exact, "longer": 4 * pair.exact}).axes[:4]
    drawn = [np.asarray(axes.images[0].get_array()) for axes in (exact, same, longer)]
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[2])  # saturated, not rescaled
    short = plot_flows(pair, {"short": 0.25 * pair.exact}).axes[2]
    assert np.asarray(short.images[0].get_array()).min() > drawn[0].min()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_number_of_flows_has_its_panels(pair, count):
    figure = plot_flows(pair, {f"F{i}": pair.exact for i in range(count)})
    assert len(titles(figure)) == 2 + count
