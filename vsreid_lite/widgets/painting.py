"""A first mask painted by points, polygons, boxes and GrabCut, with undo for each: its states, picture and widgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from ipywidgets import Checkbox, HBox, Text
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsreid_lite.plots.panels import (
    BLACK,
    ON_WHITE,
    TITLE,
    WHITE_EDGE,
    WIDTH,
    entitle,
    instance_colour,
    new_figure,
    show_instances,
)
from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Frame, Mask, size_text, write_mask
from vsreid_lite.video.outputs import check_outputs
from vsreid_lite.widgets.shell import FULL_NAME, WRAPPED, PictureBox, button, slider

if TYPE_CHECKING:
    from vsreid_lite.widgets.canvas import MaskPainter

Point = tuple[int, int]  # x, y in pixels
MARGIN = 0.25  # of a shape's size: what GrabCut sees around it
ITERATIONS = 3  # of GrabCut
MOST = 254  # labels; 255 is void
LENS, TALLEST = 2.2, 6.0  # inches: the close look, the frame at most
REACH = 20  # pixels that it shows to each side of the cursor


@dataclass(frozen=True, eq=False)
class State:
    """What undo goes back to. mask: (H, W), labels. label: of the instance in work. points: marked, not yet a shape."""

    mask: Mask
    label: int = 1
    points: tuple[Point, ...] = ()


@dataclass(eq=False)
class Painting:
    """A mask in the making on a frame (H, W, 3). Pixels belong to the instance that took them last.

    Every step can be undone; a step that cannot be done raises ValueError. `label` is that of the first instance: more
    than 1 for a later frame, in which others enter.
    """

    frame: Frame
    label: int = 1
    now: State = field(init=False)
    past: list[State] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.now = State(np.zeros(self.frame.shape[:2], np.uint8), self.label)

    def add_point(self, x: int, y: int) -> None:
        """Mark a point, a corner of the shape to come."""
        height, width = self.now.mask.shape
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f"point {x}, {y}: expected x below {width} and y below {height}")
        self._go(replace(self.now, points=(*self.now.points, (x, y))))

    def close(self) -> None:
        """The polygon of the marked points, at least three, becomes part of the instance."""
        self._need_points(3, "polygon")
        shape = np.zeros_like(self.now.mask)
        self._take(cv2.fillPoly(shape, [np.array(self.now.points, np.int32)], 1) > 0)

    def box(self) -> None:
        """The box around the marked points, at least two, becomes part of the instance."""
        self._need_points(2, "box")
        (x0, y0), (x1, y1) = np.min(self.now.points, 0), np.max(self.now.points, 0)
        shape = np.zeros_like(self.now.mask)
        shape[y0 : y1 + 1, x0 : x1 + 1] = 1
        self._take(shape > 0)

    def refine(self) -> None:
        """GrabCut inside the instance's shape: what has the colours of its surroundings is left out."""
        own = self.now.mask == self.now.label
        if not own.any():
            raise ValueError(f"refine: instance {self.now.label} has no pixel yet; add points, then close or box")
        kept = grab_cut(self.frame, own)
        mask = self.now.mask.copy()
        mask[own & ~kept] = 0
        self._go(replace(self.now, mask=mask))

    def next_instance(self) -> None:
        """Go on with the next label; the instance in work must have pixels."""
        if not (self.now.mask == self.now.label).any():
            raise ValueError(f"next instance: instance {self.now.label} has no pixel yet")
        if self.now.label == MOST:
            raise ValueError(f"next instance: a mask holds at most {MOST} instances")
        self._go(replace(self.now, label=self.now.label + 1, points=()))

    def undo(self) -> None:
        """Back by one step."""
        if not self.past:
            raise ValueError("undo: nothing has been done yet")
        self.now = self.past.pop()

    def _take(self, shape: np.ndarray) -> None:
        mask = self.now.mask.copy()
        mask[shape] = self.now.label
        self._go(replace(self.now, mask=mask, points=()))

    def _go(self, state: State) -> None:
        self.past.append(self.now)
        self.now = state

    def _need_points(self, least: int, shape: str) -> None:
        if (count := len(self.now.points)) < least:
            raise ValueError(f"{shape}: expected at least {least} marked points, found {count}; add points first")


def grab_cut(frame: Frame, shape: np.ndarray) -> np.ndarray:
    """The pixels of `shape` (H, W), bool, that GrabCut keeps as foreground, told by their colours from those around it.

    It sees the shape's box and a margin. The same result each time: OpenCV's random numbers are seeded.

    Raises:
        ValueError: it would keep none.
    """
    x, y, width, height = cv2.boundingRect(shape.astype(np.uint8))
    dx, dy = max(int(MARGIN * width), 4), max(int(MARGIN * height), 4)
    window = slice(max(y - dy, 0), y + height + dy), slice(max(x - dx, 0), x + width + dx)
    labels = np.where(shape[window], cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    if (labels == cv2.GC_PR_FGD).all():
        return shape  # nothing around it to tell it from
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    part = np.ascontiguousarray(frame[window][..., ::-1])
    cv2.grabCut(part, labels, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    kept = np.zeros_like(shape)
    kept[window] = labels == cv2.GC_PR_FGD
    if not kept.any():
        raise ValueError("GrabCut: nothing would be left, the shape looks like its surroundings; it stays as it is")
    return kept


def plot_painting(frame: Frame, mask: Mask, label: int, points: Sequence[Point], cursor: Point) -> Figure:
    """A mask (H, W) on its frame (H, W, 3), the marked points of the shape to come, and the cursor, also from near.

    Args:
        frame: (H, W, 3).
        mask: (H, W), labels.
        label: of the instance in work.
        points: x, y in pixels.
        cursor: x, y in pixels.
    """
    (height, width), (x, y) = mask.shape, cursor
    figure, large, lens = _layout(height / width, _in_words(mask, label, points, cursor))
    for axes in (large, lens):
        show_instances(axes, frame, mask)
        _show_marks(axes, points, cursor, instance_colour(label))
    step = max(width, height) // 80 * 10 or 10
    large.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    large.set(xticks=range(0, width, step), yticks=range(0, height, step))
    large.tick_params(labelsize=7, length=2, pad=1)
    lens.set(xlim=(x - REACH - 0.5, x + REACH + 0.5), ylim=(y + REACH + 0.5, y - REACH - 0.5))
    lens.set_axis_off()
    for text in lens.texts:
        text.set_clip_on(True)
    entitle(large, f"instance {label}, {len(points)} points marked")
    entitle(lens, f"cursor at x {x}, y {y}")
    return figure


def _layout(aspect: float, alternative: str) -> tuple[Figure, Axes, Axes]:
    """Room for a frame of this height / width with ticks, and for a square beside it."""
    left, below = 0.3, 0.22
    wide = min(WIDTH - LENS - left - 0.15, TALLEST / aspect)
    tall = wide * aspect
    total = max(tall, LENS) + TITLE + below
    figure = new_figure(WIDTH, total, alternative)
    top = (total - TITLE) / total
    large = figure.add_axes((left / WIDTH, top - tall / total, wide / WIDTH, tall / total))
    lens = figure.add_axes(((left + wide + 0.1) / WIDTH, top - LENS / total, LENS / WIDTH, LENS / total))
    return figure, large, lens


def _show_marks(axes: Axes, points: Sequence[Point], cursor: Point, colour: str) -> None:
    if points:
        x, y = np.array(points).T
        axes.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.2, path_effects=ON_WHITE)
        axes.text(x[0], y[0], " 1", fontsize=8, path_effects=WHITE_EDGE)
        axes.text(x[-1], y[-1], f" {len(points)}" if len(points) > 1 else "", fontsize=8, path_effects=WHITE_EDGE)
    axes.plot(*cursor, "+", color=BLACK, markersize=12, markeredgewidth=1.4, path_effects=ON_WHITE)


def _in_words(mask: Mask, label: int, points: Sequence[Point], cursor: Point) -> str:
    there = [f"instance {one} has {counted(int((mask == one).sum()), 'pixel')}" for one in np.unique(mask[mask > 0])]
    marked = ", ".join(f"({x}, {y})" for x, y in points) or "none"
    return (
        f"Cursor at x {cursor[0]}, y {cursor[1]}. In work: instance {label}. Marked points: {marked}. "
        f"So far: {', '.join(there) or 'no instance'}."
    )


def mask_painter(
    frames: Sequence[Frame], path: Path | str = "first-mask.png", inputs: Sequence[Path | str] = (), label: int = 1
) -> MaskPainter | FirstMaskPainter:
    """A widget to paint the masks of some frames by clicks, or of the first one by sliders where anywidget is missing.

    Args:
        frames: arrays (H, W, 3) of one size, at least one.
        path: where "save" writes the mask of frame 0; those of later frames get their number behind the name.
        inputs: files that are never written over.
        label: of the instance that is painted first.

    Raises:
        ValueError: there is no frame, or the frames have several sizes.
    """
    if not len(frames) or np.ndim(frames[0]) != 3:
        raise ValueError("expected a sequence of frames (H, W, 3), at least one; a single frame goes into a list")
    for i, frame in enumerate(frames):
        if frame.shape != frames[0].shape:
            found, expected = size_text(frame.shape), size_text(frames[0].shape)
            raise ValueError(f"frame {i}: expected {expected} as frame 0, found {found}; all frames have one size")
    if find_spec("anywidget") is None:
        return FirstMaskPainter(frames[0], path, inputs, label)
    from vsreid_lite.widgets.canvas import MaskPainter

    return MaskPainter(frames, path, inputs, label)


class MaskFile(HBox):
    """The row below a painter: a file name, whether an existing file may be replaced, and the button that saves.

    path: what the name is at first. inputs: files that are never written over. save: what the button calls.
    """

    def __init__(self, path: Path | str, inputs: Sequence[Path | str], save: Callable[[], object]) -> None:
        self._inputs, self._written = [Path(source) for source in inputs], set[Path]()
        self._name = Text(str(path), description="file", tooltip="the mask's file, a .png", style=FULL_NAME)
        self._replace = Checkbox(False, description="replace an existing file", indent=False)
        pressed = button("save", "write what is painted as an indexed PNG", save)
        super().__init__([self._name, self._replace, pressed], layout=WRAPPED)

    @property
    def path(self) -> Path:
        """What is typed. Raises ValueError for a name that is no PNG's."""
        path = Path(self._name.value).expanduser()
        if path.suffix.lower() != ".png":
            raise ValueError(f"file {str(path)!r}: expected a name that ends in .png")
        return path

    def write(self, masks: Mapping[Path, Mask]) -> str:
        """Write masks (H, W) unless a file forbids it, and say which instances they hold.

        Raises:
            OSError: a file cannot be written.
            ValueError: it is an input, or there already and not written by this painter.
        """
        check_outputs(list(masks), inputs=self._inputs)
        for path in masks:
            if path.exists() and path not in self._written and not self._replace.value:
                raise ValueError(f"{path} is there already; tick “replace an existing file” to write over it")
        for path, mask in masks.items():
            write_mask(path, mask)
            self._written.add(path)
        counts = {path: counted(len(np.unique(mask[mask > 0])), "instance") for path, mask in masks.items()}
        return ", ".join(f"{path}: {count}" for path, count in counts.items())


class FirstMaskPainter(PictureBox):
    """A mask of several instances painted on a frame by sliders and buttons, and saved as an indexed PNG.

    All of it goes by keyboard. `mask_painter` is the one that one clicks.

    frame: (H, W, 3), the first of the video, or a later one. path: where "save" writes; an existing file is written
    over only when "replace" is ticked, or after this painter has written it. inputs: files that are never written over.
    label: of the instance that is painted first.
    """

    def __init__(
        self,
        frame: Frame,
        path: Path | str = "first-mask.png",
        inputs: Sequence[Path | str] = (),
        label: int = 1,
    ) -> None:
        self.painting = Painting(frame, label)
        self._file = MaskFile(path, inputs, self.save)
        height, width = frame.shape[:2]
        controls = {"x": slider("x", 0, width - 1, width // 2), "y": slider("y", 0, height - 1, height // 2)}
        super().__init__(self._draw, controls, [self._steps(), self._file])

    @property
    def mask(self) -> Mask:
        """The labels so far, (H, W)."""
        return self.painting.now.mask

    def save(self) -> None:
        """Write the mask; what hinders it is said below the picture."""
        with self.errors_shown(ValueError, OSError):
            first, path = self.painting.label, self._file.path
            if missing := [l for l in range(first, self.mask.max(initial=first) + 1) if not (self.mask == l).any()]:
                raise ValueError(f"save: instance {missing[0]} has no pixel; paint it, or undo what painted it over")
            self.say(
                f"Saved {self._file.write({path: self.mask})}. Next: vsreid segment INPUT --first-mask {path} "
                f"--output DIR; of a later frame, --mask FRAME={path} beside the first"
            )

    def _draw(self, x: int, y: int) -> Figure:
        now = self.painting.now
        return plot_painting(self.painting.frame, now.mask, now.label, now.points, (x, y))

    def _steps(self) -> HBox:
        paint = self.painting
        steps: dict[str, tuple[str, Callable[[], None]]] = {
            "add point": ("mark the cursor's place as a corner", self._add_point),
            "close": ("fill the polygon of the marked points", paint.close),
            "box": ("fill the box around the marked points", paint.box),
            "refine": ("GrabCut: leave out what looks like the surroundings", paint.refine),
            "undo": ("take the last step back", paint.undo),
            "next instance": ("go on with the next label", paint.next_instance),
        }
        return HBox([button(name, hint, self._guarded(step)) for name, (hint, step) in steps.items()], layout=WRAPPED)

    def _add_point(self) -> None:
        self.painting.add_point(self.controls["x"].value, self.controls["y"].value)

    def _guarded(self, step: Callable[[], None]) -> Callable[[], None]:
        """What cannot be done yet is said below the picture; any other error is raised too."""

        def run() -> None:
            with self.errors_shown(ValueError):
                step()
                self.redraw()

        return run
