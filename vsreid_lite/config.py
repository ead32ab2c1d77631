"""Every constant of the method, once, with the place in the paper it comes from; the presets; and fields by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import SequenceMatcher
from functools import reduce
from pathlib import Path
from types import NoneType
from typing import get_args, get_type_hints


@dataclass(frozen=True)
class PropagationConfig:
    """Algorithm 1 and its test-time augmentation. Rows are those of docs/fidelity.md; the defaults are the paper's.

    A patch of None is the one that is stored with the weights (`networks.loading.with_stored_settings` fills it in).
    """

    patch: int | None = None  # row 1; section 3.1: "a fixed size", not given; the release uses 449
    enlarge: float = 0.15  # row 2; section 3.1: "slightly enlarge"; of width and height, on each side
    use_box: bool = True  # Table 1, row 2: a patch of the instance instead of the full image
    use_flow: bool = True  # Table 1, row 3: the flow stream beside the RGB stream
    scales: tuple[float, ...] = (1.0,)  # row 23; Table 1, row 5: multi-scale testing
    flip: bool = False  # row 23: the release's augmentation instead
    autocast: bool = True  # bfloat16 on a GPU, N_det and N_reid too; a CPU always computes in float32

    @property
    def side(self) -> int:
        """The side of the patch in pixels: 128 for weights that store none."""
        return 128 if self.patch is None else self.patch


@dataclass(frozen=True)
class ReidConfig:
    """Algorithm 2. Its thresholds are "selected on the validation set" (section 3.2): ours by `vsreid choose`.

    A threshold of None is the one that is stored with the weights (`networks.loading.with_stored_settings` fills it
    in). An improvement of None is no such rule; beside an adapted N_mp it is that of `AdaptationConfig`.
    """

    rho_reid: float | None = None  # row 12
    rho_occ: float | None = None  # row 13: the largest IoU with the box that the instance has already
    proposals: int = 20  # row 28: at most this many candidates in each frame, the best ones; Algorithm 2 has no limit
    improvement: float | None = None  # row 13, ours: more like the template, by so much, than what the map shows

    @property
    def thresholds(self) -> tuple[float, float]:
        """rho_reid and rho_occ as numbers: 0.7 and 0.5 for weights that store none."""
        return 0.7 if self.rho_reid is None else self.rho_reid, 0.5 if self.rho_occ is None else self.rho_occ


@dataclass(frozen=True)
class ReleaseRules:
    """Where the authors' release leaves the paper, rule by rule. Rows are those of docs/fidelity.md.

    The defaults are the paper's; `AUTHORS` has the release's. Ranges: `absent_below` is a share in [0, 1], `passes` is
    at least 1, `joint_passes` at least 0.
    """

    truncated_box: bool = False  # row 2: the fractions of the enlarged corners dropped, not the margin rounded
    merged_box: bool = False  # row 3: the box of the instance's label in the merged map, not of its own map
    merged_guide: bool = False  # row 4: the guide is the instance's channel of the merged map
    averaged_warp: bool = False  # row 5: forward and backward flow averaged, nearest pixel, last row and column lost
    unscaled_flow: bool = False  # row 6: displacements in pixels of the frame, not of the patch
    previous_flow: bool = False  # row 6: the flow of the recovered frame is that towards the frame before
    summed_logits: bool = False  # row 7: one softmax of the streams' summed logits, not the mean of probabilities
    only_absent: bool = False  # row 13: retrieve an instance only where it is absent
    spare_others: bool = False  # row 13: rho_occ bounds the IoU with every other visible instance too
    exclusive: bool = False  # row 14: refuse a candidate that another absent instance is more like
    absent_below: float = 0.0  # row 16: not propagated where its area is below this share of that in the first frame
    fill_gap: bool = False  # row 17: recover only up to the nearest frames where the instance is visible
    joint_sweep: bool = False  # row 18: instances whose warped boxes touch are predicted again with it
    passes: int = 1  # row 19: of N_mp in the candidate's box, each guided by the one before
    joint_passes: int = 0  # row 19: then so many more, together with the instances that have pixels in its box
    clear_others: bool = False  # row 19: what it takes (above 0.5) is taken from all others
    persons_first: bool = False  # row 21: search persons, with networks of their own, before all instances
    skip_last: bool = False  # row 22: the last frame is not searched

    @property
    def fusion(self) -> str:
        """How N_mp joins its streams (row 7): "probabilities" or "logits"."""
        return "logits" if self.summed_logits else "probabilities"

    @property
    def of_retrieval_alone(self) -> bool:
        """Whether no rule is on that changes maps or their order, which `release.py` is for."""
        return replace(self, only_absent=False, spare_others=False, exclusive=False, skip_last=False) == PRINTED


PRINTED = ReleaseRules()  # the paper's own algorithms


@dataclass(frozen=True)
class AdaptationConfig:
    """Online adaptation: N_mp fine-tuned on the given masks (Lucid Dreaming, MaskTrack).

    Steps, a learning rate, a patch or a share of None are those that are stored with the weights.
    """

    steps: int | None = None  # for each instance
    patch: int | None = None  # the side that it learns from; where none is stored, that of `PropagationConfig`
    batch: int = 4
    learning_rate: float | None = None
    recompositions: int = 40
    hard_guides: float = 0.5  # share of the guides corrupted hard
    leaking_guides: float = 0.35  # of guides with another instance beside them, the share that cover a part of it
    kept: float | None = None  # share of the weights before in their mean with the learnt ones (WiSE-FT); else 0
    improvement: float | None = 0.2  # `ReidConfig.improvement` where that is None; None: no such rule
    spare_others: bool = True  # turns `ReleaseRules.spare_others` on; False leaves it as it is

    @property
    def pace(self) -> tuple[int, float]:
        """Steps and learning rate as numbers: 100 and 1e-3 for weights that store none."""
        return 100 if self.steps is None else self.steps, 1e-3 if self.learning_rate is None else self.learning_rate


@dataclass(frozen=True)
class Config:
    """One run of VS-ReID. Immutable: derive another with `dataclasses.replace`."""

    preset: str = "lite"  # the networks' architecture: "lite", "paper" or "authors"
    weights: str = "lite"  # name of shipped weights, or the path of an N_mp file; "" where none ships
    detector_weights: str | None = None  # path of an N_det file instead of that of `weights`
    identification_weights: str | None = None  # path of an N_reid file instead of that of `weights`
    flow: str = "dis"
    reid: bool = True  # Table 1, row 4: Algorithm 3 line 10 onwards
    adapt: bool = False  # online adaptation, an additional sixth row of our Table 1; row 26
    device: str = "auto"
    seed: int = 0
    # Bytes of frames, flows and maps in memory; None: a quarter of the free memory, at most 1 GiB unless on a GPU.
    cache: int | None = None
    propagation: PropagationConfig = field(default_factory=PropagationConfig)
    matching: ReidConfig = field(default_factory=ReidConfig)
    release: ReleaseRules = PRINTED
    adaptation: AdaptationConfig = field(default_factory=AdaptationConfig)


FLOWS = (
    "dis",
    "dis-tuned",
    "dis-ultrafast",
    "dis-fast",
    "dis-medium",
    "raft",
    "raft-small",
    "raft:FILE",
    "flownet2",
    "flownet2:FILE",
)


def check_flow_name(name: str) -> None:
    """That `Config.flow` is one of `FLOWS`, or a folder of .flo and .rflo files. Raises ValueError."""
    kind, _, file = name.partition(":")
    if name not in FLOWS and not (file and f"{kind}:FILE" in FLOWS) and not Path(name).is_dir():
        raise ValueError(f"flow {name!r}: expected one of {', '.join(FLOWS)}, or a folder of .flo files")


LITE = Config()
PAPER = Config("paper", weights="", flow="flownet2", propagation=PropagationConfig(patch=449, use_flow=True))
AUTHORS = Config(
    "authors",
    weights="",
    flow="flownet2",
    propagation=PropagationConfig(patch=449, use_flow=True, flip=True),
    matching=ReidConfig(rho_reid=0.5, rho_occ=0.3),
    release=ReleaseRules(
        truncated_box=True,
        merged_box=True,
        merged_guide=True,
        averaged_warp=True,
        unscaled_flow=True,
        previous_flow=True,
        summed_logits=True,
        only_absent=True,
        spare_others=True,
        exclusive=True,
        absent_below=0.1,
        fill_gap=True,
        joint_sweep=True,
        passes=5,
        joint_passes=5,
        clear_others=True,
        persons_first=True,
        skip_last=True,
    ),
)
PRESETS = {config.preset: config for config in (LITE, PAPER, AUTHORS)}  # networks, sizes and rules together


def with_propagation(config: Config, **changes: object) -> Config:
    """`config` with some fields of its propagation part replaced."""
    return replace(config, propagation=replace(config.propagation, **changes))  # type: ignore[arg-type]


READERS: dict[object, tuple[str, Callable[[str], object]]] = {  # of a value as text: what it is, and how it is read
    bool: ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    int: ("a whole number", int),
    float: ("a number", float),
    tuple[float, ...]: ("numbers with commas between them", lambda text: tuple(map(float, text.split(",")))),
    str: ("a text", str),
}
RANGES = {  # of numbers that have one, both ends included
    "seed": (0, math.inf),
    "cache": (0, math.inf),
    "propagation.patch": (1, math.inf),
    "propagation.enlarge": (0, math.inf),
    "propagation.scales": (0.1, 10),
    "matching.proposals": (1, math.inf),
    "release.absent_below": (0, 1),
    "release.passes": (1, math.inf),
    "release.joint_passes": (0, math.inf),
    "adaptation.steps": (1, math.inf),
    "adaptation.patch": (1, math.inf),
    "adaptation.batch": (1, math.inf),
    "adaptation.learning_rate": (0, math.inf),
    "adaptation.recompositions": (1, math.inf),
    "adaptation.hard_guides": (0, 1),
    "adaptation.leaking_guides": (0, 1),
    "adaptation.kept": (0, 1),
}


def with_settings(config: Config, settings: Iterable[str]) -> Config:
    """`config` with some fields replaced, each named and given as text: "release.exclusive=true".

    A value is true or false, a number, several numbers with commas between them, or a text, as the field is; and none
    where the field may be None. The preset is no such field, since networks, sizes and rules come with it.

    Raises:
        ValueError: there is no such field, or the value is none of its kind.
    """
    return reduce(_with_setting, settings, config)


def changed_settings(config: Config) -> list[str]:
    """The fields in which `config` differs from its preset, as `with_settings` takes them."""
    usual = _values(PRESETS[config.preset])
    return [f"{name}={_as_text(value)}" for name, value in _values(config).items() if value != usual[name]]


def _with_setting(config: Config, setting: str) -> Config:
    name, equals, text = setting.partition("=")
    if not equals:
        raise ValueError(f"{setting}: expected NAME=VALUE, as release.exclusive=true")
    kinds = _kinds()
    if name == "preset":
        raise ValueError(f"{setting}: networks, sizes and rules come with a preset; choose it by --preset")
    if name not in kinds:
        raise ValueError(f"{setting}: Config has no field {name!r}; the nearest is {_nearest(name, kinds)}")
    value = _read(setting, name, text, kinds[name])
    part, _, last = name.rpartition(".")
    changed = replace(getattr(config, part), **{last: value}) if part else value
    return replace(config, **{part or name: changed})  # type: ignore[arg-type]


def _read(setting: str, name: str, text: str, kind: object) -> object:
    """The value of a field from its text."""
    kinds = get_args(kind) if NoneType in get_args(kind) else (kind,)
    if NoneType in kinds and text.lower() == "none":
        return None
    what, read = READERS[kinds[0]]
    low, high = RANGES.get(name, (-math.inf, math.inf))
    try:
        value = read(text)
        numbers = value if isinstance(value, tuple) else (value,)
        if all(isinstance(one, str) or (math.isfinite(one) and low <= one <= high) for one in numbers):
            return value
    except (KeyError, ValueError):
        pass
    ends = "" if name not in RANGES else f" from {low:g} on" if high == math.inf else f" from {low:g} to {high:g}"
    none = ", or none" * (NoneType in kinds)
    raise ValueError(f"{setting}: expected {what}{ends}{none}, found {text!r}")


def _kinds() -> dict[str, object]:
    """The type of each field, by its name; fields of a part have its name before theirs."""
    kinds: dict[str, object] = {}
    for name, kind in get_type_hints(Config).items():
        parts = get_type_hints(kind) if is_dataclass(kind) else {}
        kinds |= {f"{name}.{part}": of_part for part, of_part in parts.items()} or {name: kind}
    return kinds


def _nearest(name: str, known: Iterable[str]) -> str:
    """The name most like another: one of its own fields for a part, else first in what is behind the point."""

    def likeness(one: str) -> tuple[float, float]:
        ends = (one.rpartition(".")[2], name.rpartition(".")[2])
        return SequenceMatcher(None, *ends).ratio(), SequenceMatcher(None, one, name).ratio()

    return max([one for one in known if one.startswith(f"{name}.")] or known, key=likeness)


def _values(part: object, prefix: str = "") -> dict[str, object]:
    """The fields of a configuration or a part of it, with their values."""
    values: dict[str, object] = {}
    for one in fields(part):  # type: ignore[arg-type]
        value = getattr(part, one.name)
        values |= _values(value, f"{one.name}.") if is_dataclass(value) else {f"{prefix}{one.name}": value}
    return values


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_as_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
