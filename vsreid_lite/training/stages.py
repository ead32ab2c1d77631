"""The stages of training: each makes one weight file and has a `vsreid train` command. Read without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from vsreid_lite.config import PAPER, PropagationConfig

if TYPE_CHECKING:
    from torch import nn

    from vsreid_lite.training.running import Training


@dataclass(frozen=True)
class Plan:
    """How long and how fast: AdamW, cosine schedule with a short warm-up."""

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    minutes: float = math.inf  # stop after this long; the schedule still counts steps


@dataclass(frozen=True)
class Mixture:
    """Shares of the three situations: a deformed true mask, the mask of a neighbouring frame, a recovery's template.

    Attributes:
        neighbour: Share of masks of a neighbouring frame.
        recovery: Share of templates of a recovery.
        hard: Share of the deformed guides that are corrupted hard.
        warped: Share of the neighbours that are warped by the flow first.
        kept: Share of those that are not deformed then.
        leaking: Of the guides with another instance beside them, the share that also cover a part of it.
    """

    neighbour: float = 0.3
    recovery: float = 0.2
    hard: float = 0.35
    warped: float = 0.0
    kept: float = 0.0
    leaking: float = 0.0


STILLS = Mixture()  # section 3.4: pre-training with deformed masks
VIDEO = Mixture(neighbour=0.7, recovery=0.12, hard=0.15, warped=0.9, kept=0.55)  # a branch: guides as after a step
DRIFTED = Mixture(neighbour=0.55, recovery=0.15, hard=0.3, warped=0.85, kept=0.4)  # jointly: as after many steps


@dataclass(frozen=True)
class Published:
    """Weights of others that a first stage starts from.

    Attributes:
        weights: "module:name" of a function that returns their file, or of an address for `hub_weights`.
        part: The part of the network that they fill, by its `load_published`.
        said: What the header of all that starts from them says.
    """

    weights: str
    part: str
    said: str

    def find(self) -> Path:
        """Their file, fetched where it is published by torchvision.

        Raises:
            FileNotFoundError: The file is not there and cannot be fetched.
        """
        from vsreid_lite.system.downloads import hub_weights

        found = resolve_name(self.weights)
        return hub_weights(found) if isinstance(found, str) else found()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One `vsreid train` command: which network, from what, for how long.

    Attributes:
        network: Its name in the headers of weight files.
        architecture: "module:name" of what builds it, and `options` for that.
        trainer: "module:name" of the function that trains it.
        start: The stage whose weights it continues, of two streams perhaps the RGB stream alone; None: a first stage.
        published: The weights of others that a first stage starts from.
        plan: Steps and learning rate.
        batch: Samples of a step.
        minutes: Of training on 2 cores; None: it needs a GPU, and nobody has run it in full.
        mini: Scenes of mini-train.
        footage: Scenes in the style of footage.
        real: Clips of real sequences.
        collages: Collages of stills and stamps.
        mixture: Of the guides of N_mp.
        use_box: Whether N_mp sees patches, and not whole frames (Table 1, row 1).
        own_guides: Half of the guides go through the network so many times first.
        flow_only: The flow stream learns, which begins as the RGB stream of `start`; that stays as it is.
        patches: The sides of what N_mp sees, in pixels; each batch is of one of them.
        settings: What is stored in the header of N_mp where `vsreid choose` is not to choose it on mini-val.
    """

    network: str
    architecture: str
    options: Mapping[str, Any] = field(default_factory=dict)
    trainer: str
    start: str | None = None
    published: Published | None = None
    plan: Plan
    batch: int
    minutes: int | None
    mini: int = 480
    footage: int = 360
    real: int = 0
    collages: int = 0
    mixture: Mixture = VIDEO
    use_box: bool = True
    own_guides: int = 0
    flow_only: bool = False
    patches: tuple[int, ...] = (PropagationConfig().side,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def takes_stills(self) -> bool:
        """Whether it learns from stills: the first stages of N_mp may, and those with collages must."""
        return self.mixture == STILLS or self.collages > 0

    def build(self) -> nn.Module:
        """The network, untrained."""
        network: nn.Module = resolve_name(self.architecture)(**self.options)
        return network

    def train(self, training: Training) -> int:
        """Train the network; the steps done."""
        steps: int = resolve_name(self.trainer)(training)
        return steps


_N_MP = "vsreid_lite.networks.mask_propagation"
_DETECTOR = "vsreid_lite.networks.detector"
_IDENTIFICATION = "vsreid_lite.networks.identification"
_RUNNING = "vsreid_lite.training.running"
_lite_start = partial(
    Published,
    "vsreid_lite.networks.efficientnet:imagenet_file",
    said="; at first EfficientNet-Lite0's ImageNet weights (ML Illustrated, Apache-2.0)",
)
_streams = partial(Stage, architecture=f"{_N_MP}:lite_streams", trainer=f"{_RUNNING}:train_propagation", batch=8)
_rgb = partial(_streams, network="rgb", options={"use_flow": False})
_two_streams = partial(_streams, network="two streams")
_detector = partial(
    Stage,
    network="detector",
    architecture=f"{_DETECTOR}:LiteDetector",
    trainer=f"{_RUNNING}:train_detector",
    batch=6,
)
_identification = partial(
    Stage,
    network="identification",
    architecture=f"{_IDENTIFICATION}:LiteIdentification",
    trainer=f"{_RUNNING}:train_identification",
    batch=64,
)

# Section 3.4. Every stream of every row of Table 1 has had 2,500 steps, of its own or of the stream it starts from; the
# flow stream, which begins as the RGB stream after its first 1,500, has had 1,800 more.
_FIRST: dict[str, Any] = {"plan": Plan(700, 4e-4), "mixture": STILLS, "published": _lite_start("rgb.backbone")}
_BRANCH: dict[str, Any] = {"plan": Plan(800, 4e-4)}
_LAST: dict[str, Any] = {"plan": Plan(1000, 4e-4), "mixture": DRIFTED, "own_guides": 2}
# The set lite-real goes on with collages of real stills, first small patches, then large ones, and at last with real
# video: 1,840 steps for each stream of every row. N_det learns from pictures whose instances are all annotated, which
# those of DAVIS 2016 are not.
_COLLAGES: dict[str, Any] = {"mini": 60, "footage": 120, "collages": 480}
_VIDEO: dict[str, Any] = {"mini": 60, "footage": 60, "collages": 240, "real": 300}
_SMALL: dict[str, Any] = {"mixture": DRIFTED, "own_guides": 2, "patches": (128, 160)}
_LARGE: dict[str, Any] = {**_SMALL, "patches": (160, 192)}
_EVERY: dict[str, Any] = {**_SMALL, "patches": (128, 160, 192)}
_LAST_REAL: dict[str, Any] = {"plan": Plan(240, 3e-4), **_VIDEO, **_LARGE}
_REAL_PACE = {"steps": 40, "learning_rate": 1e-3, "patch": 192, "kept": 0.25}  # of adaptation
_REAL_SETTINGS = {"rho_reid": 0.7, "rho_occ": 0.3, "scales": [1.0, 1.25], "adaptation": _REAL_PACE, "patch": 224}

# Minutes on 2 cores of an AMD EPYC. N_mp of lite: half of those in the logs of data/training, since two stages were
# trained at a time, on a core each. All others: estimates from the time of a step, since their logs are of a busy
# machine. Rendering the scenes comes once on top.
STAGES: dict[str, Stage] = {
    "lite-stills": _rgb(**_FIRST, minutes=4),
    "lite-rgb": _rgb(**_BRANCH, start="lite-stills", minutes=4),
    "lite-flow": _two_streams(**_BRANCH, start="lite-rgb", flow_only=True, minutes=5),
    "lite-propagation": _two_streams(**_LAST, start="lite-flow", minutes=12),
    "lite-box": _rgb(**_LAST, start="lite-rgb", minutes=7),
    "lite-baseline-stills": _rgb(**_FIRST, use_box=False, minutes=4),
    "lite-baseline-rgb": _rgb(**_BRANCH, start="lite-baseline-stills", use_box=False, minutes=4),
    "lite-baseline": _rgb(**_LAST, start="lite-baseline-rgb", use_box=False, minutes=6),
    "lite-baseline-256": _rgb(  # ships no file: row 27 of docs/fidelity.md says what it is for
        **{**_LAST, "plan": Plan(60, 4e-4, warm_up=10), "mini": 240, "footage": 80, "patches": (256,)},
        start="lite-baseline",
        use_box=False,
        minutes=3,
    ),
    "lite-detector": _detector(plan=Plan(800, 4e-4), published=_lite_start("rcnn.backbone.backbone"), minutes=5),
    "lite-identification": _identification(plan=Plan(2000, 4e-4), published=_lite_start("backbone"), minutes=15),
    "lite-real-collages": _two_streams(
        plan=Plan(700, 4e-4), **_COLLAGES, **_SMALL, start="lite-propagation", minutes=32
    ),
    "lite-real-large": _two_streams(
        plan=Plan(900, 3e-4), mini=30, footage=60, collages=720, **_LARGE, start="lite-real-collages", minutes=60
    ),
    "lite-real-propagation": _two_streams(**_LAST_REAL, start="lite-real-large", minutes=16, settings=_REAL_SETTINGS),
    "lite-real-box": _rgb(**_LAST_REAL, start="lite-real-large", minutes=8),
    "lite-real-baseline-collages": _rgb(
        plan=Plan(1600, 3e-4), **_COLLAGES, **_EVERY, start="lite-baseline", use_box=False, minutes=40
    ),
    "lite-real-baseline": _rgb(**_LAST_REAL, start="lite-real-baseline-collages", use_box=False, minutes=8),
    "lite-real-detector": _detector(plan=Plan(800, 3e-4), **_COLLAGES, start="lite-detector", minutes=15),
    "lite-real-identification": _identification(
        plan=Plan(1000, 3e-4), **_COLLAGES, real=150, start="lite-identification", minutes=8
    ),
}
RENDERING_MINUTES = 5
ALL = "all"  # every stage that has minutes, one after the other
TIMED = tuple(STAGES)

FULL_SIZE_RATE = 1e-4  # a guess, as are the steps: nobody has run these stages in full
N_MP_PARTS = ("stills", "rgb", "flow", "propagation", "box", "baseline-stills", "baseline-rgb", "baseline")


def _at_the_papers_size(part: str, published: Published, **changes: Any) -> Stage:
    """The stage `lite-PART` with the paper's network and patch, and ten times the steps."""
    stage = STAGES[f"lite-{part}"]
    origin = {"start": stage.start.replace("lite-", "paper-")} if stage.start else {"published": published}
    plan = replace(stage.plan, steps=10 * stage.plan.steps, learning_rate=FULL_SIZE_RATE)
    size: dict[str, Any] = {"network": f"paper {stage.network}", "patches": (PAPER.propagation.side,), "minutes": None}
    return replace(stage, plan=plan, **origin, **size, **changes)


_RESNET101 = Published(f"{_N_MP}:IMAGENET", "rgb", "; at first ResNet-101's ImageNet weights (torchvision)")
_FASTER_RCNN = Published(f"{_DETECTOR}:COCO", "", "; at first Faster R-CNN's COCO weights (torchvision)")
_RESNET50 = Published(f"{_IDENTIFICATION}:IMAGENET", "", "; at first ResNet-50's ImageNet weights (torchvision)")
for _part in N_MP_PARTS:
    STAGES[f"paper-{_part}"] = _at_the_papers_size(_part, _RESNET101, architecture=f"{_N_MP}:paper_streams")
STAGES["paper-detector"] = _at_the_papers_size("detector", _FASTER_RCNN, architecture=f"{_DETECTOR}:PaperDetector")
STAGES["paper-identification"] = _at_the_papers_size(
    "identification",
    _RESNET50,
    architecture=f"{_IDENTIFICATION}:PaperIdentification",
    trainer=f"{_RUNNING}:train_regions",
    batch=8,
)


def list_stages() -> str:
    """A line for each stage of `vsreid train`."""
    width = max(map(len, STAGES))
    whole = sum(STAGES[name].minutes or 0 for name in TIMED) + RENDERING_MINUTES
    lines = [f"{name:<{width}}  {STAGES[name].minutes:3} min" for name in TIMED]
    lines.append(f"{ALL:<{width}}  {whole:3} min, every stage above, in this order")
    rendering = f"the scenes are rendered first, {RENDERING_MINUTES} min, and kept beside the weights (clips, 8 GB)"
    lines.append(f"on 2 cores; {rendering}")
    untimed = [f"{name:<{width}}  needs a GPU, never timed" for name in STAGES if name not in TIMED]
    return "\n".join([*lines, *untimed])


def check_stills(name: str) -> None:
    """Refuse stills for a stage that does not learn from them.

    Raises:
        ValueError: It does not; says which stages do.
    """
    takers = [stage for stage in STAGES if STAGES[stage].takes_stills]
    if name not in takers:
        raise ValueError(f"{name} does not learn from stills: --stills goes with {', '.join(takers)}")
