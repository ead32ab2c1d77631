"""The names of the stages and how long each takes, for who has not imported torch; the stages are in `stages.py`."""

from __future__ import annotations

# Minutes of training on 2 cores of an AMD EPYC, from the logs in data/training; rendering the scenes comes once on top.
STAGE_MINUTES = {
    "lite-stills": 25,
    "lite-rgb": 14,
    "lite-flow": 15,
    "lite-propagation": 13,
    "lite-box": 8,
    "lite-baseline-stills": 31,
    "lite-baseline-rgb": 15,
    "lite-baseline": 6,
    "lite-detector": 13,
    "lite-identification": 35,
    "lite-davis-propagation": 10,
    "lite-davis-box": 5,
    "lite-davis-baseline": 5,
    "lite-davis-detector": 3,
    "lite-davis-identification": 3,
}
RENDERING_MINUTES = 5
ALL = "all"  # every stage, one after the other


def list_stages() -> str:
    """A line for each stage of `vsreid train`."""
    width = max(map(len, STAGE_MINUTES))
    whole = sum(STAGE_MINUTES.values()) + RENDERING_MINUTES
    lines = [f"{name:<{width}}  {minutes:3} min" for name, minutes in STAGE_MINUTES.items()]
    lines.append(f"{ALL:<{width}}  {whole:3} min, every stage in this order")
    return "\n".join([*lines, f"on 2 cores; the scenes are rendered first, {RENDERING_MINUTES} min a run"])
