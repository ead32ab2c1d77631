"""Widgets: thin ipywidgets shells over the plots. A static twin stands before each; none shares state with another."""

from vsreid_lite.widgets.explorers import ablation_browser, checkpoint_explorer, patches, reid_matches, warped_maps
from vsreid_lite.widgets.painter import FirstMaskPainter
from vsreid_lite.widgets.shell import PictureBox, frame_slider

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
