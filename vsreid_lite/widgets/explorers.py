"""The explorers: controls over the pictures of warped maps, patches, matches, rounds and rows of Table 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from ipywidgets import VBox
from matplotlib.figure import Figure

from vsreid_lite.config import LITE, PropagationConfig
from vsreid_lite.evaluation.matches import Matches
from vsreid_lite.evaluation.metrics import FrameScores, frame_gains, score_frames
from vsreid_lite.figures.figure3 import run_figure3
from vsreid_lite.flow import CachedFlow, FlowEstimator, get_flow
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.plots.match_plots import Thresholds, plot_matches
from vsreid_lite.plots.metric_plots import plot_rows
from vsreid_lite.plots.patch_plots import plot_patches, trace_patches
from vsreid_lite.plots.round_plots import plot_round
from vsreid_lite.plots.warping_plots import plot_warped_map
from vsreid_lite.reidentification import Starts
from vsreid_lite.result import Maps, Result
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video
from vsreid_lite.widgets.shell import PictureBox, button, choice, clickable, instances, share, slider, stepper

FLOWS = ("dis", "dis-tuned")
EVERY = -1  # as an instance: the mean of all
MOST = "where they differ most", "go to the frame where J and F of the two rows differ most"  # a button and its hint

RowMasks = Mapping[str, Sequence[Mask]]  # N masks (H, W) of each row, by its name
RowScores = Mapping[str, FrameScores]


def warped_maps(
    video: Video, maps: Maps, flows: Mapping[str, FlowEstimator] | None = None, frame: int = 1, instance: int = 0
) -> PictureBox:
    """`plot_warped_map` from each frame to the next, for every instance and several flows.

    Args:
        video: the video.
        maps: P[i][k], such as `result.snapshots[0]`.
        flows: estimators by name; by default `dis`, and `dis-tuned`, which does not search.
        frame: j, at first.
        instance: k, at first.

    Raises:
        ValueError: the video has a single frame.
    """
    _check_pairs(video)
    estimators = flows or {name: get_flow(name) for name in FLOWS}
    frames = list(video.frames)
    cached = {name: CachedFlow(F, frames) for name, F in estimators.items()}

    def draw(frame: int, instance: int, flow: str) -> Figure:
        i, j, label = frame - 1, frame, video.labels[instance]
        mask = None if video.annotations is None else video.annotations[j]
        P, f = maps[i][instance].dense().cpu().numpy(), cached[flow].flow(j, i).numpy()
        truth = None if mask is None else mask == label
        return plot_warped_map((frames[i], frames[j]), (i, j), f, P, truth, label, flow)

    controls = {
        "frame": slider("frame", 1, video.N - 1, frame),
        "instance": instances(video.labels, instance),
        "flow": choice("flow", list(cached), next(iter(cached))),
    }
    return PictureBox(draw, controls)


def patches(
    video: Video,
    maps: Maps,
    network: PropagationNetwork,
    flow: FlowEstimator | None = None,
    config: PropagationConfig = LITE.propagation,
    frame: int = 1,
    instance: int = 0,
) -> PictureBox:
    """`plot_patches` from each frame to the next, for every instance and any enlargement of its box.

    Args:
        video: the video.
        maps: P[i][k].
        network: N_mp, `TwoStreams` with or without flow stream.
        flow: DIS by default.
        config: of the box and the patch.
        frame: j, at first.
        instance: k, at first.

    Raises:
        ValueError: the network is another, or the video has a single frame.
    """
    _check_pairs(video)
    if not isinstance(network, TwoStreams):
        raise ValueError(f"patches: expected TwoStreams, the N_mp of the presets lite and paper, found {network!r:.40}")
    streams, cached = network, CachedFlow(flow or get_flow("dis"), list(video.frames))

    def draw(frame: int, instance: int, enlarge: float) -> Figure:
        P, f = maps[frame - 1][instance].dense().cpu(), cached.flow(frame, frame - 1)
        found = trace_patches(video.frames[frame], f, P, streams, replace(config, enlarge=enlarge))
        return plot_patches(video.frames[frame], found, frame, video.labels[instance])

    controls = {
        "frame": slider("frame", 1, video.N - 1, frame),
        "instance": instances(video.labels, instance),
        "enlarge": share("enlarge", config.enlarge, "of the box's width and height, on each side"),
    }
    return PictureBox(draw, controls)


def reid_matches(matches: Matches, thresholds: Thresholds, frame: int = 1, instance: int = 0) -> PictureBox:
    """`plot_matches` of every frame and instance, for any thresholds.

    Args:
        matches: as `find_matches` returns them.
        thresholds: rho_reid and rho_occ, at first; others are compared with them.
        frame: i, at first.
        instance: k, at first.

    Raises:
        ValueError: the video has a single frame.
    """
    sequence = matches.sequence
    if sequence.N < 2:
        raise ValueError(f"sequence {sequence.name}: expected a frame to search beside the first, found none")

    def draw(frame: int, instance: int, rho_reid: float, rho_occ: float) -> Figure:
        return plot_matches(matches, frame, instance, (rho_reid, rho_occ), thresholds)

    controls = {
        "frame": slider("frame", 1, sequence.N - 1, frame),
        "instance": instances(sequence.labels, instance),
        "rho_reid": share("rho_reid", thresholds[0], "a retrieval needs a higher similarity with the template"),
        "rho_occ": share("rho_occ", thresholds[1], "and a smaller overlap with the box of its map"),
    }
    return PictureBox(draw, controls)


def checkpoint_explorer(video: Video, result: Result, toy: bool = True) -> PictureBox:
    """`plot_round` for every round, with Play and steps; the frame follows the retrieval until it is moved.

    A click on a checkpoint shows the map of its cell, the frame that this was propagated from, and its two neighbours.

    Args:
        video: the video.
        result: of `segment(..., keep_maps=True)`.
        toy: offer the paper's Figure 3 too, with repair R1 and as printed.

    Raises:
        ValueError: the result kept no maps.
    """
    runs = {video.name: (video, result)} | (_figure3_runs() if toy else {})
    run = choice("run", list(runs), video.name)
    number, frame = slider("round", 0, len(result.rounds), 0), slider("frame", 0, video.N - 1, 0)
    cell, cells = choice("shown", _views(video), EVERY), VBox()

    def follow() -> None:
        video, result = runs[run.value]
        if number.value:
            frame.value = result.retrievals[number.value - 1].frame
        _write_checkpoints(cells, video, result.start_after(number.value, video.starts), go)

    def another_run() -> None:
        other, found = runs[run.value]
        number.value, number.max = 0, len(found.rounds)
        frame.value, frame.max = 0, other.N - 1
        cell.options, cell.value = list(_views(other).items()), EVERY
        follow()

    def go(instance: int, at: int) -> None:
        with box.one_redraw():
            frame.value, cell.value = at, instance

    follow()
    controls = {"run": run, "number": number, "frame": frame, "cell": cell}
    watched = {"run": another_run, "number": follow}
    box = PictureBox(partial(_draw_round, runs), controls, [stepper(number), cells], watched)
    return box


def _figure3_runs() -> dict[str, tuple[Video, Result]]:
    return {"Figure 3, with repair R1": run_figure3(), "Figure 3, as printed": run_figure3(repair_r1=False)}


def _draw_round(runs: Mapping[str, tuple[Video, Result]], run: str, number: int, frame: int, cell: int) -> Figure:
    return plot_round(*runs[run], number, frame, _chosen(cell))


def _write_checkpoints(cells: VBox, video: Video, start: Starts, go: Callable[[int, int], None]) -> None:
    """A row of buttons for each instance; only the last one that was clicked, of all, is shown as chosen."""

    def clicked(instance: int, at: int) -> None:
        go(instance, at)
        for row in [*cells.children[:instance], *cells.children[instance + 1 :]]:
            row.value = None

    for row in cells.children:
        row.unobserve_all()  # somebody may hold it still
        row.close()
    columns = [start[:, k].tolist() for k in range(video.K)]
    cells.children = [clickable(f"instance {l}", columns[k], partial(clicked, k)) for k, l in enumerate(video.labels)]


def _views(video: Video) -> dict[str, int]:
    return {"masks before and after": EVERY, **{f"map of instance {label}": k for k, label in enumerate(video.labels)}}


def ablation_browser(
    sequences: Sequence[Video], masks: Mapping[str, RowMasks], scores: Mapping[str, RowScores] | None = None
) -> PictureBox:
    """`plot_rows` for any sequence, rows, instance and frame; it opens where the two rows differ most.

    A button goes there again. Only frames in which the instance can be seen count.

    Args:
        sequences: the videos.
        masks: of each sequence by name, and of each row by name; the same rows for all, in the order of the table.
        scores: in the same order, as `score_frames` gives them; measured here, which takes a while, where not given.

    Raises:
        ValueError: a video lacks annotations, or the rows are not the same for all.
    """
    known, first = {sequence.name: sequence for sequence in sequences}, sequences[0]
    rows, scores = _common_rows(known, masks), _measured(known, masks) if scores is None else scores
    sequence, frame = choice("sequence", list(known), first.name), slider("frame", 0, first.N - 1, 0)
    row_a, row_b = choice("row", rows, rows[0]), choice("beside row", rows, rows[-1])
    instance = choice("instance", _instances(first), EVERY)

    def most() -> int:
        a, b = (scores[sequence.value][row.value] for row in (row_a, row_b))
        return _most_different(known[sequence.value], a, b, _chosen(instance.value))

    def another_sequence() -> None:
        instance.options, instance.value = list(_instances(known[sequence.value]).items()), EVERY
        frame.value, frame.max = 0, known[sequence.value].N - 1
        frame.value = most()

    def go() -> None:
        with box.errors_shown():
            frame.value = most()

    frame.value = most()
    controls = {"sequence": sequence, "row_a": row_a, "row_b": row_b, "instance": instance, "frame": frame}
    draw = partial(_draw_rows, {name: (video, masks[name], scores[name]) for name, video in known.items()})
    box = PictureBox(draw, controls, [button(*MOST, go)], {"sequence": another_sequence})
    return box


def _draw_rows(
    known: Mapping[str, tuple[Video, RowMasks, RowScores]],
    sequence: str,
    row_a: str,
    row_b: str,
    instance: int,
    frame: int,
) -> Figure:
    return plot_rows(*known[sequence], (row_a, row_b), frame, _chosen(instance))


def _most_different(video: Video, a: FrameScores, b: FrameScores, instance: int | None) -> int:
    """The frame in which the scores of two rows differ most, of those in which the instance can be seen."""
    return int(np.where(_in_sight(video, instance), np.abs(frame_gains(a, b, instance)), -1.0).argmax())


def _in_sight(video: Video, instance: int | None) -> list[bool]:
    """The frames in which something of the instance can be seen, None for any; all where the truth is not known."""
    if video.annotations is None:
        return [True] * video.N
    labels = video.labels if instance is None else (video.labels[instance],)
    return [mask is not None and bool(np.isin(mask, labels).any()) for mask in video.annotations]


def _measured(videos: Mapping[str, Video], masks: Mapping[str, RowMasks]) -> dict[str, dict[str, FrameScores]]:
    return {name: {row: score_frames(video, m) for row, m in masks[name].items()} for name, video in videos.items()}


def _check_pairs(video: Video) -> None:
    if video.N < 2:
        raise ValueError(f"sequence {video.name}: expected at least two frames to propagate between, found one")


def _chosen(instance: int) -> int | None:
    return None if instance == EVERY else instance


def _instances(video: Video) -> dict[str, int]:
    return {"all": EVERY, **{str(label): k for k, label in enumerate(video.labels)}}


def _common_rows(known: Mapping[str, Video], masks: Mapping[str, RowMasks]) -> list[str]:
    rows = [list(masks.get(name, {})) for name in known]
    if not rows or not rows[0] or any(other != rows[0] for other in rows):
        found = "; ".join(f"{name}: {', '.join(row) or 'none'}" for name, row in zip(known, rows, strict=True))
        raise ValueError(f"expected masks of the same rows for every sequence, found {found or 'no sequence'}")
    return rows[0]
