"""What the weights of each row of Table 1 have been trained with: stages, steps and command, from their headers."""

from __future__ import annotations

import shlex
from pathlib import Path

from vsreid_lite.evaluation.ladder import Row
from vsreid_lite.models.loading import network_files
from vsreid_lite.models.weights import Provenance, find_provenance
from vsreid_lite.training.stages import STAGES


def training_budget(rows: list[Row]) -> list[dict[str, object]]:
    """One entry for each weight file with a header that the measured rows use, in their order; others' files have none.

    stages: name and steps of each stage that led to the file, the first one first; the last one's are those that were
    done, those of the stages before it are planned. steps: their sum. The rest is from the file's header.
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
    """Steps by stage; where the header's command is none of ours, or of another version, its own steps alone."""
    words = shlex.split(header.command)
    name = words[2] if words[:2] == ["vsreid", "train"] and len(words) > 2 else ""
    if name not in STAGES or STAGES[name].network != header.network:
        return {name or header.network: header.steps}
    stages, before = {name: header.steps}, STAGES[name].start
    while before is not None:
        stages[before] = STAGES[before].plan.steps
        before = STAGES[before].start
    return dict(reversed(stages.items()))
