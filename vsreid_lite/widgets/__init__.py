"""Widgets: thin ipywidgets shells over the plots. A static twin stands before each; none shares state with another."""

from vsreid_lite.widgets.matching import reid_matches
from vsreid_lite.widgets.painter import FirstMaskPainter
from vsreid_lite.widgets.rounds import checkpoint_explorer
from vsreid_lite.widgets.row_browser import ablation_browser
from vsreid_lite.widgets.shell import PictureBox, frame_slider
from vsreid_lite.widgets.warping import patches, warped_maps

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
