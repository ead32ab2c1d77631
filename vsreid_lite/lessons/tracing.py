"""Looks into a network: the shapes on its way from input to output, and what one of its answers depends on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@torch.inference_mode()
def layer_shapes(network: nn.Module, *inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of what each layer returns, by its name, in the order of the calls.

    A layer is what `network` calls itself; what a layer calls in turn is left out. inputs: of `network`; on the meta
    device nothing is computed.
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
    """How much the value in the middle of f(x) depends on each pixel of x: |∂f / ∂x|, summed over channels, (H, W).

    x: (1, C, H, W). f: returns (1, C', H', W'); its last channel is asked, of N_mp's logits that of the instance.
    """
    x = x.detach().clone().requires_grad_()
    y = f(x)
    (gradient,) = torch.autograd.grad(y[0, -1, y.shape[2] // 2, y.shape[3] // 2], x)
    strength: NDArray[np.float32] = gradient[0].abs().sum(0).cpu().numpy()
    return strength
