"""VS-ReID on a whole video: networks and their adaptation, the engine of Algorithm 3, and its result (section 3.3)."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import ModuleList
from tqdm.auto import tqdm

from vsreid_lite.config import LITE, Config
from vsreid_lite.engine import Engine
from vsreid_lite.flow import FlowEstimator, get_flow
from vsreid_lite.journal import Journal, header_of
from vsreid_lite.merging import merge
from vsreid_lite.networks import Networks
from vsreid_lite.networks.layers import fold_normalisation
from vsreid_lite.networks.loading import choose_device, load_networks, with_stored_settings
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.release import ReleaseEngine
from vsreid_lite.result import PackedMasks, Result
from vsreid_lite.system.wording import counted
from vsreid_lite.training.adaptation import ADAPTED, adapt, to_adapt
from vsreid_lite.video.video import Video


def segment(
    video: Video,
    config: Config = LITE,
    networks: Networks | None = None,
    flow: FlowEstimator | None = None,
    *,
    keep_maps: bool = False,
    record: bool | Collection[tuple[int, int]] = False,
    progress: bool = False,
    resume: Path | Journal | None = None,
) -> Result:
    """Segment all frames of a video from the instances of its first mask, and of later ones where they are given.

    Args:
        video: the frames (N, H, W, 3) and the given masks (H, W), whose instances are returned as they were given.
        config: networks, weights and rules; without N_det, N_reid or `config.reid`, only the initial propagation runs.
        networks: networks of one's own, used with `config` as it is, without adaptation. By default those of `prepare`.
        flow: the flow estimator F, by default that of `config.flow`.
        keep_maps: keep the probability maps after every round.
        record: keep the guided map, box and patch of every map, or of the given (frame, instance) pairs.
        progress: show bars on stderr; Ctrl-C then ends the adaptation alone, as `adapt` says.
        resume: a folder for the state of this run. A run of more than ten seconds keeps its state there, and continues
            from it after a kill; the state of another run is removed, with a warning. Remove the folder once the result
            is written. Or a `Journal`: then the caller makes sure that all else is as when it was begun.

    Returns:
        The masks of all frames, the rounds, the checkpoints and the times.

    Raises:
        ValueError: the flow does not fit the frames, or `resume` is given with networks, flow, maps or records, which
            it does not keep.
        OSError: the folder cannot be written.
        FileNotFoundError: a weight file or a flow file is missing.
    """
    if resume is None or isinstance(resume, Journal):
        return _segment(video, config, networks, flow, resume or Journal(), progress, keep_maps, record)
    if networks is not None or flow is not None or keep_maps or record:
        raise ValueError(f"resume={resume}: expected no networks, flow, keep_maps or record of one's own beside it")
    journal = Journal(resume, header_of(video, config, choose_device(config.device)))
    return _segment(video, config, None, None, journal, progress)


def _segment(
    video: Video,
    config: Config,
    networks: Networks | None,
    flow: FlowEstimator | None,
    journal: Journal,
    progress: bool,
    keep_maps: bool = False,
    record: bool | Collection[tuple[int, int]] = False,
) -> Result:
    started = loaded = ready = time.perf_counter()
    stopped = False
    if networks is None:
        flow = flow or get_flow(config.flow, video.frame_names, choose_device(config.device))
        networks, config = _loaded(video, config)
        loaded = time.perf_counter()
        networks, config, stopped = _adapted(video, networks, config, progress, journal)
        ready = time.perf_counter()
    if stopped:  # the same command is to adapt with all steps
        journal = Journal()
    engine = Engine if config.release.of_retrieval_alone else ReleaseEngine
    with torch.inference_mode():
        result = _run(engine(video, networks, config, flow, record, progress, journal), video, keep_maps)
    result.seconds |= {"loading": loaded - started, "adaptation": ready - loaded if config.adapt else 0.0}
    result.seconds["total"] += ready - started
    return replace(result, adaptation_stopped=stopped)


def prepare(
    video: Video, config: Config, progress: bool = False, journal: Journal | None = None
) -> tuple[Networks, Config]:
    """Load the networks of a configuration, with the settings stored with their weights.

    With `config.adapt`, N_mp is adapted to each instance of the given masks, unless the video has one frame only. A
    retrieval must then improve on the maps, by `AdaptationConfig.improvement` unless `ReidConfig` says by how much, and
    spare other instances (`AdaptationConfig.spare_others`).

    Args:
        video: the video; adapted networks are for its instances, in the order of its labels.
        config: the configuration.
        progress: as of `segment`.
        journal: keeps the state of the adaptation, and an adapted N_mp; none by default.

    Returns:
        The networks, and `config` with their settings (`with_stored_settings`).
    """
    return _adapted(video, *_loaded(video, config), progress, journal or Journal())[:2]


def _loaded(video: Video, config: Config) -> tuple[Networks, Config]:
    if config.adapt and video.N == 1:  # its mask is given: nothing is predicted
        config = replace(config, adapt=False)
    return load_networks(config), with_stored_settings(config)


def _adapted(
    video: Video, networks: Networks, config: Config, progress: bool, journal: Journal
) -> tuple[Networks, Config, bool]:
    if not config.adapt:
        return networks, config, False
    assert isinstance(networks.propagation, TwoStreams)
    adapted, stopped = _adapted_before(networks.propagation, video.K, journal), False
    if adapted is None:
        settings = config.adaptation, config.propagation, config.seed, progress
        adapted, stopped = adapt(networks.propagation, video, *settings, journal)
    if journal.keeps and not stopped:
        learnt = ModuleList(adapted).state_dict()
        journal.write_first(ADAPTED, {name: value.cpu().clone() for name, value in learnt.items()})
    for network in adapted:
        fold_normalisation(network)
    networks = replace(networks, adapted=tuple(adapted))
    if config.matching.improvement is None:
        config = replace(config, matching=replace(config.matching, improvement=config.adaptation.improvement))
    if config.adaptation.spare_others:
        config = replace(config, release=replace(config.release, spare_others=True))
    return networks, config, stopped


def _adapted_before(network: TwoStreams, K: int, journal: Journal) -> list[TwoStreams] | None:
    """What an earlier run has adapted to the end; None where it has not, or where the file is damaged."""
    tensors, note = journal.read(ADAPTED) or ({}, "")
    if note is not None:
        return None
    adapted = to_adapt(network, K)
    try:
        ModuleList(adapted).load_state_dict(tensors)
    except RuntimeError:
        return None
    return adapted


def _run(engine: Engine, video: Video, keep_maps: bool) -> Result:
    if engine.steps and engine.progress:
        rounds = counted(len(engine.done), "round")
        tqdm.write(f"{video.name}: going on after {counted(engine.steps, 'step')} and {rounds}", file=sys.stderr)
    with engine.timed("total"):
        with engine.timed("initial"):
            engine.initialise()
        snapshots = [engine.snapshot()] if keep_maps else []
        with engine.timed("rounds"):
            for _ in engine.rounds():
                if keep_maps:
                    snapshots.append(engine.snapshot())
        with engine.timed("merge"):
            masks = PackedMasks(merge(maps, video.labels) for maps in engine.P)
    engine.seconds["rounds"] -= engine.seconds["candidates"]  # made inside the loop, reported by themselves
    return Result(video.name, video.labels, masks, engine.done, engine.start, engine.seconds, snapshots, engine.records)
