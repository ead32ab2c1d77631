"""Notebook 04, the mask propagation network: the shapes inside a network, what a value depends on, the exercises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vsreid_lite.lessons.exercises import asks
from vsreid_lite.networks.mask_propagation import fuse
from vsreid_lite.plots.panels import BEFORE, GAP, PANEL, WIDTH, Map, entitle, panel_grid
from vsreid_lite.system.wording import counted

FAINT = 0.01  # of the largest influence: what is below it is not counted


@torch.inference_mode()
def layer_shapes(network: nn.Module, *inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """The shapes of the layers' outputs, in the order of the calls.

    Args:
        network: its layers are the modules that it calls itself; those that a layer calls in turn are left out.
        *inputs: of the network; on the meta device nothing is computed.

    Returns:
        The shape of each layer's output, by the layer's name.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    inside: list[str] = []

    def enter(name: str, *_: object) -> None:
        inside.append(name)

    def leave(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        inside.pop()
        if not inside:
            shapes[name] = tuple(output.shape)

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if name:
                hooks.callback(module.register_forward_pre_hook(partial(enter, name)).remove)
                hooks.callback(module.register_forward_hook(partial(leave, name)).remove)
        network(*inputs)
    return shapes


def influence(f: Callable[[Tensor], Tensor], x: Tensor) -> NDArray[np.float32]:
    """How much the value in the middle of f(x) depends on each pixel of x.

    Args:
        f: returns (1, C', H', W'). The value is one of its last channel, which in N_mp's logits is the instance's.
        x: (1, C, H, W).

    Returns:
        (H, W): |∂f / ∂x|, summed over the channels of x.
    """
    x = x.detach().clone().requires_grad_()
    y = f(x)
    (gradient,) = torch.autograd.grad(y[0, -1, y.shape[2] // 2, y.shape[3] // 2], x)
    strength: NDArray[np.float32] = gradient[0].abs().sum(0).cpu().numpy()
    return strength


def plot_fields(fields: Mapping[str, Map], title: str) -> Figure:
    """Maps of influence side by side, darker where the influence is stronger; a cross marks the middle.

    The root of the influence is shown, so that weak ones are seen too. Beside a name stand the number of pixels with at
    least FAINT of the largest influence, and the side of the square around them.

    Args:
        fields: the maps that `influence` returns, (S, S) each, by name.
        title: of the figure.
    """
    extents = {name: _extent(field) for name, field in fields.items()}
    words = "; ".join(
        f"{name}: {counted(count, 'pixel')} in {side} × {side}" for name, (count, side) in extents.items()
    )
    scale = (WIDTH - 0.3) / max(len(fields), 3) / (PANEL + GAP)
    figure, grid = panel_grid(1, len(fields), (1, 1), f"{title}. {words}.", scale, title)
    for axes, (name, field) in zip(grid[0], fields.items(), strict=True):
        count, side = extents[name]
        axes.imshow(np.sqrt(field / field.max()), cmap="Blues", vmin=0, vmax=1)
        axes.plot(field.shape[1] // 2, field.shape[0] // 2, "+", color=BEFORE, markersize=7)
        entitle(axes, f"{name}: {count} px in {side} × {side}")
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
    return figure


def _extent(field: Map) -> tuple[int, int]:
    """How many pixels count, and the side of the square around them."""
    y, x = np.nonzero(field >= FAINT * field.max())
    return len(y), int(max(np.ptp(y), np.ptp(x))) + 1


@asks(
    "04.1",
    """Write `output_size(size, kernel, stride, padding, dilation)`: the side of what a convolution makes of an input of
    `size` × `size` pixels.""",
    """A dilated kernel spans dilation · (kernel - 1) + 1 pixels. How often does it fit into the padded input, in steps
    of the stride? Round down.""",
    (16, 1, 1, 0, 1),
    (128, 3, 2, 1, 1),
    (449, 3, 2, 1, 1),
    (57, 3, 1, 2, 2),
    (16, 3, 1, 6, 6),
    (7, 3, 2, 0, 1),
    (20, 3, 3, 0, 4),
    tolerance=0.01,
)
def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Asked of torch, without computing anything."""
    image, weight = torch.empty(1, 1, size, size, device="meta"), torch.empty(1, 1, kernel, kernel, device="meta")
    return functional.conv2d(image, weight, None, stride, padding, dilation).shape[-1]


@asks(
    "04.2",
    """Write `receptive_field(layers)`: how many input pixels, in one direction, one value after some convolutions
    depends on. `layers` lists (kernel, stride, dilation) of each, the first one first; without any, a value depends on
    itself.""",
    """Each layer adds dilation · (kernel - 1) steps. A step is one pixel at first, and grows by the stride of every
    layer that came *before*.""",
    ((),),
    (((3, 1, 1),),),
    (((3, 1, 1), (3, 1, 1)),),
    (((3, 2, 1), (3, 1, 1)),),
    (((3, 1, 2),),),
    (((1, 2, 1), (1, 1, 1)),),
    (((3, 2, 1), (3, 2, 1), (3, 1, 2), (3, 1, 4)),),
    tolerance=0.01,
)
def receptive_field(layers: tuple[tuple[int, int, int], ...]) -> int:
    """In input pixels."""
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        field, step = field + dilation * (kernel - 1) * step, step * stride
    return field


def _logits(background: list[list[float]], instance: list[list[float]]) -> Tensor:
    return torch.tensor([background, instance])


@asks(
    "04.3",
    """Write `fuse_streams(rgb, flow)`. Each stream gives logits, a tensor (2, H, W): channel 0 is the background,
    channel 1 the instance. Return the instance's probabilities (H, W) as the paper fuses them: the *average of the two
    streams' predictions*.""",
    """Softmax over the channels first, of each stream alone; then average channel 1. The release adds the logits first,
    which is something else where the streams disagree.""",
    (_logits([[0.0, 0.0]], [[0.0, 0.0]]), _logits([[0.0, 0.0]], [[0.0, 0.0]])),
    (_logits([[0.0, 3.0]], [[8.0, 3.0]]), _logits([[2.0, 0.0]], [[0.0, 1.0]])),
    (_logits([[1.0], [-2.0]], [[2.0], [-2.5]]), _logits([[1.0], [6.0]], [[2.0], [-4.0]])),
)
def fuse_streams(rgb: Tensor, flow: Tensor) -> Tensor:
    """By the library."""
    return fuse([rgb[None], flow[None]], "probabilities")[0]
