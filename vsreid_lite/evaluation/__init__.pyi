from .ablation import Parts, run_ablation, seen_sequences
from .matches import find_matches, judge
from .metrics import (
    InstanceScores,
    Scores,
    Statistics,
    boundary,
    boundary_pixels,
    boundary_radius,
    decay_bins,
    evaluate,
    frame_gains,
    region,
    score_frame,
    score_frames,
    score_instance,
    score_sequence,
)
from .network_table import network_rows
from .paper import arithmetic, global_mean, global_mean_errata, table1, table2
from .report import format_table
from .steps import one_step_scores
from .summary import Measured, boost_interval, by_sequence, instance_means, summarise

__all__ = [
    "InstanceScores",
    "Measured",
    "Parts",
    "Scores",
    "Statistics",
    "arithmetic",
    "boost_interval",
    "boundary",
    "boundary_pixels",
    "boundary_radius",
    "by_sequence",
    "decay_bins",
    "evaluate",
    "find_matches",
    "format_table",
    "frame_gains",
    "global_mean",
    "global_mean_errata",
    "instance_means",
    "judge",
    "network_rows",
    "one_step_scores",
    "region",
    "run_ablation",
    "score_frame",
    "score_frames",
    "score_instance",
    "score_sequence",
    "seen_sequences",
    "summarise",
    "table1",
    "table2",
]
