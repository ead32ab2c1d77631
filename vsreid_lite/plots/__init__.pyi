from .frame_plots import (
    plot_candidates,
    plot_checkpoints,
    plot_guided_map,
    plot_lost_and_retrieved,
    plot_scores,
    plot_strip,
)
from .line_plots import plot_lines
from .match_plots import plot_matches
from .metric_plots import plot_measures, plot_presence, plot_statistics
from .patch_plots import plot_patches, trace_patches
from .round_plots import plot_round
from .row_plots import differing_frames, plot_rows, score_frames
from .sampling_plots import plot_compared, plot_sampling
from .table_plots import plot_ladder_by_sequence, plot_table1
from .training_plots import plot_training
from .warping_plots import plot_warped_map

__all__ = [
    "differing_frames",
    "plot_candidates",
    "plot_checkpoints",
    "plot_compared",
    "plot_guided_map",
    "plot_ladder_by_sequence",
    "plot_lines",
    "plot_lost_and_retrieved",
    "plot_matches",
    "plot_measures",
    "plot_patches",
    "plot_presence",
    "plot_round",
    "plot_rows",
    "plot_sampling",
    "plot_scores",
    "plot_statistics",
    "plot_strip",
    "plot_table1",
    "plot_training",
    "plot_warped_map",
    "score_frames",
    "trace_patches",
]
