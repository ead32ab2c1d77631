"""Which files hold the weights of a configuration, and what their headers say; read without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from vsreid_lite import __version__
from vsreid_lite.config import PRESETS, Config, PropagationConfig
from vsreid_lite.system.downloads import hub_file
from vsreid_lite.system.files import PACKAGE
from vsreid_lite.system.machine import Finding, one_line
from vsreid_lite.system.wording import counted

SHIPPED = PACKAGE / "weights"
LISTS = ("sequences", "start", "start_steps")  # tuples that JSON has made lists of
PICKLES = (b"PK\x03\x04", b"\x80\x02\x8a", b"\x80\x04\x95")  # their first bytes: of torch.save, new and old; plain
UNTRAINED = "random"  # as `Config.weights`: the networks' sizes and speed, and nothing else
AUTHORS_FILE = "MP2S.pth.tar"  # the release's name for its N_mp
WEIGHT_SETS = ("lite", "lite-real")
COCO = "https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"  # as torchvision has it
REPLACED = {"lite-davis": "lite-real"}  # sets that shipped before, and what to use now


@dataclass(frozen=True)
class Provenance:
    """What a weight file was made from: enough to make it again, and to know what it must not be tested on."""

    network: str  # "rgb", "two streams", "detector" or "identification"; "paper ..." at the paper's sizes
    data: str
    command: str  # of the last stage
    seed: int
    steps: int
    version: str = __version__
    sequences: tuple[str, ...] = ()  # the real sequences it has seen
    settings: Mapping[str, Any] = field(default_factory=dict)  # thresholds, scales, adaptation; the patch
    start: tuple[str, ...] = ()  # the commands of the stages before it, the first one first,
    start_steps: tuple[int, ...] = ()  # and the steps of each


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
    """The files of a shipped set ("lite", "lite-real"), or an N_mp file NAME-propagation.safetensors of one's own.

    With one's own come the other files NAME-*.safetensors beside it; N_det and N_reid, where it has none, are lite's.

    Raises:
        FileNotFoundError: The name is neither a set nor a file.
    """
    if weights in WEIGHT_SETS:
        return _beside(SHIPPED / f"{weights}-propagation.safetensors")
    own = Path(weights)
    if not own.is_file():
        if weights in REPLACED:
            raise FileNotFoundError(f"{weights}: these weights were replaced by {REPLACED[weights]}; use that name")
        raise FileNotFoundError(f"{weights}: expected {' or '.join(WEIGHT_SETS)} or a weight file, found neither")
    files = _beside(own)
    lite = {part: SHIPPED / f"lite-{part}.safetensors" for part in ("detector", "identification")}
    return replace(files, propagation=own, **{part: getattr(files, part) or file for part, file in lite.items()})


def named_files(config: Config) -> WeightFiles:
    """The files that the preset and the weights of `config` name, and N_det and N_reid of its own.

    Preset "lite": as `weight_files`. "paper": a file of one's own and those beside it, by the same names; "authors":
    the release's N_mp alone; random weights have no file.

    Raises:
        FileNotFoundError: A file that is named is not there, or one that is needed is not named.
        ValueError: There is no such preset.
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


def network_files(config: Config) -> WeightFiles:
    """As `named_files`; N_det of the presets "paper" and "authors" is torchvision's where there is no other."""
    files, published = named_files(config), hub_file(COCO)
    if config.preset != "lite" and config.weights != UNTRAINED and files.detector is None and published.is_file():
        return replace(files, detector=published)
    return files


def read_files(config: Config) -> list[Path]:
    """The files of weights and flow that a configuration is read from; what is no path may be among them."""
    flow = Path(config.flow.rpartition(":")[2])
    return [*named_files(config).all, *([flow, *flow.glob("*flo")] if flow.is_dir() else [flow])]


def check_weights(config: Config) -> None:
    """That the weights of `config` are there and, those of the preset "lite", that they are such files; in a moment.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged or of another kind, or there is no such preset.
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
    """`file`, the one of a part of the preset "lite".

    Raises:
        FileNotFoundError: It is None.
    """
    if file is None:
        name = f"{weights}-{part}"
        where = SHIPPED / f"{name}.safetensors"
        raise FileNotFoundError(f"weights {weights}: no {part} file; make it: vsreid train {name} --output {where}")
    return file


def propagation_file(config: Config) -> Path:
    """N_mp's file that the preset "paper" or "authors" is given; of "authors", also that in torch's hub folder.

    Raises:
        FileNotFoundError: It is not there, or none is given.
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


def read_provenance(path: Path) -> Provenance:
    """The header of a weight file.

    Raises:
        FileNotFoundError: There is no such weight file.
        ValueError: The file is damaged or of another kind.
    """
    with opened(path, "np") as file:
        return provenance_of(path, file.metadata())


def examine_weights(name: str, file: Path | None, wanted: bool = True) -> Finding:
    """Whether a weight file is there and can be read, and what it was trained on.

    Args:
        name: Of the stage that makes it, such as "lite-detector".
        file: None where there is none.
        wanted: Whether the notebooks or `vsreid segment` need it.
    """
    again = "`git checkout -- vsreid_lite/weights`, or install the package again"
    advice = f"get it again ({again}), or make it: vsreid train {name}"
    if file is None:
        return Finding(f"weights {name}", False, f"no file; {advice}", wanted)
    try:
        made = read_provenance(file)
    except (OSError, ValueError) as error:
        return Finding(f"weights {name}", False, f"{one_line(error)}; {advice}", wanted)
    seen = f"; has seen {counted(len(made.sequences), 'real sequence')}" if made.sequences else ""
    return Finding(f"weights {name}", True, f"version {made.version}, {made.steps} steps on {made.data}{seen}", wanted)


def find_provenance(path: Path) -> Provenance | None:
    """The header of a weight file; None for a file of others.

    Raises:
        ValueError: The header is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):  # of another kind, or damaged, which is said when it is loaded
        return None
    return provenance_of(path, metadata) if "provenance" in metadata else None


@contextmanager
def opened(path: Path, framework: str) -> Iterator[Any]:
    """A weight file to read from, for the arrays of a framework: "pt" or "np".

    Raises:
        FileNotFoundError: There is no such weight file.
        ValueError: The file is damaged or of another kind, which is named where it is a pickle.
    """
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(f"{path}: no such weight file; shipped are {shipped}")
    try:
        with safe_open(path, framework) as file:
            yield file
    except (SafetensorError, OSError) as error:
        with path.open("rb") as file:
            pickled = file.read(4).startswith(PICKLES)
        found = f"a truncated, damaged or other one ({error}); get it again, or make it again with `vsreid train`"
        if pickled:
            found = "a pickle, as of torch.save; weights of others end in .pth and go with --preset paper or authors"
        raise ValueError(f"{path}: expected a whole safetensors file, found {found}") from error


def provenance_of(path: Path, metadata: Mapping[str, str] | None) -> Provenance:
    """The provenance in the metadata of a safetensors file.

    Raises:
        ValueError: There is none, or another one.
    """
    if "provenance" not in (metadata or {}):
        raise ValueError(f"{path}: expected a weight file of vsreid_lite, found no provenance in its header")
    try:
        values = dict(json.loads((metadata or {})["provenance"]))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a provenance as a JSON object in its header, found {error}") from error
    known = {part.name for part in fields(Provenance)}
    problems = [f"no {name}" for name in sorted(known - values.keys())]
    problems += [f"{name[:40]}, which is unknown" for name in sorted(values.keys() - known)]
    if problems:
        version = other_version(values.get("version"))
        raise ValueError(f"{path}: expected {len(known)} fields of provenance, found {'; '.join(problems)}{version}")
    if others := [part.name for part in fields(Provenance) if not _fits(values[part.name], str(part.type))]:
        raise ValueError(
            f"{path}: expected a provenance of vsreid_lite, found values of another type for {' and '.join(others)}"
        )
    return Provenance(**{**values, **{name: tuple(values[name]) for name in LISTS}})


def _fits(value: object, kind: str) -> bool:
    """Whether a value from JSON is of the type of a field of `Provenance`."""
    if kind.startswith("Mapping"):
        return isinstance(value, dict) and _is_setting(value)
    if kind.startswith("tuple"):
        return isinstance(value, list) and all(_fits(one, kind.removeprefix("tuple[")) for one in value)
    return isinstance(value, str if kind.startswith("str") else int)


def _is_setting(value: object) -> bool:
    """Whether a value is a number or none, or holds such alone, in lists or by name."""
    if isinstance(value, (dict, list)):
        return all(map(_is_setting, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (int, float))


def other_version(version: object) -> str:
    """A hint where the file comes from another version of this package."""
    if version == __version__:
        return ""
    return f"; the file was written by vsreid_lite {version or 'of an unknown version'}, this is {__version__}"
