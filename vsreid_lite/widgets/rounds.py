"""Algorithm 3 to play with: round by round, the checkpoints, the retrieval, its sweeps, and the masks they change."""

from __future__ import annotations

from matplotlib.figure import Figure

from vsreid_lite.figures.checkpoint_video import run_figure3
from vsreid_lite.plots.round_plots import plot_round
from vsreid_lite.result import Result
from vsreid_lite.video.video import Video
from vsreid_lite.widgets.shell import PictureBox, choice, slider, stepper


def checkpoint_explorer(sequence: Video, result: Result, toy: bool = True) -> PictureBox:
    """`plot_round` for every round, with Play and steps; the frame follows the retrieval until it is moved.

    result: of `segment(..., keep_maps=True)`. toy: offer the paper's Figure 3 too, with repair R1 and as printed.
    Raises ValueError for a result without maps.
    """
    runs = {sequence.name: (sequence, result)}
    if toy:
        runs |= {"Figure 3, with repair R1": run_figure3(), "Figure 3, as printed": run_figure3(repair_r1=False)}
    run = choice("run", list(runs), sequence.name)
    number, frame = slider("round", 0, len(result.rounds), 0), slider("frame", 0, sequence.N - 1, 0)

    def draw(run: str, number: int, frame: int) -> Figure:
        return plot_round(*runs[run], number, frame)

    def follow() -> None:
        if number.value:
            frame.value = runs[run.value][1].retrievals[number.value - 1].frame

    def another_run() -> None:
        other, found = runs[run.value]
        number.value, number.max = 0, len(found.rounds)
        frame.value, frame.max = 0, other.N - 1

    controls = {"run": run, "number": number, "frame": frame}
    return PictureBox(draw, controls, [stepper(number)], {"run": another_run, "number": follow})
