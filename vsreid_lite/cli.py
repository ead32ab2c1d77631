"""The command line: `vsreid`, or `python -m vsreid_lite`. Bad input: one line, exit code 2. Ctrl-C: exit code 1."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from vsreid_lite import __version__, commands

INTERRUPTED, BAD_INPUT = 1, 2
DATASETS = ("mini", "composite", "davis-2016", "davis-2017")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for an interrupted run, 2 for bad input."""
    options = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        with warnings.catch_warnings(record=False):
            warnings.showwarning = _print_warning  # type: ignore[assignment]
            command(options)
    except KeyboardInterrupt:
        print("\nvsreid: interrupted; finished parts are kept, nothing half-written is left", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"vsreid: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser("vsreid", description="Video Object Segmentation with Re-identification.")
    parser.add_argument("--version", action="version", version=f"vsreid_lite {__version__}")
    commands_of = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_segment, _evaluate, _ablation, _render, _train, _download, _figures):
        add(commands_of)
    return parser


Subparsers = argparse._SubParsersAction  # the only name argparse has for it


def _segment(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("segment", help="segment a video from the mask of its first frame")
    parser.add_argument("input", type=Path, help="a folder of frames, or a video file")
    parser.add_argument("--first-mask", type=Path, required=True, help="PNG: indexed labels, or grey 0 / 255")
    parser.add_argument("--output", type=Path, required=True, help="folder for the masks, as indexed PNGs")
    parser.add_argument("--video", type=Path, help="also write an overlay video, .mp4")
    parser.add_argument("--json", type=Path, help="also write rounds, retrievals, checkpoints and times")
    parser.add_argument("--preset", choices=("lite",), default="lite")
    _add_network_options(parser)
    parser.set_defaults(command=commands.segment_video)


def _evaluate(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("evaluate", help="score masks as DAVIS 2017 does")
    parser.add_argument("reference", type=Path, help="folder of sequence folders of indexed PNGs: the truth")
    parser.add_argument("predicted", type=Path, help="the same for the prediction")
    parser.add_argument("--json", type=Path, help="also write every value")
    parser.set_defaults(command=commands.evaluate_folders)


def _ablation(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("ablation", help="measure the rows of Table 1")
    parser.add_argument("--dataset", choices=DATASETS, default="mini")
    parser.add_argument("--root", type=Path, help="folder of the DAVIS data set; mini needs none")
    parser.add_argument("--sequences", type=_names, default=(), metavar="A,B", help="only these")
    parser.add_argument("--output", type=Path, help="folder for results.json (default: runs/DATASET-WEIGHTS)")
    parser.add_argument("--workers", type=_at_least_one, help="processes (default: one for each core)")
    _add_network_options(parser)
    parser.set_defaults(command=commands.measure_ablation)


def _render(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("render", help="write a benchmark in DAVIS 2017 layout")
    parser.add_argument("dataset", choices=DATASETS[:2])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--root", type=Path, help="composite: the DAVIS root whose instances are recomposed")
    parser.add_argument("--seed", type=int, default=0, help="composite: another seed, another benchmark")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--count", type=_at_least_one, help="number of sequences (default: mini 12, composite 6)")
    parser.set_defaults(command=commands.render_benchmark)


def _train(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("train", help="make one of the shipped weight files again")
    parser.add_argument("stage", choices=commands.stage_names())
    parser.add_argument("--output", type=Path, help="weight file (default: runs/train/STAGE.safetensors)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, help="stages with real video: a DAVIS 2016 root")
    parser.add_argument(
        "--sequences", type=_names, default=(), metavar="A,B", help="real sequences (default: all there)"
    )
    parser.add_argument("--device", default="auto")
    parser.set_defaults(command=commands.train_stage)


def _download(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("download", help="fetch a data set, with checksum and resume")
    parser.add_argument("name", choices=commands.download_names())
    parser.add_argument("--output", type=Path, default=Path("data/downloads"))
    parser.set_defaults(command=commands.download_dataset)


def _figures(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("figures", help="draw figures/ from results")
    parser.add_argument("--results", type=Path, default=Path("runs/mini-lite/results.json"))
    parser.add_argument("--output", type=Path, default=Path("figures"))
    parser.set_defaults(command=commands.draw_figures)


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", default="lite", help="lite, lite-davis, or an N_mp weight file")
    parser.add_argument("--adapt", action="store_true", help="fine-tune N_mp on the first frame of each sequence")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text}")
    return value


def _print_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Our own warnings as one line each; those of libraries stay silent on the command line."""
    if category is UserWarning:
        print(f"vsreid: warning: {message}", file=sys.stderr)
