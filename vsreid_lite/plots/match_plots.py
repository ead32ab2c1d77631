"""Re-identification as a picture: candidates, the best beside its template, all embeddings, and every retrieval."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vsreid_lite.evaluation.matches import Cells, Matches, Verdicts, judge
from vsreid_lite.geometry import Box
from vsreid_lite.plots.frame_plots import show_candidates
from vsreid_lite.plots.panels import (
    AFTER,
    BEFORE,
    BLACK,
    WHITE_EDGE,
    WIDTH,
    draw_box,
    entitle,
    instance_colour,
    new_figure,
)
from vsreid_lite.reidentification import Outcome
from vsreid_lite.system.wording import counted

FAINT, GREY = "0.75", "0.4"
UPPER, ROW = 2.85, 0.27  # inches: the upper part, an instance's row in the lower
KEY = "● right   ✖ wrong   • not judged   □ lost, not found   ○ new   ▬ gone; a letter: refused, and why"
Thresholds = tuple[float, float]  # rho_reid, rho_occ
OUTCOMES = {
    Outcome.ACCEPTED: "retrieved",
    Outcome.NOT_SEARCHED: "not searched",
    Outcome.NO_CANDIDATE: "no candidate",
    Outcome.STARTING_POINT: "given or found before",
    Outcome.TOO_UNLIKE: "too unlike",
    Outcome.ALREADY_THERE: "already there",
    Outcome.VISIBLE: "not absent",
    Outcome.ON_ANOTHER: "on another instance",
    Outcome.LIKE_ANOTHER: "more like another instance",
    Outcome.NO_IMPROVEMENT: "no better than the map",
}
LETTERS = dict(zip(list(OUTCOMES)[1:], "sngutvolm", strict=True))  # of what refuses


def plot_matches(
    matches: Matches, frame: int, instance: int, thresholds: Thresholds, reference: Thresholds | None = None
) -> Figure:
    """Algorithm 2 in one frame for one instance, and below what the thresholds make of the whole video.

    Args:
        matches: as `find_matches` returns them.
        frame: i > 0.
        instance: k, counted from 0.
        thresholds: rho_reid and rho_occ.
        reference: thresholds to compare with.
    """
    verdicts = judge(matches, *thresholds)
    before = verdicts if reference is None else judge(matches, *reference)
    label, verdict = matches.sequence.labels[instance], _verdict(verdicts, frame, instance)
    title = f"frame {frame}, instance {label}: {verdict}"
    summary = _summary(verdicts, before.accepted, thresholds)
    alternative = (
        f"In {title}; {counted(len(matches.boxes[frame]), 'candidate')}. All frames and instances: {summary}. "
    )
    alternative += f"Refused: {_refusals(verdicts)}."
    K = matches.sequence.K
    height = UPPER + ROW * K + 1.15
    figure = new_figure(WIDTH, height, alternative)
    top = {"left": 0.01, "right": 0.99, "top": 1 - 0.25 / height, "bottom": 1 - UPPER / height}
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 3.9, 2.2), wspace=0.06, hspace=0.2, **top)
    large, plane = figure.add_subplot(grid[:, 1]), figure.add_subplot(grid[:, 2])
    crops = [figure.add_subplot(grid[row, 0]) for row in (0, 1)]
    rows = figure.add_axes((0.09, 0.65 / height, 0.9, ROW * K / height))
    _show_crops(crops, matches, frame, instance)
    _show_candidates(large, matches, frame, instance, title)
    _show_plane(plane, matches, frame, instance)
    _show_retrievals(rows, matches, verdicts, before.accepted, frame)
    entitle(rows, summary)
    return figure


def _show_crops(panels: list[Any], matches: Matches, frame: int, instance: int) -> None:
    """The template above, the candidate most like it below."""
    frames, j = matches.sequence.frames, matches.best[frame, instance]
    for panel in panels:
        panel.set_axis_off()
    start = int(matches.candidates.template[frame, instance])
    cut_out = [(start, matches.templates[start, instance], "template")]
    if j >= 0:
        cut_out.append((frame, matches.boxes[frame][j], f"best: {matches.scores[frame][j, instance]:.2f}"))
    for panel, (i, box, title) in zip(panels, cut_out, strict=False):
        panel.imshow(frames[i][box.y0 : box.y1, box.x0 : box.x1])
        entitle(panel, title)


def _show_candidates(axes: Axes, matches: Matches, frame: int, instance: int, title: str) -> None:
    """The candidates, in the colours of the instances that they show where that is known; the map's box dashed."""
    shown = matches.shown(frame) if matches.annotated[frame] else None
    scores = matches.scores[frame][:, instance]
    show_candidates(axes, matches.sequence.frames[frame], matches.boxes[frame], scores, shown)
    _below(axes, "beside it: true instance, similarity; strong: the best; dotted: others; dashed: box of its map")
    entitle(axes, title)
    if matches.current[frame, instance, 2] > 0:
        now = Box(*(int(x) for x in matches.current[frame, instance]))
        draw_box(axes, now, BEFORE, style="--", width=1.2)


def _show_plane(axes: Axes, matches: Matches, frame: int, instance: int) -> None:
    """All embeddings on two directions; this frame's in black, its best as a star, the templates numbered."""
    every, here = np.concatenate(matches.points), matches.points[frame]
    axes.plot(*every.T, ".", color=FAINT, markersize=3)
    axes.plot(*here.T, "o", color=BLACK, markersize=4, fillstyle="none")
    if len(here):
        axes.plot(*here[matches.best[frame, instance]], "*", color=AFTER, markersize=12, markeredgecolor="white")
    for (x, y), (_, k) in zip(matches.template_points, matches.templates, strict=True):
        label = matches.sequence.labels[k]
        axes.plot(x, y, "D", color=instance_colour(label), markersize=9, markeredgecolor=BLACK)
        axes.text(x, y, f"  {label}", fontsize=9, va="center", path_effects=WHITE_EDGE)
    axes.set(xticks=[], yticks=[])
    axes.margins(0.08)
    entitle(axes, "embeddings, their two main directions")
    _below(axes, "all frames; ○ this one, ★ its best; ◆ templates")


def _show_retrievals(axes: Axes, matches: Matches, verdicts: Verdicts, before: Cells, frame: int) -> None:
    """Frames x instances: what is retrieved, rightly or wrongly, what is new or gone, what stays lost, and why."""
    found, right, K = verdicts.accepted, verdicts.right, matches.sequence.K
    judged = matches.annotated[:, None]
    kinds: tuple[tuple[Cells, dict[str, Any]], ...] = (
        (right, {"marker": "o", "color": AFTER, "markersize": 6}),
        (found & ~right & judged, {"marker": "X", "color": BEFORE, "markersize": 7}),
        (found & ~judged, {"marker": "o", "color": BLACK, "markersize": 3}),
        (verdicts.lost & ~found, {"marker": "s", "color": BLACK, "markersize": 9, "fillstyle": "none"}),
        (found & ~before, {"marker": "o", "color": BLACK, "markersize": 10, "fillstyle": "none"}),
        (before & ~found, {"marker": "_", "color": BLACK, "markersize": 8, "markeredgewidth": 2}),
    )
    refused = [(verdicts.outcome == outcome, letter) for outcome, letter in LETTERS.items()]
    letters: list[tuple[Cells, dict[str, Any]]]
    letters = [(cells, {"marker": f"${letter}$", "color": GREY, "markersize": 4.5}) for cells, letter in refused]
    for cells, style in (*letters, *kinds):
        if cells.any():
            axes.plot(*np.nonzero(cells), linestyle="", **style)
    axes.axvline(frame, color=BLACK, linewidth=0.8, linestyle=":")
    axes.set(xlim=(-0.5, len(found) - 0.5), ylim=(K - 0.5, -0.5), xticks=range(0, len(found), 10), yticks=range(K))
    axes.set_yticklabels([f"instance {label}" for label in matches.sequence.labels])
    axes.tick_params(labelsize=8, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    key = f"frame        {KEY}\n{_refusals(verdicts)}"
    axes.text(0, -0.2 / (ROW * K), key, fontsize=8, va="top", transform=axes.transAxes)


def _refusals(verdicts: Verdicts) -> str:
    """How many candidates each rule of Algorithm 2 refuses, in the order in which the rules are asked."""
    counts = {outcome: np.count_nonzero(verdicts.outcome == outcome) for outcome in LETTERS}
    return "; ".join(f"{LETTERS[one]}: {OUTCOMES[one]} ({count})" for one, count in counts.items() if count)


def _below(axes: Axes, text: str) -> None:
    axes.text(0.5, -0.02, text, fontsize=7, ha="center", va="top", transform=axes.transAxes)


def _verdict(verdicts: Verdicts, frame: int, instance: int) -> str:
    score, overlap = verdicts.score[frame, instance], verdicts.overlap[frame, instance]
    outcome = Outcome(verdicts.outcome[frame, instance])
    numbers = f", similarity {score:.2f}, overlap with its map {overlap:.2f}" if np.isfinite(score) else ""
    return f"{OUTCOMES[outcome]}{numbers}"


def _summary(verdicts: Verdicts, before: Cells, thresholds: Thresholds) -> str:
    new, gone = np.count_nonzero(verdicts.accepted & ~before), np.count_nonzero(before & ~verdicts.accepted)
    change = f", {new} new, {gone} gone" if new or gone else ""
    return (
        f"rho_reid {thresholds[0]:.2f}, rho_occ {thresholds[1]:.2f}: {np.count_nonzero(verdicts.accepted)} "
        f"retrievals{change}; precision {_number(verdicts.precision)}, recall {_number(verdicts.recall)} "
        f"of {np.count_nonzero(verdicts.lost)} lost"
    )


def _number(share: float | None) -> str:
    return "–" if share is None else f"{share:.2f}"
