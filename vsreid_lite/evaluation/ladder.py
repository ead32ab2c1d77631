"""The rows of Table 1: their configurations, which of them wait for weights, and how their weights were trained."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from vsreid_lite.config import Config, with_propagation
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.networks.weight_files import (
    COCO,
    UNTRAINED,
    WEIGHT_SETS,
    Provenance,
    WeightFiles,
    beside,
    find_provenance,
    network_files,
    read_provenance,
)
from vsreid_lite.system.downloads import hub_file, hub_weights

SCALES = (0.75, 1.0, 1.25)  # of the patch, in the row "+ multi-scale testing", where the weights store none
ADAPTATION = "+ online adaptation (ours)"
PRINTED_ROWS = 5  # rows; the sixth is ours
NOT_MEASURED = "not measured: "
NOT_CHOSEN = f"{NOT_MEASURED}not chosen"
ONE_NETWORK = f"{NOT_MEASURED}the release's N_mp has two streams that were trained together"
MIRRORED = "mirrored, as the release does, instead of several scales"
IMPROVING = "adaptation also sets a rule of ReID: a retrieval must improve on the map"
SPARING = "adaptation also sets a rule of ReID: a retrieval must spare other visible instances"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: as printed.
        config: what is measured.
        missing: why it is not measured; empty where it is.
        note: what a reader of its numbers must know.
        documented: whether the headers of its files say what they have seen in training; files of others have none.
    """

    name: str
    config: Config
    missing: str = ""
    note: str = ""
    documented: bool = True


def ladder(base: Config, chosen: Collection[int] = ()) -> list[Row]:
    """Table 1's five rows in the paper's order, named as printed; with `base.adapt` a sixth, ours.

    Each row has its own weights of the choice `base.weights`: trained on full images, on patches, with both streams.
    A row whose file is not there is not measured.

    Args:
        base: preset, weights, flow, device and seed; the rows set what they are about.
        chosen: the numbers of the rows to measure, from 1; all when none is given.

    Raises:
        FileNotFoundError: as `network_files`.
        ValueError: a number without a row, no row that can be measured, adaptation of the preset "authors", and as
            `network_files` and `read_provenance`.
    """
    if base.preset == "authors" and base.adapt:
        raise ValueError("preset authors: its weights are adapted to the videos already; measure it without --adapt")
    files = network_files(base)
    rows = [_waiting(row, files) for row in _rows(base, files)]
    unknown = sorted(set(chosen) - set(range(1, len(rows) + 1)))
    if unknown:
        ours = "" if base.adapt else f"; {PRINTED_ROWS + 1} is ours, with --adapt"
        raise ValueError(f"row {unknown[0]}: expected numbers from 1 to {len(rows)}, as in Table 1{ours}")
    if chosen:
        rows = [r if i in chosen else replace(r, missing=NOT_CHOSEN) for i, r in enumerate(rows, 1)]
    if base.preset != "lite" and base.weights != UNTRAINED and files.detector is None:
        rows = _with_published_detector(rows)
    if all(row.missing for row in rows):
        reasons = dict.fromkeys(row.missing.removeprefix(NOT_MEASURED) for row in rows if row.missing != NOT_CHOSEN)
        raise ValueError(f"weights {base.weights or base.preset}: no row can be measured: {'; '.join(reasons)}")
    return rows


def adapted(rows: list[Row]) -> list[Row]:
    """The rows of the paper's ladder, with N_mp adapted to each instance (row 26 of docs/fidelity.md)."""
    return [
        replace(row, config=replace(row.config, adapt=True), note=_notes(row.note, *_adapted_rules(row.config)))
        for row in rows[:PRINTED_ROWS]
    ]


def _adapted_rules(config: Config) -> list[str]:
    """The rules of ReID that adaptation sets (row 13 of docs/fidelity.md)."""
    improving = config.matching.improvement is None and config.adaptation.improvement is not None
    sparing = config.adaptation.spare_others and not config.release.spare_others
    return [rule for rule, sets in ((IMPROVING, improving), (SPARING, sparing)) if sets and config.reid]


def _notes(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _rows(base: Config, files: WeightFiles) -> list[Row]:
    baseline, box, flow_stream, reid, multi_scale = (row.name for row in table1())
    plain = with_propagation(
        replace(base, adapt=False, reid=False), use_box=True, use_flow=True, scales=(1.0,), flip=False
    )
    retrieving = replace(plain, reid=True)
    mirrored = MIRRORED if base.propagation.flip else ""
    best = with_propagation(retrieving, flip=bool(mirrored), scales=(1.0,) if mirrored else _scales(base, files))
    rows = [
        Row(baseline, with_propagation(plain, use_box=False, use_flow=False)),
        Row(box, with_propagation(plain, use_flow=False)),
        Row(flow_stream, plain),
        Row(reid, retrieving),
        Row(multi_scale, best, note=mirrored),
    ]
    ours = Row(
        ADAPTATION, replace(best, adapt=True), note=_notes("not in the paper's table", mirrored, *_adapted_rules(best))
    )
    return [*rows, ours] if base.adapt else rows


def _scales(base: Config, files: WeightFiles) -> tuple[float, ...]:
    """Those chosen on mini-val, which are stored with N_mp of the rows 3 to 6 of the preset lite."""
    settings = read_provenance(files.propagation).settings if base.preset == "lite" and files.propagation else {}
    return tuple(settings.get("scales", SCALES))


def _waiting(row: Row, files: WeightFiles) -> Row:
    """The row, with the reason and the command where a file that it needs is not there."""
    config = row.config
    if config.preset == "authors" and not (config.propagation.use_box and config.propagation.use_flow):
        return replace(row, missing=ONE_NETWORK)
    if config.weights == UNTRAINED:
        return row
    needed = files.used(config)
    if config.preset != "lite" and files.detector is None:
        needed.pop("detector", None)  # torchvision's, which can be fetched
    absent = [name for name, path in needed.items() if path is None or not path.is_file()]
    if absent:
        return replace(row, missing=f"{NOT_MEASURED}{_how_to_get(config, absent[0])}")
    headers = {name: find_provenance(path) for name, path in needed.items() if path and path != hub_file(COCO)}
    streams = headers.get("propagation")
    if streams and streams.network.endswith("rgb"):
        return replace(row, missing=f"{NOT_MEASURED}{Path(config.weights).name} has no flow stream")
    return replace(row, documented=all(headers.values()))


def _with_published_detector(rows: list[Row]) -> list[Row]:
    """N_det of the large presets, fetched once and here, since no worker should; the rows that need it wait without."""
    try:
        if any(row.config.reid and not row.missing for row in rows):
            hub_weights(COCO)
    except OSError as error:
        missing = f"{NOT_MEASURED}{error}"
        return [replace(row, missing=row.missing or missing) if row.config.reid else row for row in rows]
    return rows


def _how_to_get(config: Config, part: str) -> str:
    """Which file is not there, and the command that makes it; that of one's own file, for another part."""
    weights, own = config.weights, Path(config.weights)
    if weights in WEIGHT_SETS:
        return f"no file {weights}-{part}; make it: vsreid train {weights}-{part}"
    if config.preset != "lite" and part == "identification":
        return "no file of N_reid; give one with --identification"
    path = beside(own, part)
    if config.preset != "lite":
        return f"no file {path}; vsreid train paper-{part} makes one"
    command = read_provenance(own).command.replace("-propagation", f"-{part}")
    return f"no file {path}; make it: {command} --output {path}"


def training_budget(rows: list[Row]) -> list[dict[str, object]]:
    """What the weights of the measured rows were trained with, as the headers of their files say.

    Returns:
        One entry for each weight file with a header, in the order of the rows; files of others have none. "stages" are
        the steps of each stage that led to the file, by name, the first one first; "steps" their sum.
    """
    files = network_files(rows[0].config)
    used: dict[Path, list[str]] = {}
    for row in rows:
        for file in files.used(row.config).values():
            if file and not row.missing:
                used.setdefault(file, []).append(row.name)
    entries: list[dict[str, object]] = []
    for file, names in used.items():
        header = find_provenance(file)
        if header is None:
            continue
        stages = _stages(header)
        entries.append(
            {
                "file": file.stem,
                "rows": names,
                "stages": stages,
                "steps": sum(stages.values()),
                "command": header.command,
                "seed": header.seed,
                "data": header.data,
                "sequences": list(header.sequences),
                "settings": dict(header.settings),
            }
        )
    return entries


def _stages(header: Provenance) -> dict[str, int]:
    """Steps by stage, of each stage before it where the header has them."""
    before = list(zip(header.start, header.start_steps, strict=True))
    stages = [*before, (header.command, header.steps)]
    return {_stage(command) or header.network: steps for command, steps in stages}


def _stage(command: str) -> str:
    """The stage of a `vsreid train` command; "" for another one."""
    words = command.split()
    return words[2] if words[:2] == ["vsreid", "train"] and len(words) > 2 else ""
