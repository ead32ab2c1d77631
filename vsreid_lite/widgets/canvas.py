"""Masks painted by clicks, on a canvas in the notebook (the extra `painter`): polygons, boxes and GrabCut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from anywidget import AnyWidget

from vsreid_lite.video.masks import Frame, Mask
from vsreid_lite.widgets.painting import MaskFile, grab_cut
from vsreid_lite.widgets.shell import SpokenBox

Answer = tuple[dict[str, Any], list[bytes]]  # values, and the buffers beside them

HERE = Path(__file__).parent
PAINTER, WIDGET, STYLE = (
    (HERE / name).read_text(encoding="utf-8") for name in ("painter.js", "painter_widget.js", "painter.css")
)


class Canvas(AnyWidget):
    """Frames (H, W, 3), and what is drawn on them in the browser, which asks Python for the steps below.

    Attributes:
        masks: labels (H, W) by frames, of those in which something is drawn.
        trouble: what keeps them from being saved, in one line, or nothing.
    """

    _esm, _css = PAINTER + WIDGET, STYLE

    def __init__(self, frames: Sequence[Frame], label: int = 1) -> None:
        super().__init__()
        self.frames, self.label, self.shapes = frames, label, dict[str, list[Any]]()
        self.masks, self.trouble = dict[int, Mask](), ""
        self._steps: dict[str, Callable[..., Answer]]
        self._steps = {"start": self._start, "frame": self._frame, "grab_cut": self._grab_cut, "keep": self._keep}
        self.on_msg(self._answer)

    def _answer(self, _: object, question: dict[str, Any], __: object) -> None:
        try:
            answer, buffers = self._steps[question["step"]](**question["values"])
        except ValueError as error:
            answer, buffers = {"error": str(error)}, []
        self.send({"id": question["id"], **answer}, buffers)

    def _start(self) -> Answer:
        """What a view begins with; a second view shows what was drawn in the first."""
        return {"count": len(self.frames), "label": self.label, "shapes": self.shapes}, []

    def _frame(self, at: int) -> Answer:
        return {}, [cv2.imencode(".png", np.asarray(self.frames[at])[..., ::-1])[1].tobytes()]

    def _grab_cut(self, at: int, runs: list[int]) -> Answer:
        """The runs of what GrabCut keeps of a shape."""
        frame = self.frames[at]
        shape = from_runs(runs, frame.shape) > 0
        if not shape.any():
            raise ValueError("GrabCut: the shape has no pixel; move its corners apart")
        return {"runs": to_runs(grab_cut(frame, shape).astype(np.uint8))}, []

    def _keep(self, shapes: dict[str, list[Any]], runs: list[tuple[int, list[int]]], trouble: str) -> Answer:
        self.shapes, self.trouble = shapes, trouble
        self.masks = {at: from_runs(labels, self.frames[at].shape) for at, labels in runs}
        return {}, []


def to_runs(mask: Mask) -> list[int]:
    """A mask (H, W) as label, count, label, count, ... row by row."""
    labels = mask.ravel()
    ends = np.append(np.flatnonzero(np.diff(labels)), labels.size - 1) + 1
    return np.stack([labels[ends - 1], np.diff(ends, prepend=0)], axis=1).ravel().tolist()


def from_runs(runs: Sequence[int], shape: tuple[int, ...]) -> Mask:
    """The mask (H, W) of runs, for a frame (H, W, 3)."""
    return np.repeat(np.asarray(runs[::2], np.uint8), runs[1::2]).reshape(shape[:2])


class MaskPainter(SpokenBox):
    """Masks of several instances and frames painted by clicks, and saved as indexed PNGs for `vsreid segment`.

    frames: (H, W, 3), of one size. path: where "save" writes the mask of frame 0; "-00012" comes behind the name for
    frame 12. An existing file is written over only when "replace" is ticked, or after this painter has written it.
    inputs: files that are never written over. label: of the instance that is painted first.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        path: Path | str = "first-mask.png",
        inputs: Sequence[Path | str] = (),
        label: int = 1,
    ) -> None:
        self.canvas, self._file = Canvas(frames, label), MaskFile(path, inputs, self.save)
        super().__init__([self.canvas, self._file])

    @property
    def masks(self) -> dict[int, Mask]:
        """The labels so far, (H, W), by frames, of those in which something is drawn."""
        return self.canvas.masks

    def save(self) -> None:
        """Write the masks, all or none; what hinders it is said below the canvas."""
        with self.errors_shown(ValueError, OSError):
            path = self._file.path
            if not self.masks or self.canvas.trouble:
                nothing = "no instance is drawn; click corners around one, or drag a box"
                raise ValueError(f"save: {self.canvas.trouble or nothing}")
            paths = {at: path.with_stem(f"{path.stem}-{at:05d}") if at else path for at in sorted(self.masks)}
            written = self._file.write({paths[at]: self.masks[at] for at in paths})
            later = "".join(f" --mask {at}={paths[at]}" for at in paths if at)
            first = paths.get(0, "FIRST-MASK")
            self.say(f"Saved {written}. Next: vsreid segment INPUT --first-mask {first}{later} --output DIR")
