"""The stages of training: each makes one weight file and has a `vsreid train` command."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from vsreid_lite.config import PAPER, PropagationConfig
from vsreid_lite.networks.checkpoints import misfits, read_checkpoint
from vsreid_lite.networks.detector import LiteDetector, PaperDetector
from vsreid_lite.networks.identification import LiteIdentification, OIMLoss, PaperIdentification
from vsreid_lite.networks.mask_propagation import TwoStreams, lite_streams
from vsreid_lite.networks.provenance import SHIPPED, Provenance, read_provenance
from vsreid_lite.networks.resnet import paper_streams
from vsreid_lite.networks.weights import load_weights, save_weights
from vsreid_lite.training.catalogue import STILL_STAGES
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.detection_samples import Detection, DetectionBatches, IdentityBatches, RegionBatches, Regions
from vsreid_lite.training.loop import ALONE, Plan, train
from vsreid_lite.training.losses import flow_loss, joint_loss
from vsreid_lite.training.processes import Team
from vsreid_lite.training.propagation_samples import DRIFTED, STILLS, VIDEO, Batch, Mixture, PropagationBatches
from vsreid_lite.training.rendering import ClipStore
from vsreid_lite.training.starts import PUBLISHED, with_flow_stream
from vsreid_lite.training.stills import Mixed, Stills

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "rgb": lambda: lite_streams(use_flow=False),
    "two streams": lite_streams,
    "detector": LiteDetector,
    "identification": LiteIdentification,
    "paper rgb": lambda: paper_streams(use_flow=False),
    "paper two streams": paper_streams,
    "paper detector": PaperDetector,
    "paper identification": PaperIdentification,
}


@dataclass(frozen=True)
class Stage:
    """One `vsreid train` command: which network, from what, for how long."""

    network: str
    plan: Plan
    batch: int
    start: str | None = None  # the stage whose weights it continues; None: those of others, in `starts.PUBLISHED`
    mini: int = 480  # scenes of mini-train
    footage: int = 360  # scenes in the style of footage
    real: int = 0  # clips of real sequences
    mixture: Mixture = VIDEO
    use_box: bool = True
    own_guides: int = 0  # half of the guides go through the network so many times first
    flow_only: bool = False  # the flow stream, from the RGB stream of `start`, which stays as it is
    patch: int = PropagationConfig().patch  # pixels: the side of what N_mp sees


# Section 3.4. Every stream of every row of Table 1 has had 2,500 steps, of its own or of the stream it starts from; the
# flow stream, which begins as the RGB stream after its first 1,500, has had 1,800 more.
PRETRAINING, BRANCH, LAST = Plan(700, 4e-4), Plan(800, 4e-4), Plan(1000, 4e-4)
FINE = Plan(400, 3e-4)  # on real video

STAGES = {
    "lite-stills": Stage("rgb", PRETRAINING, 8, mixture=STILLS),
    "lite-rgb": Stage("rgb", BRANCH, 8, "lite-stills"),
    "lite-flow": Stage("two streams", BRANCH, 8, "lite-rgb", flow_only=True),
    "lite-propagation": Stage("two streams", LAST, 8, "lite-flow", mixture=DRIFTED, own_guides=2),
    "lite-box": Stage("rgb", LAST, 8, "lite-rgb", mixture=DRIFTED, own_guides=2),
    "lite-baseline-stills": Stage("rgb", PRETRAINING, 8, mixture=STILLS, use_box=False),
    "lite-baseline-rgb": Stage("rgb", BRANCH, 8, "lite-baseline-stills", use_box=False),
    "lite-baseline": Stage("rgb", LAST, 8, "lite-baseline-rgb", mixture=DRIFTED, use_box=False, own_guides=2),
    "lite-detector": Stage("detector", Plan(800, 4e-4), 6),
    "lite-identification": Stage("identification", Plan(2000, 4e-4), 64),
    "lite-davis-propagation": Stage("two streams", FINE, 8, "lite-propagation", 60, 60, 150, DRIFTED, own_guides=2),
    "lite-davis-box": Stage("rgb", FINE, 8, "lite-box", 60, 60, 150, DRIFTED, own_guides=2),
    "lite-davis-baseline": Stage("rgb", FINE, 8, "lite-baseline", 60, 60, 150, DRIFTED, use_box=False, own_guides=2),
    "lite-davis-detector": Stage("detector", Plan(400, 3e-4), 6, "lite-detector", 60, 60, 150),
    "lite-davis-identification": Stage("identification", Plan(400, 3e-4), 64, "lite-identification", 60, 60, 150),
}


FULL_SIZE_RATE = 1e-4  # a guess, as are the steps: nobody has run these stages in full


def _at_the_papers_size(stage: Stage, **changes: Any) -> Stage:
    """The same stage with the paper's network and patch, and ten times the steps."""
    start = stage.start and stage.start.replace("lite-", "paper-")
    plan = replace(stage.plan, steps=10 * stage.plan.steps, learning_rate=FULL_SIZE_RATE)
    made = replace(stage, network=f"paper {stage.network}", plan=plan, start=start, patch=PAPER.propagation.patch)
    return replace(made, **changes)


N_MP = ("stills", "rgb", "flow", "propagation", "box", "baseline-stills", "baseline-rgb", "baseline")
STAGES |= {f"paper-{part}": _at_the_papers_size(STAGES[f"lite-{part}"]) for part in (*N_MP, "detector")}
STAGES["paper-identification"] = _at_the_papers_size(STAGES["lite-identification"], batch=8)


@dataclass(frozen=True)
class Request:
    """What the user of `vsreid train` chooses: the file to write, and what a stage may see beside the rendered scenes.

    root and sequences: for stages with real video. stills: for first stages of N_mp, which draw from each set of them
    as often as from the scenes.
    """

    output: Path
    command: str
    seed: int = 0
    minutes: float = math.inf
    root: Path | None = None
    sequences: tuple[str, ...] = ()
    stills: tuple[Stills, ...] = ()


def run_stage(name: str, request: Request, team: Team = ALONE, store: ClipStore | None = None) -> Provenance:
    """Train stage `name` and write its weight file; an interrupted run continues from the `.state` beside the file.

    team: the processes that train together, and their device; the first of them writes. store: clips that earlier
    stages of this run have made. Raises ValueError for an unknown stage, for one with real video that is given none,
    and for one that is given stills and does not learn from them.
    """
    if name not in STAGES:
        raise ValueError(f"unknown training stage {name!r}: expected one of {', '.join(STAGES)}")
    stage = STAGES[name]
    if stage.real and (request.root is None or not request.sequences):
        raise ValueError(f"{name} learns from real video: give --root and --sequences")
    if request.stills and name not in STILL_STAGES:
        raise ValueError(f"{name} does not learn from stills: --stills goes with {', '.join(STILL_STAGES)}")
    torch.manual_seed(request.seed)
    network, start = _start(stage, request)
    network = network.to(team.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    clips = _clips(stage, request, store or ClipStore(team.cores))
    steps = _TRAINERS[stage.network](_Training(network, stage, clips, _chain(name), request, team))
    provenance = _provenance(stage, request, start, steps)
    if team.main:
        save_weights(request.output, network, provenance)
    team.wait()
    return provenance


def is_finished(name: str, request: Request) -> bool:
    """Whether the weight file of a request is there: by the same command, after the same stages, each with its steps.

    One of an older network or plan is not. Raises ValueError for a damaged file.
    """
    if not request.output.exists():
        return False
    found = read_provenance(request.output)
    before = [command.split()[2:3] for command in found.start]  # a header of another origin may hold anything
    same = found.command == request.command and before == [[stage] for stage in _chain(name)]
    planned = tuple(STAGES[stage].plan.steps for stage in (*_chain(name), name))
    if not same or (*found.start_steps, found.steps) != planned:
        return False
    return not misfits(NETWORKS[STAGES[name].network]().state_dict(), read_checkpoint(request.output))


def _chain(name: str) -> tuple[str, ...]:
    """The stages that lead to stage `name`, the first one first."""
    before = STAGES[name].start
    return () if before is None else (*_chain(before), before)


def _start_file(stage: str, output: Path) -> Path:
    """The weights of the stage that another one starts from: those beside its output, else the shipped ones."""
    beside = output.with_name(f"{stage}.safetensors")
    for path in (beside, SHIPPED / beside.name):
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{beside}: this stage starts from these weights; make them: vsreid train {stage} --output {beside}"
    )


def _start(stage: Stage, request: Request) -> tuple[nn.Module, Provenance | None]:
    """The network of a stage, with the weights of the stage before and what is known of them."""
    if stage.start is None:
        network = NETWORKS[stage.network]()
        PUBLISHED[stage.network].load(network)
        return network, None
    file = _start_file(stage.start, request.output)
    network = NETWORKS[STAGES[stage.start].network if stage.flow_only else stage.network]()
    start = load_weights(file, network)
    if stage.flow_only:
        assert isinstance(network, TwoStreams)
        network = with_flow_stream(network)
    return network, start


def _provenance(stage: Stage, request: Request, start: Provenance | None, steps: int) -> Provenance:
    data = f"{stage.mini} scenes of mini-train, {stage.footage} in the style of footage"
    data += " and DAVIS 2016 (CC BY 4.0)" if stage.real else ""
    data += _origin(stage, request, start)
    seen = set(request.sequences if stage.real else ()).union(start.sequences if start else ())
    return Provenance(
        network=stage.network,
        data=data,
        command=request.command,
        seed=request.seed,
        steps=steps,
        sequences=tuple(sorted(seen)),
        start=(*start.start, start.command) if start else (),
        start_steps=(*start.start_steps, start.steps) if start else (),
    )


def _origin(stage: Stage, request: Request, start: Provenance | None) -> str:
    """What `data` says after its first semicolon: stills and published weights, also those of the stages before."""
    if start is not None:
        return "".join(start.data.partition("; ")[1:])
    stills = "".join(f"; and {len(stills)} stills of {stills.name}" for stills in request.stills)
    return stills + PUBLISHED[stage.network].said


def _clips(stage: Stage, request: Request, store: ClipStore) -> list[Clip]:
    clips = store.mini(stage.mini) + store.footage(stage.footage)
    if stage.real and request.root is not None:
        clips += store.real(request.root, request.sequences, max(1, stage.real // len(request.sequences)))
    return clips


@dataclass(frozen=True)
class _Training:
    """A stage with all that it needs."""

    network: nn.Module
    stage: Stage
    clips: list[Clip]
    chain: tuple[str, ...]
    request: Request
    team: Team

    def run(self, model: nn.Module, batches: Dataset[Any], loss: Callable[[Any], Tensor]) -> int:
        """Train `model`, which is the network, a part of it, or more than it; the steps done."""
        plan = replace(self.stage.plan, minutes=self.request.minutes)
        state = self.request.output.with_suffix(".state")
        stages = (f"{name} of {STAGES[name].plan.steps} steps" for name in reversed(self.chain))  # they may change
        command = " after ".join((f"{self.request.command}, {plan.steps} steps", *stages))
        return train(model, batches, loss, plan, state, self.team, command)


def _train_propagation(training: _Training) -> int:
    network, stage = training.network, training.stage
    assert isinstance(network, TwoStreams)
    config = PropagationConfig(stage.patch, use_box=stage.use_box)
    stills = training.request.stills
    clips = Mixed(training.clips, *stills) if stills else training.clips
    batches = PropagationBatches(clips, stage.batch, config, training.request.seed, stage.mixture)

    def loss(values: Batch) -> Tensor:
        return flow_loss(network, values) if stage.flow_only else joint_loss(network, values, stage.own_guides)

    if stage.flow_only:
        assert network.flow is not None
        network.rgb.requires_grad_(False)
        return training.run(network.flow, batches, loss)
    return training.run(network, batches, loss)


def _train_detector(training: _Training) -> int:
    network, team = training.network, training.team
    assert isinstance(network, (LiteDetector, PaperDetector))

    def loss(values: Detection) -> Tensor:
        images = [image.to(team.device) for image in values[0]]
        targets = [{key: value.to(team.device) for key, value in target.items()} for target in values[1]]
        with team.autocast():
            losses = network.rcnn(images, targets)
        return torch.stack([part.float() for part in losses.values()]).sum()

    return training.run(network, DetectionBatches(training.clips, training.stage.batch, training.request.seed), loss)


def _train_identification(training: _Training) -> int:
    network, team = training.network, training.team
    batches = IdentityBatches(training.clips, training.stage.batch, training.request.seed)
    matching = OIMLoss(len(batches.identities)).to(team.device)

    def loss(values: tuple[Tensor, Tensor]) -> Tensor:
        with team.autocast():
            embeddings = network(values[0].to(team.device, memory_format=torch.channels_last))
        return matching(team.gather(embeddings.float()), team.gather(values[1].to(team.device)))

    return training.run(nn.ModuleList([network, matching]), batches, loss)


def _train_regions(training: _Training) -> int:
    network, team = training.network, training.team
    batches = RegionBatches(training.clips, training.stage.batch, training.request.seed)
    matching = OIMLoss(len(batches.identities)).to(team.device)

    def loss(values: Regions) -> Tensor:
        images, boxes, identities = (value.to(team.device) for value in values)
        with team.autocast():
            embeddings = network(images.contiguous(memory_format=torch.channels_last), list(boxes))
        return matching(team.gather(embeddings.float()), team.gather(identities.flatten()))

    return training.run(nn.ModuleList([network, matching]), batches, loss)


_TRAINERS = {
    "rgb": _train_propagation,
    "two streams": _train_propagation,
    "detector": _train_detector,
    "identification": _train_identification,
    "paper rgb": _train_propagation,
    "paper two streams": _train_propagation,
    "paper detector": _train_detector,
    "paper identification": _train_regions,
}
