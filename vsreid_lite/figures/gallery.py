"""Every figure and table of the paper by its name, drawn from runs of the library on mini and from results."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from vsreid_lite.config import Config
from vsreid_lite.datasets.benchmarks import open_benchmark
from vsreid_lite.datasets.davis import street_video
from vsreid_lite.evaluation.metrics import Statistics
from vsreid_lite.evaluation.paper import table2
from vsreid_lite.figures.figure1 import plot_figure1
from vsreid_lite.figures.figure2 import plot_figure2, telling_rounds
from vsreid_lite.figures.figure3 import plot_figure3, run_figure3
from vsreid_lite.figures.figures4and5 import Example, even_frames, plot_figure4, plot_figure5, telling_frames
from vsreid_lite.figures.table1 import plot_table1
from vsreid_lite.figures.table2 import plot_table2
from vsreid_lite.flow import get_flow
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.plots.line_plots import plot_training
from vsreid_lite.plots.patch_plots import trace_patches
from vsreid_lite.system.wording import counted
from vsreid_lite.training.loop import read_logs
from vsreid_lite.vsreid import segment

ONE_STEP = ("scale-change", 9, 0)  # Figure 1: a sequence of mini, frame i, and instance k; j is the next frame
PIPELINE = "exit-and-return"  # Figure 2
RETRIEVED = ("exit-and-return", "deformation")  # Figure 4
REAL = "lite-real"  # weights for the clip street
QUALITATIVE = ("articulation", "crowd", "deformation", "scale-change")  # Figure 5


@dataclass(eq=False)
class Gallery:
    """What is drawn from where. Each network is loaded once, and each video segmented once.

    config: of the runs. results: the file of `vsreid ablation`. training: the folder of the logs of `vsreid train`.
    """

    config: Config
    results: Path
    training: Path
    _examples: dict[str, Example] = field(default_factory=dict, init=False)

    def figure1(self) -> Figure:
        """The mask propagation network on one step, guided by the true mask of the frame before."""
        name, i, k = ONE_STEP
        video = open_benchmark("mini", names=(name,)).load(name)
        assert video.annotations is not None and video.annotations[i] is not None
        assert isinstance(self._networks.propagation, TwoStreams)
        P = torch.from_numpy(video.annotations[i] == video.labels[k]).float()
        config = with_stored_settings(self.config)
        flow = get_flow(config.flow)(list(video.frames), target=i + 1, source=i)
        patches = trace_patches(
            video.frames[i + 1], flow, P, self._networks.propagation, config.propagation, config.release
        )
        return plot_figure1(video.frames[i + 1], flow.numpy(), patches, i + 1, video.labels[k])

    def figure2(self) -> Figure:
        """The pipeline, with the two rounds that change most."""
        example = self._example(PIPELINE)
        sequence, result = example.sequence, example.result
        return plot_figure2(sequence, result, even_frames(sequence.N, 7), telling_rounds(result, 2))

    def figure3(self) -> Figure:
        """The checkpoints, on the toy that Algorithm 3 runs on."""
        found, printed = (run_figure3(repair_r1)[1].rounds[0] for repair_r1 in (True, False))
        return plot_figure3(found, printed)

    def figure4(self) -> Figure:
        """Instances before and after their retrieval."""
        examples = [self._example(name) for name in RETRIEVED]
        return plot_figure4(examples, [telling_frames(example, 5) for example in examples])

    def figure5(self) -> Figure:
        """Whole videos."""
        examples = [self._example(name) for name in QUALITATIVE]
        return plot_figure5(examples, [even_frames(example.sequence.N, 5) for example in examples])

    def street(self) -> Figure:
        """The real clip that ships, by the weights for real video, adapted as `vsreid segment` does by default."""
        config = with_stored_settings(replace(self.config, weights=REAL, adapt=True))
        example = Example.of(street_video(), segment(street_video(), config, keep_maps=True))
        return plot_figure4([example], [telling_frames(example, 6)])

    def table1(self) -> Figure:
        """The ablation. Raises FileNotFoundError without results, ValueError for a file that holds none."""
        return self._from_results(plot_table1)

    def table2(self) -> Figure:
        """The challenge, and our last row of Table 1. Raises as `table1`."""
        return self._from_results(_table2_with_ours)

    def curves(self) -> Figure:
        """The training of the shipped weights. Raises FileNotFoundError where there is no log."""
        logs = read_logs(self.training)
        if not logs:
            raise FileNotFoundError(f"{self.training}: no logs of training; they come from `vsreid train`")
        return plot_training(logs)

    @cached_property
    def _networks(self) -> Networks:
        return load_networks(self.config)

    def _example(self, name: str) -> Example:
        if name not in self._examples:
            video = open_benchmark("mini", names=(name,)).load(name)
            result = segment(video, with_stored_settings(self.config), self._networks, keep_maps=True)
            self._examples[name] = Example.of(video, result)
        return self._examples[name]

    def _from_results(self, plot: Callable[[Any], Figure]) -> Figure:
        if not self.results.is_file():
            raise FileNotFoundError(
                f"{self.results}: no results; run `vsreid ablation --dataset mini` (make reproduce), or draw only what "
                "needs none: --only figure1,figure2,figure3,figure4,figure5,training"
            )
        try:
            return plot(json.loads(self.results.read_text(encoding="utf-8")))
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.results}: expected the results of `vsreid ablation`, found something else, perhaps of another "
                f"version ({error!r}); run it again"
            ) from error


def _table2_with_ours(results: Any) -> Figure:
    row = [row for row in results["rows"] if row["paper"] and row["global-mean"] is not None][-1]
    J, F = (Statistics(**row[name]) for name in ("J", "F"))
    instances = counted(len(row["instances"]), "instance")
    where = (
        f"{results['dataset']}, {instances} in {counted(len(results['sequences']), 'sequence')}, "
        f"weights {results['weights']}, row “{row['name']}” of Table 1"
    )
    return plot_table2(table2(), J, F, where)


DRAWINGS: dict[str, Callable[[Gallery], Figure]] = {
    "table1": Gallery.table1,
    "table2": Gallery.table2,
    "training": Gallery.curves,
    "figure1": Gallery.figure1,
    "figure2": Gallery.figure2,
    "figure3": Gallery.figure3,
    "figure4": Gallery.figure4,
    "figure5": Gallery.figure5,
    "street": Gallery.street,
}
