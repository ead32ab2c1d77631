"""What each command of `vsreid` does: options in, files and a few printed lines out."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vsreid_lite.config import Config
from vsreid_lite.files import atomic_path, writable_folder, write_json

if TYPE_CHECKING:
    from vsreid_lite.sequence import Sequence


def segment_video(options: argparse.Namespace) -> None:
    """`vsreid segment`: masks of a folder of frames or a video, from the mask of the first frame."""
    from vsreid_lite.api import segment
    from vsreid_lite.masks import read_palette, write_mask
    from vsreid_lite.sequence import load_sequence
    from vsreid_lite.video import frame_rate, write_overlay_video

    sequence = load_sequence(options.input, options.first_mask)
    output = _result_folder(options.output, options.input)
    config = _config(options)
    print(f"{sequence.name}: {sequence.N} frames, {sequence.K} instances, {sequence.shape[1]} x {sequence.shape[0]}")
    result = segment(sequence, config, progress=True)
    palette = read_palette(options.first_mask)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.", suffix=".part") as folder:
        for name, mask in zip(sequence.frame_names, result.masks, strict=True):
            write_mask(Path(folder) / f"{name}.png", mask, palette)
        for name in sequence.frame_names:
            os.replace(Path(folder) / f"{name}.png", output / f"{name}.png")
    if options.video:
        write_overlay_video(options.video, sequence.frames, result.masks, frame_rate(options.input))
    if options.json:
        write_json(options.json, result.to_json())
    frames_a_second = sequence.N / result.seconds["total"]
    print(f"{len(result.rounds)} rounds, {result.seconds['total']:.1f} s, {frames_a_second:.1f} frames/s: {output}")


def evaluate_folders(options: argparse.Namespace) -> None:
    """`vsreid evaluate`: the official DAVIS 2017 numbers of a folder of predictions."""
    from vsreid_lite.evaluation.metrics import evaluate

    if options.json:
        writable_folder(options.json.parent)
    scores = evaluate(options.reference, options.predicted)
    if options.json:
        write_json(options.json, scores.to_json())
    width = max(len(name) for name in scores.instances)
    print(f"{'instance':<{width}}  J-mean  F-mean")
    for name, instance in scores.instances.items():
        print(f"{name:<{width}}  {instance.J.mean():6.3f}  {instance.F.mean():6.3f}")
    for name, measure in (("J", scores.J), ("F", scores.F)):
        print(f"{name}: mean {measure.mean:.3f}, recall {measure.recall:.3f}, decay {measure.decay:.3f}")
    print(f"global-mean {scores.global_mean:.3f}")


def measure_ablation(options: argparse.Namespace) -> None:
    """`vsreid ablation`: the rows of Table 1 on a benchmark, printed beside the paper's."""
    from vsreid_lite.datasets.benchmarks import open_benchmark
    from vsreid_lite.evaluation.ablation import run_ablation, seen_sequences
    from vsreid_lite.evaluation.ladder import ladder
    from vsreid_lite.evaluation.report import format_table

    benchmark = open_benchmark(options.dataset, options.root, options.sequences)
    config = _config(options)
    output = writable_folder(options.output or Path("runs") / f"{options.dataset}-{Path(options.weights).stem}")
    for name, sources in seen_sequences(benchmark, config.weights).items():
        print(f"vsreid: warning: the weights have seen {', '.join(sources)} in training ({name})", file=sys.stderr)
    results = run_ablation(benchmark, ladder(config), output, options.workers or os.cpu_count() or 1)
    write_json(output / "results.json", results)
    print(format_table(results))
    print(f"results: {output / 'results.json'}")


def render_benchmark(options: argparse.Namespace) -> None:
    """`vsreid render`: the sequences of mini or composite as a folder in DAVIS 2017 layout."""
    from tqdm.auto import tqdm

    from vsreid_lite.datasets.composite import composite_sequences
    from vsreid_lite.datasets.frozen import write_benchmark
    from vsreid_lite.datasets.mini import CHALLENGES, mini_sequence

    if options.dataset == "composite":
        if options.root is None:
            raise ValueError("vsreid render composite needs --root, a DAVIS root to cut instances from")
        count = {"count": options.count} if options.count else {}
        sequences: Iterable[Sequence] = composite_sequences(options.root, options.seed, options.split, **count)
    else:
        first = options.seed * len(CHALLENGES)
        indices = range(first, first + (options.count or len(CHALLENGES)))
        sequences = (mini_sequence(options.split, index) for index in tqdm(indices, desc="rendering"))
    names = write_benchmark(sequences, options.output, options.split)
    print(f"{len(names)} sequences: {options.output}")


def train_stage(options: argparse.Namespace) -> None:
    """`vsreid train`: one stage, resumed where an earlier run was stopped."""
    from vsreid_lite.datasets.davis import list_sequences
    from vsreid_lite.models.loading import choose_device
    from vsreid_lite.training.stages import STAGES, Request, run_stage

    sequences = options.sequences
    if STAGES[options.stage].real and options.root is not None and not sequences:
        sequences = tuple(list_sequences(options.root, 2016))
    output = options.output or Path("runs/train") / f"{options.stage}.safetensors"
    writable_folder(output.parent)
    command = f"vsreid train {options.stage} --seed {options.seed}"
    if sequences:
        command += f" --root DAVIS --sequences {shlex.quote(','.join(sequences))}"
    device = str(choose_device(options.device))
    request = Request(output, command, options.seed, options.minutes, options.root, tuple(sequences), device)
    provenance = run_stage(options.stage, request)
    print(f"{provenance.steps} steps: {output}")


def download_dataset(options: argparse.Namespace) -> None:
    """`vsreid download`: a DAVIS archive, verified and unpacked."""
    from vsreid_lite.datasets.download import download

    print(f"ready, use it as --root: {download(options.name, writable_folder(options.output))}")


def draw_figures(options: argparse.Namespace) -> None:
    """`vsreid figures`: figures/ from the results of an ablation."""
    from vsreid_lite.visualization.plots import plot_table1

    if not options.results.is_file():
        raise FileNotFoundError(f"{options.results}: no results; run `vsreid ablation --dataset mini` (make reproduce)")
    results = json.loads(options.results.read_text(encoding="utf-8"))
    path = writable_folder(options.output) / "table1.png"
    with atomic_path(path) as temporary:
        plot_table1(results).savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    print(f"figure: {path}")


def stage_names() -> list[str]:
    """The stages of `vsreid train`, without importing torch."""
    parts = ("propagation", "detector", "identification")
    return [f"{weights}-{part}" for weights in ("lite", "lite-davis") for part in parts]


def download_names() -> list[str]:
    """The archives of `vsreid download`."""
    from vsreid_lite.datasets.download import ARCHIVES

    return list(ARCHIVES)


def _config(options: argparse.Namespace) -> Config:
    return Config(weights=options.weights, adapt=options.adapt, device=options.device, seed=options.seed)


def _result_folder(output: Path, source: Path) -> Path:
    """The output folder, refused where it would write between the input frames."""
    if output.resolve() == source.resolve():
        raise ValueError(f"{output}: the output folder is the input folder; give another, inputs stay untouched")
    return writable_folder(output)
