"""What N_mp learns from: guides deformed step by step, and training samples with their guides, flows and truths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vsreid_lite.evaluation.metrics import region
from vsreid_lite.plots.panels import AFTER, Map, entitle, outline, panel_grid, show_flow, show_map
from vsreid_lite.training.propagation_samples import Batch
from vsreid_lite.video.masks import Frame

STEP_SCALE, SAMPLE_SCALE = 0.62, 0.6  # of the panels


def plot_deformation(mask: Map, draws: Mapping[str, Mapping[str, Map]]) -> Figure:
    """A true mask (S, S), outlined, under what `deformation_steps` makes of it: a row for each draw, by its name.

    Each panel says the step and J with the true mask; the alternative text, J of the guides in the end.
    """
    scored = {row: {step: region(mask > 0.5, P > 0.5) for step, P in steps.items()} for row, steps in draws.items()}
    ends = "; ".join(f"{row}: {', '.join(f'{step} {J:.2f}' for step, J in one.items())}" for row, one in scored.items())
    columns = max(map(len, draws.values()))
    alternative = f"A true mask deformed into guides, J with the true mask after each step. {ends}."
    figure, grid = panel_grid(len(draws), columns, mask.shape, alternative, STEP_SCALE)
    white = np.full((*mask.shape, 3), 255, np.uint8)
    for axes, (row, steps) in zip(grid, draws.items(), strict=True):
        _name_row(axes[0], row)
        for panel, (step, P) in zip(axes, steps.items(), strict=False):
            show_map(panel, white, P, f"{step}: J {scored[row][step]:.2f}")
            outline(panel, mask, AFTER)
    return figure


def plot_samples(batch: Batch, maps: Mapping[str, Tensor], flow: bool = False) -> Figure:
    """Samples of a batch side by side: each of the maps (B, S, S) over their patches, the flow, and the truth.

    maps: by name, a row each; every panel says J with the truth. flow: whether to show it.
    """
    images = [_pixels(image) for image in batch["image"]]
    truths = [truth.numpy() > 0.5 for truth in batch["truth"]]
    scored = {
        name: [region(truth, P.numpy() > 0.5) for truth, P in zip(truths, some, strict=True)]
        for name, some in maps.items()
    }
    words = "; ".join(f"{name} {', '.join(f'{J:.2f}' for J in some)}" for name, some in scored.items())
    rows = [*maps, *(["flow"] if flow else []), "truth"]
    alternative = f"{len(images)} training samples. J with the truth: {words}."
    figure, grid = panel_grid(len(rows), len(images), images[0].shape, alternative, SAMPLE_SCALE)
    for axes, name in zip(grid, rows, strict=True):
        _name_row(axes[0], name)
        for b, panel in enumerate(axes):
            if name in maps:
                show_map(panel, images[b], maps[name][b].numpy(), f"J {scored[name][b]:.2f}")
            elif name == "flow":
                show_flow(panel, batch["flow"][b].numpy(), "")
            else:
                panel.imshow(images[b])
                outline(panel, truths[b].astype(np.float32), AFTER)
                entitle(panel, "")
    return figure


def _pixels(image: Tensor) -> Frame:
    """(3, S, S) in [0, 1] as uint8 (S, S, 3)."""
    pixels: Frame = (image.permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()
    return pixels


def _name_row(first: Axes, name: str) -> None:
    first.text(-0.05, 0.5, name, transform=first.transAxes, rotation=90, fontsize=8, ha="right", va="center")
