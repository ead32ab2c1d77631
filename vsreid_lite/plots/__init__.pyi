from .frame_plots import (
    plot_candidates,
    plot_checkpoints,
    plot_guided_map,
    plot_lost_and_retrieved,
    plot_scores,
    plot_strip,
)
from .line_plots import plot_lines, plot_training
from .match_plots import plot_matches
from .metric_plots import plot_measures, plot_presence, plot_rows, plot_statistics
from .overlay_video import write_overlay_video
from .patch_plots import plot_patches, trace_patches
from .round_plots import plot_round
from .warping_plots import plot_compared, plot_sampling, plot_warped_map

__all__ = [
    "plot_candidates",
    "plot_checkpoints",
    "plot_compared",
    "plot_guided_map",
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
    "plot_training",
    "plot_warped_map",
    "trace_patches",
    "write_overlay_video",
]
