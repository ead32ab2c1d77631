"""What N_mp sees and answers in one step of Algorithm 1, as a picture: box, patches, streams and their fusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vsreid_lite.config import PRINTED, PropagationConfig, ReleaseRules
from vsreid_lite.geometry import Box, SparseMap
from vsreid_lite.networks.mask_propagation import TwoStreams, fuse
from vsreid_lite.plots.panels import (
    BEFORE,
    BLACK,
    MAP_EDGE,
    TITLE,
    WIDTH,
    Map,
    draw_box,
    entitle,
    new_figure,
    outline,
    painted,
    show_flow,
    show_map,
)
from vsreid_lite.propagation import guided_view, propagate
from vsreid_lite.video.masks import Frame

GAP = 0.12  # inches between panels
Strip = Mapping[str, tuple[Frame, Map] | None]  # by their titles, pictures (S, S, 3) and maps (S, S) to outline
FUSED = {"probabilities": "their average", "logits": "their logits' sum"}


@dataclass(frozen=True, eq=False)
class Patches:
    """One step of N_mp. Patches are square, of side S.

    Attributes:
        guided: the guided probability map, (H, W).
        found: Box(guided > 0.5); None where there is none.
        box: `found`, enlarged.
        image: (S, S, 3), uint8.
        flow: (2, S, S), in pixels of the patch; None for a network without flow stream.
        guide: (S, S), in [0, 1].
        streams: what each stream answers, (S, S) each.
        fused: their fusion, (S, S).
        fusion: how it is made, "probabilities" or "logits".
        answer: P_j, the fusion pasted into the frame, (H, W).
    """

    guided: Map
    found: Box | None
    box: Box | None
    image: Frame
    flow: Map | None
    guide: Map
    streams: tuple[Map, ...]
    fused: Map
    fusion: str
    answer: Map


@torch.inference_mode()
def trace_patches(
    frame: Frame,
    flow: Tensor,
    P: Tensor,
    network: TwoStreams,
    config: PropagationConfig,
    release: ReleaseRules = PRINTED,
) -> Patches:
    """Algorithm 1 at scale 1, with all that N_mp is shown and answers.

    Arguments as of `propagation.propagate_mask`, which computes the same.
    """
    config, watched = replace(config, scales=(1.0,), flip=False), _Watched(network)
    view = guided_view(frame, flow, SparseMap.from_dense(P), config, release)
    (made,) = propagate([view], watched, config, release)
    guided, answer = view.guided.dense().numpy(), made.P.dense().numpy()
    if made.box is None or made.patch is None:
        nothing = np.zeros((config.side,) * 2, np.float32)
        white = np.full((*nothing.shape, 3), 255, np.uint8)
        return Patches(guided, None, None, white, None, nothing, (), nothing, "", answer)
    image, moved, guide = (x[0] for x in watched.shown)
    return Patches(
        guided,
        view.guided.probability_box(),
        made.box,
        np.rint(image.permute(1, 2, 0).numpy() * 255).astype(np.uint8),
        moved.numpy() if network.flow is not None else None,
        guide[0].numpy(),
        tuple(fuse([stream], network.fusion)[0].numpy() for stream in watched.logits),
        made.patch.numpy(),
        network.fusion,
        answer,
    )


@dataclass(eq=False)
class _Watched:
    """N_mp that keeps what it was shown last and what its streams answered; on the CPU outside, anywhere inside."""

    network: TwoStreams
    shown: tuple[Tensor, ...] = ()
    logits: list[Tensor] = field(default_factory=list)

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        self.shown, device = (image, flow, guide), next(self.network.parameters()).device
        self.logits = [stream.float().cpu() for stream in self.network(*(x.to(device) for x in self.shown))]
        return fuse(self.logits, self.network.fusion)


def plot_patches(frame: Frame, patches: Patches, index: int, label: int) -> Figure:
    """Box and enlarged box in frame j, N_mp's inputs in the upper row, its answers in the lower.

    Args:
        frame: I_j, (H, W, 3).
        patches: as `trace_patches` returns them.
        index: j.
        label: of the instance.
    """
    figure = new_figure(WIDTH, 2 * (_side(frame) + TITLE) + GAP, _in_words(patches, index, label))
    before, after = (_panel(figure, frame, row, -1) for row in (0, 1))
    show_map(before, frame, patches.guided, f"frame {index}: guided map, its box, the box enlarged")
    for box, style in ((patches.found, "--"), (patches.box, "-")):
        if box is not None:
            draw_box(before, box, BLACK if style == "-" else BEFORE, style=style, width=1.2)
    show_map(after, frame, patches.answer, "the answer, pasted back: $P_j$")
    if patches.box is None:
        entitle(_panel(figure, frame, 0, 1), "an empty map has no box, the network is not asked")
        return figure
    zero, middle = np.zeros_like(patches.guide), "no flow stream" if patches.flow is None else ""
    inputs: Strip = {"RGB patch": (patches.image, zero), middle: None, "guide": _over(patches, patches.guide)}
    _show_strip(_panel(figure, frame, 0, 0, 3), inputs, frame)
    if patches.flow is not None:
        show_flow(_panel(figure, frame, 0, 1), patches.flow, "flow patch")
    _show_strip(_panel(figure, frame, 1, 0, 3), _answers(patches), frame)
    return figure


def _answers(patches: Patches) -> Strip:
    """What the streams answer, and their fusion."""
    names = [f"{name} stream: {_pixels(P)} px" for name, P in zip(("RGB", "flow"), patches.streams, strict=False)]
    answers: dict[str, tuple[Frame, Map] | None] = {
        name: _over(patches, P) for name, P in zip(names, patches.streams, strict=True)
    }
    if len(answers) == 1:
        answers["no flow stream"] = None
    fused = FUSED[patches.fusion] if len(patches.streams) > 1 else "the one stream alone"
    return answers | {f"{fused}: {_pixels(patches.fused)} px": _over(patches, patches.fused)}


def _over(patches: Patches, P: Map) -> tuple[Frame, Map]:
    return painted(patches.image, P), P


def _show_strip(axes: Axes, strip: Strip, frame: Frame) -> None:
    """Draw three squares as one picture, which is faster than three axes."""
    side = len(next(picture for picture in strip.values() if picture)[1])
    step = side + round(side * GAP / _side(frame))
    picture, P = np.full((side, 3 * step, 3), 255, np.uint8), np.zeros((side, 3 * step), np.float32)
    for place, (title, content) in enumerate(strip.items()):
        here = slice(place * step, place * step + side)
        if content is not None:
            picture[:, here], P[:, here] = content
        axes.text(place * step + side / 2, -0.05 * side, title, ha="center", fontsize=8)
    axes.imshow(picture[:, : 2 * step + side], aspect="auto")
    outline(axes, P[:, : 2 * step + side], MAP_EDGE)


def _panel(figure: Figure, frame: Frame, row: int, column: int, wide: int = 1) -> Axes:
    """The axes of the frame, column -1, or of so many squares from a column on."""
    side, height = _side(frame), float(figure.get_figheight())
    first = GAP + side * frame.shape[1] / frame.shape[0]
    x = GAP / 2 if column < 0 else GAP / 2 + first + column * (side + GAP)
    width = first - GAP if column < 0 else wide * (side + GAP) - GAP
    y = height - (row + 1) * (TITLE + side)
    axes = figure.add_axes((x / WIDTH, y / height, width / WIDTH, side / height))
    axes.set_axis_off()
    return axes


def _side(frame: Frame) -> float:
    """Inches of a square: three of them and the frame fill the width."""
    return (WIDTH - 4 * GAP) / (frame.shape[1] / frame.shape[0] + 3)


def _in_words(patches: Patches, index: int, label: int) -> str:
    if patches.found is None or patches.box is None:
        return f"Instance {label} in frame {index}: nothing of the guided map is above 0.5, so there is no box."
    sizes = [f"{box.width} by {box.height}" for box in (patches.found, patches.box)]
    side = len(patches.guide)
    streams = [f"{name} stream {_pixels(P)}" for name, P in zip(("RGB", "flow"), patches.streams, strict=False)]
    return (
        f"Instance {label} in frame {index}: its box of {sizes[0]} pixels, enlarged to {sizes[1]}, is seen as a patch "
        f"of {side} by {side}. Pixels of the patch above 0.5: guide {_pixels(patches.guide)}, {', '.join(streams)}, "
        f"together {_pixels(patches.fused)}."
    )


def _pixels(P: Map) -> int:
    return int(np.count_nonzero(P > 0.5))
