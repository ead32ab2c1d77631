"""Colours that most readers can tell apart, and what is painted with them."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.offsetbox import AnnotationBbox

from tests.stubs import blank_frames, square_mask
from vsreid_lite.geometry import Box
from vsreid_lite.plots.panels import (
    ADAPTED,
    INSTANCES,
    OURS,
    PAPER,
    colour_wheel,
    flow_colours,
    instance_colour,
    panel_grid,
    show_flow,
    tint,
)

LIGHT = [0.299, 0.587, 0.114]


def test_the_colours_differ_in_brightness_or_in_blue_against_yellow():
    """What most colour-blind readers keep: luminance, and blue against yellow."""
    rgb = np.array([to_rgb(colour) for colour in INSTANCES])
    seen = np.stack([rgb @ LIGHT, (rgb[:, :2].mean(1) - rgb[:, 2]) / 2], 1)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distance[~np.eye(len(INSTANCES), dtype=bool)].min() > 0.05
    assert instance_colour(1) == instance_colour(len(INSTANCES) + 1)
    light = sorted(np.dot(to_rgb(colour), LIGHT) for colour in (PAPER, OURS, ADAPTED))
    assert np.diff(light).min() > 0.04 and light[0] < 0.4


def test_only_instances_are_tinted_each_in_its_colour_and_the_frame_stays_as_it_is():
    frame, mask = blank_frames(1)[0], square_mask(boxes=(Box(4, 4, 12, 12), Box(16, 4, 24, 12)))
    before = frame.copy()
    painted = tint(frame, mask, 0.25)
    assert np.array_equal(frame, before) and np.array_equal(painted[mask == 0], frame[mask == 0])
    for label in (1, 2):
        expected = 0.75 * 128 + 0.25 * 255 * np.array(to_rgb(INSTANCES[label - 1]))
        assert np.abs(painted[mask == label] - expected).max() <= 0.5


def test_flow_colours_show_direction_as_hue_and_rest_as_white():
    flow = np.zeros((2, 1, 3), np.float32)
    flow[:, 0, 1], flow[:, 0, 2] = (4, 0), (-4, 0)
    still, right, left = flow_colours(flow, 4.0)[0]
    assert still.tolist() == [255, 255, 255]
    assert right.tolist() == [255, 0, 0] and left.tolist() == [0, 255, 255]
    wheel = colour_wheel()
    assert wheel[32, 32].tolist() == [255, 255, 255] and wheel[32, -1].tolist() == [255, 0, 0]


def test_the_colour_wheel_stands_above_the_flow_and_the_title_says_its_scale():
    figure, ((axes,),) = panel_grid(1, 1, (20, 30), "a flow")
    show_flow(axes, np.full((2, 20, 30), 3, np.float32), "DIS flow")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (wheel,) = [artist for artist in axes.artists if isinstance(artist, AnnotationBbox)]
    place, flow = wheel.get_window_extent(renderer), axes.images[0].get_window_extent(renderer)
    assert place.y0 >= flow.y1 and flow.x0 <= place.x0 and place.x1 <= flow.x1 + 1 and place.y1 <= figure.bbox.height
    assert axes.get_title("left") == "DIS flow, to 4 px"
