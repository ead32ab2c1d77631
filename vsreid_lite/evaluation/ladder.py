"""The rows of Table 1: which configuration each stands for, and which wait for their weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from vsreid_lite.config import Config, with_propagation
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.models.loading import WEIGHT_SETS, WeightFiles, weight_files
from vsreid_lite.models.weights import read_provenance

SCALES = (0.75, 1.0, 1.25)  # of the patch, in the row "+ multi-scale testing", where the weights store none
ADAPTATION = "+ online adaptation (ours)"
PRINTED = 5  # rows; the sixth is ours
NOT_MEASURED = "not measured: "
NOT_CHOSEN = f"{NOT_MEASURED}not chosen"


@dataclass(frozen=True)
class Row:
    """One row. missing: why it is not measured; empty where it is. note: what a reader of its numbers must know."""

    name: str
    config: Config
    missing: str = ""
    note: str = ""


def ladder(base: Config, chosen: Collection[int] = ()) -> list[Row]:
    """Table 1's five rows in the paper's order, named as printed; with `base.adapt` a sixth, ours.

    Each row has its own weights of the choice `base.weights`: trained on full images, on patches, with both streams.
    A row whose file is not there, or whose number (from 1) is not among those `chosen`, is one that is not measured.
    base: weights, device and seed; the rows set what they are about. Raises ValueError for a number without a row and
    where no row is left, FileNotFoundError and ValueError for weights as `weight_files` and `read_provenance` do.
    """
    files = weight_files(base.weights)
    rows = [_waiting(row, files) for row in _rows(base, files)]
    unknown = sorted(set(chosen) - set(range(1, len(rows) + 1)))
    if unknown:
        ours = "" if base.adapt else f"; {PRINTED + 1} is ours, with --adapt"
        raise ValueError(f"row {unknown[0]}: expected numbers from 1 to {len(rows)}, as in Table 1{ours}")
    if chosen:
        rows = [r if i in chosen else replace(r, missing=NOT_CHOSEN) for i, r in enumerate(rows, 1)]
    if all(row.missing for row in rows):
        reasons = dict.fromkeys(row.missing.removeprefix(NOT_MEASURED) for row in rows if row.missing != NOT_CHOSEN)
        raise ValueError(f"weights {base.weights}: no row can be measured: {'; '.join(reasons)}")
    return rows


def adapted(rows: list[Row]) -> list[Row]:
    """The rows of the paper's ladder, each with its own N_mp adapted to every first frame (FIDELITY row 26)."""
    return [replace(row, config=replace(row.config, adapt=True)) for row in rows[:PRINTED]]


def _rows(base: Config, files: WeightFiles) -> list[Row]:
    baseline, box, flow_stream, reid, multi_scale = (row.name for row in table1())
    plain = with_propagation(
        replace(base, adapt=False, reid=False), use_box=True, use_flow=True, scales=(1.0,), flip=False
    )
    retrieving = replace(plain, reid=True)
    best = with_propagation(retrieving, scales=_scales(files))
    rows = [
        Row(baseline, with_propagation(plain, use_box=False, use_flow=False)),
        Row(box, with_propagation(plain, use_flow=False)),
        Row(flow_stream, plain),
        Row(reid, retrieving),
        Row(multi_scale, best),
    ]
    ours = Row(ADAPTATION, replace(best, adapt=True), note="not in the paper's table")
    return [*rows, ours] if base.adapt else rows


def _scales(files: WeightFiles) -> tuple[float, ...]:
    """Those chosen on mini-val, which are stored with N_mp of the rows 3 to 6."""
    settings = read_provenance(files.propagation).settings if files.propagation else {}
    return tuple(settings.get("scales", SCALES))


def _waiting(row: Row, files: WeightFiles) -> Row:
    """The row, with the reason and the command where a file that it needs is not there."""
    part, file = files.of_streams(row.config.propagation)
    needed = {part: file}
    if row.config.reid:
        needed |= {"detector": files.detector, "identification": files.identification}
    absent = [name for name, path in needed.items() if path is None or not path.is_file()]
    if absent:
        return replace(row, missing=f"{NOT_MEASURED}{_how_to_make(row.config.weights, absent[0])}")
    if part == "propagation" and file is not None and read_provenance(file).network == "rgb":
        return replace(row, missing=f"{NOT_MEASURED}{file.name} has no flow stream")
    return row


def _how_to_make(weights: str, part: str) -> str:
    """Which file is not there, and the command that makes it; that of one's own file, for another part."""
    if weights in WEIGHT_SETS:
        return f"no file {weights}-{part}; make it: vsreid train {weights}-{part}"
    own = Path(weights)
    path = own.with_name(f"{own.stem.removesuffix('-propagation')}-{part}.safetensors")
    command = read_provenance(own).command.replace("-propagation", f"-{part}")
    return f"no file {path}; make it: {command} --output {path}"
