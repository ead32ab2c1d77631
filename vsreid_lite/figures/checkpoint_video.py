"""The paper's Figure 3 as a video one can run: six frames, a start at the first, a retrieval at the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsreid_lite.config import Config, PropagationConfig, ReidConfig
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks
from vsreid_lite.reference import segment_as_printed
from vsreid_lite.result import Result
from vsreid_lite.video.masks import Frame
from vsreid_lite.video.video import Video

SHAPE, RADIUS = (96, 160), 13
CENTRES = ((30, 50), (34, 49), (38, 48), (112, 50), (116, 48), (120, 46))  # it jumps after the third frame
GROUND, COLOUR = (150, 160, 150), (70, 60, 140)
CANDIDATE = Box(98, 24, 142, 68)  # around the instance in the last frame, loosely: to an IoU of less than rho_occ
SCORE = 0.9
ROUNDS = 3  # as printed, the loop would go on for ever
CONFIG = Config(device="cpu", propagation=PropagationConfig(patch=64), matching=ReidConfig(0.7, 0.5))


def figure3(repair_r1: bool = True) -> tuple[Video, Result]:
    """Algorithm 3 as printed on a disc that jumps: propagation loses it, the last frame finds it again.

    Only the frames 3, 4 and 5 change, the paper's 4, 5 and 6. repair_r1: without it c of the recovered frame is never
    set; the candidate is still welcome there, and the same retrieval comes again, three times here instead of for ever.
    The result keeps its maps.
    """
    frames = [_frame(centre) for centre in CENTRES]
    masks = [(frame[..., 0] == COLOUR[0]).astype(np.uint8) for frame in frames]
    sequence = Video("Figure 3", frames, masks[0], annotations=masks)
    networks = Networks(_TakesTheColour(), _FindsTheLast(frames[-1]), _RecognisesIt())
    return sequence, segment_as_printed(sequence, CONFIG, networks, _no_flow, repair_r1, max_rounds=ROUNDS)


def _frame(centre: tuple[int, int]) -> Frame:
    y, x = np.indices(SHAPE)
    inside = np.hypot(x - centre[0], y - centre[1]) <= RADIUS
    return np.where(inside[..., None], COLOUR, GROUND).astype(np.uint8)


def _no_flow(frames: Sequence[Frame], target: int, source: int) -> Tensor:
    return torch.zeros(2, *frames[target].shape[:2])


class _TakesTheColour:
    """N_mp: whatever is coloured in its box."""

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        return (image[:, 2] - image[:, 1] > 0.1).float()


@dataclass(frozen=True)
class _FindsTheLast:
    """N_det: one candidate, in one frame."""

    frame: Frame

    def __call__(self, frame: Frame) -> list[Box]:
        return [CANDIDATE] if np.array_equal(frame, self.frame) else []


class _RecognisesIt:
    """N_reid: the candidate is like the template, whose box is smaller, to SCORE."""

    def embed(self, frame: Frame, boxes: list[Box]) -> Tensor:
        like = torch.tensor([[SCORE if box == CANDIDATE else 1.0] for box in boxes])
        return torch.cat([like, (1 - like**2).sqrt()], 1)
