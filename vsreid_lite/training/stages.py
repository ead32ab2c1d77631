"""The stages of training: each makes one shipped weight file and has a `vsreid train` command."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vsreid_lite.config import PropagationConfig
from vsreid_lite.models.detector import LiteDetector
from vsreid_lite.models.identification import LiteIdentification, OIMLoss
from vsreid_lite.models.mask_propagation import LiteMaskPropagation
from vsreid_lite.models.weights import SHIPPED, Provenance, load_weights, save_weights
from vsreid_lite.training.branches import propagation_loss
from vsreid_lite.training.clips import Clip, mini_clips, real_clips
from vsreid_lite.training.detection_samples import Detection, DetectionBatches, IdentityBatches
from vsreid_lite.training.loop import Plan, train
from vsreid_lite.training.propagation_samples import STILLS, VIDEO, Mixture, PropagationBatches

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "propagation": LiteMaskPropagation,
    "detector": LiteDetector,
    "identification": LiteIdentification,
}


@dataclass(frozen=True)
class Stage:
    """One `vsreid train` command: which network, from what, for how long."""

    network: str
    scenes: int  # of mini-train
    plan: Plan
    batch: int
    start: str | None = None  # the stage whose weights it is fine-tuned from
    real: bool = False  # as many clips of real sequences as scenes
    mixture: Mixture = VIDEO


STAGES = {
    "lite-propagation-stills": Stage("propagation", 700, Plan(6000), 16, mixture=STILLS),
    "lite-propagation": Stage("propagation", 700, Plan(5000, 6e-4, cycles=2), 16, "lite-propagation-stills"),
    "lite-detector": Stage("detector", 600, Plan(2400), 6),
    "lite-identification": Stage("identification", 700, Plan(3000), 64),
    "lite-davis-propagation": Stage("propagation", 150, Plan(1200, 6e-4), 16, "lite-propagation", real=True),
    "lite-davis-detector": Stage("detector", 150, Plan(300, 3e-4), 6, "lite-detector", real=True),
    "lite-davis-identification": Stage("identification", 150, Plan(250, 3e-4), 64, "lite-identification", real=True),
}


@dataclass(frozen=True)
class Request:
    """What the user of `vsreid train` chooses: the file to write and, for stages with real video, what they may see."""

    output: Path
    command: str
    seed: int = 0
    minutes: float = math.inf
    root: Path | None = None
    sequences: tuple[str, ...] = ()
    device: str = "cpu"


def run_stage(name: str, request: Request) -> Provenance:
    """Train stage `name` and write its weight file; an interrupted run continues from the `.state` beside the file.

    Raises ValueError for an unknown stage, or for a stage with real video that is given none.
    """
    if name not in STAGES:
        raise ValueError(f"unknown training stage {name!r}: expected one of {', '.join(STAGES)}")
    stage = STAGES[name]
    if stage.real and (request.root is None or not request.sequences):
        raise ValueError(f"{name} learns from real video: give --root and --sequences")
    torch.manual_seed(request.seed)
    network = NETWORKS[stage.network]().to(request.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if stage.start is not None:
        load_weights(_start_file(stage.start, request), network)
    plan = replace(stage.plan, minutes=request.minutes)
    steps = _TRAINERS[stage.network](network, stage, _clips(stage, request), request.seed, plan, _state(request))
    provenance = Provenance(
        network=stage.network,
        data=f"{stage.scenes} scenes of mini-train" + (" and DAVIS 2016 (CC BY 4.0)" if stage.real else ""),
        command=request.command,
        seed=request.seed,
        steps=steps,
        sequences=request.sequences if stage.real else (),
    )
    save_weights(request.output, network, provenance)
    return provenance


def _start_file(stage: str, request: Request) -> Path:
    """The weights of an earlier stage: those beside the output, else the shipped ones."""
    beside = request.output.with_name(f"{stage}.safetensors")
    for path in (beside, SHIPPED / beside.name):
        if path.exists():
            return path
    raise FileNotFoundError(f"{beside}: this stage starts from these weights; make them: vsreid train {stage}")


def _state(request: Request) -> Path:
    return request.output.with_suffix(".state")


def _clips(stage: Stage, request: Request) -> list[Clip]:
    clips = mini_clips(stage.scenes)
    if stage.real and request.root is not None:
        each = max(1, stage.scenes // len(request.sequences))
        clips += real_clips(request.root, list(request.sequences), each)
    return clips


def _train_propagation(network: nn.Module, stage: Stage, clips: list[Clip], seed: int, plan: Plan, state: Path) -> int:
    config = PropagationConfig()
    batches = PropagationBatches(clips, stage.batch, config.patch, config.enlarge, seed, stage.mixture)
    return train(network, batches, lambda values: propagation_loss(network, values), plan, state)


def _train_detector(network: nn.Module, stage: Stage, clips: list[Clip], seed: int, plan: Plan, state: Path) -> int:
    assert isinstance(network, LiteDetector)
    device = next(network.parameters()).device

    def loss(values: Detection) -> Tensor:
        images = [image.to(device) for image in values[0]]
        targets = [{key: value.to(device) for key, value in target.items()} for target in values[1]]
        with torch.autocast(device.type, torch.bfloat16):
            losses = network.rcnn(images, targets)
        return torch.stack([part.float() for part in losses.values()]).sum()

    return train(network, DetectionBatches(clips, stage.batch, seed), loss, plan, state)


def _train_identification(
    network: nn.Module, stage: Stage, clips: list[Clip], seed: int, plan: Plan, state: Path
) -> int:
    batches = IdentityBatches(clips, stage.batch, seed)
    device = next(network.parameters()).device
    matching = OIMLoss(len(batches.identities)).to(device)

    def loss(values: tuple[Tensor, Tensor]) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            embeddings = network(values[0].to(device, memory_format=torch.channels_last))
        return matching(embeddings.float(), values[1])

    return train(nn.ModuleList([network, matching]), batches, loss, plan, state)


_TRAINERS = {
    "propagation": _train_propagation,
    "detector": _train_detector,
    "identification": _train_identification,
}
