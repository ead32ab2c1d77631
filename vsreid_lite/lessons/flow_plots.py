"""Estimated flows beside the exact one, as pictures: arrays in, matplotlib Figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vsreid_lite.lessons.flow_comparison import FlowPair, mean_errors
from vsreid_lite.plots.panels import panel_grid, show_flow, show_instances

COLUMNS = 3


def plot_flows(pair: FlowPair, flows: Mapping[str, Tensor]) -> Figure:
    """The target frame, its exact flow, and the flows (2, H, W) of estimators by name, all in the exact one's scale.

    Titles give the mean end-point error in pixels, everywhere and in instances; hatched pixels do not count: the source
    frame does not show them.
    """
    titles = {name: _title(name, flow, pair) for name, flow in flows.items()}
    alternative = f"Flow of {pair.name or 'a pair of frames'}: the exact one, and {'; '.join(titles.values())}."
    rows = math.ceil((2 + len(flows)) / COLUMNS)
    figure, grid = panel_grid(rows, COLUMNS, pair.labels.shape, alternative, scale=1.7, title=pair.name)
    frame, exact, *others = grid.flat
    show_instances(frame, pair.frames[0], pair.labels)
    _hatch(frame, ~pair.seen)
    frame.set_title("target (hatched: not in the source)", fontsize=8)
    longest = max(float(np.hypot(*pair.exact.numpy()).max()), 1.0)
    show_flow(exact, pair.exact.numpy(), "exact flow", longest)
    for axes, (name, flow) in zip(others, flows.items(), strict=False):
        show_flow(axes, flow.numpy(), titles[name], longest)
    return figure


def _title(name: str, flow: Tensor, pair: FlowPair) -> str:
    everywhere, instances = mean_errors([flow], [pair])
    return f"{name}: {_pixels(everywhere)}, in instances {_pixels(instances)}"


def _pixels(error: float | None) -> str:
    return "-" if error is None else f"{error:.2f} px"


def _hatch(axes: Axes, where: np.ndarray) -> None:
    if where.any():
        axes.contourf(where, levels=[0.5, 1.5], colors="white", alpha=0.6, hatches=["//////"])
