"""What each command of `vsreid` does: options in, files and a few printed lines out."""

from __future__ import annotations

import argparse
import shlex
import shutil
import time
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vsreid_lite.commands.batch import segment_folder
from vsreid_lite.config import LITE, PRESETS, Config, check_flow_name, with_settings
from vsreid_lite.system.cluster import open_workers
from vsreid_lite.system.files import natural_key, shipped, writable_folder, write_bytes, write_json, write_text
from vsreid_lite.system.wording import counted
from vsreid_lite.system.workers import uninterrupted

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from vsreid_lite.datasets.benchmarks import Benchmark
    from vsreid_lite.evaluation.ladder import Row
    from vsreid_lite.evaluation.metrics import Scores, Statistics
    from vsreid_lite.result import Result
    from vsreid_lite.video.video import Video

    Palette = NDArray[uint8]

SPLIT_FOLDERS = ("2017", "2016", "480p")  # of ImageSets
FROM_FILES = (
    "table1",
    "table2",
    "training",
)  # from files of earlier runs, looked for before anything is drawn
FIGURES = (*FROM_FILES, "figure1", "figure2", "figure3", "figure4", "figure5")
NOTHING = slice(0, 0)
ON_REQUEST = ("street",)  # adapts to a real clip, which takes minutes
ROW_FIELDS = ("reid", "propagation.use_box", "propagation.use_flow", "propagation.scales")  # of Table 1's rows
LINKED = (  # by the documents, beside README.md, docs and notebooks; pyproject.toml puts them into the wheel
    *("CONTRIBUTING.md", "CITATION.cff", "LICENSE", "LICENSE-APACHE", "NOTICE", "data/README.md"),
    *("figures/table1.png", "figures/lost-and-retrieved.png"),
)
STATE = ".unfinished"  # a folder in the output, from which a run that was killed goes on
PARTS = {  # of `Result.seconds`, as the closing line of `vsreid segment` names them
    "adaptation": "adaptation",
    "propagation": "initial",
    "candidates": "candidates",
    "rounds": "rounds",
    "merging": "merge",
}

# Imports stand inside the commands, because torch takes seconds to load. `uninterrupted` holds Ctrl-C back until they
# are done: a library that is interrupted while loading prints a traceback of its own.


def segment_video(options: argparse.Namespace) -> None:
    """`vsreid segment`: masks of a folder of frames or a video, from the mask of the first frame; or of many videos."""
    if options.first_mask is not None or options.mask:
        if options.workers or options.scheduler or options.shard:
            raise ValueError(
                "--workers, --scheduler, --shard: are for a folder of videos; leave out --first-mask and --mask"
            )
        _segment_one(options)
        return
    from vsreid_lite.networks.weight_files import read_files

    config = _checked_config(_real_video_config(options), options.settings)
    segment_folder(options, config, read_files(config), _segment_one)


def _segment_one(options: argparse.Namespace) -> bool:
    """Segment one video, write what is asked for, and say how long each part took; False: adaptation was stopped."""
    started = time.perf_counter()
    config = _checked_config(_real_video_config(options), options.settings)
    given = _checked_video(options, config)
    video = given.video
    size = f"{video.shape[1]} x {video.shape[0]}"
    print(f"{video.name}: {counted(video.N, 'frame')}, {counted(video.K, 'instance')}, {size}", flush=True)
    read = time.perf_counter()
    with uninterrupted():
        from vsreid_lite.vsreid import segment

    state = options.output / STATE
    result = segment(video, config, progress=not options.quiet, resume=state)
    segmented = time.perf_counter()
    _write_segmentation(options, given, result)
    shutil.rmtree(state, ignore_errors=True)
    parts = {"reading": read - started, **_parts(result, segmented - read), "writing": time.perf_counter() - segmented}
    seconds, rounds = sum(parts.values()), counted(len(result.rounds), "round")
    listed = ", ".join(f"{name} {part:.1f}" for name, part in parts.items() if part)
    print(f"{rounds}, {seconds:.1f} s ({listed}), {video.N / seconds:.1f} frames/s: {options.output}")
    return not result.adaptation_stopped


def _parts(result: Result, seconds: float) -> dict[str, float]:
    """What the parts of a segmentation took that took so many seconds in all; what is left is loading."""
    done = {name: result.seconds[key] for name, key in PARTS.items()}
    return {"loading": seconds - sum(done.values()), **done}


def _write_segmentation(options: argparse.Namespace, given: Given, result: Result) -> None:
    """The masks, and what else is asked for."""
    from vsreid_lite.video.outputs import write_coco, write_cutouts, write_masks

    video = given.video
    write_masks(options.output, video.frame_names, result.masks, given.palette)
    if options.overlay:
        with uninterrupted():
            from vsreid_lite.plots.overlay_video import write_overlay_video

        write_overlay_video(options.overlay, video.frames, result, given.fps)
    if options.cutouts:
        write_cutouts(options.cutouts, video.frame_names, video.frames, result.masks, video.labels)
    if options.coco:
        write_coco(options.coco, given.files, result.masks, video.labels)
    if options.json:
        write_json(options.json, result.to_json())


def evaluate_folders(options: argparse.Namespace) -> None:
    """`vsreid evaluate`: the DAVIS 2017 numbers of a folder of predictions, and those of the official program."""
    with uninterrupted():
        from vsreid_lite.datasets.davis import read_split
        from vsreid_lite.evaluation.labels import existing_folder
        from vsreid_lite.video.outputs import check_outputs, pictures

    for folder in (options.reference, options.predicted):
        existing_folder(folder)
    with uninterrupted():
        from vsreid_lite.evaluation.metrics import evaluate
        from vsreid_lite.evaluation.official import check_official, official_scores

    if options.official:
        check_official(options.year)
    lists = [_split_file(options)] if options.split else []
    if options.json:
        check_outputs([options.json], inputs=chain(lists, pictures(options.reference, options.predicted)))
    sequences = read_split(lists[0]) if lists else options.sequences
    with open_workers(options.workers, options.scheduler, 1) as workers:
        scores = evaluate(options.reference, options.predicted, sequences, options.year, workers)
    if options.json:
        write_json(options.json, scores.to_json())
    _print_scores(scores)
    if options.official:
        names = list(dict.fromkeys(name.rpartition("_")[0] for name in scores.instances))
        official = official_scores(options.reference, options.predicted, names)
        for name, measure in official.items():
            print(f"official {_measure_line(name, measure)}")
        print(f"official global-mean {(official['J'].mean + official['F'].mean) / 2:.3f}")


def _print_scores(scores: Scores) -> None:
    width = max(len(name) for name in ("instance", *scores.instances))
    print(f"{'instance':<{width}}  J-mean  F-mean")
    for name, instance in scores.instances.items():
        print(f"{name:<{width}}  {instance.J.mean():6.3f}  {instance.F.mean():6.3f}")
    for name, measure in (("J", scores.J), ("F", scores.F)):
        print(_measure_line(name, measure))
    for name, value in (("in visible frames", scores.visible_J), ("after re-appearance", scores.reappeared_J)):
        print(f"J {name}: {'-' if value is None else f'{value:.3f}'}")
    print(f"global-mean {scores.global_mean:.3f}")


def _measure_line(name: str, measure: Statistics) -> str:
    return f"{name}: mean {measure.mean:.3f}, recall {measure.recall:.3f}, decay {measure.decay:.3f}"


def measure_ablation(options: argparse.Namespace) -> None:
    """`vsreid ablation`: the rows of Table 1 on a benchmark beside the paper's; printed, and written in four forms."""
    _refuse_what_rows_set(options.settings)
    config = _checked_config(_preset_config(options), options.settings)
    output = options.output or Path("runs") / _run_name(options, config)
    files = [output / name for name in ("results.json", "table1.md", "table1.csv", "table1.png")]
    benchmark = _checked_benchmark(options, config, output, files)
    rows = _checked_rows(options, config)
    with uninterrupted():
        from vsreid_lite.evaluation.ablation import measure_part, run_ablation, seen_sequences
        from vsreid_lite.evaluation.ladder import adapted
        from vsreid_lite.evaluation.report import format_csv, format_markdown, format_table
        from vsreid_lite.figures.table1 import plot_table1
        from vsreid_lite.flow import get_flow
        from vsreid_lite.networks.loading import choose_device
        from vsreid_lite.video.outputs import write_figure

    get_flow(config.flow, device=choose_device(config.device))  # fetched once, and here, since no worker should
    benchmark = benchmark or _scenes(options, output)
    seen = seen_sequences(benchmark, config)
    if seen:
        learnt = ", ".join(sorted({source for sources in seen.values() for source in sources}))
        warnings.warn(f"weights {config.weights} have seen {learnt} in training: no fair test", stacklevel=1)
    every = adapted(rows) if options.adapt == "all" else []
    part = NOTHING if options.merge else options.shard or slice(None)
    with open_workers(options.workers, options.scheduler) as workers:
        missing = measure_part(benchmark, rows, output, part, workers, every)
    if missing:
        _say_missing(options, output, missing)
        return
    results = run_ablation(benchmark, rows, output, adapted_rows=every)
    write_json(files[0], results)
    write_text(files[1], format_markdown(results))
    write_text(files[2], format_csv(results))
    write_figure(files[3], plot_table1(results))
    print(format_table(results))
    print(f"results: {', '.join(str(file) for file in files)}")


def _say_missing(options: argparse.Namespace, output: Path, missing: int) -> None:
    """That other shards are not finished; with `--merge`, which measures nothing, an error."""
    found = f"{counted(missing, 'result')} of other shards not there yet in {output / 'parts'}"
    if options.merge:
        raise ValueError(
            f"--merge: {found}; run these shards, or the command without --merge; all shards need one --device and "
            "the same versions"
        )
    print(f"shard finished, {found}: the last to finish prints the table, or --merge does")


def render_dataset(options: argparse.Namespace) -> None:
    """`vsreid render`: the sequences of mini or composite as a folder in DAVIS 2017 layout."""
    composite = options.dataset == "composite"
    if composite and options.root is None:
        raise ValueError("vsreid render composite needs --root, a DAVIS root to cut instances from")
    with uninterrupted():
        from vsreid_lite.datasets.benchmarks import benchmark_inputs
        from vsreid_lite.datasets.davis import render_benchmark
        from vsreid_lite.video.outputs import check_folder, check_outputs

    check_outputs([], options.output, benchmark_inputs("composite", options.root) if options.root else [])
    check_folder(options.output / "ImageSets" / "2017")
    with uninterrupted():
        from vsreid_lite.datasets.composite import SCRIPTS, Composer
        from vsreid_lite.datasets.mini import CHALLENGES, mini_video

    kinds: Collection[str] = SCRIPTS if composite else CHALLENGES
    _refuse_other_list(options, kinds)
    first = 0 if composite else options.seed * len(CHALLENGES)
    indices = range(first, first + (options.count or len(kinds)))
    render: Callable[[int], Video] = partial(mini_video, options.split)
    made_from = f"mini {options.split}"
    if composite:
        render = Composer.of(options.root, options.seed, options.split)
        made_from = repr(render)
    with open_workers(options.workers, options.scheduler, 1) as workers:
        names = render_benchmark(render, indices, options.output, options.split, made_from, workers)
    print(f"{counted(len(names), 'sequence')}: {options.output}")


def _refuse_other_list(options: argparse.Namespace, kinds: Collection[str]) -> None:
    """A list that is there is replaced only where each sequence in it may come from an earlier rendering.

    kinds: how the names of rendered sequences begin.
    """
    from vsreid_lite.datasets.davis import read_split, split_file

    path = split_file(options.output, options.split)
    names = read_split(path) if path.exists() else []
    others = [name for name in names if not any(name == kind or name.startswith(f"{kind}-") for kind in kinds)]
    if others:
        raise ValueError(
            f"{path}: lists sequences of another data set ({others[0]}, ...), and rendering would replace it; give "
            "another --output or --split"
        )


def download_dataset(options: argparse.Namespace) -> None:
    """`vsreid download`: a DAVIS archive, verified and unpacked."""
    from vsreid_lite.datasets.download import download

    print(f"ready, use it as --root: {download(options.name, writable_folder(options.output))}")


def copy_notebooks(options: argparse.Namespace) -> None:
    """`vsreid notebooks`: notebooks, solutions, documents, and what these link to, in a new or empty folder."""
    from vsreid_lite.video.outputs import all_or_none

    folder, source = options.output, shipped("notebooks")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: expected a new or empty folder, found a file; give another name")
    if folder.is_dir() and (found := sorted(path.name for path in folder.iterdir() if path.suffix != ".part")):
        listed = found[0] if len(found) == 1 else f"{found[0]}, ..."
        raise FileExistsError(f"{folder}: expected a new or empty folder, found {listed} in it; give another name")
    notebooks = [*source.glob("*.ipynb"), *source.glob("solutions/*.ipynb")]
    with all_or_none(folder) as temporary:
        for path in notebooks:
            text = path.read_text(encoding="utf-8").replace("](../docs/", "](docs/")
            write_text(temporary / path.relative_to(source), text)
        readme = shipped("README.md").read_text(encoding="utf-8")
        write_text(temporary / "README.md", readme.replace("](notebooks/", "]("))
        for name in (*(f"docs/{path.name}" for path in shipped("docs").glob("*.md")), *LINKED):
            write_bytes(temporary / name, shipped(name).read_bytes())
    print(f"{counted(len(notebooks), 'notebook')}: {folder}; to open them: jupyter lab {shlex.quote(str(folder))}")


def examine_installation(_: argparse.Namespace) -> None:
    """`vsreid doctor`: what works here, line by line.

    Raises:
        ValueError: the default path does not.
    """
    from vsreid_lite.commands.doctor import examine

    missing = []
    for finding in examine():
        print(finding, flush=True)
        if finding.needed and not finding.ok:
            missing.append(finding.subject)
    if missing:
        raise ValueError(f"the default path does not work here: {', '.join(missing)} missing; see above for what to do")


def _run_name(options: argparse.Namespace, config: Config) -> str:
    """Data set and weights, and what else is not the preset lite's."""
    scenes = f"-{options.scenes.start}-{options.scenes.stop}" if options.scenes else ""
    parts = [
        f"{options.dataset}{scenes}",
        options.split or "",
        "" if config.preset == "lite" else config.preset,
        Path(config.weights).stem,
    ]
    if options.flow:
        parts.append(Path(options.flow.rpartition(":")[2]).stem)
    parts += [Path(file).stem for file in (options.detector, options.identification) if file]
    parts += [setting.replace("/", "-") for setting in options.settings]
    return "-".join(part for part in parts if part)


def _checked_rows(options: argparse.Namespace, config: Config) -> list[Row]:
    """The rows of an ablation, before torch is loaded."""
    if Path(config.flow).is_dir():
        raise ValueError(f"--flow {config.flow}: a folder holds the flow of one video; an ablation takes an estimator")
    with uninterrupted():
        from vsreid_lite.evaluation.ladder import ladder

    return ladder(config, options.rows)


def _checked_benchmark(
    options: argparse.Namespace, config: Config, output: Path, files: list[Path]
) -> Benchmark | None:
    """The benchmark of an ablation, and that its results can be written beside it; None for scenes to be rendered."""
    with uninterrupted():
        from vsreid_lite.datasets.benchmarks import benchmark_inputs, open_benchmark
        from vsreid_lite.networks.weight_files import read_files
        from vsreid_lite.video.outputs import check_folder, check_outputs

    if options.scenes and (options.dataset != "mini" or options.root or options.split):
        raise ValueError("--scenes renders scenes of mini: it goes with --dataset mini and without --root and --split")
    check_outputs(files, output, chain(read_files(config), benchmark_inputs(options.dataset, options.root)))
    check_folder(output / "parts")
    return None if options.scenes else open_benchmark(options.dataset, options.root, options.sequences, options.split)


def _scenes(options: argparse.Namespace, output: Path) -> Benchmark:
    """Scenes of mini that are rendered for an ablation."""
    from vsreid_lite.datasets.benchmarks import open_scenes

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


def _real_video_config(options: argparse.Namespace) -> Config:
    """The configuration of `vsreid segment`: the preset lite has the weights for real video and adapts, unless said."""
    config = _preset_config(options)
    if config.preset != LITE.preset:
        adapt, weights = bool(options.adapt), config.weights
    else:
        adapt, weights = options.adapt is not False, options.weights or "lite-real"
    if options.adapt_steps and not adapt:
        raise ValueError("--adapt-steps: nothing is adapted; leave out --no-adapt, or give --adapt to another preset")
    adaptation = replace(config.adaptation, steps=options.adapt_steps)
    return replace(config, weights=weights, adapt=adapt, adaptation=adaptation)


def _refuse_what_rows_set(settings: Iterable[str]) -> None:
    """What `ladder` sets in each row of Table 1 cannot be set for all of them."""
    for setting in settings:
        if setting.partition("=")[0] in ROW_FIELDS:
            raise ValueError(f"--set {setting}: the rows of Table 1 differ in it; choose some with --rows")


def _checked_config(config: Config, settings: Iterable[str]) -> Config:
    """`config` with `settings`, whose device, flow and weights are there: a moment's work, before torch is loaded."""
    with uninterrupted():
        from vsreid_lite.networks.weight_files import check_weights
        from vsreid_lite.system.machine import check_device

    try:
        config = with_settings(config, settings)
    except ValueError as error:
        raise ValueError(f"--set {error}") from error
    check_device(config.device)
    check_flow_name(config.flow)
    check_weights(config)
    return config


class Given(NamedTuple):
    """What `vsreid segment` is given: the video, the colours of its masks, its rate, the file name of each frame."""

    video: Video
    palette: Palette | None
    fps: float
    files: list[str]


def _checked_video(options: argparse.Namespace, config: Config) -> Given:
    """The video of `vsreid segment`; its outputs are checked before."""
    with uninterrupted():
        from numpy import unique

        from vsreid_lite.networks.weight_files import read_files
        from vsreid_lite.video.frame_folders import frame_files
        from vsreid_lite.video.masks import check_size, read_given_masks
        from vsreid_lite.video.movies import first_frame, frame_rate
        from vsreid_lite.video.outputs import check_coco, check_video
        from vsreid_lite.video.video import load_video, mask_frames, read_frame

    if options.overlay:
        check_video(options.overlay)
    if options.coco:
        check_coco(options.coco)
    later = _later_masks(options)
    paths = [path for path in (options.first_mask, *later.values()) if path]
    masks, palette = read_given_masks(paths, options.year)
    labels = sorted({int(label) for mask in masks for label in unique(mask.labels) if label})
    frames = [] if options.input.is_file() else frame_files(options.input, options.first_mask, [*later.values()])
    names, inputs = [path.stem for path in frames], [options.input, *paths, *frames, *read_files(config)]
    _check_segment_outputs(options, names, labels, inputs)
    if frames:  # a video has to be read before its frames are known
        mask_frames(names, options.first_mask, later)
    start = read_frame(frames[0]) if frames else first_frame(options.input)
    for path, mask in zip(paths, masks, strict=True):
        check_size(path, mask.labels, start.shape)
    fps = frame_rate(options.input)
    video = load_video(options.input, options.first_mask, year=options.year, later_masks=later, cache=config.cache)
    if not frames:
        _check_segment_outputs(options, video.frame_names, labels, inputs)
    _warn_of_other_masks(options.output, video.frame_names)
    return Given(video, palette, fps, [path.name for path in frames] or [f"{n}.png" for n in video.frame_names])


def _later_masks(options: argparse.Namespace) -> dict[str, Path]:
    """The masks of `--mask` by the frames they name, in the order of these, however they were given."""
    pairs = sorted(options.mask, key=lambda pair: natural_key(Path(pair[0])))
    for (frame, path), (other, another) in pairwise(pairs):
        if frame == other:
            raise ValueError(f"{another}: expected one mask for frame {frame}, found {path} for it, too")
    return dict(pairs)


def _check_segment_outputs(
    options: argparse.Namespace, names: Iterable[str], labels: Iterable[int], inputs: Iterable[Path]
) -> None:
    """That masks and cut-outs of these frames, and what else is asked for, can be written and spare the inputs."""
    from vsreid_lite.video.outputs import check_outputs

    masks = [options.output / f"{name}.png" for name in names]
    files = [file for file in (options.overlay, options.json, options.coco) if file is not None]
    cutouts = product([options.cutouts] if options.cutouts else [], labels, masks)
    each = [folder / str(label) / mask.name for folder, label, mask in cutouts]
    check_outputs([*files, *masks, *each], options.output, inputs)


def _warn_of_other_masks(folder: Path, names: Iterable[str]) -> None:
    """Masks of another run in the output folder are pointed out."""
    others = sorted({path.name for path in folder.glob("*.png")} - {f"{name}.png" for name in names})
    if others:
        warnings.warn(
            f"{folder}: holds {len(others)} other PNG files ({others[0]}, ...), perhaps masks of another run",
            stacklevel=1,
        )


def _split_file(options: argparse.Namespace) -> Path:
    """The list of `vsreid evaluate --split`, which is given as a file or by its name in a DAVIS root."""
    truth = options.reference.resolve()
    lists = [folder / "ImageSets" for folder in (truth, *list(truth.parents)[:3])]
    years = [name for name in SPLIT_FOLDERS if options.year != 2016 or name != "2017"]
    files = [options.split] + [one / year / f"{options.split}.txt" for one in lists for year in years]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"--split {options.split}: expected a file with a sequence a line, or a list of that name in ImageSets of "
            f"the DAVIS root above {options.reference}, found neither"
        )
    return path


def draw_figures(options: argparse.Namespace) -> None:
    """`vsreid figures`: figures/ from runs of the library on mini, results of an ablation, and logs of training."""
    names = _checked_names(options)
    with uninterrupted():
        from tqdm.auto import tqdm

        from vsreid_lite.figures.gallery import DRAWINGS, Gallery
        from vsreid_lite.networks.loading import choose_device
        from vsreid_lite.plots.figure_files import write_both

    choose_device(options.device)
    config = Config(weights=options.weights, device=options.device, seed=options.seed)
    gallery = Gallery(config, options.results, options.training)
    print(f"{', '.join(sorted(names))} as PNG and SVG: {options.output}", flush=True)
    drawn = {name: DRAWINGS[name](gallery) for name in names if name in FROM_FILES}
    bar = tqdm(names)
    for name in bar:
        bar.set_description(name)
        for path in write_both(drawn.get(name) or DRAWINGS[name](gallery), options.output, name):
            tqdm.write(f"figure: {path}")


def _checked_names(options: argparse.Namespace) -> list[str]:
    """The figures that were asked for; what cannot be drawn or written is refused before torch is loaded."""
    with uninterrupted():
        from vsreid_lite.networks.weight_files import check_weights
        from vsreid_lite.system.machine import check_device
        from vsreid_lite.video.outputs import check_outputs

    if unknown := sorted(set(options.only) - {*FIGURES, *ON_REQUEST}):
        known = ",".join(sorted((*FIGURES, *ON_REQUEST)))
        raise ValueError(f"--only {','.join(unknown)}: expected some of {known}")
    names = [name for name in (*FIGURES, *ON_REQUEST) if name in (options.only or FIGURES)]
    files = [options.output / f"{name}{suffix}" for name in names for suffix in (".png", ".svg")]
    check_outputs(files, options.output, [options.results, *options.training.glob("*.csv")])
    check_device(options.device)
    check_weights(Config(weights=options.weights, device=options.device))
    return names
