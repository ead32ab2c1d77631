"""The first mask of one's own video, painted: points, polygons, boxes, GrabCut, and undo for each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from vsreid_lite.video.masks import Frame, Mask

Point = tuple[int, int]  # x, y in pixels
MARGIN = 0.25  # of a shape's size: what GrabCut sees around it
ITERATIONS = 3  # of GrabCut
MOST = 254  # labels; 255 is void


@dataclass(frozen=True, eq=False)
class State:
    """What undo goes back to. mask: (H, W), labels. label: of the instance in work. points: marked, not yet a shape."""

    mask: Mask
    label: int = 1
    points: tuple[Point, ...] = ()


@dataclass(eq=False)
class Painting:
    """A mask in the making on a frame (H, W, 3). Pixels belong to the instance that took them last.

    Every step can be undone; a step that cannot be done raises ValueError.
    """

    frame: Frame
    now: State = field(init=False)
    past: list[State] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.now = State(np.zeros(self.frame.shape[:2], np.uint8))

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
        if not kept.any():
            raise ValueError("refine: nothing would be left, the shape looks like its surroundings; it stays as it is")
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
    return kept
