"""The exact flow of a rendered scene as an F: what separates the error of flow from the error of the networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.video.masks import Frame


class Scene(Protocol):
    """A rendered video that knows its own motion."""

    def flow(self, target: int, source: int) -> NDArray[np.float32] | Tensor:
        """(2, H, W), pixels (dx, dy): for each pixel of frame `target`, where it was in frame `source`."""
        ...


class ExactFlow:
    """The flow that the renderer knows. Computes nothing from the frames."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def __call__(self, frames: Sequence[Frame], target: int, source: int) -> Tensor:
        """(2, H, W), float32, pixels: for each pixel of frame `target`, where it was in frame `source`."""
        return torch.as_tensor(self.scene.flow(target, source), dtype=torch.float32)
