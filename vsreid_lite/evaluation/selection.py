"""The settings that are "selected on the validation set" (section 3.2): thresholds, scales, adaptation, on mini-val.

Algorithm 3 is rehearsed under many thresholds at once: what does not depend on them, and rounds that they share, is
done once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, TypeVar

import torch
from tqdm.auto import tqdm

from vsreid_lite.config import Config, ReidConfig, with_propagation
from vsreid_lite.datasets.mini import mini_video
from vsreid_lite.engine import Engine
from vsreid_lite.evaluation.metrics import InstanceScores, Scores, score_sequence
from vsreid_lite.flow import FlowEstimator
from vsreid_lite.merging import merge
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.reidentification import Boxes, Candidates, Retrieval, Starts
from vsreid_lite.result import Maps
from vsreid_lite.system.workers import Workers, run_jobs
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment

RHO_REID = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
RHO_OCC = (0.3, 0.5, 0.7)
SINGLE_SCALE = ((1.0,),)
SCALE_SETS = ((1.0, 1.25), (0.75, 1.0, 1.25), (0.875, 1.0, 1.125))
STEPS, LEARNING_RATES = (40, 70, 100), (6e-4, 1e-3)  # of online adaptation: 30 s an instance on 2 cores at most
EQUAL = 0.01  # global-mean: so much comes and goes with what hardly changes a single step (docs/training.md)
EVERY = 3  # adaptation is slow: one of so many sequences
MEASURES = ("global-mean", "J-mean", "F-mean", "J-after-reappearance")

InstanceTable = dict[str, InstanceScores]  # keyed "<sequence>_<k>"
Settings = Mapping[str, Any]  # rho_reid, rho_occ, scales, adaptation: {steps, learning_rate}


@dataclass(frozen=True, eq=False)
class Trial:
    """Settings with what they scored on mini-val.

    Trials of adaptation name the thresholds and scales chosen before, but N_mp alone was measured, at scale 1.
    """

    settings: Settings
    scores: Scores

    def row(self) -> dict[str, object]:
        """The settings and measures as one row of a table; scales are joined by spaces."""
        flat = {**self.settings, **self.settings.get("adaptation", {})}
        flat["scales"] = " ".join(map(str, flat["scales"]))
        values = (self.scores.global_mean, self.scores.J.mean, self.scores.F.mean, self.scores.reappeared_J)
        return {**{key: flat.get(key) for key in COLUMNS[: -len(MEASURES)]}, **dict(zip(MEASURES, values, strict=True))}


COLUMNS = ("rho_reid", "rho_occ", "scales", "steps", "learning_rate", *MEASURES)


@dataclass(frozen=True)
class Selection:
    """Every trial, in the order of the search, and the settings chosen."""

    trials: list[Trial]
    chosen: dict[str, Any]


def select_settings(config: Config, sequences: int, workers: Workers = 1, adaptation: bool = False) -> Selection:
    """Choose the settings of the weights of `config` on the first `sequences` of mini-val, one thing after the other.

    First rho_reid and rho_occ at scale 1, then the scales with these; then, if asked for, steps and learning rate of
    online adaptation, on every third sequence, where N_mp alone propagates at scale 1, since it alone is adapted. The
    scales are several even where one alone is better: they are those of Table 1's row 5, multi-scale testing. By
    global-mean; of thresholds and scales that are as good as the best (`EQUAL`) the most cautious: the highest
    rho_reid, then the lowest rho_occ; the fewest scales. `workers` as `run_jobs` takes them.
    """
    config = with_stored_settings(replace(config, adapt=False, reid=True))  # its patch; the rest is chosen
    config = with_propagation(config, use_box=True, use_flow=True, flip=False)
    indices = range(sequences)
    pairs = tuple((rho_reid, rho_occ) for rho_reid in RHO_REID[::-1] for rho_occ in RHO_OCC)
    trials = _rehearsed(config, indices, workers, pairs, SINGLE_SCALE, "thresholds")
    best = _most_cautious(trials)
    pair = best.settings["rho_reid"], best.settings["rho_occ"]
    scaled = _rehearsed(config, indices, workers, (pair,), SCALE_SETS, "scales")
    trials += scaled
    chosen = dict(_most_cautious(scaled).settings)
    if adaptation:
        adapted = _adapted(config, indices[::EVERY], workers, chosen)
        trials += adapted
        chosen = dict(_best(adapted).settings)
    return Selection(trials, chosen)


def format_selection(selection: Selection) -> str:
    """Every trial as CSV; the last column says which settings were chosen."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, "chosen"], lineterminator="\n")
    writer.writeheader()
    for trial in selection.trials:
        row = {
            key: f"{value:.4f}" if key in MEASURES and value is not None else value
            for key, value in trial.row().items()
        }
        writer.writerow({**row, "chosen": "yes" if dict(trial.settings) == selection.chosen else ""})
    return text.getvalue()


def _best(trials: Iterable[Trial]) -> Trial:
    """The first of those with the highest global-mean."""
    return max(trials, key=lambda trial: round(trial.scores.global_mean, 6))


def _most_cautious(trials: list[Trial]) -> Trial:
    """The first of those that are as good as the best; `trials` begin with the most cautious."""
    enough = _best(trials).scores.global_mean - EQUAL
    return next(trial for trial in trials if trial.scores.global_mean >= enough)


@dataclass(frozen=True)
class _Rehearse:
    config: Config
    pairs: tuple[tuple[float, float], ...]
    scale_sets: tuple[tuple[float, ...], ...]

    def __call__(self, index: int) -> dict[tuple[float, float, tuple[float, ...]], InstanceTable]:
        networks = load_networks(self.config)
        return rehearse(mini_video("val", index), networks, self.config, self.pairs, self.scale_sets)


def _rehearsed(
    config: Config,
    indices: range,
    workers: Workers,
    pairs: tuple[tuple[float, float], ...],
    scale_sets: tuple[tuple[float, ...], ...],
    what: str,
) -> list[Trial]:
    parts = _each(_Rehearse(config, pairs, scale_sets), indices, workers, what)
    return [
        Trial(
            {"rho_reid": pair[0], "rho_occ": pair[1], "scales": list(scales)},
            Scores({name: one for part in parts for name, one in part[*pair, scales].items()}),
        )
        for scales in scale_sets
        for pair in pairs
    ]


def _adapted(config: Config, indices: range, workers: Workers, chosen: Settings) -> list[Trial]:
    config = with_propagation(replace(config, reid=False, adapt=True), scales=(1.0,))
    kinds = [{"steps": steps, "learning_rate": rate} for steps in STEPS for rate in LEARNING_RATES]
    jobs = [
        (replace(config, adaptation=replace(config.adaptation, **kind)), index)  # type: ignore[arg-type]
        for kind in kinds
        for index in indices
    ]
    tables = _each(_segmented, jobs, workers, "adaptation")
    n = len(indices)
    return [
        Trial(
            {**chosen, "adaptation": kind},
            Scores({k: v for table in tables[i * n : (i + 1) * n] for k, v in table.items()}),
        )
        for i, kind in enumerate(kinds)
    ]


def _segmented(job: tuple[Config, int]) -> InstanceTable:
    config, index = job
    video = mini_video("val", index)
    masks = segment(video, config).masks
    return score_sequence(video.name, video.truth, video.annotated(masks))


Input = TypeVar("Input", bound=Hashable)
Output = TypeVar("Output")


def _each(function: Callable[[Input], Output], inputs: Sequence[Input], workers: Workers, what: str) -> list[Output]:
    """What `function` returns for each input, in their order."""
    jobs = run_jobs(function, inputs, workers, lambda value: f"{what} {inputs.index(value) + 1}")
    with tqdm(total=len(inputs), desc=what) as bar, closing(jobs) as results:
        found = {}
        for value, output in results:
            found[value] = output
            bar.update()
    return [found[value] for value in inputs]


@dataclass(eq=False)
class _Moment:
    """The variables of Algorithm 3 before a round, and what each retrieval has led to from there."""

    maps: Maps
    start: Starts
    boxes: Boxes
    after: dict[Retrieval, _Moment] = field(default_factory=dict)
    scores: InstanceTable | None = None


class Rehearsal(Engine):
    """An engine that has done the initial propagation and can run the rounds again and again.

    The rounds of two runs are the same as long as they retrieve the same: a higher rho_reid only ends sooner, since the
    best candidate comes first. So the rounds form a tree, and each of its branches is computed once.

    Args:
        sequence: with annotations of all frames.
        networks: N_mp, N_det and N_reid.
        config: all rules but the thresholds.
        candidates: of an earlier rehearsal of the same sequence and networks.
        flow: F; by default that of `config.flow`.
    """

    def __init__(
        self,
        video: Video,
        networks: Networks,
        config: Config,
        candidates: Candidates | None = None,
        flow: FlowEstimator | None = None,
    ) -> None:
        super().__init__(video, networks, config, flow, False, False)
        self.sequence = video
        with torch.inference_mode():
            self.initialise()
            self.candidates = next(self._searches()) if candidates is None else candidates
        self.root = self._moment()

    def scores(self, matching: ReidConfig) -> InstanceTable:
        """The scores of a whole run under some thresholds; the other rules are those of `config`."""
        moment = self.root
        with torch.inference_mode():
            while True:
                self._return_to(moment)
                retrieval = self.candidates.retrieve(self._visible_boxes(), self.start, matching, self.config.release)
                if retrieval is None:
                    return self._scored(moment)
                if retrieval not in moment.after:
                    self._recover(retrieval)
                    self._sweep(retrieval)
                    moment.after[retrieval] = self._moment()
                moment = moment.after[retrieval]

    def _moment(self) -> _Moment:
        return _Moment(self.snapshot(), self.start.copy(), self.boxes.copy())

    def _return_to(self, moment: _Moment) -> None:
        for i, k in product(range(self.N), range(self.K)):
            self.P[i, k] = moment.maps[i][k]
        self.start, self.boxes = moment.start.copy(), moment.boxes.copy()

    def _scored(self, moment: _Moment) -> InstanceTable:
        if moment.scores is None:
            masks = [merge(maps, self.sequence.labels) for maps in moment.maps]
            moment.scores = score_sequence(self.sequence.name, self.sequence.truth, self.sequence.annotated(masks))
        return moment.scores


def rehearse(
    video: Video,
    networks: Networks,
    config: Config,
    thresholds: Iterable[tuple[float, float]],
    scale_sets: Iterable[tuple[float, ...]],
) -> dict[tuple[float, float, tuple[float, ...]], InstanceTable]:
    """The scores of a sequence for every pair (rho_reid, rho_occ) at every set of scales."""
    thresholds, candidates, scores = list(thresholds), None, {}
    for scales in scale_sets:
        scaled = replace(config, propagation=replace(config.propagation, scales=scales))
        rehearsal = Rehearsal(video, networks, scaled, candidates)
        candidates = rehearsal.candidates
        for rho_reid, rho_occ in sorted(thresholds):
            matching = replace(config.matching, rho_reid=rho_reid, rho_occ=rho_occ)
            scores[rho_reid, rho_occ, scales] = rehearsal.scores(matching)
    return scores
