"""Boxes, IoU, crop, paste and the flow-guided warp W: the core step of the method, written once.

Conventions: boxes are half-open integer pixels; a flow is (2, H, W) in pixels, channel 0 = dx, channel 1 = dy, and says
for each pixel of the target frame where it was in the source frame. Maps are float32 tensors on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Shape = tuple[int, int]  # (H, W) in pixels
Reach = tuple[float, float, float, float]  # smallest dx, largest dx, smallest dy, largest dy of a flow, in pixels
DISAGREEMENT = 100.0  # pixels, of forward and backward flow in the release (docs/fidelity.md, row 5): practically never


@dataclass(frozen=True)
class Box:
    """The pixels with x0 <= x < x1 and y0 <= y < y1. An empty box does not exist: it raises ValueError."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        if self.x0 >= self.x1 or self.y0 >= self.y1:
            raise ValueError(f"{self} is empty: expected x0 < x1 and y0 < y1")

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        return self.width * self.height

    @staticmethod
    def from_probability(P: Tensor, threshold: float = 0.5) -> Box | None:
        """Box(P > 0.5): the smallest box of the pixels of P (H, W) strictly above the threshold, or None (R4)."""
        return boxes_from_probabilities([P], threshold)[0]

    @staticmethod
    def full(shape: Shape) -> Box:
        """The box of a whole image of `shape` (H, W)."""
        return Box(0, 0, shape[1], shape[0])

    def enlarge(self, margin: float, shape: Shape, truncated: bool = False) -> Box:
        """Grown by `margin` of width and height on each side (section 3.1), clipped to the image `shape` (H, W).

        The margin is rounded to pixels. truncated: drop the fractions of the corners instead (docs/fidelity.md, row 2).
        """
        dx, dy = margin * self.width, margin * self.height
        if not truncated:
            dx, dy = int(dx + 0.5), int(dy + 0.5)
        left, top = max(self.x0 - dx, 0), max(self.y0 - dy, 0)
        right, bottom = min(self.x1 + dx, shape[1]), min(self.y1 + dy, shape[0])
        return Box(int(left), int(top), int(right), int(bottom))


def boxes_from_probabilities(maps: Sequence[Tensor], threshold: float = 0.5) -> list[Box | None]:
    """`Box.from_probability` of several maps (H, W) of any sizes; from a GPU their corners come in one transfer."""
    if not maps:
        return []
    above = [threshold < P for P in maps]
    corners = torch.stack([end for P in above for line in (P.any(0), P.any(1)) for end in _ends(line)])
    rows = corners.reshape(-1, 4).tolist()
    return [Box(x0, y0, x1, y1) if x1 else None for x0, x1, y0, y1 in rows]


def _ends(line: Tensor) -> tuple[Tensor, Tensor]:
    """The first place that is True, and the one after the last; the length and 0 where none is."""
    places = torch.arange(1, len(line) + 1, device=line.device)
    return len(line) - (line * places.flip(0)).amax(), (line * places).amax()


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]; identical boxes give 1 (docs/fidelity.md, row 24)."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    intersection = max(width, 0) * max(height, 0)
    return intersection / (a.area + b.area - intersection)


def release_iou(a: Box, b: Box) -> float:
    """What the release calls IoU, to look at only (docs/fidelity.md, row 24): identical 10 x 10 boxes give 1.21.

    It counts one row and column too many of the intersection, and divides by the smallest box around both, whose
    corner is misplaced by one where b begins before a.
    """
    width = min(a.x1, b.x1) - max(a.x0, b.x0) + 1
    height = min(a.y1, b.y1) - max(a.y0, b.y0) + 1
    around = (max(a.x1, b.x1) - min(a.x0, b.x0 + 1)) * (max(a.y1, b.y1) - min(a.y0, b.y0 + 1))
    return max(width, 0) * max(height, 0) / around


def to_image(frame: NDArray[np.uint8] | Tensor, box: Box | None = None, device: torch.device | str = "cpu") -> Tensor:
    """A frame (H, W, 3), uint8, or its part inside a box, as the networks see it: (3, h, w), float32 in [0, 1]."""
    part = frame if box is None else frame[box.y0 : box.y1, box.x0 : box.x1]
    return torch.as_tensor(part, device=device).permute(2, 0, 1).float() / 255


def cut(image: Tensor, box: Box) -> Tensor:
    """The pixels of `image` (..., H, W) inside the box. A box that leaves the image raises ValueError."""
    height, width = image.shape[-2:]
    if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
        raise ValueError(f"{box} leaves the image: expected it within {width} x {height} pixels")
    return image[..., box.y0 : box.y1, box.x0 : box.x1]


def resize(image: Tensor, shape: Shape) -> Tensor:
    """`image` (C, h, w) at `shape`: bilinear, align_corners=False, antialiased where it shrinks. Constants stay."""
    if image.shape[-2:] == shape:
        return image.clone()
    if shape[0] > shape[1] == 1:  # torch 2.14 on a CPU fills a single column with the first row; a single row is right
        return resize(image.mT, (1, shape[0])).mT
    resized = functional.interpolate(
        image[None].contiguous(), size=shape, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0]


def crop(image: Tensor, box: Box, size: int) -> Tensor:
    """The patch I^b (C, size, size) of `image` (C, H, W): what is inside the box, resized; the aspect is not kept."""
    return resize(cut(image, box), (size, size))


def resize_flow(flow: Tensor, size: int) -> Tensor:
    """A cut-out flow (2, h, w) as a patch (2, size, size), in pixels of the patch (docs/fidelity.md, row 6)."""
    height, width = flow.shape[-2:]
    scale = torch.tensor([size / width, size / height], dtype=flow.dtype, device=flow.device)
    return resize(flow, (size, size)) * scale[:, None, None]


def crop_flow(flow: Tensor, box: Box, size: int) -> Tensor:
    """The patch f^b (2, size, size) of `flow` (2, H, W), its displacements in pixels of the patch."""
    return resize_flow(cut(flow, box), size)


def paste(patch: Tensor, box: Box, shape: Shape) -> Tensor:
    """A zero map (H, W) of `shape` with `patch` (h, w) resized into the box (Algorithm 1, lines 2 and 6)."""
    full = patch.new_zeros(shape)
    cut(full, box).copy_(resize(patch[None], (box.height, box.width))[0])
    return full


def warp(P: Tensor, flow: Tensor) -> Tensor:
    """W(P, f): sample P bilinearly at (x + dx, y + dy), zeros outside (Algorithm 1, line 4).

    Zero flow is the identity, bit for bit; else as grid_sample(align_corners=True, padding_mode="zeros") to 1e-5.

    Args:
        P: (H, W) or (C, H, W), on the grid of the source.
        flow: (2, H, W) in pixels, on the grid of the target, so that the result lands there (R3).

    Returns:
        The warped map, of the shape of P.
    """
    return _sample(P, flow, Box.full((flow.shape[1], flow.shape[2])))


def warp_averaged(P: Tensor, flow: Tensor, reverse: Tensor) -> Tensor:
    """W as the release does it (docs/fidelity.md, row 5): P at the pixel nearest to x + (flow - reverse(x + flow)) / 2.

    Zero where the two flows disagree by 100 pixels, and where one points beyond the last row and column of the source,
    or into them: those are always lost.

    Args:
        P: (C, H, W), on the grid of the source.
        flow: (2, H, W) in pixels, target towards source.
        reverse: (2, H, W) in pixels, source towards target.

    Returns:
        The warped maps, (C, H, W).
    """
    height, width = flow.shape[1:]
    x, y = torch.arange(width, device=flow.device), torch.arange(height, device=flow.device)
    pixel = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    end = torch.tensor([width - 1, height - 1], device=flow.device)[:, None, None]
    back = warp(reverse, flow)
    place = pixel + (flow - back) / 2
    inside = [(at >= 0) & (at < end) for at in ((pixel + flow).floor(), place)]
    valid = (inside[0] & inside[1]).all(0) & ((flow + back).norm(dim=0) < DISAGREEMENT)
    column, row = (place.round().long() * valid).unbind(0)
    return P[..., row, column] * valid


def flow_reach(flow: Tensor) -> Reach:
    """The extreme displacements of a flow (2, H, W), in pixels: how far W can carry a map."""
    smallest, largest = flow.flatten(1).amin(1).tolist(), flow.flatten(1).amax(1).tolist()
    return smallest[0], largest[0], smallest[1], largest[1]


@dataclass(frozen=True)
class SparseMap:
    """A probability map kept as a box outside which it is zero, and its values (height, width) there. Exact.

    `box` is None for the empty map. Memory grows with the area of the instance, not of the frame.
    """

    shape: Shape
    box: Box | None
    values: Tensor

    @staticmethod
    def empty(shape: Shape, device: torch.device | str = "cpu") -> SparseMap:
        """The map that is zero everywhere."""
        return SparseMap(shape, None, torch.zeros(0, 0, device=device))

    @staticmethod
    def from_dense(P: Tensor) -> SparseMap:
        """The map P (H, W), values in [0, 1]."""
        shape = (P.shape[0], P.shape[1])
        box = Box.from_probability(P, threshold=0.0)
        return SparseMap.empty(shape, P.device) if box is None else SparseMap(shape, box, cut(P, box).clone())

    def dense(self) -> Tensor:
        """The map as (H, W)."""
        return self.region(Box.full(self.shape))

    def region(self, box: Box) -> Tensor:
        """The values inside any box of the frame, (box.height, box.width)."""
        values = self.values.new_zeros(box.height, box.width)
        if self.box is None:
            return values
        x0, x1 = max(box.x0, self.box.x0), min(box.x1, self.box.x1)
        y0, y1 = max(box.y0, self.box.y0), min(box.y1, self.box.y1)
        if x0 < x1 and y0 < y1:
            inside = self.values[y0 - self.box.y0 : y1 - self.box.y0, x0 - self.box.x0 : x1 - self.box.x0]
            values[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] = inside
        return values

    def probability_box(self, threshold: float = 0.5) -> Box | None:
        """Box(P > 0.5) in pixels of the frame; None where nothing is above the threshold."""
        return probability_boxes([self], threshold)[0]

    def warp(self, flow: Tensor, reach: Reach) -> SparseMap:
        """`warp` of this map, bit for bit, computed only where the result can differ from zero.

        A target pixel x samples within one pixel of the box only if x0 - 1 < x + dx < x1: `reach` bounds dx and dy. On
        a CPU the extremes of the flow of these pixels alone then bound them again; a GPU would have to wait for them.
        """
        target = self._target(reach)
        if target is not None and not flow.is_cuda:
            target = self._target(flow_reach(cut(flow, target)))
        if self.box is None or target is None:
            return SparseMap.empty(self.shape, self.values.device)
        return SparseMap(self.shape, target, _sample(self.values, flow, target, self.box.x0, self.box.y0))

    def _target(self, reach: Reach) -> Box | None:
        """The pixels that displacements within `reach` can lead into the box, or within one pixel of it."""
        if self.box is None:
            return None
        x0 = max(math.floor(self.box.x0 - 1 - reach[1]), 0)
        x1 = min(math.ceil(self.box.x1 - reach[0]) + 1, self.shape[1])
        y0 = max(math.floor(self.box.y0 - 1 - reach[3]), 0)
        y1 = min(math.ceil(self.box.y1 - reach[2]) + 1, self.shape[0])
        return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def probability_boxes(maps: Sequence[SparseMap], threshold: float = 0.5) -> list[Box | None]:
    """`SparseMap.probability_box` of several maps; from a GPU in one transfer."""
    found = iter(boxes_from_probabilities([P.values for P in maps if P.box is not None], threshold))
    boxes = [(P.box, None if P.box is None else next(found)) for P in maps]
    return [None if inside is None or box is None else _shift(inside, box.x0, box.y0) for box, inside in boxes]


def _shift(box: Box, dx: int, dy: int) -> Box:
    return Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)


def _sample(P: Tensor, flow: Tensor, box: Box, x0: int = 0, y0: int = 0) -> Tensor:
    """P (..., h, w), whose first pixel lies at (x0, y0), sampled bilinearly where `flow` points from the box's pixels.

    Pixels and fractions are kept apart, so that no bit is lost to large coordinates; plain products and sums, so that a
    pixel has the same bits in whatever region it is computed. Two rows and columns of zeros around P are the outside.
    """
    height, width = P.shape[-2:]
    padded = functional.pad(P, (2, 2, 2, 2)).flatten(-2)
    dx, dy = cut(flow, box)
    column, across = _index_and_weight(dx, torch.arange(box.x0 - x0, box.x1 - x0, device=flow.device), width)
    row, down = _index_and_weight(dy, torch.arange(box.y0 - y0, box.y1 - y0, device=flow.device)[:, None], height)
    corner = (row * (width + 4) + column).flatten()
    top, right, bottom, last = (
        padded.index_select(-1, corner + beyond).unflatten(-1, across.shape) for beyond in (0, 1, width + 4, width + 5)
    )
    top, bottom = top + (right - top) * across, bottom + (last - bottom) * across
    return top + (bottom - top) * down


def _index_and_weight(displacement: Tensor, pixel: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The padded index of the pixel at or before pixel + displacement, and how far that lies beyond it, in [0, 1]."""
    before = displacement.floor()
    return (before.long() + pixel + 2).clamp(0, length + 2), displacement - before
