"""Algorithm 2 to play with: which candidates the thresholds let through, and which of them are right."""

from __future__ import annotations

from matplotlib.figure import Figure

from vsreid_lite.evaluation.matches import Matches
from vsreid_lite.plots.match_plots import Thresholds, plot_matches
from vsreid_lite.widgets.shell import PictureBox, instances, share, slider


def reid_matches(matches: Matches, thresholds: Thresholds, frame: int = 1) -> PictureBox:
    """`plot_matches` of every frame and instance, for any thresholds.

    matches: as `find_matches` returns them. thresholds: rho_reid and rho_occ, at first; others are compared with them.
    frame: at first. Raises ValueError for a sequence of one frame.
    """
    sequence = matches.sequence
    if sequence.N < 2:
        raise ValueError(f"sequence {sequence.name}: expected a frame to search beside the first, found none")

    def draw(frame: int, instance: int, rho_reid: float, rho_occ: float) -> Figure:
        return plot_matches(matches, frame, instance, (rho_reid, rho_occ), thresholds)

    controls = {
        "frame": slider("frame", 1, sequence.N - 1, frame),
        "instance": instances(sequence.labels),
        "rho_reid": share("rho_reid", thresholds[0], "a retrieval needs a higher similarity with the template"),
        "rho_occ": share("rho_occ", thresholds[1], "and a smaller overlap with the box of its map"),
    }
    return PictureBox(draw, controls)
