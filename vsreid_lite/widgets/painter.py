"""A painter of the masks of one's own video: points by numbers, shapes and refinement by buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ipywidgets import Checkbox, HBox, Text
from matplotlib.figure import Figure

from vsreid_lite.system.wording import counted
from vsreid_lite.video.masks import Frame, Mask, write_mask
from vsreid_lite.video.outputs import check_outputs
from vsreid_lite.widgets.painting import Painting, plot_painting
from vsreid_lite.widgets.shell import FULL_NAME, WRAPPED, PictureBox, button, slider


class FirstMaskPainter(PictureBox):
    """A mask of several instances painted on a frame, and saved as an indexed PNG for `vsreid segment`.

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
        self._inputs, self._written = [Path(source) for source in inputs], set[Path]()
        self._path = Text(str(path), description="file", tooltip="the mask's file, a .png", style=FULL_NAME)
        self._replace = Checkbox(False, description="replace an existing file", indent=False)
        height, width = frame.shape[:2]
        controls = {"x": slider("x", 0, width - 1, width // 2), "y": slider("y", 0, height - 1, height // 2)}
        save = button("save", "write the mask as an indexed PNG", self.save)
        super().__init__(self._draw, controls, [self._steps(), HBox([self._path, self._replace, save], layout=WRAPPED)])

    @property
    def mask(self) -> Mask:
        """The labels so far, (H, W)."""
        return self.painting.now.mask

    def save(self) -> None:
        """Write the mask; what hinders it is said below the picture."""
        with self.errors_shown(ValueError, OSError):
            path = Path(self._path.value).expanduser()
            self._check(path)
            write_mask(path, self.mask)
            self._written.add(path)
            there = counted(len(np.unique(self.mask)) - 1, "instance")
            self.say(
                f"Saved {path}: {there}. Next: vsreid segment INPUT --first-mask {path} --output DIR; of a later "
                f"frame, --mask FRAME={path} beside the first"
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

    def _check(self, path: Path) -> None:
        if path.suffix.lower() != ".png":
            raise ValueError(f"file {str(path)!r}: expected a name that ends in .png")
        first = self.painting.label
        if missing := [l for l in range(first, self.mask.max(initial=first) + 1) if not (self.mask == l).any()]:
            raise ValueError(f"save: instance {missing[0]} has no pixel; paint it, or undo what painted it over")
        check_outputs([path], inputs=self._inputs)
        if path.exists() and path not in self._written and not self._replace.value:
            raise ValueError(f"{path} is there already; tick “replace an existing file” to write over it")
