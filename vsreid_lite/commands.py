"""What each command of `vsreid` does: options in, files and a few printed lines out."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vsreid_lite.config import PRESETS, Config
from vsreid_lite.files import writable_folder, write_json, write_text
from vsreid_lite.interrupts import uninterrupted
from vsreid_lite.wording import counted

if TYPE_CHECKING:
    from vsreid_lite.datasets.benchmarks import Benchmark
    from vsreid_lite.sequence import Sequence

# Each command imports what it needs: torch takes seconds. Ctrl-C waits for that, since libraries that are cut in two
# while they load print tracebacks of their own.


def segment_video(options: argparse.Namespace) -> None:
    """`vsreid segment`: masks of a folder of frames or a video, from the mask of the first frame."""
    with uninterrupted():
        from vsreid_lite.api import load_sequence, segment
        from vsreid_lite.masks import read_first_mask, read_palette
        from vsreid_lite.outputs import write_masks
        from vsreid_lite.video import frame_rate, write_overlay_video

    _check_segment_outputs(options)
    sequence = load_sequence(options.input, options.first_mask)
    _check_masks(options, sequence)
    fps = frame_rate(options.input)
    single = read_first_mask(options.first_mask)[1]  # its instance moves from 255 to 1, the colour of 1 means nothing
    palette = None if single else read_palette(options.first_mask)
    size = f"{sequence.shape[1]} x {sequence.shape[0]}"
    print(f"{sequence.name}: {counted(sequence.N, 'frame')}, {counted(sequence.K, 'instance')}, {size}")
    result = segment(sequence, _preset_config(options), progress=True)
    write_masks(options.output, sequence.frame_names, result.masks, palette)
    if options.video:
        write_overlay_video(options.video, sequence.frames, result.masks, fps)
    if options.json:
        write_json(options.json, result.to_json())
    seconds = result.seconds["total"]
    rounds = counted(len(result.rounds), "round")
    print(f"{rounds}, {seconds:.1f} s, {sequence.N / seconds:.1f} frames/s: {options.output}")


def evaluate_folders(options: argparse.Namespace) -> None:
    """`vsreid evaluate`: the official DAVIS 2017 numbers of a folder of predictions."""
    with uninterrupted():
        from vsreid_lite.evaluation.metrics import evaluate
        from vsreid_lite.outputs import check_file

    if options.json:
        check_file(options.json)
    scores = evaluate(options.reference, options.predicted)
    if options.json:
        write_json(options.json, scores.to_json())
    width = max(len(name) for name in ("instance", *scores.instances))
    print(f"{'instance':<{width}}  J-mean  F-mean")
    for name, instance in scores.instances.items():
        print(f"{name:<{width}}  {instance.J.mean():6.3f}  {instance.F.mean():6.3f}")
    for name, measure in (("J", scores.J), ("F", scores.F)):
        print(f"{name}: mean {measure.mean:.3f}, recall {measure.recall:.3f}, decay {measure.decay:.3f}")
    for name, value in (("in visible frames", scores.visible_J), ("after re-appearance", scores.reappeared_J)):
        print(f"J {name}: {'-' if value is None else f'{value:.3f}'}")
    print(f"global-mean {scores.global_mean:.3f}")


def measure_ablation(options: argparse.Namespace) -> None:
    """`vsreid ablation`: the rows of Table 1 on a benchmark beside the paper's; printed, and written in four forms."""
    with uninterrupted():
        from vsreid_lite.evaluation.ablation import run_ablation, seen_sequences
        from vsreid_lite.evaluation.ladder import adapted, ladder
        from vsreid_lite.evaluation.report import format_csv, format_markdown, format_table
        from vsreid_lite.outputs import check_file, check_folder, write_figure
        from vsreid_lite.visualization.ablation_plots import plot_ablation
        from vsreid_lite.workers import default_workers

    config = _preset_config(options)
    output = options.output or Path("runs") / _run_name(options, config)
    check_folder(output / "parts")
    files = [output / name for name in ("results.json", "table1.md", "table1.csv", "table1.png")]
    for file in files:
        check_file(file)
    rows = ladder(config, options.rows)
    _check_flow(config)
    benchmark = _benchmark(options, output)
    seen = seen_sequences(benchmark, config)
    if seen:
        learnt = ", ".join(sorted({source for sources in seen.values() for source in sources}))
        warnings.warn(f"weights {config.weights} have seen {learnt} in training: no fair test", stacklevel=1)
    every = adapted(rows) if options.adapt == "all" else []
    results = run_ablation(benchmark, rows, output, options.workers or default_workers(), every)
    write_json(files[0], results)
    write_text(files[1], format_markdown(results))
    write_text(files[2], format_csv(results))
    write_figure(files[3], plot_ablation(results))
    print(format_table(results))
    print(f"results: {', '.join(str(file) for file in files)}")


def render_benchmark(options: argparse.Namespace) -> None:
    """`vsreid render`: the sequences of mini or composite as a folder in DAVIS 2017 layout."""
    with uninterrupted():
        from tqdm.auto import tqdm

        from vsreid_lite.datasets.composite import composite_sequences
        from vsreid_lite.datasets.frozen import write_benchmark
        from vsreid_lite.datasets.mini import CHALLENGES, mini_sequence
        from vsreid_lite.outputs import check_folder

    check_folder(options.output / "ImageSets" / "2017")
    if options.dataset == "composite":
        if options.root is None:
            raise ValueError("vsreid render composite needs --root, a DAVIS root to cut instances from")
        if options.output.resolve() == options.root.resolve():
            raise ValueError(f"{options.output}: the output is the input; give another, inputs stay untouched")
        count = {"count": options.count} if options.count else {}
        sequences: Iterable[Sequence] = composite_sequences(options.root, options.seed, options.split, **count)
    else:
        first = options.seed * len(CHALLENGES)
        indices = range(first, first + (options.count or len(CHALLENGES)))
        sequences = (mini_sequence(options.split, index) for index in tqdm(indices, desc="rendering"))
    names = write_benchmark(sequences, options.output, options.split)
    print(f"{counted(len(names), 'sequence')}: {options.output}")


def download_dataset(options: argparse.Namespace) -> None:
    """`vsreid download`: a DAVIS archive, verified and unpacked."""
    from vsreid_lite.datasets.download import download

    print(f"ready, use it as --root: {download(options.name, writable_folder(options.output))}")


def examine_installation(_: argparse.Namespace) -> None:
    """`vsreid doctor`: what works here, line by line. Raises ValueError where the default path does not."""
    from vsreid_lite.doctor import examine

    missing = []
    for finding in examine():
        print(finding, flush=True)
        if finding.needed and not finding.ok:
            missing.append(finding.subject)
    if missing:
        raise ValueError(f"the default path does not work here: {', '.join(missing)} missing; see above for what to do")


def download_names() -> list[str]:
    """The archives of `vsreid download`, without importing what fetches them."""
    return ["davis-2017-trainval-480p", "davis-2017-test-dev-480p", "davis-2016", "davis-2017"]


def _run_name(options: argparse.Namespace, config: Config) -> str:
    """Data set and weights, and what else is not the preset lite's."""
    scenes = f"-{options.scenes.start}-{options.scenes.stop}" if options.scenes else ""
    parts = [f"{options.dataset}{scenes}", "" if config.preset == "lite" else config.preset, Path(config.weights).stem]
    if options.flow:
        parts.append(Path(options.flow.rpartition(":")[2]).stem)
    parts += [Path(file).stem for file in (options.detector, options.identification) if file]
    return "-".join(part for part in parts if part)


def _check_flow(config: Config) -> None:
    """That the flow of an ablation can be had: fetched once, and here, since no worker should."""
    from vsreid_lite.flow import FloFolder, get_flow
    from vsreid_lite.models.loading import choose_device

    if isinstance(get_flow(config.flow, device=choose_device(config.device)), FloFolder):
        raise ValueError(f"--flow {config.flow}: a folder holds the flow of one video; an ablation takes an estimator")


def _benchmark(options: argparse.Namespace, output: Path) -> Benchmark:
    """The benchmark of an ablation: one that is there, or mini scenes that are rendered for it."""
    from vsreid_lite.datasets.benchmarks import open_benchmark, open_scenes

    if not options.scenes:
        return open_benchmark(options.dataset, options.root, options.sequences)
    if options.dataset != "mini" or options.root:
        raise ValueError("--scenes renders scenes of mini: it goes with --dataset mini and without --root")
    folder = output / f"scenes-{options.scenes.start}-{options.scenes.stop}"
    return open_scenes(options.scenes, folder, options.sequences)


def _preset_config(options: argparse.Namespace) -> Config:
    """The preset, with what the command line gives instead."""
    given = {
        "weights": options.weights,
        "flow": options.flow,
        "detector_weights": options.detector,
        "identification_weights": options.identification,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return replace(
        PRESETS[options.preset], adapt=bool(options.adapt), device=options.device, seed=options.seed, **given
    )


def _check_segment_outputs(options: argparse.Namespace) -> None:
    from vsreid_lite.outputs import check_file, check_folder, check_video

    inputs = [options.input, options.first_mask]
    if options.output.resolve() == options.input.resolve():
        raise ValueError(f"{options.output}: the output folder is the input; give another, inputs stay untouched")
    check_folder(options.output)
    if options.video:
        check_video(options.video, inputs)
    if options.json:
        check_file(options.json, inputs)


def _check_masks(options: argparse.Namespace, sequence: Sequence) -> None:
    """That the masks spare the first mask, and lie beside no masks of another run."""
    from vsreid_lite.outputs import check_file

    masks = [options.output / f"{name}.png" for name in sequence.frame_names]
    for mask in masks:
        check_file(mask, [options.first_mask])
    others = sorted({path.name for path in options.output.glob("*.png")} - {mask.name for mask in masks})
    if others:
        warnings.warn(
            f"{options.output}: holds {len(others)} other PNG files ({others[0]}, ...), perhaps masks of another run",
            stacklevel=1,
        )
