"""The names of the stages and how long each takes, for who has not imported torch; the stages are in `stages.py`."""

from __future__ import annotations

# Minutes of training on 2 cores of an AMD EPYC: of N_mp half of those in the logs of data/training, since two stages
# were trained at a time, on a core each; of N_det and N_reid, whose logs are of a busy machine, by the time of a step
# while two trained. Rendering the scenes comes once on top.
STAGE_MINUTES = {
    "lite-stills": 4,
    "lite-rgb": 4,
    "lite-flow": 5,
    "lite-propagation": 12,
    "lite-box": 7,
    "lite-baseline-stills": 4,
    "lite-baseline-rgb": 4,
    "lite-baseline": 6,
    "lite-detector": 5,
    "lite-identification": 15,
    "lite-davis-propagation": 10,
    "lite-davis-box": 4,
    "lite-davis-baseline": 3,
    "lite-davis-detector": 3,
    "lite-davis-identification": 3,
}
RENDERING_MINUTES = 5
ALL = "all"  # every stage that has minutes, one after the other
PAPER_STAGES = (  # of the preset paper; nobody has run them in full, so their time is not known
    "paper-stills",
    "paper-rgb",
    "paper-flow",
    "paper-propagation",
    "paper-box",
    "paper-baseline-stills",
    "paper-baseline-rgb",
    "paper-baseline",
    "paper-detector",
    "paper-identification",
)
STAGE_NAMES = (*STAGE_MINUTES, *PAPER_STAGES)
REAL_STAGES = tuple(name for name in STAGE_NAMES if name.startswith("lite-davis-"))  # learn from real video
STILL_STAGES = tuple(name for name in STAGE_NAMES if name.endswith("stills"))  # may also learn from stills


def list_stages() -> str:
    """A line for each stage of `vsreid train`."""
    width = max(map(len, STAGE_NAMES))
    whole = sum(STAGE_MINUTES.values()) + RENDERING_MINUTES
    lines = [f"{name:<{width}}  {minutes:3} min" for name, minutes in STAGE_MINUTES.items()]
    lines.append(f"{ALL:<{width}}  {whole:3} min, every stage above, in this order")
    rendering = f"the scenes are rendered first, {RENDERING_MINUTES} min, and kept beside the weights (clips, 3.4 GB)"
    lines.append(f"on 2 cores; {rendering}")
    return "\n".join([*lines, *(f"{name:<{width}}  needs a GPU, never timed" for name in PAPER_STAGES)])
