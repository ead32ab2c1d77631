"""Which files hold the weights of a configuration, and whether they are there; torch is not needed for it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from vsreid_lite.config import PRESETS, Config, PropagationConfig
from vsreid_lite.networks.provenance import SHIPPED, find_provenance, read_provenance

UNTRAINED = "random"  # as `Config.weights`: the networks' sizes and speed, and nothing else
AUTHORS_FILE = "MP2S.pth.tar"  # the release's name for its N_mp
WEIGHT_SETS = ("lite", "lite-davis")


@dataclass(frozen=True)
class WeightFiles:
    """The files of one choice of weights: N_mp of Table 1's rows 1, 2 and 3 to 6, N_det and N_reid; None: not there."""

    baseline: Path | None
    box: Path | None
    propagation: Path | None
    detector: Path | None
    identification: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        """Those that are there."""
        return tuple(file for file in vars(self).values() if file is not None)

    def sequences(self) -> frozenset[str]:
        """Every real sequence that one of the files has seen in training, by their headers; others' files have none."""
        headers = (find_provenance(file) for file in self.all)
        return frozenset(name for header in headers if header for name in header.sequences)

    def of_streams(self, config: PropagationConfig) -> tuple[str, Path | None]:
        """The name of the N_mp file that `config` needs, and the file."""
        name = "baseline" if not config.use_box else "propagation" if config.use_flow else "box"
        return name, getattr(self, name)

    def used(self, config: Config) -> dict[str, Path | None]:
        """The files that the networks of `config` need, by the names above."""
        part, file = self.of_streams(config.propagation)
        modules = {"detector": self.detector, "identification": self.identification}
        return {part: file, **(modules if config.reid else {})}


def weight_files(weights: str) -> WeightFiles:
    """The files of a shipped set ("lite", "lite-davis"), or an N_mp file NAME-propagation.safetensors of one's own.

    With one's own come the other files NAME-*.safetensors beside it; N_det and N_reid, where it has none, are lite's.
    Raises FileNotFoundError for a name that is neither a set nor a file.
    """
    if weights in WEIGHT_SETS:
        return _beside(SHIPPED / f"{weights}-propagation.safetensors")
    own = Path(weights)
    if not own.is_file():
        raise FileNotFoundError(f"{weights}: expected {' or '.join(WEIGHT_SETS)} or a weight file, found neither")
    files = _beside(own)
    lite = {part: SHIPPED / f"lite-{part}.safetensors" for part in ("detector", "identification")}
    return replace(files, propagation=own, **{part: getattr(files, part) or file for part, file in lite.items()})


def named_files(config: Config) -> WeightFiles:
    """The files that the preset and the weights of `config` name, and N_det and N_reid of its own.

    Preset "lite": as `weight_files`. "paper": a file of one's own and those beside it, by the same names; "authors":
    the release's N_mp alone; random weights have no file. Raises FileNotFoundError for a file that is named and not
    there, and as `propagation_file`; ValueError for another preset.
    """
    if config.preset not in PRESETS:
        raise ValueError(f"preset {config.preset!r}: expected one of {', '.join(PRESETS)}")
    files = weight_files(config.weights) if config.preset == "lite" else _full_size_files(config)
    own = {"detector": config.detector_weights, "identification": config.identification_weights}
    given = {part: Path(file) for part, file in own.items() if file is not None}
    for file in given.values():
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such weight file")
    return replace(files, **given)


def check_weights(config: Config) -> None:
    """That the weights of `config` are there and, those of the preset "lite", that they are such files; in a moment.

    Raises FileNotFoundError and ValueError as `named_files` and `read_provenance`, and for a part that is missing.
    """
    files = named_files(config)
    if config.preset == "lite":
        for part, file in files.used(config).items():
            read_provenance(needed(file, part, config.weights))
    elif config.reid and config.weights != UNTRAINED and files.identification is None:
        raise FileNotFoundError(no_identification(config))


def _full_size_files(config: Config) -> WeightFiles:
    nothing = WeightFiles(None, None, None, None, None)
    if config.weights == UNTRAINED:
        return nothing
    own = propagation_file(config)
    return replace(nothing if config.preset == "authors" else _beside(own), propagation=own)


def _beside(propagation: Path) -> WeightFiles:
    """The files NAME-PART beside NAME-propagation, or beside NAME, that are there."""
    files = {part: beside(propagation, part) for part in WeightFiles.__annotations__}
    return WeightFiles(**{part: file if file.is_file() else None for part, file in files.items()})


def beside(propagation: Path, part: str) -> Path:
    """NAME-PART for the N_mp file NAME-propagation, or NAME, with its suffix."""
    return propagation.with_name(f"{propagation.stem.removesuffix('-propagation')}-{part}{propagation.suffix}")


def needed(file: Path | None, part: str, weights: str) -> Path:
    """`file`, the one of a part of the preset "lite". Raises FileNotFoundError where it is None."""
    if file is None:
        name = f"{weights}-{part}"
        where = SHIPPED / f"{name}.safetensors"
        raise FileNotFoundError(f"weights {weights}: no {part} file; make it: vsreid train {name} --output {where}")
    return file


def propagation_file(config: Config) -> Path:
    """N_mp's file that the preset "paper" or "authors" is given; of "authors", also that in torch's hub folder.

    Raises FileNotFoundError where it is not there, or none is given.
    """
    path = Path(config.weights) if config.weights else hub_file(AUTHORS_FILE)
    if config.preset == "paper" and not config.weights:
        raise FileNotFoundError(_wanted("paper", "N_mp", "weights (--weights)", "a file of its ResNet-101 streams"))
    if not config.weights and not path.is_file():
        raise FileNotFoundError(
            _wanted("authors", "N_mp", "weights (--weights)", f"the release's {AUTHORS_FILE}, or put it at {path}")
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a checkpoint (.pth, .pth.tar, .pt or .safetensors), found no such file"
        )
    return path


def no_identification(config: Config) -> str:
    """What is missing where a preset of the paper's size has no N_reid."""
    what = "a file of the Identification Net"
    return _wanted(config.preset, "N_reid", "identification_weights (--identification)", what)


def _wanted(preset: str, network: str, option: str, what: str) -> str:
    return (
        f"preset {preset}: no weights of its {network} ship with this package; set {option} to {what}, or weights to "
        f"{UNTRAINED!r} for untrained networks, which show speed and nothing else"
    )


def hub_file(url: str) -> Path:
    """Where the file of `url` lies in torch's hub folder (the environment's TORCH_HOME moves it), there or not."""
    return _hub_folder() / "checkpoints" / Path(urlsplit(url).path).name


def _hub_folder() -> Path:
    """torch's own answer where torch is loaded, else by the rule that it documents."""
    if "torch.hub" in sys.modules:
        return Path(sys.modules["torch.hub"].get_dir())
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", Path(cache, "torch"))).expanduser() / "hub"
