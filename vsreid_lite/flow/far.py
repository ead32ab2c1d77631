"""What moved too far for a pyramid: blocks of the target are looked for in all the source, near and far.

A coarse level does not show a small instance, so coarse-to-fine flow cannot follow it farther than its own size.
Matches found by search are the usual remedy (Brox & Malik 2011, "Large displacement optical flow"), here of blocks.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsreid_lite.masks import Frame

PIXELS = 100_000  # of the largest frame that is searched; larger ones are halved until they have no more
REACH = 3 / 16  # of the frame's width: as far as the search goes, in either direction
WRONG = 12.0  # grey levels: from this difference on, flow may be wrong
BETTER = 0.8  # of that difference: what a displacement has to stay below
RADIUS, STEP = 4, 4  # pixels: half a block, and the distance of blocks that may be searched for
HALF_RADIUS = 2  # pixels: half a block at half the resolution, where the search is done
CORRECTION = 2  # pixels, at the whole resolution: how far what was found there may be moved
BLOCKS, DISPLACEMENTS = 100, 12  # most searches, and most displacements that they may propose
WINDOW = 5  # pixels: the side of the square over which differences are averaged

Flow = NDArray[np.float32]
Displacement = tuple[int, int]


def match_far(flow: Flow, target: Frame, source: Frame) -> Flow:
    """A flow (H, W, 2) of the target towards the source, corrected where a displacement found by search fits better.

    Where the source, warped, does not look like the target (H, W, 3), blocks of the target are searched for in the
    source. Of the displacements found most often, each such pixel takes the one by which it looks most alike, if that
    is better. They are whole pixels of frames of at most `PIXELS`. Frames are at least 16 pixels high and wide.
    """
    height, width = target.shape[:2]
    small: list[NDArray[Any]] = [flow, target, source]
    while small[0].shape[0] * small[0].shape[1] > PIXELS:
        small = [cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in small]
    scale = np.array([small[0].shape[1] / width, small[0].shape[0] / height], np.float32)
    chosen, displacements = _choose(small[0] * scale, small[1], small[2])
    chosen = cv2.resize(chosen, (width, height), interpolation=cv2.INTER_NEAREST)
    corrected, taken = flow.copy(), chosen > 0
    corrected[taken] = displacements[chosen[taken]] / scale
    return corrected


def _choose(flow: Flow, target: Frame, source: Frame) -> tuple[NDArray[np.uint8], Flow]:
    """For each pixel (H, W) which of the displacements (D, 2) it takes; 0: none, it keeps its flow."""
    y, x = np.mgrid[: target.shape[0], : target.shape[1]].astype(np.float32)
    warped = cv2.remap(source, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = _mean(_difference(target, warped))
    proposed = _propose(target, source, _blocks(error))
    costs = [BETTER * error, *(_mean(_moved_difference(target, source, displacement)) for displacement in proposed)]
    chosen = np.where(error > WRONG, np.argmin(costs, 0), 0)
    return chosen.astype(np.uint8), np.array([(0, 0), *proposed], np.float32)


def _blocks(error: NDArray) -> list[tuple[int, int]]:
    """The centres (y, x) of blocks to search for: of a grid, those where flow may be wrong, evenly by their error."""
    height, width = error.shape
    grid = product(range(RADIUS, height - RADIUS, STEP), range(RADIUS, width - RADIUS, STEP))
    wrong = sorted((centre for centre in grid if error[centre] > WRONG), key=lambda centre: error[centre])
    return [wrong[i * len(wrong) // BLOCKS] for i in range(BLOCKS)] if len(wrong) > BLOCKS else wrong


def _propose(target: Frame, source: Frame, blocks: list[tuple[int, int]]) -> list[Displacement]:
    """The displacements at which most blocks are found in the source, give or take a pixel; those with most first."""
    half = [cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in (target, source)]
    reach = round(REACH * target.shape[1])
    votes: Counter[Displacement] = Counter()
    for y, x in blocks:
        dx, dy = _search(half[0], half[1], (y // 2, x // 2), (0, 0), HALF_RADIUS, reach // 2)
        votes[_search(target, source, (y, x), (2 * dx, 2 * dy), RADIUS, CORRECTION)] += 1

    def support(displacement: Displacement) -> int:
        dx, dy = displacement
        return sum(votes[dx + right, dy + down] for right, down in product((-1, 0, 1), repeat=2))

    return sorted(votes, key=support, reverse=True)[:DISPLACEMENTS]


def _search(
    target: Frame, source: Frame, centre: tuple[int, int], around: Displacement, radius: int, reach: int
) -> Displacement:
    """Where the block of the target at `centre` (y, x) fits best in the source, up to `reach` pixels from `around`."""
    last = target.shape[0] - radius - 1, target.shape[1] - radius - 1
    y, x = (min(max(centre[axis], radius), last[axis]) for axis in (0, 1))
    row, column = min(max(y + around[1], radius), last[0]), min(max(x + around[0], radius), last[1])
    top, left = max(row - radius - reach, 0), max(column - radius - reach, 0)
    block = target[y - radius : y + radius + 1, x - radius : x + radius + 1]
    window = source[top : row + radius + reach + 1, left : column + radius + reach + 1]
    found = cv2.minMaxLoc(cv2.matchTemplate(window, block, cv2.TM_SQDIFF))[2]  # x, y
    return left + found[0] + radius - x, top + found[1] + radius - y


def _moved_difference(target: Frame, source: Frame, displacement: Displacement) -> NDArray:
    """The difference (H, W) of each pixel from the one that a displacement leads to; 255 where it leads outside.

    It does not lead outside everywhere: some block of the target was found by it.
    """
    (height, width), (dx, dy) = target.shape[:2], displacement
    rows, columns = slice(max(-dy, 0), min(height - dy, height)), slice(max(-dx, 0), min(width - dx, width))
    moved = source[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
    difference = np.full((height, width), 255, np.float32)
    difference[rows, columns] = _difference(target[rows, columns], moved)
    return difference


def _difference(one: Frame, other: Frame) -> NDArray:
    """(H, W): the mean difference of the three channels, in grey levels."""
    difference = cv2.absdiff(one, other)
    return cv2.reduce(difference.reshape(-1, 3), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).reshape(difference.shape[:2])


def _mean(difference: NDArray) -> NDArray:
    return cv2.blur(difference, (WINDOW, WINDOW))
