"""The rows of Table 1: which configuration each stands for, and which wait for their component."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vsreid_lite.config import Config, with_propagation
from vsreid_lite.evaluation.paper import table1

SCALES = (0.75, 1.0, 1.25)  # of the patch, in the row "+ multi-scale testing"
ADAPTATION = "+ online adaptation (ours)"


@dataclass(frozen=True)
class Row:
    """One row: a configuration, or None and the reason why it is not measured."""

    name: str
    config: Config | None
    note: str = ""


def ladder(base: Config) -> list[Row]:
    """Table 1's five rows in the paper's order, named as printed; with `base.adapt` a sixth, ours.

    base: weights, device and seed; the rows set what they are about.
    """
    baseline, box, flow_stream, reid, multi_scale = (row.name for row in table1())
    plain = replace(base, adapt=False, reid=False)
    retrieving = replace(plain, reid=True)
    best = with_propagation(retrieving, scales=SCALES)
    rows = [
        Row(baseline, None, "not measured: no network trained on full images ships yet"),
        Row(box, plain),
        Row(flow_stream, None, "not measured: no flow stream ships yet"),
        Row(reid, retrieving, "without the flow stream"),
        Row(multi_scale, best, "without the flow stream"),
    ]
    return rows + ([Row(ADAPTATION, replace(best, adapt=True), "not in the paper's table")] if base.adapt else [])
