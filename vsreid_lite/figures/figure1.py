"""Figure 1, the mask propagation network: what enters it, its two branches, and what becomes of their answers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from vsreid_lite.figures.drawing import arrow, map_on_black, place, sheet
from vsreid_lite.plots.panels import RETRIEVED, WIDTH, draw_box, flow_colours, new_figure
from vsreid_lite.plots.patch_plots import FUSED, Patches
from vsreid_lite.video.masks import Frame

LEFT, CAPTION = 1.75, 0.22  # inches: the frames, a line below a picture
SQUARE, BEHIND = 0.8, 0.22  # a patch, and how far the guide looks out from behind it
COLOURS = {"RGB Branch": "#F3D27A", "Flow Branch": "#9DC3E6", "": "#A9D18E"}


def plot_figure1(frame: Frame, flow: NDArray[np.float32], patches: Patches, index: int, label: int) -> Figure:
    """One step of N_mp as the paper's Figure 1 shows it.

    frame: I_j (H, W, 3). flow: (2, H, W), of j. patches: what N_mp saw and answered there. index: j. label: of the
    instance. Raises ValueError for a step without a box, and for a network without flow stream.
    """
    if patches.box is None or patches.flow is None:
        lacks = "flow stream" if patches.box else "box"
        raise ValueError(
            f"Figure 1 needs a step with box and both streams; frame {index}, instance {label}: no {lacks}"
        )
    tall = LEFT * frame.shape[0] / frame.shape[1]
    height = 3 * (tall + CAPTION) + 0.3
    figure = new_figure(WIDTH, height, _in_words(patches, index, label))
    axes = sheet(figure)
    rows = [height - 0.1 - n * (tall + CAPTION + 0.05) - tall for n in range(3)]
    longest = max(float(np.hypot(*flow).max()), 1.0)
    guided, moved = map_on_black(patches.guided, label), flow_colours(flow, longest)
    names = (f"Image (frame {index})", "Guided Probability Map", f"Optical Flow, to {longest:.0f} px")
    for y, picture, name in zip(rows, (frame, guided, moved), names, strict=True):
        _show_frame(figure, axes, (0.1, y, LEFT, tall), picture, name, patches)
    guide = map_on_black(patches.guide, label)
    upper, lower = height * 0.73, height * 0.31
    flow_patch = flow_colours(patches.flow, max(float(np.hypot(*patches.flow).max()), 1.0))
    for y, picture in ((upper, patches.image), (lower, flow_patch)):
        _show_patches(figure, 2.6, y, guide, picture)
    for y, name in ((upper, "RGB Branch"), (lower, "Flow Branch")):
        _draw_block(axes, 4.15, y, (1.25, 0.72), 0.3, name)
    _draw_block(axes, 6.22, (upper + lower) / 2, (0.1, 0.8), 0.22, "")
    axes.text(6.36, (upper + lower) / 2 - 0.62, FUSED[patches.fusion], fontsize=7, ha="center", va="top")
    _show_answers(figure, axes, (upper + lower) / 2, tall, patches, label)
    _draw_arrows(axes, rows, tall, upper, lower)
    return figure


def _show_frame(
    figure: Figure, axes: Axes, where: tuple[float, float, float, float], picture: Frame, name: str, patches: Patches
) -> None:
    """A frame with the box that is cut from it, and its name below."""
    panel = place(figure, *where)
    panel.imshow(picture, aspect="auto")
    if patches.box is not None:
        draw_box(panel, patches.box, RETRIEVED, width=1.5)
    axes.text(where[0] + where[2] / 2, where[1] - 0.04, name, fontsize=8, ha="center", va="top")


def _show_patches(figure: Figure, x: float, y: float, guide: Frame, picture: Frame) -> None:
    """A patch, and the guide's looking out from behind it; y: of its middle."""
    for shift, one in ((0.0, guide), (BEHIND, picture)):
        panel = place(figure, x + shift, y - SQUARE / 2 + shift - BEHIND / 2, SQUARE, SQUARE)
        panel.imshow(one, aspect="auto")


def _draw_block(axes: Axes, x: float, y: float, size: tuple[float, float], depth: float, name: str) -> None:
    """A block in perspective, its front at x with y its middle, and its name below."""
    (w, h), colour, bottom = size, COLOURS[name], y - size[1] / 2 - depth / 4
    front = [(x, bottom), (x + w, bottom), (x + w, bottom + h), (x, bottom + h)]
    back = [(px + depth, py + depth) for px, py in front]
    faces = {1.0: front, 0.93: [front[3], front[2], back[2], back[3]], 0.8: [front[1], back[1], back[2], front[2]]}
    for shade, face in faces.items():
        dark = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) * shade
        axes.add_patch(Polygon(face, facecolor=dark, edgecolor="0.4", linewidth=0.6))
    axes.text(x + w / 2, bottom - 0.06, name, fontsize=8, ha="center", va="top")


def _show_answers(figure: Figure, axes: Axes, y: float, tall: float, patches: Patches, label: int) -> None:
    """The fused answer beside the fusion, and the frame that it is pasted into below."""
    patch = place(figure, 7.05, y - 0.05, SQUARE, SQUARE)
    patch.imshow(map_on_black(patches.fused, label), aspect="auto")
    bottom = max(y - 0.35 - tall, 0.1 + CAPTION)
    _show_frame(figure, axes, (6.75, bottom, LEFT, tall), map_on_black(patches.answer, label), "Prediction", patches)
    arrow(axes, (7.45, y - 0.05), (7.45, bottom + tall))


def _draw_arrows(axes: Axes, rows: list[float], tall: float, upper: float, lower: float) -> None:
    right, turn, first, last = 0.1 + LEFT, 2.25, 2.6 + SQUARE / 2, 2.6 + SQUARE + BEHIND
    image, guided, flow = (y + tall / 2 for y in rows)
    middle = (upper + lower) / 2
    top = upper + SQUARE / 2 + BEHIND / 2
    arrow(axes, (right, image + tall / 4), (first + BEHIND, image + tall / 4), (first + BEHIND, top))
    for y in (upper, lower):
        arrow(axes, (right, guided), (turn, guided), (turn, y - BEHIND / 2), (2.6, y - BEHIND / 2))
        arrow(axes, (last, y), (4.15, y))
    bottom = lower - SQUARE / 2 + BEHIND / 2
    arrow(axes, (right, flow - tall / 4), (last - 0.15, flow - tall / 4), (last - 0.15, bottom))
    for y, end in ((upper, middle + 0.2), (lower, middle - 0.05)):
        arrow(axes, (5.7, y + 0.15), (5.95, y + 0.15), (5.95, end), (6.22, end))
    arrow(axes, (6.54, middle + 0.3), (7.05, middle + 0.3))


def _in_words(patches: Patches, index: int, label: int) -> str:
    side = len(patches.guide)
    return (
        f"Figure 1, the mask propagation network, on instance {label} of frame {index}. The frame, the guided "
        f"probability map and the optical flow are cut with one box and resized to {side} by {side} pixels. RGB branch "
        f"and flow branch both take the guide; {FUSED[patches.fusion]} is pasted back as the prediction."
    )
