"""Figure 1, the mask propagation network: what enters it, its two branches, and what becomes of their answers."""

from __future__ import annotations

import numpy as np
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

    Args:
        frame: I_j (H, W, 3).
        flow: (2, H, W), of j.
        patches: what N_mp saw and answered there.
        index: j.
        label: of the instance.

    Raises:
        ValueError: the step has no box, or the network no flow stream.
    """
    if patches.box is None or patches.flow is None:
        lacks = "flow stream" if patches.box else "box"
        raise ValueError(
            f"Figure 1 needs a step with box and both streams; frame {index}, instance {label}: no {lacks}"
        )
    page = _Page(frame, patches, _in_words(patches, index, label))
    longest = max(float(np.hypot(*flow).max()), 1.0)
    guided, moved = map_on_black(patches.guided, label), flow_colours(flow, longest)
    names = (f"Image (frame {index})", "Guided Probability Map", f"Optical Flow, to {longest:.0f} px")
    for y, picture, name in zip(page.rows, (frame, guided, moved), names, strict=True):
        page.show_frame(0.1, y, picture, name)
    guide = map_on_black(patches.guide, label)
    flow_patch = flow_colours(patches.flow, max(float(np.hypot(*patches.flow).max()), 1.0))
    for y, picture in ((page.upper, patches.image), (page.lower, flow_patch)):
        page.show_patches(y, guide, picture)
    for y, name in ((page.upper, "RGB Branch"), (page.lower, "Flow Branch")):
        page.draw_block((4.15, y), (1.25, 0.72), 0.3, name)
    page.draw_block((6.22, page.middle), (0.1, 0.8), 0.22, "")
    page.axes.text(6.36, page.middle - 0.62, FUSED[patches.fusion], fontsize=7, ha="center", va="top")
    page.show_answers(map_on_black(patches.fused, label), map_on_black(patches.answer, label))
    page.draw_arrows()
    return page.figure


class _Page:
    """The figure in inches: three frames at the left, the patches, the branches, and the answers at the right."""

    def __init__(self, frame: Frame, patches: Patches, alternative: str) -> None:
        self.box = patches.box
        self.tall = LEFT * frame.shape[0] / frame.shape[1]
        height = 3 * (self.tall + CAPTION) + 0.3
        self.figure = new_figure(WIDTH, height, alternative)
        self.axes = sheet(self.figure)
        self.rows = [height - 0.1 - n * (self.tall + CAPTION + 0.05) - self.tall for n in range(3)]
        self.upper, self.lower = height * 0.73, height * 0.31
        self.middle = (self.upper + self.lower) / 2

    def show_frame(self, x: float, y: float, picture: Frame, name: str) -> None:
        """A frame with the box that is cut from it, and its name below; x, y: its lower left corner."""
        panel = place(self.figure, x, y, LEFT, self.tall)
        panel.imshow(picture, aspect="auto")
        if self.box is not None:
            draw_box(panel, self.box, RETRIEVED, width=1.5)
        self.axes.text(x + LEFT / 2, y - 0.04, name, fontsize=8, ha="center", va="top")

    def show_patches(self, y: float, guide: Frame, picture: Frame) -> None:
        """A patch, and the guide's looking out from behind it; y: of its middle."""
        for shift, patch in ((0.0, guide), (BEHIND, picture)):
            panel = place(self.figure, 2.6 + shift, y - SQUARE / 2 + shift - BEHIND / 2, SQUARE, SQUARE)
            panel.imshow(patch, aspect="auto")

    def draw_block(self, at: tuple[float, float], size: tuple[float, float], depth: float, name: str) -> None:
        """A block in perspective, the left of its front at x with y its middle, and its name below."""
        (x, y), (w, h), colour = at, size, COLOURS[name]
        bottom = y - h / 2 - depth / 4
        front = [(x, bottom), (x + w, bottom), (x + w, bottom + h), (x, bottom + h)]
        back = [(px + depth, py + depth) for px, py in front]
        faces = {1.0: front, 0.93: [front[3], front[2], back[2], back[3]], 0.8: [front[1], back[1], back[2], front[2]]}
        for shade, face in faces.items():
            dark = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) * shade
            self.axes.add_patch(Polygon(face, facecolor=dark, edgecolor="0.4", linewidth=0.6))
        self.axes.text(x + w / 2, bottom - 0.06, name, fontsize=8, ha="center", va="top")

    def show_answers(self, fused: Frame, prediction: Frame) -> None:
        """The fused answer beside the fusion, and the frame that it is pasted into below."""
        patch = place(self.figure, 7.05, self.middle - 0.05, SQUARE, SQUARE)
        patch.imshow(fused, aspect="auto")
        bottom = max(self.middle - 0.35 - self.tall, 0.1 + CAPTION)
        self.show_frame(6.75, bottom, prediction, "Prediction")
        arrow(self.axes, (7.45, self.middle - 0.05), (7.45, bottom + self.tall))

    def draw_arrows(self) -> None:
        """From the frames to the patches, through the branches to the fusion and its answer."""
        right, turn, first, last = 0.1 + LEFT, 2.25, 2.6 + SQUARE / 2, 2.6 + SQUARE + BEHIND
        image, guided, flow = (y + self.tall / 2 for y in self.rows)
        top, bottom = self.upper + SQUARE / 2 + BEHIND / 2, self.lower - SQUARE / 2 + BEHIND / 2
        y = image + self.tall / 4
        arrow(self.axes, (right, y), (first + BEHIND, y), (first + BEHIND, top))
        for y in (self.upper, self.lower):
            arrow(self.axes, (right, guided), (turn, guided), (turn, y - BEHIND / 2), (2.6, y - BEHIND / 2))
            arrow(self.axes, (last, y), (4.15, y))
        y = flow - self.tall / 4
        arrow(self.axes, (right, y), (last - 0.15, y), (last - 0.15, bottom))
        for y, end in ((self.upper, self.middle + 0.2), (self.lower, self.middle - 0.05)):
            arrow(self.axes, (5.7, y + 0.15), (5.95, y + 0.15), (5.95, end), (6.22, end))
        arrow(self.axes, (6.54, self.middle + 0.3), (7.05, self.middle + 0.3))


def _in_words(patches: Patches, index: int, label: int) -> str:
    side = len(patches.guide)
    return (
        f"Figure 1, the mask propagation network, on instance {label} of frame {index}. The frame, the guided "
        f"probability map and the optical flow are cut with one box and resized to {side} by {side} pixels. RGB branch "
        f"and flow branch both take the guide; {FUSED[patches.fusion]} is pasted back as the prediction."
    )
