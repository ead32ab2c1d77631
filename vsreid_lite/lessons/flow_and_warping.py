"""Notebook 02, flow and warping: estimators of flow against the exact flow of rendered scenes, and the exercises."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from vsreid_lite.datasets.scenes import Scene
from vsreid_lite.flow import DisFlow, ExactFlow, FlowEstimator, FlowNet2Flow, RaftFlow
from vsreid_lite.geometry import warp
from vsreid_lite.lessons.exercises import asks
from vsreid_lite.plots.panels import panel_grid, show_flow, show_instances
from vsreid_lite.video.masks import Frame, Mask

COLUMNS = 3  # of panels


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
        """The estimated flow of a pair.

        Returns:
            (2, H, W), on the CPU.

        Raises:
            ValueError: the weights are missing.
        """
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
    """Two frames of a scene with the exact flow of `target` towards `source`.

    A pixel is `seen` where the flow leads into the source frame and to a pixel of the same part of the same body there.
    What is hidden has an exact flow too, but no estimator can measure it.
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

    Args:
        device: where the networks run.
        untrained: run a network whose weights are missing on random ones, and mark it so. Without this, and where its
            file is damaged, a network is not measured.
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
        if not untrained or isinstance(error, ValueError):  # a damaged file is always reported
            return Contender(name, None, missing=str(error))
        network = load(untrained=True)
        return Contender(f"{name}, untrained", lambda pair: network, untrained=True)
    return Contender(name, lambda pair: network)


def compare_flows(pairs: Sequence[FlowPair], rivals: Iterable[Contender]) -> FlowComparison:
    """Measure every contender on every pair. Each runs once before its time is taken.

    Raises:
        ValueError: there are no pairs.
    """
    if not pairs:
        raise ValueError("flow comparison: expected at least one pair of frames, found none")
    seen = float(np.mean([pair.seen.mean() for pair in pairs]))
    return FlowComparison(tuple(_score(rival, pairs) for rival in rivals), len(pairs), seen)


def end_point_error(flow: Tensor, exact: Tensor) -> Tensor:
    """How far the ends of two flows (2, H, W) lie apart: (H, W), pixels."""
    return torch.linalg.vector_norm(flow - exact, dim=0)


def mean_errors(flows: Sequence[Tensor], pairs: Sequence[FlowPair]) -> tuple[float | None, float | None]:
    """Mean end-point errors of some flows.

    Args:
        flows: (2, H, W) each.
        pairs: the pair of frames of each flow.

    Returns:
        The mean over all pixels seen and that over those of instances, in pixels; None where there are no such pixels.
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
    """The comparison as text: one row for each contender, what the errors mean, and which weights are missing."""
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


def plot_flows(pair: FlowPair, flows: Mapping[str, Tensor]) -> Figure:
    """The target frame, its exact flow, and estimated flows, all in the scale of the exact one.

    Titles give the mean end-point error, everywhere and in instances. Hatched pixels do not count: the source frame
    does not show them.

    Args:
        pair: the two frames.
        flows: (2, H, W) each, by the name of its estimator.
    """
    titles = {name: _with_errors(name, flow, pair) for name, flow in flows.items()}
    alternative = f"Flow of {pair.name or 'a pair of frames'}: the exact one, and {'; '.join(titles.values())}."
    rows = math.ceil((2 + len(flows)) / COLUMNS)
    figure, grid = panel_grid(rows, COLUMNS, pair.labels.shape, alternative, scale=1.7, title=pair.name)
    frame, exact, *others = grid.flat
    show_instances(frame, pair.frames[0], pair.labels)
    _hatch(frame, ~pair.seen)
    frame.set_title("target (hatched: not in the source)", fontsize=8)
    longest = max(float(np.hypot(*pair.exact.numpy()).max()), 1.0)
    show_flow(exact, pair.exact.numpy(), "exact flow", longest)
    for axes, (name, flow) in zip(others, flows.items(), strict=False):
        show_flow(axes, flow.numpy(), titles[name], longest)
    return figure


def _with_errors(name: str, flow: Tensor, pair: FlowPair) -> str:
    everywhere, instances = mean_errors([flow], [pair])
    return f"{name}: {_pixels(everywhere)}, in instances {_pixels(instances)}"


def _pixels(error: float | None) -> str:
    return "-" if error is None else f"{error:.2f} px"


def _hatch(axes: Axes, where: np.ndarray) -> None:
    if where.any():
        axes.contourf(where, levels=[0.5, 1.5], colors="white", alpha=0.6, hatches=["//////"])


P = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.5], [0.25, 0.0, 1.0]])


@asks(
    "02.1",
    """Write `bilinear(P, x, y)`: the value of the map P, a tensor (H, W), at a point between its pixels. Pixel centres
    have whole coordinates, x to the right and y down; the four pixels around the point are mixed by how near they are;
    whatever lies outside of the map is 0.""",
    """With x0 = floor(x) and a = x - x0, the left column counts 1 - a and the right one a; the same down the rows. Ask
    of each of the four pixels whether it is inside.""",
    (P, 1.0, 0.0),
    (P, 0.5, 0.5),
    (P, 1.25, 1.75),
    (P, -0.5, 0.5),
    (P, 2.0, 2.5),
    (P, 2.0, 2.0),
    (P, 7.0, -4.0),
)
def bilinear(P: Tensor, x: float, y: float) -> float:
    """As `warp` samples it."""
    return float(warp(P, torch.tensor([x, y])[:, None, None]))


@asks(
    "02.2",
    """From frame i to frame j a square moves 3 pixels to the right and 1 pixel *up*. What does `flow(target=j,
    source=i)` hold at a pixel of the square in frame j? Answer with two numbers, dx and dy.""",
    "This flow lives on the grid of j and says where the pixel *was* in frame i. And y counts the rows from the top.",
)
def direction() -> tuple[int, int]:
    """Where it was."""
    return -3, 1


def _flow(dx: list[list[float]], dy: list[list[float]]) -> Tensor:
    return torch.tensor([dx, dy])


@asks(
    "02.3",
    """Write `mean_error(flow, exact)`: how far a flow, a tensor (2, H, W), is from the exact one. At each pixel that is
    the length of the difference of the two displacements, in pixels; return the mean over all pixels.""",
    "First the length at each pixel, the root of dx² + dy², then the mean: not the other way round.",
    (_flow([[1.0, 2.0]], [[0.0, -1.0]]), _flow([[1.0, 2.0]], [[0.0, -1.0]])),
    (_flow([[3.0, 3.0]], [[4.0, 4.0]]), _flow([[0.0, 0.0]], [[0.0, 0.0]])),
    (
        _flow([[3.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 0.0]]),
        _flow([[0.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, 0.0]]),
    ),
    (_flow([[-1.0, 1.0]], [[0.0, 0.0]]), _flow([[1.0, -1.0]], [[0.0, 0.0]])),
)
def mean_error(flow: Tensor, exact: Tensor) -> float:
    """End-point error."""
    return float(end_point_error(flow, exact).mean())
