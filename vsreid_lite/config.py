"""Every constant of the method, once, with the place in the paper it comes from; the presets; the ablation ladder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class PropagationConfig:
    """Algorithm 1 and its test-time augmentation."""

    patch: int = 128  # section 3.1: "a fixed size", not given; the release uses 449
    enlarge: float = 0.15  # section 3.1: "slightly enlarge"; the release's margin, of width and height on each side
    use_box: bool = True  # Table 1, row 2: a patch of the instance instead of the full image
    scales: tuple[float, ...] = (1.0,)  # Table 1, row 5: multi-scale testing
    flip: bool = False  # the release's augmentation instead
    autocast: bool = True  # bfloat16 on a GPU; a CPU always computes in float32


@dataclass(frozen=True)
class ReidConfig:
    """Algorithm 2. Its thresholds are "selected on the validation set" (section 3.2): ours on six of mini-val."""

    rho_reid: float = 0.7
    rho_occ: float = 0.5
    proposals: int = 20
    only_absent: bool = False  # the release's condition: retrieve an instance only where its map is empty


@dataclass(frozen=True)
class AdaptationConfig:
    """Online adaptation: N_mp fine-tuned on the first frame (FACTS: Lucid Dreaming, MaskTrack)."""

    steps: int = 220
    batch: int = 8
    learning_rate: float = 1e-3
    recompositions: int = 40
    hard_guides: float = 0.5  # share of the guides corrupted hard
    seconds: float = 60.0  # for each instance, then it stops: 2 cores need about 25


@dataclass(frozen=True)
class Config:
    """One run of VS-ReID. Immutable: derive another with `dataclasses.replace`."""

    preset: str = "lite"
    weights: str = "lite"  # name of shipped weights, or the path of an N_mp file
    flow: str = "dis"
    reid: bool = True  # Table 1, row 4: Algorithm 3 line 10 onwards
    adapt: bool = False  # a sixth row of Table 1, ours
    device: str = "auto"
    seed: int = 0
    propagation: PropagationConfig = field(default_factory=PropagationConfig)
    matching: ReidConfig = field(default_factory=ReidConfig)
    adaptation: AdaptationConfig = field(default_factory=AdaptationConfig)


LITE = Config()


def with_propagation(config: Config, **changes: object) -> Config:
    """`config` with some fields of its propagation part replaced."""
    return replace(config, propagation=replace(config.propagation, **changes))  # type: ignore[arg-type]
