"""The overlay video: every frame as the notebooks show it, and the box where and when an instance was found again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsreid_lite.plots.panels import BLACK, RETRIEVED, instance_colour, tint, widest_place
from vsreid_lite.reidentification import Retrieval
from vsreid_lite.result import Result
from vsreid_lite.video.masks import Frame, Mask, size_text
from vsreid_lite.video.movies import DAVIS_RATE, write_video

STAYS = 0.5  # seconds: a box is seen so long, thin after its own frame
WHITE = "#FFFFFF"
Text = tuple[str, tuple[float, float], str]  # with its centre and its colour
_font = cache(ImageFont.load_default)


def write_overlay_video(
    path: Path | str, frames: Sequence[Frame] | NDArray[np.uint8], result: Result, fps: float = DAVIS_RATE
) -> None:
    """Write the frames with their instances tinted, outlined and numbered, and the retrieved boxes, as `write_video`.

    Args:
        path: ends in .mp4.
        frames: N of (H, W, 3), uint8, RGB.
        result: of these frames.
        fps: frames per second.

    Raises:
        OSError: the file cannot be written.
        ValueError: frames and result do not fit together, or as `write_video`.
    """
    if len(frames) != len(result.masks) or frames[0].shape[:2] != result.masks[0].shape:
        found = f"{len(result.masks)} masks of {size_text(result.masks[0].shape)}"
        raise ValueError(f"{path}: expected the result of {len(frames)} frames, {size_text(frames[0].shape)}; {found}")
    write_video(path, _drawn(frames, result, max(1, round(STAYS * fps))), fps)


def _drawn(frames: Iterable[Frame], result: Result, stays: int) -> Iterable[Frame]:
    """Every frame with what was found; of several boxes of one instance the newest."""
    for i, (frame, mask) in enumerate(zip(frames, result.masks, strict=True)):
        shown = sorted((r for r in result.retrievals if r.frame <= i < r.frame + stays), key=lambda r: r.frame)
        yield draw_instances(frame, mask, {result.labels[r.instance]: r for r in shown}, i)


def draw_instances(frame: Frame, mask: Mask, found: dict[int, Retrieval], i: int) -> Frame:
    """What `plots.panels.show_instances` and `draw_box` show, at the size of the frame and fast.

    Args:
        frame: (H, W, 3), uint8, RGB.
        mask: (H, W), labels.
        found: the retrieval to show of each label; thin where it is of an earlier frame.
        i: of the frame.

    Returns:
        (H, W, 3), uint8.
    """
    picture, line = tint(frame, mask), max(2, round(min(mask.shape) / 240))
    texts: list[Text] = []
    for label in (np.flatnonzero(np.bincount(mask.ravel())[1:]) + 1).tolist():
        inside = (mask == label).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        for colour, width in ((WHITE, _edge(line)), (instance_colour(label), line)):
            cv2.drawContours(picture, contours, -1, _rgb(colour), width, cv2.LINE_AA)
        texts.append((str(label), widest_place(inside), BLACK))
    for label, retrieval in found.items():
        now, box = retrieval.frame == i, retrieval.box
        thick = line if now else line // 2
        for colour, width in ((WHITE, _edge(thick)), (RETRIEVED, thick)):
            cv2.rectangle(picture, (box.x0, box.y0), (box.x1 - 1, box.y1 - 1), _rgb(colour), width)
        if now:
            above, height = box.y0 - _text_size(picture), picture.shape[0]
            y = above if above > _text_size(picture) else min(box.y1 + _text_size(picture), height)
            texts.append((f"{label} found again: {retrieval.score:.2f}", ((box.x0 + box.x1) // 2, y), RETRIEVED))
    return _written(picture, texts, line)


def _written(picture: Frame, texts: Iterable[Text], line: int) -> Frame:
    """The picture with texts on a white edge, each moved as far as it would leave the picture."""
    image = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(image), _font(_text_size(picture))
    for text, (x, y), colour in texts:
        left, top, right, bottom = draw.textbbox((x, y), text, font, anchor="mm", stroke_width=line)
        x += max(-left, 0) - max(right - image.width, 0)
        y += max(-top, 0) - max(bottom - image.height, 0)
        draw.text((x, y), text, colour, font, anchor="mm", stroke_width=line, stroke_fill=WHITE)
    return np.array(image)


def _text_size(picture: Frame) -> int:
    return max(12, round(min(picture.shape[:2]) / 24))


def _edge(line: int) -> int:
    """The width of a white line below a coloured one."""
    return line + 2 * max(1, line // 2)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(round(255 * share) for share in to_rgb(colour))
