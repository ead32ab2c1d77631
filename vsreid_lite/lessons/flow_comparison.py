"""Estimators of flow against the exact flow of rendered scenes: end-point error and time a pair."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.datasets.scenes import Scene
from vsreid_lite.flow import DisFlow, ExactFlow, FlowEstimator, FlowNet2Flow, RaftFlow
from vsreid_lite.video.masks import Frame, Mask


@dataclass(frozen=True)
class FlowPair:
    """Two frames of a rendered scene, and the exact flow of the first, the target, towards the second, the source."""

    name: str
    frames: tuple[Frame, Frame]  # (H, W, 3) each
    exact: Tensor  # (2, H, W), pixels
    seen: NDArray[np.bool_]  # (H, W): pixels of the target whose point of surface the source shows too
    labels: Mask  # (H, W), of the target

    def flow(self, target: int, source: int) -> Tensor:
        """The exact flow: a pair is a scene of its own for `ExactFlow`."""
        return self.exact


@dataclass(frozen=True)
class Contender:
    """An estimator by its name; `make` is None where it has no weights, and `missing` then says why."""

    name: str
    make: Callable[[FlowPair], FlowEstimator] | None
    untrained: bool = False  # random weights: its time counts, its error says nothing
    missing: str = ""

    def estimate(self, pair: FlowPair) -> Tensor:
        """The flow (2, H, W), on the CPU. Raises ValueError where the weights are missing."""
        if self.make is None:
            raise ValueError(f"{self.name}: no flow without weights: {self.missing}")
        return self.make(pair)(pair.frames, 0, 1).cpu()


@dataclass(frozen=True)
class FlowScore:
    """A row of the comparison. Errors in pixels, means over the pixels that both frames show; None: not measured."""

    name: str
    error: float | None
    instance_error: float | None  # over the pixels of instances alone
    seconds: float | None  # for a pair, median
    untrained: bool
    missing: str


@dataclass(frozen=True)
class FlowComparison:
    """All rows, the number of pairs they were measured on, and the share of pixels that both frames show."""

    scores: tuple[FlowScore, ...]
    pairs: int
    seen: float


def flow_pair(scene: Scene, target: int, source: int, name: str = "") -> FlowPair:
    """Frames `target` and `source` of a scene with the exact flow between them.

    A pixel is seen where the flow leads into the source frame and to a pixel of the same part of the same body there:
    what is hidden has an exact flow too, but no estimator can measure it.
    """
    first, second = scene.render(target), scene.render(source)
    flow = scene.flow(target, source)
    height, width = first.labels.shape
    y, x = np.mgrid[:height, :width].astype(np.float32) + flow[::-1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    owner = cv2.remap(second.owner, x.astype(np.float32), y.astype(np.float32), cv2.INTER_NEAREST)
    exact = torch.from_numpy(flow.astype(np.float32))
    return FlowPair(name, (first.image, second.image), exact, inside & (owner == first.owner), first.labels)


def without_weights() -> list[Contender]:
    """Exact flow, no flow at all, and DIS."""
    dis = DisFlow()
    still = Contender("no motion", lambda pair: lambda frames, target, source: torch.zeros_like(pair.exact))
    return [Contender("exact", ExactFlow), still, Contender("DIS", lambda pair: dis)]


def contenders(device: torch.device | str = "cpu", *, untrained: bool = False) -> list[Contender]:
    """Exact flow, no flow at all, DIS, RAFT (large and small) and FlowNet2.

    A network whose weights are missing or damaged cannot be measured; with `untrained` it runs on random ones where
    they are missing, and is marked so.
    """
    networks: dict[str, Callable[..., FlowEstimator]] = {
        "RAFT": partial(RaftFlow, "large", device),
        "RAFT small": partial(RaftFlow, "small", device),
        "FlowNet2": partial(FlowNet2Flow, device=device),
    }
    return [*without_weights(), *(_network(name, load, untrained) for name, load in networks.items())]


def _network(name: str, load: Callable[..., FlowEstimator], untrained: bool) -> Contender:
    try:
        network = load()
    except (OSError, ValueError) as error:
        if not untrained or isinstance(error, ValueError):  # a damaged file is told of, never passed over
            return Contender(name, None, missing=str(error))
        network = load(untrained=True)
        return Contender(f"{name}, untrained", lambda pair: network, untrained=True)
    return Contender(name, lambda pair: network)


def compare_flows(pairs: Sequence[FlowPair], rivals: Iterable[Contender]) -> FlowComparison:
    """Every contender on every pair. Each runs once before its time is taken. Raises ValueError for no pairs."""
    if not pairs:
        raise ValueError("flow comparison: expected at least one pair of frames, found none")
    seen = float(np.mean([pair.seen.mean() for pair in pairs]))
    return FlowComparison(tuple(_score(rival, pairs) for rival in rivals), len(pairs), seen)


def end_point_error(flow: Tensor, exact: Tensor) -> Tensor:
    """(H, W), pixels: how far the ends of two flows (2, H, W) lie apart."""
    return torch.linalg.vector_norm(flow - exact, dim=0)


def mean_errors(flows: Sequence[Tensor], pairs: Sequence[FlowPair]) -> tuple[float | None, float | None]:
    """Mean end-point errors of the flows of some pairs: over all pixels seen, and over those of instances.

    None where there are no such pixels.
    """
    everywhere, instances = [], []
    for flow, pair in zip(flows, pairs, strict=True):
        error = end_point_error(flow, pair.exact).numpy()
        everywhere.append(error[pair.seen])
        instances.append(error[pair.seen & (pair.labels > 0)])
    return _mean(everywhere), _mean(instances)


def _mean(parts: Sequence[NDArray[np.float32]]) -> float | None:
    values = np.concatenate(parts)
    return float(values.mean(dtype=np.float64)) if len(values) else None


def _score(rival: Contender, pairs: Sequence[FlowPair]) -> FlowScore:
    if rival.make is None:
        return FlowScore(rival.name, None, None, None, rival.untrained, rival.missing)
    rival.estimate(pairs[0])
    flows, seconds = [], []
    for pair in pairs:
        began = time.perf_counter()
        flows.append(rival.estimate(pair))
        seconds.append(time.perf_counter() - began)
    return FlowScore(rival.name, *mean_errors(flows, pairs), statistics.median(seconds), rival.untrained, "")


def flow_table(comparison: FlowComparison) -> str:
    """The comparison as text: one row a contender, what the errors mean, and which weights are missing."""
    lines = [f"{'':22}EPE (px)  in instances  ms a pair"]
    lines += [_row(score) for score in comparison.scores]
    lines.append(
        f"{comparison.pairs} pairs of frames; means over the {comparison.seen:.1%} of pixels that both frames show"
    )
    if any(score.untrained for score in comparison.scores):
        lines.append("untrained: random weights, whose errors (in brackets) say nothing; only the time counts")
    lines += [f"{score.name}: not measured: {score.missing}" for score in comparison.scores if score.missing]
    return "\n".join(lines)


def _row(score: FlowScore) -> str:
    if score.seconds is None:
        return f"{score.name:22}not measured"
    error, instance_error = (_error(value, score.untrained) for value in (score.error, score.instance_error))
    return f"{score.name:22}{error:>8}{instance_error:>14}{1000 * score.seconds:11.0f}"


def _error(value: float | None, untrained: bool) -> str:
    if value is None:
        return "-"
    return f"({value:.2f})" if untrained else f"{value:.2f}"
