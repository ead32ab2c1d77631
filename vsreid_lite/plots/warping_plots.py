"""Flow-guided warping as pictures: the warped map, one sampled point between its pixels, maps beside the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import region
from vsreid_lite.geometry import warp
from vsreid_lite.plots.panels import (
    AFTER,
    BEFORE,
    WHITE_EDGE,
    Map,
    entitle,
    new_figure,
    panel_grid,
    show_flow,
    show_map,
)
from vsreid_lite.video.masks import Frame

Area = NDArray[np.bool_]  # (H, W)
MISSED, EXTRA = BEFORE, AFTER
STRIPES = 40  # from one side of a frame to the other
REACH = 3  # pixels of the map shown around a sampled point
SCALES = {1: 1.6, 2: 1.6, 3: 1.33}  # of the panels, by their number


def plot_warped_map(
    frames: tuple[Frame, Frame],
    indices: tuple[int, int],
    flow: Map,
    P: Map,
    truth: Area | None,
    label: int,
    method: str,
) -> Figure:
    """Algorithm 1, line 4, for one instance: P_i, the flow, the guided map on frame j, the truth, and what differs.

    Args:
        frames: I_i and I_j, (H, W, 3).
        indices: i and j.
        flow: (2, H, W), for each pixel of j where it was in i.
        P: P_i, (H, W).
        truth: the instance in frame j, (H, W), or None where nobody drew it.
        label: of the instance.
        method: which flow this is.
    """
    i, j = indices
    guided = warp(torch.from_numpy(P), torch.from_numpy(flow)).numpy()
    error = "no true mask to compare with" if truth is None else _differences(truth, guided > 0.5)
    longest = float(np.hypot(*flow).max())
    alternative = (
        f"Instance {label}, from frame {i} to frame {j} by {method} flow, at most {longest:.1f} px long: "
        f"its map P of frame {i}, frame {j}, the flow, the map warped along it, and the truth. The warped map: {error}."
    )
    figure, ((a, b, c), (d, e, f)) = panel_grid(2, 3, frames[0].shape, alternative, scale=1.33)
    show_map(a, frames[0], P, f"frame {i} and its map $P$")
    _show_frame(b, frames[1], f"frame {j}")
    show_flow(c, flow, f"{method} flow, from frame {j} to {i}")
    show_map(d, frames[1], guided, f"$P$ warped along the flow, on frame {j}")
    if truth is None:
        _show_frame(e, frames[1], "no true mask for this frame")
        entitle(f, error)
        return figure
    show_map(e, frames[1], truth.astype(np.float32), "the truth")
    show_differences(f, frames[1], truth, guided > 0.5, error)
    return figure


def show_differences(axes: Axes, frame: Frame, truth: Area, found: Area, title: str) -> None:
    """Over a pale frame, what was missed and what is too much (plain); the truth (H, W) is outlined."""
    painted = 0.35 * frame / 255 + 0.65
    y, x = np.indices(truth.shape)
    stripes = (x + y) * STRIPES // truth.shape[1] % 2 == 0
    for area, colour in ((truth & ~found & stripes, MISSED), (found & ~truth, EXTRA)):
        painted[area] = to_rgb(colour)
    painted[truth & ~found & ~stripes] = 1
    axes.imshow(painted)
    if truth.any():
        axes.contour(truth, levels=[0.5], colors="black", linewidths=0.7)
    axes.text(4, truth.shape[0] - 5, "striped: missed; plain: too much", fontsize=7, path_effects=WHITE_EDGE)
    entitle(axes, title)


def plot_sampling(P: Map, x: float, y: float) -> Figure:
    """The pixels of the map P (H, W) around a point, their values, and the four that the point lies between.

    Each of the four says its weight: how near it is, across times down.
    """
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    across, down = x - x0, y - y0
    weights = {(0, 0): (1 - across) * (1 - down), (1, 0): across * (1 - down)}
    weights |= {(0, 1): (1 - across) * down, (1, 1): across * down}
    listed = ", ".join(f"{weight:.2f} of pixel ({x0 + dx}, {y0 + dy})" for (dx, dy), weight in weights.items())
    figure = new_figure(4.4, 4.2, f"The point ({x:.2f}, {y:.2f}) between its four pixels: {listed}.", "constrained")
    axes = figure.subplots()
    axes.imshow(P, cmap="Greys", vmin=0, vmax=1.6)
    axes.set(xlim=(x0 - REACH + 0.5, x0 + REACH + 0.5), ylim=(y0 + REACH + 0.5, y0 - REACH + 0.5))
    for v in range(max(y0 - REACH + 1, 0), min(y0 + REACH + 1, P.shape[0])):
        for u in range(max(x0 - REACH + 1, 0), min(x0 + REACH + 1, P.shape[1])):
            weight = weights.get((u - x0, v - y0))
            text = f"{P[v, u]:.2f}" + ("" if weight is None else f"\n× {weight:.2f}")
            axes.text(u, v, text, ha="center", va="center", fontsize=7, weight="normal" if weight is None else "bold")
    axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), 2, 2, fill=False, edgecolor=BEFORE, linewidth=2))
    axes.plot([x], [y], "+", color=BEFORE, markersize=14, markeredgewidth=2.5)
    axes.set_title(f"$P$ around ({x:.2f}, {y:.2f}); weights of its four pixels", fontsize=9)
    axes.tick_params(labelsize=7)
    return figure


def plot_compared(frame: Frame, truth: Area, maps: Mapping[str, Map], title: str) -> Figure:
    """Maps (H, W) by name, above 0.5, beside the truth (H, W) over one frame: what is missed, what is too much, J."""
    scored = {name: region(truth, P > 0.5) for name, P in maps.items()}
    alternative = f"{title}. J with the truth: {', '.join(f'{name} {J:.2f}' for name, J in scored.items())}."
    scale = SCALES.get(len(maps), 1.33)
    figure, grid = panel_grid(1, len(maps), frame.shape, alternative, scale, title)
    for axes, (name, P) in zip(grid[0], maps.items(), strict=True):
        show_differences(axes, frame, truth, P > 0.5, f"{name}: J {scored[name]:.2f}")
    return figure


def _show_frame(axes: Axes, frame: Frame, title: str) -> None:
    axes.imshow(frame)
    entitle(axes, title)


def _differences(truth: Area, found: Area) -> str:
    missed, extra = np.count_nonzero(truth & ~found), np.count_nonzero(found & ~truth)
    return f"J {region(truth, found):.2f}: missed {missed} px, too much {extra} px"
