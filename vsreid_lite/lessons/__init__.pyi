from .algorithms import show_algorithm
from .boxes_and_patches import View, margin_costs, plot_boxes, plot_sides, plot_views, resizing_scores, seen_instances
from .exercises import check, question
from .flow_and_warping import compare_flows, contenders, flow_pair, flow_table, mean_errors, plot_flows, without_weights
from .notebooks import record, record_table, save, show
from .propagation_network import influence, layer_shapes, plot_fields
from .readiness import NotReady, own_frames, ready, video_ready
from .tiny_disc import Drawn, plot_numbers, tiny_example
from .training_guides import (
    crossing_clips,
    crossing_videos,
    plot_collapse,
    plot_deformation,
    plot_samples,
    show_collapse,
)

__all__ = [
    "Drawn",
    "NotReady",
    "View",
    "check",
    "compare_flows",
    "contenders",
    "crossing_clips",
    "crossing_videos",
    "flow_pair",
    "flow_table",
    "influence",
    "layer_shapes",
    "margin_costs",
    "mean_errors",
    "own_frames",
    "plot_boxes",
    "plot_collapse",
    "plot_deformation",
    "plot_fields",
    "plot_flows",
    "plot_numbers",
    "plot_samples",
    "plot_sides",
    "plot_views",
    "question",
    "ready",
    "record",
    "record_table",
    "resizing_scores",
    "save",
    "seen_instances",
    "show",
    "show_algorithm",
    "show_collapse",
    "tiny_example",
    "video_ready",
    "without_weights",
]
