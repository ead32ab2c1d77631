"""Table 1 to play with: any two of its rows on any sequence, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vsreid_lite.plots.row_plots import FrameScores, differing_frames, plot_rows, score_frames
from vsreid_lite.video.masks import Mask
from vsreid_lite.video.video import Video
from vsreid_lite.widgets.shell import PictureBox, button, choice, slider

EVERY = -1  # as an instance: the mean of all

RowMasks = Mapping[str, Sequence[Mask]]  # N masks (H, W) of each row, by its name


def ablation_browser(
    sequences: Sequence[Video],
    masks: Mapping[str, RowMasks],
    scores: Mapping[str, Mapping[str, FrameScores]] | None = None,
) -> PictureBox:
    """`plot_rows` for any sequence, rows, instance and frame; a button goes where the two rows differ most.

    masks: those of each sequence by its name, and of each row by its; the same rows for all, in the order of the table.
    scores: in the same order, as `score_frames` gives them; measured here, which takes a while, where not given.
    Raises ValueError for sequences without all annotations, and for rows that are not the same for all.
    """
    known = {sequence.name: sequence for sequence in sequences}
    rows = _common_rows(known, masks)
    scores = scores or {
        name: {row: score_frames(known[name], found) for row, found in masks[name].items()} for name in known
    }
    first = sequences[0]
    sequence, frame = choice("sequence", list(known), first.name), slider("frame", 0, first.N - 1, 0)
    row_a, row_b = choice("row", rows, rows[0]), choice("beside row", rows, rows[-1])
    instance = choice("instance", _instances(first), EVERY)

    def draw(sequence: str, row_a: str, row_b: str, instance: int, frame: int) -> Figure:
        chosen = None if instance == EVERY else instance
        return plot_rows(known[sequence], masks[sequence], scores[sequence], (row_a, row_b), frame, chosen)

    def another_sequence() -> None:
        instance.options = list(_instances(known[sequence.value]).items())
        instance.value = EVERY
        frame.value, frame.max = 0, known[sequence.value].N - 1

    def go() -> None:
        with box.errors_shown():
            here, chosen = scores[sequence.value], None if instance.value == EVERY else instance.value
            frame.value = differing_frames(here[row_a.value], here[row_b.value], chosen)[0]

    controls = {"sequence": sequence, "row_a": row_a, "row_b": row_b, "instance": instance, "frame": frame}
    jump = button("where they differ most", "go to the frame where J and F of the two rows differ most", go)
    box = PictureBox(draw, controls, [jump], {"sequence": another_sequence})
    return box


def _instances(sequence: Video) -> dict[str, int]:
    return {"all": EVERY, **{str(label): k for k, label in enumerate(sequence.labels)}}


def _common_rows(known: Mapping[str, Video], masks: Mapping[str, RowMasks]) -> list[str]:
    rows = [list(masks.get(name, {})) for name in known]
    if not rows or not rows[0] or any(other != rows[0] for other in rows):
        found = "; ".join(f"{name}: {', '.join(row) or 'none'}" for name, row in zip(known, rows, strict=True))
        raise ValueError(f"expected masks of the same rows for every sequence, found {found or 'no sequence'}")
    return rows[0]
