from .explorers import ablation_browser, checkpoint_explorer, patches, reid_matches, warped_maps
from .painting import FirstMaskPainter, Painting, mask_painter, plot_painting
from .shell import PictureBox, frame_slider

__all__ = [
    "FirstMaskPainter",
    "Painting",
    "PictureBox",
    "ablation_browser",
    "checkpoint_explorer",
    "frame_slider",
    "mask_painter",
    "patches",
    "plot_painting",
    "reid_matches",
    "warped_maps",
]
