from .explorers import ablation_browser, checkpoint_explorer, patches, reid_matches, warped_maps
from .painting import FirstMaskPainter, Painting, plot_painting
from .shell import PictureBox, frame_slider

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
