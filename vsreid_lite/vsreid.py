"""Algorithm 3, VS-ReID, on a whole sequence: one verb over the engine (section 3.3)."""

from __future__ import annotations

from collections.abc import Collection

import torch

from vsreid_lite.config import LITE, Config
from vsreid_lite.engine import Engine
from vsreid_lite.flow import FlowEstimator
from vsreid_lite.merge import merge
from vsreid_lite.models import Networks
from vsreid_lite.release import ReleaseEngine, leaves_the_paper
from vsreid_lite.result import Result, Round
from vsreid_lite.sequence import Sequence

__all__ = ["merge", "segment"]


@torch.inference_mode()
def segment(
    sequence: Sequence,
    networks: Networks,
    config: Config = LITE,
    flow: FlowEstimator | None = None,
    *,
    keep_maps: bool = False,
    record: bool | Collection[tuple[int, int]] = False,
    progress: bool = False,
) -> Result:
    """VS-ReID on a whole sequence: the masks of all frames from the instances of the first mask.

    flow: F; by default that of `config.flow`. keep_maps: keep the probability maps after every round. record: keep the
    guided map, box and patch of every map, or of the given (frame, instance) pairs. progress: bars on stderr.
    Without a detector or an identification network, or with `config.reid` off, the first propagation is all.
    Raises ValueError for a flow that does not fit the frames, and FileNotFoundError for one that is not there.
    """
    engine_of = ReleaseEngine if leaves_the_paper(config) else Engine
    engine = engine_of(sequence, networks, config, flow, record, progress)
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
            masks = [merge(maps, sequence.labels) for maps in engine.P]
    engine.seconds["rounds"] -= engine.seconds["candidates"]  # which are made on the way
    return Result(
        sequence.name, sequence.labels, masks, rounds, engine.start, engine.seconds, snapshots, engine.records
    )
