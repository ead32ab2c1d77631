from .matching import reid_matches
from .painter import FirstMaskPainter
from .painting import Painting
from .painting_plots import plot_painting
from .rounds import checkpoint_explorer
from .row_browser import ablation_browser
from .shell import PictureBox, frame_slider
from .warping import patches, warped_maps

__all__ = [
    "FirstMaskPainter",
    "Painting",
    "PictureBox",
    "ablation_browser",
    "checkpoint_explorer",
    "frame_slider",
    "patches",
    "plot_painting",
    "reid_matches",
    "warped_maps",
]
