"""What the weights of each row of Table 1 have been trained with: stages, steps and command, from their headers."""

from __future__ import annotations

from pathlib import Path

from vsreid_lite.evaluation.ladder import Row
from vsreid_lite.networks.loading import network_files
from vsreid_lite.networks.weight_files import Provenance, find_provenance


def training_budget(rows: list[Row]) -> list[dict[str, object]]:
    """One entry for each weight file with a header that the measured rows use, in their order; others' files have none.

    stages: name and steps of each stage that led to the file, the first one first. steps: their sum. All of it is from
    the file's header.
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
    before = list(zip(header.start, header.start_steps, strict=False))  # the first headers had no such steps
    stages = [*before, (header.command, header.steps)]
    return {_stage(command) or header.network: steps for command, steps in stages}


def _stage(command: str) -> str:
    """The stage of a `vsreid train` command; "" for another one."""
    words = command.split()
    return words[2] if words[:2] == ["vsreid", "train"] and len(words) > 2 else ""
