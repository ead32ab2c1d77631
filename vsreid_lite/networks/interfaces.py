"""The three networks of the paper as small interfaces: what one swaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from vsreid_lite.geometry import Box
    from vsreid_lite.video.masks import Frame

Answer = TypeVar("Answer")


class PropagationNetwork(Protocol):
    """N_mp, the mask propagation network (section 3.1)."""

    def predict(self, image: Tensor, flow: Tensor, guide: Tensor) -> Tensor:
        """Probability patches (B, S, S) in [0, 1].

        Args:
            image: (B, 3, S, S), RGB in [0, 1].
            flow: (B, 2, S, S), pixels of the patch, (dx, dy), target towards source.
            guide: (B, 1, S, S), the guided probability map in [0, 1].
        """
        ...


class Detector(Protocol):
    """N_det, the detection network (section 3.2): class-agnostic candidates."""

    def __call__(self, frame: Frame) -> list[Box]:
        """The candidate boxes X of a frame (H, W, 3), best first; may be empty."""
        ...


class IdentificationNet(Protocol):
    """N_reid, the re-identification network (section 3.2)."""

    def embed(self, frame: Frame, boxes: list[Box]) -> Tensor:
        """One L2-normalised row for each box: (M, D), float32."""
        ...


def batched(part: object, one: Callable[..., Answer], *arguments: Sequence[Any]) -> list[Answer]:
    """The answers of a part to several questions, in one call of its method `in_batch` if its class has one.

    An inherited `in_batch` is not called, because a subclass may have changed the answer to one question.

    Args:
        part: F, N_det or N_reid.
        one: The method that answers one question.
        arguments: For each argument of that method the list of its values, as `in_batch` takes them.
    """
    if len(arguments[0]) > 1 and "in_batch" in vars(type(part)):
        return list(vars(type(part))["in_batch"](part, *arguments))
    return [one(*values) for values in zip(*arguments, strict=True)]


@dataclass(frozen=True)
class Search:
    """N_det and N_reid of one search for missing instances (docs/fidelity.md, row 21).

    Attributes:
        detector: N_det.
        identification: N_reid.
        only_recognised: Search only for the instances that this detector finds where their masks are given, as persons.
    """

    detector: Detector
    identification: IdentificationNet
    only_recognised: bool = False


@dataclass(frozen=True)
class Networks:
    """The networks of one run. Without detector and identification there is no ReID module (Table 1, rows 1-3).

    Attributes:
        propagation: N_mp.
        detector: N_det.
        identification: N_reid.
        first_searches: Searches that run to their end before that of `detector` and `identification`.
        adapted: N_mp adapted to each of the K instances; empty: `propagation` predicts all of them.
    """

    propagation: PropagationNetwork
    detector: Detector | None = None
    identification: IdentificationNet | None = None
    first_searches: tuple[Search, ...] = ()
    adapted: tuple[PropagationNetwork, ...] = ()

    def propagation_of(self, k: int) -> PropagationNetwork:
        """N_mp of instance k."""
        return self.adapted[k] if self.adapted else self.propagation

    @property
    def searches(self) -> tuple[Search, ...]:
        """All searches, in their order."""
        if self.detector is None or self.identification is None:
            return self.first_searches
        return (*self.first_searches, Search(self.detector, self.identification))
