"""Flow-guided warping as a picture: two frames, the flow between them, the guided map, and its error."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vsreid_lite.evaluation.metrics import region
from vsreid_lite.geometry import warp
from vsreid_lite.plots.colours import AFTER, BEFORE
from vsreid_lite.plots.panels import WHITE_EDGE, Map, entitle, panel_grid, show_flow, show_map
from vsreid_lite.video.masks import Frame

Area = NDArray[np.bool_]  # (H, W)
MISSED, EXTRA = BEFORE, AFTER
STRIPES = 40  # from one side of a frame to the other


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

    frames: I_i and I_j, (H, W, 3). indices: i and j. flow: (2, H, W), for each pixel of j where it was in i. P: P_i,
    (H, W). truth: the instance in frame j, (H, W), or None where nobody drew it. method: which flow this is.
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
    show_flow(c, flow, f"{method} flow: where frame {j} was in frame {i}")
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


def _show_frame(axes: Axes, frame: Frame, title: str) -> None:
    axes.imshow(frame)
    entitle(axes, title)


def _differences(truth: Area, found: Area) -> str:
    missed, extra = np.count_nonzero(truth & ~found), np.count_nonzero(found & ~truth)
    return f"J {region(truth, found):.2f}: missed {missed} px, too much {extra} px"
