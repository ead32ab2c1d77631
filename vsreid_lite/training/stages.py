"""The stages of training: each makes one weight file and has a `vsreid train` command."""

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
from vsreid_lite.models.mask_propagation import TwoStreams, flow_stream_from, lite_streams
from vsreid_lite.models.weights import SHIPPED, Provenance, load_weights, save_weights
from vsreid_lite.training.branches import flow_loss, joint_loss
from vsreid_lite.training.clips import Clip, footage_clips, mini_clips, real_clips
from vsreid_lite.training.detection_samples import Detection, DetectionBatches, IdentityBatches
from vsreid_lite.training.loop import Plan, train
from vsreid_lite.training.propagation_samples import STILLS, VIDEO, Mixture, PropagationBatches

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "rgb": lambda: lite_streams(use_flow=False),
    "two streams": lite_streams,
    "detector": LiteDetector,
    "identification": LiteIdentification,
}


@dataclass(frozen=True)
class Stage:
    """One `vsreid train` command: which network, from what, for how long."""

    network: str
    plan: Plan
    batch: int
    start: str | None = None  # the stage whose weights it continues
    mini: int = 480  # scenes of mini-train
    footage: int = 360  # scenes in the style of footage
    real: int = 0  # clips of real sequences
    mixture: Mixture = VIDEO
    use_box: bool = True
    flow_only: bool = False  # the flow stream, from the RGB stream of `start`, which stays as it is


# Section 3.4. Every stream of every row of Table 1 has had 7,500 steps: of its own, or of the stream it starts from.
PRETRAINING, BRANCH, JOINT = Plan(4000), Plan(2000, 6e-4), Plan(1500, 4e-4)

STAGES = {
    "lite-stills": Stage("rgb", PRETRAINING, 16, mixture=STILLS),
    "lite-rgb": Stage("rgb", BRANCH, 16, "lite-stills"),
    "lite-flow": Stage("two streams", BRANCH, 16, "lite-rgb", flow_only=True),
    "lite-propagation": Stage("two streams", JOINT, 16, "lite-flow"),
    "lite-box": Stage("rgb", JOINT, 16, "lite-rgb"),
    "lite-baseline-stills": Stage("rgb", PRETRAINING, 16, mixture=STILLS, use_box=False),
    "lite-baseline": Stage("rgb", Plan(3500, 6e-4), 16, "lite-baseline-stills", use_box=False),
    "lite-detector": Stage("detector", Plan(2400), 6),
    "lite-identification": Stage("identification", Plan(3000), 64),
    "lite-davis-propagation": Stage("two streams", Plan(1200, 5e-4), 16, "lite-propagation", 60, 60, 150),
    "lite-davis-box": Stage("rgb", Plan(1200, 5e-4), 16, "lite-box", 60, 60, 150),
    "lite-davis-baseline": Stage("rgb", Plan(1200, 5e-4), 16, "lite-baseline", 60, 60, 150, use_box=False),
    "lite-davis-detector": Stage("detector", Plan(400, 3e-4), 6, "lite-detector", 60, 60, 150),
    "lite-davis-identification": Stage("identification", Plan(400, 3e-4), 64, "lite-identification", 60, 60, 150),
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
    network = _start(stage, request).to(request.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    plan = replace(stage.plan, minutes=request.minutes)
    steps = _TRAINERS[stage.network](network, stage, _clips(stage, request), request.seed, plan, _state(request))
    generated = f"{stage.mini} scenes of mini-train, {stage.footage} in the style of footage"
    provenance = Provenance(
        network=stage.network,
        data=generated + (" and DAVIS 2016 (CC BY 4.0)" if stage.real else ""),
        command=request.command,
        seed=request.seed,
        steps=steps,
        sequences=request.sequences if stage.real else (),
    )
    save_weights(request.output, network, provenance)
    return provenance


def _start(stage: Stage, request: Request) -> nn.Module:
    """The network of a stage, with the weights of the stage before."""
    network = NETWORKS[stage.network]()
    if stage.start is None:
        return network
    if stage.flow_only:
        rgb = lite_streams(use_flow=False)
        load_weights(_start_file(stage.start, request), rgb)
        return TwoStreams(rgb.rgb, flow_stream_from(rgb.rgb))
    load_weights(_start_file(stage.start, request), network)
    return network


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
    clips = mini_clips(stage.mini) + footage_clips(stage.footage)
    if stage.real and request.root is not None:
        each = max(1, stage.real // len(request.sequences))
        clips += real_clips(request.root, list(request.sequences), each)
    return clips


def _train_propagation(network: nn.Module, stage: Stage, clips: list[Clip], seed: int, plan: Plan, state: Path) -> int:
    assert isinstance(network, TwoStreams)
    config = PropagationConfig(use_box=stage.use_box)
    batches = PropagationBatches(clips, stage.batch, config, seed, stage.mixture)
    if stage.flow_only:
        assert network.flow is not None
        network.rgb.requires_grad_(False)
        return train(network.flow, batches, lambda values: flow_loss(network, values), plan, state)
    return train(network, batches, lambda values: joint_loss(network, values), plan, state)


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
    "rgb": _train_propagation,
    "two streams": _train_propagation,
    "detector": _train_detector,
    "identification": _train_identification,
}
