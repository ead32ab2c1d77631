"""DIS optical flow (OpenCV): the default F, without weights; with settings for carrying masks along, and a search.

Coarse-to-fine flow follows a small instance about as far as it is large, since a coarse level does not show it. What
moved farther is searched for: blocks of the target, in the source, within reach. Matches are the usual remedy (Brox &
Malik 2011, "Large displacement optical flow"); here they are of blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.video.masks import Frame

DIS_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
TUNED, FAR = "tuned", "far"
SMALL_FRAME = 200_000  # pixels: up to here flow is computed at the frame's own resolution, above at half of it
SMALLEST = 32  # pixels a side; smaller frames are enlarged, DIS's patches and pyramid do not fit into them

PIXELS = 100_000  # frames are halved until they have no more: 192 x 320 stays, 480 x 854 is searched at a quarter
REACH = 3 / 16  # of the longer side: as far as the search goes, up, down, left and right
WRONG = 12.0  # grey levels: from this difference on, flow may be wrong
BETTER = 0.65  # of the difference that there is: what a displacement may leave, or it is not taken
RADIUS, STEP = 4, 4  # pixels: blocks are 2 * 4 + 1 wide, their centres 4 apart
HALF_RADIUS = 2  # pixels: the same at half the resolution, where the search is done
CORRECTION = 2  # pixels, at the whole resolution: how far what was found there may be moved
BLOCKS, DISPLACEMENTS = 100, 12  # most searches, and most displacements that they may propose
WINDOW = 5  # pixels: the side of the square over which differences are averaged

Flow = NDArray[np.float32]
Displacement = tuple[int, int]  # dx, dy: from a pixel of the target to one of the source


class DisFlow:
    """Dense inverse search on grey frames. Same bits on every run of one machine with one number of threads.

    "tuned" is OpenCV's medium preset without the normalisation of each patch's mean, which takes a flat surface for any
    other, without the final smoothing across contours, and with smaller patches and, for small frames, one finer level.
    "far" is tuned, corrected where things move too far for it (`match_far`). J of true masks warped to the next frame,
    on mini-val, by which they were chosen but for one constant of far: medium 0.770, tuned 0.832, far 0.862; on DAVIS
    2016 0.876, 0.887, 0.889; where each frame is a tenth brighter than the last 0.876, 0.862, 0.864.

    Args:
        preset: One of OpenCV's, "tuned" or "far".

    Raises:
        ValueError: There is no such preset.
    """

    def __init__(self, preset: str = FAR) -> None:
        if preset not in (FAR, TUNED, *DIS_PRESETS):
            raise ValueError(f"DIS preset {preset!r}: expected one of {', '.join((FAR, TUNED, *DIS_PRESETS))}")
        self._dis = cv2.DISOpticalFlow.create(DIS_PRESETS.get(preset, DIS_PRESETS["medium"]))
        self._tuned, self._far = preset in (FAR, TUNED), preset == FAR
        if self._tuned:
            self._dis.setUseMeanNormalization(False)
            self._dis.setVariationalRefinementIterations(0)
            self._dis.setPatchSize(6)

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`."""
        height, width = frames[target].shape[:2]
        pair = [np.asarray(frames[i]) for i in (target, source)]
        down, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
        if down or right:
            pair = [cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE) for image in pair]
        if self._tuned:
            self._dis.setFinestScale(0 if height * width <= SMALL_FRAME else 1)
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in pair]
        flow = self._dis.calc(grey[0], grey[1], None)
        if self._far:
            flow = match_far(flow, pair[0], pair[1])
        return torch.from_numpy(flow[:height, :width]).permute(2, 0, 1).contiguous()


def match_far(flow: Flow, target: Frame, source: Frame) -> Flow:
    """A flow (H, W, 2) of the target towards the source, corrected where a displacement found by search fits better.

    Where the source, warped, does not look like the target (H, W, 3), blocks of the target are searched for in the
    source. Of the displacements found most often, each such pixel takes the one by which it looks most alike, if that
    is better. Displacements are whole pixels of the reduced frame, which has to be 16 pixels high and wide. They may
    all be of one large body that turns or grows, and another body's is missed then.
    """
    factor = 1  # of the frame, in the reduced one
    reduced: list[NDArray[Any]] = [flow, target, source]
    while reduced[0].shape[0] * reduced[0].shape[1] > PIXELS:
        reduced = [cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in reduced]
        factor *= 2
    chosen, displacements = _choose(np.float32(1 / factor) * reduced[0], reduced[1], reduced[2])
    rows, columns = (
        np.minimum(np.arange(whole) // factor, part - 1)
        for whole, part in zip(target.shape[:2], chosen.shape, strict=True)
    )
    chosen = chosen[rows][:, columns]
    corrected, taken = flow.copy(), chosen > 0
    corrected[taken] = displacements[chosen[taken]] * factor
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
    """Centres (y, x) of blocks where flow may be wrong; of too many, evenly from the least wrong to the most wrong."""
    height, width = error.shape
    errors = error[RADIUS : height - RADIUS : STEP, RADIUS : width - RADIUS : STEP]
    order = np.argsort(errors, axis=None, kind="stable")
    places = np.stack(np.unravel_index(order[errors.flat[order] > WRONG], errors.shape), 1)
    wrong = [(y, x) for y, x in (RADIUS + STEP * places).tolist()]
    return [wrong[(i + 1) * len(wrong) // BLOCKS - 1] for i in range(BLOCKS)] if len(wrong) > BLOCKS else wrong


def _propose(target: Frame, source: Frame, blocks: list[tuple[int, int]]) -> list[Displacement]:
    """The displacements at which most blocks are found in the source, give or take a pixel; those with most first."""
    half = [cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in (target, source)]
    reach = round(REACH * max(target.shape[:2]))
    votes: Counter[Displacement] = Counter()
    for y, x in blocks:
        dx, dy = _search(half[0], half[1], (y // 2, x // 2), (0, 0), HALF_RADIUS, reach // 2)
        votes[_search(target, source, (y, x), (2 * dx, 2 * dy), RADIUS, CORRECTION)] += 1

    def support(displacement: Displacement) -> int:
        dx, dy = displacement
        return sum(votes[dx + right, dy + down] for right, down in product((-1, 0, 1), repeat=2))

    return sorted(votes, key=support, reverse=True)[:DISPLACEMENTS]


def _search(
    target: Frame, source: Frame, centre: tuple[int, int], guess: Displacement, radius: int, reach: int
) -> Displacement:
    """By which displacement, up to `reach` pixels from a guess, the block of the target at `centre` (y, x) fits best.

    The block, and what the guess leads to, are moved inside of the frame where they leave it.
    """
    last = target.shape[0] - radius - 1, target.shape[1] - radius - 1
    y, x = (min(max(centre[axis], radius), last[axis]) for axis in (0, 1))
    guessed_y, guessed_x = min(max(y + guess[1], radius), last[0]), min(max(x + guess[0], radius), last[1])
    top, left = max(guessed_y - radius - reach, 0), max(guessed_x - radius - reach, 0)
    block = target[y - radius : y + radius + 1, x - radius : x + radius + 1]
    window = source[top : guessed_y + radius + reach + 1, left : guessed_x + radius + reach + 1]
    right, down = cv2.minMaxLoc(cv2.matchTemplate(window, block, cv2.TM_SQDIFF))[2]
    return left + right + radius - x, top + down + radius - y


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
    """(H, W): the mean difference of the channels, in grey levels."""
    red, green, blue = cv2.split(cv2.absdiff(one, other))
    total = cv2.add(cv2.add(red, green, dtype=cv2.CV_16U), blue, dtype=cv2.CV_32F)
    return np.float32(1 / 3) * total


def _mean(difference: NDArray) -> NDArray:
    return cv2.blur(difference, (WINDOW, WINDOW))
