"""Widgets: thin ipywidgets shells over the plots. A static twin stands before each; none shares state with another."""

from vsreid_lite.visualization.widgets.ablation import ablation_browser
from vsreid_lite.visualization.widgets.matching import reid_matches
from vsreid_lite.visualization.widgets.painter import FirstMaskPainter
from vsreid_lite.visualization.widgets.propagation import patches, warped_maps
from vsreid_lite.visualization.widgets.rounds import checkpoint_explorer
from vsreid_lite.visualization.widgets.shell import PictureBox, frame_slider

__all__ = [
    "FirstMaskPainter",
    "PictureBox",
    "ablation_browser",
    "checkpoint_explorer",
    "frame_slider",
    "patches",
    "reid_matches",
    "warped_maps",
]
