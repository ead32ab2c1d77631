"""VS-ReID on a whole video: networks and their adaptation, the engine of Algorithm 3, and its result (section 3.3)."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

import torch

from vsreid_lite.config import LITE, PRINTED, Config
from vsreid_lite.engine import Engine
from vsreid_lite.flow import FlowEstimator, get_flow
from vsreid_lite.merging import merge
from vsreid_lite.networks import Networks
from vsreid_lite.networks.layers import fold_normalisation
from vsreid_lite.networks.loading import choose_device, load_networks, with_stored_settings
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.release import ReleaseEngine
from vsreid_lite.result import Result, Round
from vsreid_lite.training.adaptation import adapt
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

    Returns:
        The masks of all frames, the rounds, the checkpoints and the times.

    Raises:
        ValueError: the flow does not fit the frames.
        FileNotFoundError: a weight file or a flow file is missing.
    """
    started = loaded = ready = time.perf_counter()
    stopped = False
    if networks is None:
        flow = flow or get_flow(config.flow, video.frame_names, choose_device(config.device))
        networks, config = _loaded(video, config)
        loaded = time.perf_counter()
        networks, config, stopped = _adapted(video, networks, config, progress)
        ready = time.perf_counter()
    result = _run(video, config, networks, flow, keep_maps, record, progress)
    result.seconds |= {"loading": loaded - started, "adaptation": ready - loaded if config.adapt else 0.0}
    result.seconds["total"] += ready - started
    return replace(result, adaptation_stopped=stopped)


def prepare(video: Video, config: Config, progress: bool = False) -> tuple[Networks, Config]:
    """Load the networks of a configuration, with the settings stored with their weights.

    With `config.adapt`, N_mp is adapted to the given masks of the video, unless it has one frame only. A retrieval must
    then improve on the maps: by `AdaptationConfig.improvement`, unless `ReidConfig` says by how much.

    Returns:
        The networks, and `config` with their settings (`with_stored_settings`).
    """
    return _adapted(video, *_loaded(video, config), progress)[:2]


def _loaded(video: Video, config: Config) -> tuple[Networks, Config]:
    if config.adapt and video.N == 1:  # its mask is given: nothing is predicted
        config = replace(config, adapt=False)
    return load_networks(config), with_stored_settings(config)


def _adapted(video: Video, networks: Networks, config: Config, progress: bool) -> tuple[Networks, Config, bool]:
    if not config.adapt:
        return networks, config, False
    assert isinstance(networks.propagation, TwoStreams)
    adapted, stopped = adapt(networks.propagation, video, config.adaptation, config.propagation, config.seed, progress)
    fold_normalisation(adapted)
    networks = replace(networks, propagation=adapted)
    if config.matching.improvement is None:
        config = replace(config, matching=replace(config.matching, improvement=config.adaptation.improvement))
    return networks, config, stopped


@torch.inference_mode()
def _run(
    video: Video,
    config: Config,
    networks: Networks,
    flow: FlowEstimator | None,
    keep_maps: bool,
    record: bool | Collection[tuple[int, int]],
    progress: bool,
) -> Result:
    engine_class = Engine if config.release == PRINTED else ReleaseEngine
    engine = engine_class(video, networks, config, flow, record, progress)
    with engine.timed("total"):
        with engine.timed("initial"):
            engine.initialise()
        rounds: list[Round] = []
        snapshots = [engine.snapshot()] if keep_maps else []
        with engine.timed("rounds"):
            for round in engine.rounds():
                rounds.append(round)
                if keep_maps:
                    snapshots.append(engine.snapshot())
        with engine.timed("merge"):
            masks = [merge(maps, video.labels) for maps in engine.P]
    engine.seconds["rounds"] -= engine.seconds["candidates"]  # made inside the loop, reported by themselves
    return Result(video.name, video.labels, masks, rounds, engine.start, engine.seconds, snapshots, engine.records)
