"""What the weights of each row of Table 1 have been trained with: stages, steps and command, from their headers."""

from __future__ import annotations

from collections.abc import Iterator

from vsreid_lite.evaluation.ladder import Row
from vsreid_lite.models.loading import weight_files
from vsreid_lite.models.weights import Provenance, read_provenance


def training_budget(rows: list[Row]) -> list[dict[str, object]]:
    """One entry for each weight file that the measured rows use, in their order.

    stages: name and steps of each stage that led to the file, the first one first. steps: their sum. All of it is from
    the file's header.
    """
    used: dict[str, list[str]] = {}
    for row in rows:
        for part in _parts(row):
            used.setdefault(part, []).append(row.name)
    files = weight_files(rows[0].config.weights)
    entries: list[dict[str, object]] = []
    for part, names in used.items():
        file = getattr(files, part)
        header = read_provenance(file)
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


def _parts(row: Row) -> Iterator[str]:
    if not row.missing:
        yield weight_files(row.config.weights).of_streams(row.config.propagation)[0]
        if row.config.reid:
            yield from ("detector", "identification")


def _stages(header: Provenance) -> dict[str, int]:
    """Steps by stage, of each stage before it where the header has them."""
    before = list(zip(header.start, header.start_steps, strict=False))  # the first headers had no such steps
    stages = [*before, (header.command, header.steps)]
    return {_stage(command) or header.network: steps for command, steps in stages}


def _stage(command: str) -> str:
    """The stage of a `vsreid train` command; "" for another one."""
    words = command.split()
    return words[2] if words[:2] == ["vsreid", "train"] and len(words) > 2 else ""
