"""Run a stage: its start, its clips, its training, and its weight file with what it came from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from vsreid_lite.config import PropagationConfig
from vsreid_lite.networks.checkpoints import load_weights, misfits, read_checkpoint, save_weights
from vsreid_lite.networks.detector import LiteDetector, PaperDetector
from vsreid_lite.networks.identification import OIMLoss
from vsreid_lite.networks.mask_propagation import TwoStreams, flow_stream_from
from vsreid_lite.networks.weight_files import SHIPPED, Provenance, read_provenance
from vsreid_lite.training.clips import Clip, ClipStore
from vsreid_lite.training.detection_samples import Detection, DetectionBatches, IdentityBatches, RegionBatches, Regions
from vsreid_lite.training.loop import train
from vsreid_lite.training.losses import flow_loss, joint_loss
from vsreid_lite.training.processes import ALONE, Processes, mixed_precision
from vsreid_lite.training.propagation_samples import AnySize, Batch, PropagationBatches
from vsreid_lite.training.stages import STAGES, Stage, check_stills
from vsreid_lite.training.stills import Mixed, Stills


@dataclass(frozen=True)
class Request:
    """What the user of `vsreid train` chooses.

    Attributes:
        output: The weight file to write.
        command: What its header says that made it.
        seed: Of all random numbers.
        minutes: Stop after this long.
        root: The DAVIS 2016 root of a stage with real video.
        sequences: The sequences of that stage.
        stills: Sets of stills for first stages of N_mp, which draw from each as often as from the scenes.
        material: The folders of stills and stamps that collages are made of.
    """

    output: Path
    command: str
    seed: int = 0
    minutes: float = math.inf
    root: Path | None = None
    sequences: tuple[str, ...] = ()
    stills: tuple[Stills, ...] = ()
    material: tuple[Path, Path] | None = None


def run_stage(name: str, request: Request, processes: Processes = ALONE, store: ClipStore | None = None) -> Provenance:
    """Train a stage and write its weight file; an interrupted run continues from the `.state` beside the file.

    Args:
        name: The stage.
        request: What the user has chosen.
        processes: Those that train together, and their device; the first of them writes.
        store: Clips that earlier stages of this run have made.

    Returns:
        What the header of the weight file says.

    Raises:
        FileNotFoundError: The weights that the stage starts from are not there.
        ValueError: There is no such stage, it learns from real video or collages and is given none, or is given
            stills and does not learn from them.
    """
    if name not in STAGES:
        raise ValueError(f"unknown training stage {name!r}: expected one of {', '.join(STAGES)}")
    stage = STAGES[name]
    if stage.real and (request.root is None or not request.sequences):
        raise ValueError(f"{name} learns from real video: give --root and --sequences")
    if stage.collages and request.material is None:
        raise ValueError(f"{name} learns from collages: give --stills and --stamps")
    if request.stills:
        check_stills(name)
    torch.manual_seed(request.seed)
    network, start = _start(stage, request)
    network = network.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    clips = _clips(stage, request, store or ClipStore(processes.cores))
    steps = stage.train(Training(network, stage, clips, _chain(name), request, processes))
    provenance = _provenance(stage, request, start, steps)
    if processes.main:
        save_weights(request.output, network, provenance)
    processes.wait()
    return provenance


def is_finished(name: str, request: Request) -> bool:
    """Whether the weight file of a request is there: by the same command, after the same stages, each with its steps.

    One of an older network or plan is not.

    Raises:
        ValueError: The file is damaged.
    """
    if not request.output.exists():
        return False
    found = read_provenance(request.output)
    before = [command.split()[2:3] for command in found.start]  # a header of another origin may hold anything
    same = found.command == request.command and before == [[stage] for stage in _chain(name)]
    planned = tuple(STAGES[stage].plan.steps for stage in (*_chain(name), name))
    if not same or (*found.start_steps, found.steps) != planned:
        return False
    return not misfits(STAGES[name].build().state_dict(), read_checkpoint(request.output))


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
    """The network of a stage, with the weights that it starts from, and what is known of them."""
    if stage.start is None:
        assert stage.published is not None
        network = stage.build()
        network.get_submodule(stage.published.part).load_published()  # type: ignore[operator]
        return network, None
    before = STAGES[stage.start]
    network = before.build()
    start = load_weights(_start_file(stage.start, request.output), network)
    if stage.network != before.network:  # one stream more, or one less
        assert isinstance(network, TwoStreams)
        network = TwoStreams(network.rgb, flow_stream_from(network.rgb) if stage.flow_only else None)
    return network, start


def _provenance(stage: Stage, request: Request, start: Provenance | None, steps: int) -> Provenance:
    data = f"{stage.mini} scenes of mini-train, {stage.footage} in the style of footage"
    if stage.collages:
        data += f", {stage.collages} collages of stills and of photographs of tuxpaint-stamps-default"
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
        settings={**({"patch": max(stage.patches)} if len(stage.patches) > 1 else {}), **stage.settings},
        start=(*start.start, start.command) if start else (),
        start_steps=(*start.start_steps, start.steps) if start else (),
    )


def _origin(stage: Stage, request: Request, start: Provenance | None) -> str:
    """What `data` says after its first semicolon: stills and published weights, also those of the stages before."""
    if start is not None:
        return "".join(start.data.partition("; ")[1:])
    assert stage.published is not None
    stills = "".join(f"; and {len(stills)} stills of {stills.name}" for stills in request.stills)
    return stills + stage.published.said


def _clips(stage: Stage, request: Request, store: ClipStore) -> list[Clip]:
    clips = store.mini(stage.mini) + store.footage(stage.footage)
    if stage.collages and request.material is not None:
        clips += store.collages(stage.collages, *request.material)
    if stage.real and request.root is not None:
        clips += store.real(request.root, request.sequences, max(1, stage.real // len(request.sequences)))
    return clips


@dataclass(frozen=True)
class Training:
    """A stage with all that it needs: what its trainer is given."""

    network: nn.Module
    stage: Stage
    clips: list[Clip]
    chain: tuple[str, ...]
    request: Request
    processes: Processes

    def run(self, model: nn.Module, batches: Dataset[Any], loss: Callable[[Any], Tensor]) -> int:
        """Train `model`, which is the network, a part of it, or more than it; the steps done."""
        plan = replace(self.stage.plan, minutes=self.request.minutes)
        state = self.request.output.with_suffix(".state")
        stages = (f"{name} of {STAGES[name].plan.steps} steps" for name in reversed(self.chain))  # they may change
        command = " after ".join((f"{self.request.command}, {plan.steps} steps", *stages))
        return train(model, batches, loss, plan, state, self.processes, command)


def train_propagation(training: Training) -> int:
    """Train N_mp, or its flow stream alone; the steps done."""
    network, stage = training.network, training.stage
    assert isinstance(network, TwoStreams)
    stills = training.request.stills
    clips = Mixed(training.clips, *stills) if stills else training.clips
    seed = training.request.seed
    sizes = [PropagationConfig(patch, use_box=stage.use_box) for patch in stage.patches]
    batches = AnySize([PropagationBatches(clips, stage.batch, size, seed, stage.mixture) for size in sizes], seed)

    def loss(values: Batch) -> Tensor:
        return flow_loss(network, values) if stage.flow_only else joint_loss(network, values, stage.own_guides)

    if stage.flow_only:
        assert network.flow is not None
        return training.run(network.flow, batches, loss)
    return training.run(network, batches, loss)


def train_detector(training: Training) -> int:
    """Train N_det by torchvision's losses; the steps done."""
    network, device = training.network, training.processes.device
    assert isinstance(network, (LiteDetector, PaperDetector))

    def loss(values: Detection) -> Tensor:
        images = [image.to(device) for image in values[0]]
        targets = [{key: value.to(device) for key, value in target.items()} for target in values[1]]
        with mixed_precision(device):
            losses = network.rcnn(images, targets)
        return torch.stack([part.float() for part in losses.values()]).sum()

    return training.run(network, DetectionBatches(training.clips, training.stage.batch, training.request.seed), loss)


def train_identification(training: Training) -> int:
    """Train the lite N_reid on crops, by OIM; the steps done."""

    def embed(crops: Tensor) -> Tensor:
        embeddings: Tensor = training.network(crops.contiguous(memory_format=torch.channels_last))
        return embeddings

    batches = IdentityBatches(training.clips, training.stage.batch, training.request.seed)
    return _match_identities(training, batches, len(batches.identities), embed)


def train_regions(training: Training) -> int:
    """Train the paper's N_reid, which sees whole frames and boxes in them, by OIM; the steps done."""

    def embed(images: Tensor, boxes: Tensor) -> Tensor:
        embeddings: Tensor = training.network(images.contiguous(memory_format=torch.channels_last), list(boxes))
        return embeddings

    batches = RegionBatches(training.clips, training.stage.batch, training.request.seed)
    return _match_identities(training, batches, len(batches.identities), embed)


def _match_identities(training: Training, batches: Dataset[Any], identities: int, embed: Callable[..., Tensor]) -> int:
    """Train N_reid by OIM on batches that end with the identities of what `embed` makes of the rest."""
    processes = training.processes
    matching = OIMLoss(identities).to(processes.device)

    def loss(values: tuple[Tensor, Tensor] | Regions) -> Tensor:
        *inputs, numbers = (value.to(processes.device) for value in values)
        with mixed_precision(processes.device):
            embeddings = embed(*inputs)
        return matching(processes.gather(embeddings.float()), processes.gather(numbers.flatten()))

    return training.run(nn.ModuleList([training.network, matching]), batches, loss)
