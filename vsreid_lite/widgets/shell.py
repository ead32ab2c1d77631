"""What every widget is made of: native controls, one picture, what it shows in words, and errors that are seen."""

from __future__ import annotations

import base64
import html
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from ipywidgets import (
    HTML,
    Button,
    Dropdown,
    FloatSlider,
    HBox,
    IntSlider,
    Layout,
    Play,
    ToggleButtons,
    VBox,
    Widget,
    jsdlink,
    jslink,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vsreid_lite.plots.panels import Kept, figures_reused

DPI = 100
AT_ONCE = 0.1  # seconds that a picture may take to be drawn while a slider is dragged
PICTURES = 64  # that a widget keeps, about 0.3 MB each
INTERVAL = 1000  # milliseconds between the pictures of a film
FULL_NAME = {"description_width": "initial"}
WRAPPED = Layout(flex_flow="row wrap")


class SpokenBox(VBox):
    """Widgets one below the other, and under them a line that is read out: what was done, or what hinders it."""

    after_error = ""  # what is said after every error

    def __init__(self, children: Sequence[Widget]) -> None:
        self.text = HTML()
        super().__init__([*children, self.text])

    def say(self, words: str) -> None:
        """Words below; a screen reader reads them out."""
        self.text.value = f'<div role="status" aria-live="polite">{html.escape(words)}</div>'

    @contextmanager
    def errors_shown(self, *expected: type[Exception]) -> Iterator[None]:
        """An error of the body is written below and then raised; an `expected` one is not raised."""
        try:
            yield
        except Exception as error:
            known = isinstance(error, expected)
            words = html.escape(str(error) if known else f"{type(error).__name__}: {error}")
            self.text.value = f'<div role="alert">⚠ {words}{self.after_error}</div>'
            if not known:
                raise


class PictureBox(SpokenBox):
    """Controls above a picture, and below it the picture in words, which change with it and are read out.

    The picture follows a slider while it is dragged where one takes at most AT_ONCE seconds; otherwise it comes when
    the slider is let go, and "computing" stands beside the controls meanwhile. The last pictures are kept.

    draw: the figure for the values of `controls`, called with them by name; its alternative text are the words.
    beside: rows of other widgets (buttons) under the controls. first: what happens when a control has moved, before
    the picture is drawn, such as the moving of others.
    """

    after_error = " (The picture is the one from before.)"

    def __init__(
        self,
        draw: Callable[..., Figure],
        controls: Mapping[str, Widget],
        beside: Sequence[Widget] = (),
        first: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        self.picture, self.busy = HTML(), HTML()
        super().__init__([HBox([*controls.values(), self.busy], layout=WRAPPED), *beside, self.picture])
        self.draw, self.controls, self._held = draw, dict(controls), False
        self._figures: Kept = {}
        self._seconds = deque[float](maxlen=3)
        self._kept = lru_cache(PICTURES)(self._drawn)
        self.redraw()
        for name, control in controls.items():
            self._follow(control, (first or {}).get(name, lambda: None))

    def redraw(self) -> None:
        """Draw what the controls say, anew. Raises what `draw` raises, after writing it where the words stand."""
        self._kept.cache_clear()
        self._show()

    def _show(self) -> None:
        with self.errors_shown():
            self.picture.value, words = self._kept(*(control.value for control in self.controls.values()))
            self.say(words)

    def _drawn(self, *values: object) -> tuple[str, str]:
        """The picture for these values of the controls, and its words; sliders learn how fast it comes."""
        slow, began = min(self._seconds, default=0.0) > AT_ONCE, time.perf_counter()
        self.busy.value = "<b>computing …</b>" if slow else ""
        try:
            with figures_reused(self._figures):
                figure = self.draw(**dict(zip(self.controls, values, strict=True)))
            picture = as_image(figure), str(figure.get_label())
        finally:
            self.busy.value = ""
        self._seconds.append(time.perf_counter() - began)
        for control in self.controls.values():
            if isinstance(control, IntSlider | FloatSlider):
                control.continuous_update = min(self._seconds) <= AT_ONCE
        return picture

    @contextmanager
    def one_redraw(self) -> Iterator[None]:
        """However many controls the body moves, the picture is drawn once, at its end."""
        self._held = True
        try:
            with self.errors_shown():
                yield
        finally:
            self._held = False
        self._show()

    def _follow(self, control: Widget, first: Callable[[], object]) -> None:
        def moved(_change: object) -> None:
            if not self._held:
                with self.one_redraw():
                    first()

        control.observe(moved, names="value")


def as_image(figure: Figure) -> str:
    """A figure as an HTML image of its own size; the words are beside it. Faster than `savefig`, the same each time.

    The canvas of a figure that is drawn again is kept, and with it the measured sizes of texts.
    """
    figure.set_dpi(DPI)
    canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., 2::-1]  # OpenCV's order of colours
    _, png = cv2.imencode(".png", pixels)
    size = f'width="{pixels.shape[1]}" height="{pixels.shape[0]}"'
    style = 'style="max-width: 100%; height: auto"'
    data = base64.b64encode(png.tobytes()).decode("ascii")
    return f'<img alt="described below" {size} {style} src="data:image/png;base64,{data}">'


def frame_slider(draw: Callable[[int], Figure], N: int, value: int = 0) -> PictureBox:
    """A slider over N frames above the figure `draw(i)` of the chosen frame i, at first frame `value`."""
    return PictureBox(lambda frame: draw(frame), {"frame": slider("frame", 0, N - 1, value)})


def slider(name: str, first: int, last: int, value: int) -> IntSlider:
    """A slider over whole numbers; the arrow keys move it by one, Page Up and Down by more."""
    return IntSlider(value, first, last, description=name, tooltip=name, style=FULL_NAME)


def share(name: str, value: float, hint: str) -> FloatSlider:
    """A slider from 0 to 1 in hundredths."""
    fixed = {"readout_format": ".2f", "style": FULL_NAME}
    return FloatSlider(value, min=0.0, max=1.0, step=0.01, description=name, tooltip=hint, **fixed)


def choice(name: str, options: Sequence[Any] | Mapping[str, Any], value: Any) -> Dropdown:
    """A list to choose from; the arrow keys and first letters work."""
    pairs = list(options.items()) if isinstance(options, Mapping) else list(options)
    return Dropdown(options=pairs, value=value, description=name, tooltip=name, style=FULL_NAME)


def instances(labels: Sequence[int], chosen: int = 0) -> Dropdown:
    """A list of the instances by their labels; its value is k, at first `chosen`."""
    return choice("instance", {str(label): k for k, label in enumerate(labels)}, chosen)


def button(name: str, hint: str, click: Callable[[], object]) -> Button:
    """A button that calls `click`."""
    made = Button(description=name, tooltip=hint, layout=Layout(width="auto"))
    made.on_click(lambda _: click())
    return made


def clickable(name: str, numbers: Sequence[int], click: Callable[[int], object]) -> ToggleButtons:
    """A row of numbers, each a small button that calls `click` with its place."""
    options, style = [(str(number), at) for at, number in enumerate(numbers)], {"button_width": "1.9em", **FULL_NAME}
    row = ToggleButtons(options=options, value=None, description=name, tooltip=name, style=style)
    row.observe(lambda change: None if change.new is None else click(change.new), names="value")
    return row


def stepper(of: IntSlider) -> HBox:
    """Play, one back and one on, for a slider."""
    play = Play(of.value, of.min, of.max, description="play", tooltip="play, pause and stop", interval=INTERVAL)
    for end in ("min", "max"):
        jsdlink((of, end), (play, end))
    jslink((of, "value"), (play, "value"))  # in the browser: a film does not wait for Python

    def step(by: int) -> None:
        of.value = min(max(of.value + by, of.min), of.max)

    back = button("◀ back", "one step back", lambda: step(-1))
    return HBox([play, back, button("on ▶", "one step on", lambda: step(1))])
