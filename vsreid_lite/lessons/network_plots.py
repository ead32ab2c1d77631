"""What one value of a network depends on, as pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from vsreid_lite.plots.panels import BEFORE, GAP, PANEL, WIDTH, Map, entitle, panel_grid
from vsreid_lite.system.wording import counted

FAINT = 0.01  # of the largest influence: what is below it is not counted


def plot_fields(fields: Mapping[str, Map], title: str) -> Figure:
    """Square maps of influence side by side, by name, as `models.tracing.influence` gives them, each (S, S).

    The darker, the stronger (its root, so that the weak shows too); a cross marks the middle. Beside a name stands how
    many pixels have an influence of a hundredth of the largest at least, and the side of the square that holds them.
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
