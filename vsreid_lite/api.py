"""The library in two verbs, `load_sequence` and `segment`; the third is `vsreid_lite.evaluation.evaluate`."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from vsreid_lite import vsreid
from vsreid_lite.config import AUTHORS, LITE, PAPER, Config
from vsreid_lite.flow import get_flow
from vsreid_lite.models import Networks
from vsreid_lite.models.layers import fold_normalisation
from vsreid_lite.models.loading import choose_device, load_networks, settled
from vsreid_lite.models.mask_propagation import TwoStreams
from vsreid_lite.result import Result
from vsreid_lite.sequence import Sequence, load_sequence
from vsreid_lite.training.adaptation import adapt

__all__ = ["AUTHORS", "LITE", "PAPER", "Config", "load_sequence", "prepare", "segment"]


def segment(
    sequence: Sequence,
    config: Config = LITE,
    *,
    keep_maps: bool = False,
    record: bool | Collection[tuple[int, int]] = False,
    progress: bool = False,
) -> Result:
    """The masks of all frames of `sequence` from those of its first, by the networks, weights and rules of `config`.

    The rest as `vsreid_lite.vsreid.segment`, which also takes networks and flow of one's own.
    """
    flow = get_flow(config.flow, sequence.frame_names, choose_device(config.device))  # refused before any adaptation
    started = time.perf_counter()
    networks, config = prepare(sequence, config, progress)
    adapting = time.perf_counter() - started if config.adapt else 0.0
    result = vsreid.segment(sequence, networks, config, flow, keep_maps=keep_maps, record=record, progress=progress)
    result.seconds["adaptation"] = adapting
    result.seconds["total"] += adapting
    return result


def prepare(sequence: Sequence, config: Config, progress: bool = False) -> tuple[Networks, Config]:
    """The networks of `config`, and `config` with the settings stored with their weights (`settled`).

    With `config.adapt`, N_mp is adapted to the first frame of `sequence`, unless that is the only one; and a retrieval
    must improve on its maps: by `AdaptationConfig.improvement`, unless `ReidConfig` says by how much.
    """
    if config.adapt and sequence.N == 1:  # its mask is given: nothing is predicted
        config = replace(config, adapt=False)
    networks, config = load_networks(config), settled(config)
    if not config.adapt:
        return networks, config
    assert isinstance(networks.propagation, TwoStreams)
    adapted = adapt(networks.propagation, sequence, config.adaptation, config.propagation, config.seed, progress)
    fold_normalisation(adapted)
    networks = replace(networks, propagation=adapted)
    if config.matching.improvement is None:
        config = replace(config, matching=replace(config.matching, improvement=config.adaptation.improvement))
    return networks, config
