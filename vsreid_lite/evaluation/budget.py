"""What the weights of each row of Table 1 have been trained with: stages, steps and command, from their headers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from vsreid_lite.evaluation.ladder import Row
from vsreid_lite.models.loading import weight_files
from vsreid_lite.models.weights import Provenance, read_provenance
from vsreid_lite.training.stages import STAGES


def training_budget(rows: list[Row]) -> list[dict[str, object]]:
    """One entry for each weight file that the measured rows use, in their order.

    stages: name and steps of each stage that led to the file, the first one first; the last one's are those that were
    done, those of the stages before it are planned. steps: their sum. The rest is from the file's header.
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
