"""Algorithm 1 to play with: the warped maps of two neighbouring frames, and the patches that N_mp sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from matplotlib.figure import Figure

from vsreid_lite.config import LITE, PropagationConfig
from vsreid_lite.flow import CachedFlow, FlowEstimator, get_flow
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.plots.patch_plots import plot_patches, trace_patches
from vsreid_lite.plots.warping_plots import plot_warped_map
from vsreid_lite.result import Maps
from vsreid_lite.video.video import Video
from vsreid_lite.widgets.shell import PictureBox, choice, instances, share, slider

FLOWS = ("dis", "dis-tuned")


def warped_maps(
    sequence: Video, maps: Maps, flows: Mapping[str, FlowEstimator] | None = None, frame: int = 1
) -> PictureBox:
    """`plot_warped_map` from each frame to the next, for every instance and several flows.

    maps: P[i][k], such as `result.snapshots[0]`. flows: estimators by name; by default `dis`, and `dis-tuned`, which
    does not search. frame: j, at first. Raises ValueError for a sequence of one frame.
    """
    _check_pairs(sequence)
    estimators = flows or {name: get_flow(name) for name in FLOWS}
    frames = list(sequence.frames)
    cached = {name: CachedFlow(F, frames) for name, F in estimators.items()}

    def draw(frame: int, instance: int, flow: str) -> Figure:
        i, j, label = frame - 1, frame, sequence.labels[instance]
        mask = None if sequence.annotations is None else sequence.annotations[j]
        P, f = maps[i][instance].dense().cpu().numpy(), cached[flow].flow(j, i).numpy()
        truth = None if mask is None else mask == label
        return plot_warped_map((frames[i], frames[j]), (i, j), f, P, truth, label, flow)

    controls = {
        "frame": slider("frame", 1, sequence.N - 1, frame),
        "instance": instances(sequence.labels),
        "flow": choice("flow", list(cached), next(iter(cached))),
    }
    return PictureBox(draw, controls)


def patches(
    sequence: Video,
    maps: Maps,
    network: PropagationNetwork,
    flow: FlowEstimator | None = None,
    config: PropagationConfig = LITE.propagation,
    frame: int = 1,
) -> PictureBox:
    """`plot_patches` from each frame to the next, for every instance and any enlargement of its box.

    maps: P[i][k]. network: N_mp, `TwoStreams` with or without flow stream. flow: DIS by default. frame: j, at first.
    Raises ValueError for another network and for a sequence of one frame.
    """
    _check_pairs(sequence)
    if not isinstance(network, TwoStreams):
        raise ValueError(f"patches: expected TwoStreams, the N_mp of the presets lite and paper, found {network!r:.40}")
    streams, cached = network, CachedFlow(flow or get_flow("dis"), list(sequence.frames))

    def draw(frame: int, instance: int, enlarge: float) -> Figure:
        P, f = maps[frame - 1][instance].dense().cpu(), cached.flow(frame, frame - 1)
        found = trace_patches(sequence.frames[frame], f, P, streams, replace(config, enlarge=enlarge))
        return plot_patches(sequence.frames[frame], found, frame, sequence.labels[instance])

    controls = {
        "frame": slider("frame", 1, sequence.N - 1, frame),
        "instance": instances(sequence.labels),
        "enlarge": share("enlarge", config.enlarge, "of the box's width and height, on each side"),
    }
    return PictureBox(draw, controls)


def _check_pairs(sequence: Video) -> None:
    if sequence.N < 2:
        raise ValueError(f"sequence {sequence.name}: expected at least two frames to propagate between, found one")
