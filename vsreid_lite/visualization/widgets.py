"""Thin ipywidgets shells over `plots`: no state beside the widgets' own, a static twin stands before each."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import Image, IntSlider, VBox
from matplotlib.figure import Figure

from vsreid_lite.visualization.notebooks import to_png


def frame_slider(draw: Callable[[int], Figure], N: int, value: int = 0) -> VBox:
    """A slider over N frames above the figure `draw(i)` of the chosen frame i, at first frame `value`."""
    slider = IntSlider(value=value, min=0, max=N - 1, description="frame", continuous_update=False)
    image = Image(value=to_png(draw(value)), format="png")

    def redraw(change: dict[str, int]) -> None:
        image.value = to_png(draw(change["new"]))

    slider.observe(redraw, names="value")
    return VBox([slider, image])
