"""The commands of `vsreid` and their options; values of the wrong kind are refused here."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from vsreid_lite import __version__
from vsreid_lite.commands import run as commands
from vsreid_lite.commands import train as train_commands
from vsreid_lite.config import PRESETS
from vsreid_lite.datasets import DATASETS
from vsreid_lite.datasets.download import ARCHIVES
from vsreid_lite.system.files import TRAINING_LOGS
from vsreid_lite.training.stages import ALL, STAGES, list_stages


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser("vsreid", description="Video Object Segmentation with Re-identification.")
    parser.add_argument("--version", action="version", version=f"vsreid_lite {__version__}")
    commands_of = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_segment, _evaluate, _ablation, _render, _train, _choose, _download, _figures, _notebooks, _doctor):
        add(commands_of)
    return parser


Subparsers = argparse._SubParsersAction  # the only name argparse has for it


def _segment(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser(
        "segment",
        help="segment a video from the mask of its first frame, or a folder of videos",
        description="Segment a video from the mask of its first frame, by default with the weights lite-real. Without "
        "--first-mask and --mask, INPUT is a folder of videos: files NAME.mp4 or folders NAME of frames, with the mask "
        "NAME.png beside each. All results of a video are written below OUTPUT/NAME, and finished videos are skipped.",
    )
    parser.add_argument("input", type=_path, help="a folder of frames, a video file, or a folder of videos")
    parser.add_argument("--first-mask", type=_path, help="of a single video: PNG of labels 1, 2, ..., or of 0 and 255")
    parser.add_argument(
        "--mask",
        type=_mask,
        action="append",
        default=[],
        metavar="FRAME=PNG",
        help="the mask of another frame, such as 42=later.png, for instances that enter later and for corrections; may "
        "be given several times. FRAME is the number in the names of frames and output masks",
    )
    parser.add_argument("--output", type=_path, required=True, help="folder for the masks, as indexed PNGs")
    parser.add_argument("--overlay", type=_path, help="also write a video with the instances drawn over it, .mp4")
    parser.add_argument("--cutouts", type=_path, help="also write each instance alone, a folder of RGBA PNGs for each")
    parser.add_argument("--coco", type=_path, help="also write the masks as run lengths in COCO's JSON")
    parser.add_argument("--json", type=_path, help="also write rounds, retrievals, checkpoints and times")
    parser.add_argument(
        "--adapt",
        action=argparse.BooleanOptionalAction,
        help="fine-tune N_mp on the given masks (default: yes for the preset lite); --no-adapt is much faster, and "
        "less accurate on real video",
    )
    parser.add_argument(
        "--adapt-steps", type=_at_least_one, metavar="N", help="for each instance (default: stored with the weights)"
    )
    _add_year(parser)
    _add_preset_options(parser, "dis, dis-tuned, dis-medium, raft, flownet2:FILE, ..., or a folder of .flo files")
    _add_workers(parser, "processes, for a folder of videos (default: 1)")
    _add_shard(parser, "segment the K-th of N parts of a folder of videos")
    parser.set_defaults(command=commands.segment_video, quiet=False)


def _evaluate(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("evaluate", help="score masks as DAVIS 2017 does")
    parser.add_argument("reference", type=_path, help="true masks: a folder of indexed PNGs for each sequence")
    parser.add_argument("predicted", type=_path, help="predicted masks, in the same layout")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--sequences", type=_names, default=(), metavar="A,B", help="only these")
    chosen.add_argument(
        "--split",
        type=_path,
        metavar="NAME",
        help="only the sequences of a split, such as val, of the DAVIS root above the true masks, or of a file",
    )
    _add_year(parser)
    parser.add_argument("--official", action="store_true", help="run davis2017-evaluation, too, and print both")
    parser.add_argument("--json", type=_path, help="also write all scores")
    _add_workers(parser, "processes (default: 1)")
    parser.set_defaults(command=commands.evaluate_folders)


def _ablation(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("ablation", help="measure the rows of Table 1")
    parser.add_argument("--dataset", choices=DATASETS, default="mini")
    parser.add_argument(
        "--root", type=_path, help="folder of the DAVIS data set (default: DAVIS_ROOT); mini needs none"
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--sequences", type=_names, default=(), metavar="A,B", help="only these")
    chosen.add_argument(
        "--split", metavar="NAME", help="a list of ImageSets (default: val, or the only one; of mini: test)"
    )
    parser.add_argument(
        "--scenes", type=_scenes, metavar="A:B", help="mini: the rendered scenes A to B - 1; the test split ends at 12"
    )
    parser.add_argument("--rows", type=_numbers, default=(), metavar="1,2", help="only these rows of Table 1")
    parser.add_argument(
        "--output", type=_path, help="folder for the results (default: below runs, named after the run)"
    )
    _add_workers(parser)
    parts = _add_shard(parser, "measure the K-th of N parts of the jobs; the last to finish prints the table")
    parts.add_argument("--merge", action="store_true", help="measure nothing, and print the table of all shards")
    parser.add_argument(
        "--adapt",
        nargs="?",
        choices=("best", "all"),
        const="best",
        help="fine-tune N_mp on each first frame: best adds a sixth row; all also adds a second table, of every row",
    )
    _add_preset_options(parser, "dis, dis-tuned, dis-medium, raft, flownet2:FILE, ...")
    parser.set_defaults(command=commands.measure_ablation)


def _render(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("render", help="write a benchmark in DAVIS 2017 layout")
    parser.add_argument("dataset", choices=DATASETS[:2])
    parser.add_argument("--output", type=_path, required=True)
    parser.add_argument("--root", type=_path, help="composite: the DAVIS root whose instances are recomposed")
    parser.add_argument("--seed", type=_seed, default=0, help="another seed gives another benchmark")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--count", type=_at_least_one, help="number of sequences (default: mini 12, composite 6)")
    _add_workers(parser, "processes (default: 1)")
    parser.set_defaults(command=commands.render_dataset)


def _train(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser(
        "train",
        help="train one of the shipped weight files again, or all, or networks of the paper's sizes",
        description="Train one stage, or continue one that was stopped. The stages lite-... make the shipped weights. "
        "The stages paper-... make networks for the preset paper; they need a GPU and were never run in full.",
        epilog=f"stages:\n{list_stages()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=(*STAGES, ALL), metavar="STAGE", help="one of the stages below")
    parser.add_argument("--list", action="version", version=list_stages(), help="list the stages with their times")
    parser.add_argument(
        "--output",
        type=_path,
        help="weight file (default: runs/train/STAGE.safetensors); for all, a folder (default: runs/weights)",
    )
    parser.add_argument("--minutes", type=_minutes, default=math.inf, help="stop each stage after this long")
    parser.add_argument("--seed", type=_seed, default=0)
    parser.add_argument("--root", type=_path, help="stages with real video: a DAVIS 2016 root")
    parser.add_argument(
        "--sequences", type=_names, default=(), metavar="A,B", help="sequences of --root (default: all)"
    )
    parser.add_argument(
        "--stills",
        type=_path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="PASCAL VOC or COCO: the stages ...-stills also learn from it (may be given twice); the stages "
        "lite-real-... make collages of it",
    )
    parser.add_argument(
        "--stamps", type=_path, metavar="FOLDER", help="stages lite-real-...: the stamps of Tux Paint, for collages"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.set_defaults(command=train_commands.train_stage)


def _choose(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("choose", help="choose thresholds and scales on mini-val, and store them")
    parser.add_argument("weights", type=_name_or_path, help="lite, lite-real, or an N_mp weight file")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--output", type=_path, help="N_mp weight file to write, with the settings in its header")
    place.add_argument("--in-place", action="store_true", help="write into the N_mp file of the weights")
    parser.add_argument("--table", type=_path, help="CSV file with all measurements (default: runs/choose/NAME.csv)")
    parser.add_argument(
        "--sequences", type=_at_least_one, default=24, help="number of sequences (default: 24, each challenge twice)"
    )
    parser.add_argument("--adapt", action="store_true", help="also choose the settings of adaptation (slow)")
    _add_workers(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--seed", type=_seed, default=0)
    parser.set_defaults(command=train_commands.choose_settings)


def _download(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("download", help="fetch a data set, with checksum and resume")
    parser.add_argument("name", choices=ARCHIVES)
    parser.add_argument("--output", type=_path, default=Path("data/downloads"))
    parser.set_defaults(command=commands.download_dataset)


def _figures(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("figures", help="draw the paper's figures and tables with our data, PNG and SVG")
    parser.add_argument(
        "--only",
        type=_names,
        default=(),
        metavar="A,B",
        help="some of figure1 to figure5, table1, table2 and training (default: all these), or street (takes minutes)",
    )
    parser.add_argument("--results", type=_path, default=Path("runs/mini-lite/results.json"), help="for the tables")
    parser.add_argument("--training", type=_path, default=TRAINING_LOGS, help="folder with the logs of `vsreid train`")
    parser.add_argument("--output", type=_path, default=Path("figures"))
    _add_network_options(parser)
    parser.set_defaults(command=commands.draw_figures)


def _notebooks(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("notebooks", help="copy the notebooks, their solutions and docs into a folder")
    parser.add_argument("output", type=_path, metavar="DIR", help="a new or empty folder")
    parser.set_defaults(command=commands.copy_notebooks)


def _doctor(commands_of: Subparsers) -> None:
    parser = commands_of.add_parser("doctor", help="list what works here, and how to repair the rest")
    parser.set_defaults(command=commands.examine_installation)


def _add_workers(
    parser: argparse.ArgumentParser, said: str = "processes (default: one for each core, at most 8)"
) -> None:
    parser.add_argument("--workers", type=_at_least_one, metavar="N", help=said)
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run the jobs on the workers of a dask scheduler, such as tcp://HOST:8786; or local: of one that is "
        "started on this machine with N workers (docs/scaling.md)",
    )


def _add_shard(parser: argparse.ArgumentParser, said: str) -> argparse._MutuallyExclusiveGroup:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--shard", type=_shard, metavar="K/N", help=f"for queues: {said}")
    return group


def _add_year(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--year",
        type=int,
        choices=(2016, 2017),
        help="2016: all that is not background is one instance; 2017: 255 is void (default: decided by the files)",
    )


def _add_preset_options(parser: argparse.ArgumentParser, flows: str) -> None:
    parser.add_argument("--preset", choices=PRESETS, default="lite", help="networks, sizes and rules (default: lite)")
    parser.add_argument("--flow", type=_name_or_path, metavar="NAME", help=flows)
    parser.add_argument("--detector", type=_name_or_path, metavar="FILE", help="other weights of N_det")
    parser.add_argument("--identification", type=_name_or_path, metavar="FILE", help="other weights of N_reid")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="any field of Config, such as release.exclusive=true, matching.rho_reid=0.8 or matching.rho_occ=none; may "
        "be given several times",
    )
    _add_network_options(parser, "; random (untrained) for paper and authors")
    parser.set_defaults(weights=None)  # the preset's


def _add_network_options(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument(
        "--weights", type=_name_or_path, default="lite", help=f"lite, lite-real, or an N_mp weight file{more}"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--seed", type=_seed, default=0)


def _path(text: str) -> Path:
    """A path as a shell would give it: ~ is the home folder, also after `--option=`."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, found an empty one")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise argparse.ArgumentTypeError(f"expected a path, found the address {text}: download it, and give the file")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def _name_or_path(text: str) -> str:
    """A name as "lite" or "raft", a path, or a name and a path as "raft:FILE"; as it is, but for a home folder."""
    kind, colon, file = text.partition(":")
    if colon and file.startswith("~"):
        return f"{kind}:{_path(file)}"
    path = _path(text)  # "./lite" is a file and "lite" a name, which a Path would not tell apart
    return str(path) if text.startswith("~") else text


def _mask(text: str) -> tuple[str, Path]:
    """The name or number of a frame, without leading zeros, and the path of its mask."""
    frame, _, path = text.partition("=")
    if not frame or not path:
        raise argparse.ArgumentTypeError(f"expected FRAME=PNG, as 42=later.png, found {text!r}")
    return str(int(frame)) if frame.isdecimal() else frame, _path(path)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:  # as of an empty variable of the shell: all would be meant
        raise argparse.ArgumentTypeError(f"expected one or more, with commas between them, found {text!r}")
    return names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_at_least_one(number) for number in _names(text))


def _scenes(text: str) -> range:
    first, colon, end = text.partition(":")
    if not (colon and first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise argparse.ArgumentTypeError(f"expected FIRST:END, as 12:24 for scenes 12 to 23, found {text!r}")
    return range(int(first), int(end))


def _shard(text: str) -> slice:
    """Every N-th of what there is to do, from the K-th on, which counts from 1."""
    k, slash, n = text.partition("/")
    if not (slash and k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n)):
        raise argparse.ArgumentTypeError(
            f"expected K/N with K from 1 to N, as 2/4 for the second of four, found {text!r}"
        )
    return slice(int(k) - 1, None, int(n))


def _at_least_one(text: str) -> int:
    return int(_number(text, whole=True, above=0))


def _seed(text: str) -> int:
    return int(_number(text, whole=True, above=-1))


def _minutes(text: str) -> float:
    return _number(text, whole=False, above=0)


def _number(text: str, *, whole: bool, above: int) -> float:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = above
    if not value > above:
        kind = "a whole number" if whole else "a number"
        raise argparse.ArgumentTypeError(f"expected {kind} above {above}, found {text!r}")
    return value
