"""What holds for every command: exit codes, one line for what the user can mend, Ctrl-C, closed pipes, warnings."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import half_written, snapshot, tiny_mask, tiny_sequence, write_frames, write_video_folder
from vsreid_lite import __version__
from vsreid_lite.commands import run as commands
from vsreid_lite.commands.cli import _print_warning, main
from vsreid_lite.commands.errors import explain
from vsreid_lite.commands.parser import build_parser
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.video.masks import write_mask

ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds: the machine may be busy


def test_version_and_missing_command(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0 and capsys.readouterr().out == f"vsreid_lite {__version__}\n"
    with pytest.raises(SystemExit) as refused:
        main([])
    assert refused.value.code == 2 and "COMMAND" in capsys.readouterr().err


def test_a_refused_number_says_what_is_expected(capsys):
    with pytest.raises(SystemExit):
        main(["ablation", "--workers", "none"])
    assert "argument --workers: expected a whole number above 0, found 'none'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", " ", "https://example.org/a.mp4", "s3://bucket/a", "~nobody-of-this-name/a"])
@pytest.mark.parametrize("option", ["--first-mask", "--output", "--overlay", "--json", "--detector", "--weights"])
def test_what_is_no_path_is_refused_with_its_option(text, option, capsys):
    given = {"--first-mask": "m.png", "--output": "out", option: text}
    with pytest.raises(SystemExit) as refused:
        main(["segment", "in", *(f"{name}={value}" for name, value in given.items())])
    assert refused.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"vsreid segment: error: argument {option}: ")


@pytest.mark.parametrize(
    "argument", ["~/a", "--json=~/a.json", "--flow=raft:~/a.pth", "--weights=~/w.safetensors", "--detector=~/d"]
)
def test_a_home_folder_is_meant_wherever_it_stands(argument, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    options = build_parser().parse_args(
        ["segment", "in", "--first-mask=m", "--output=o", *[argument] * ("=" in argument)]
    )
    if "=" not in argument:
        options = build_parser().parse_args(["segment", argument, "--first-mask=m", "--output=o"])
    assert not any("~" in str(value) for value in vars(options).values())
    assert any("/home/someone/" in str(value) for value in vars(options).values())


@pytest.mark.parametrize("text", ["./dis", "./lite", "lite", "raft:./x/", "dis/"])
def test_a_path_that_is_named_as_a_choice_stays_a_path(text):
    options = build_parser().parse_args(["segment", "in", "--first-mask=m", "--output=o", f"--flow={text}"])
    assert options.flow == text


HELP = ("--help", "segment --help", "train --list")
SAID_AT_ONCE = [  # before anything is computed; {} holds a clip, its first mask, truth and prediction
    *HELP,
    "segment {}/clip --first-mask {}/gone.png --output {}/out",
    "segment {}/clip --first-mask {}/small.png --output {}/out",
    "segment {}/gone --first-mask {}/first.png --output {}/out",
    "segment {}/clip --first-mask {}/first.png --output {}/clip",
    "segment {}/clip --first-mask {}/first.png --output {}/out --json {}/clip/00001.jpg",
    "segment {}/clip --first-mask {}/first.png --output {}/out --device cuda:x",
    "segment {}/clip --first-mask {}/first.png --output {}/out --weights {}/first.png",
    "segment {}/clip --first-mask {}/first.png --output {}/out --flow sparrow",
    "segment {}/clip --first-mask {}/first.png --output {}/out --preset paper",
    "segment {}/twice --first-mask {}/first.png --output {}/out",
    "segment {} --output {}/out",
    "segment {}/clip --first-mask {}/first.png",
    "segment {}/clip --output {}/out --adapt-steps 0",
    "segment {}/clip --first-mask {}/first.png --output {}/out --preset huge",
    "segment {} --output {}/out --shard half",
    "evaluate {}/truth {}/truth",
    "evaluate {}/truth {}/predicted --json {}/truth/clip/00001.png",
    "evaluate {}/truth {}/predicted --split gone",
    "ablation --root {}/davis --dataset davis-2017 --output {}/davis",
    "ablation --root {}/gone --dataset davis-2017",
    "ablation --sequences gone",
    "ablation --device tpu",
    "ablation --weights {}/first.png",
    "ablation --rows 9",
    "ablation --preset authors --weights random --adapt",
    "ablation --set nothing=1",
    "ablation --dataset coco",
    "ablation --workers 0",
    "ablation --workers two",
    "ablation --shard 5/4",
    "ablation --shard 0/4",
    "ablation --shard 1/4 --merge",
    "ablation --split val --sequences apes",
    "ablation --seed -1",
    "ablation --adapt some",
    "ablation --rows 1,two",
    "ablation --rows 0",
    "ablation --scenes 12",
    "ablation --scenes 24:12",
    "render composite --output {}/out",
    "render mini --output {}/first.png/out",
    "render mini",
    "render mini --output {}/out --count 0",
    "train nothing",
    "train lite-detector --minutes nan",
    "train lite-detector --minutes 0",
    "train lite-stills --output {}/first.png",
    "train lite-stills --stills {}/clip --stills {}/out/../clip",
    "train lite-real-box",
    "choose lite",
    "choose lite --output {}/a.safetensors --in-place",
    "choose lite --output {}/a.csv --table {}/a.csv",
    "figures --only figure9",
    "figures --output {}/first.png",
    "download nothing",
    "download davis-2017 --output {}/first.png",
]

MEASURE = """
import json, sys, time
from vsreid_lite.commands.cli import main
late = {"numpy", "multiprocessing", "email.message", "http.client"} & sys.modules.keys()
assert not late, late
for arguments in json.load(sys.stdin):
    started = time.process_time()
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    seconds = time.process_time() - started
    print("\\n" + json.dumps([code, seconds, "torch" in sys.modules]), flush=True)
"""


def test_help_and_what_can_be_known_is_said_in_a_second_and_without_torch(tmp_path):
    write_video_folder(tmp_path)
    write_frames(tmp_path / "twice")
    shutil.copy(tmp_path / "twice" / "00001.jpg", tmp_path / "twice" / "00001.jpeg")
    write_mask(tmp_path / "small.png", tiny_mask()[1:])
    write_benchmark([tiny_sequence("clip")], tmp_path / "davis", "val")
    for name in ("truth", "predicted"):
        shutil.copytree(tmp_path / "davis" / "Annotations" / "480p", tmp_path / name)
    before = snapshot(tmp_path)
    arguments = [line.replace("{}", str(tmp_path)).split() for line in SAID_AT_ONCE]
    run = [sys.executable, "-c", MEASURE]
    done = subprocess.run(run, input=json.dumps(arguments), capture_output=True, text=True, timeout=PATIENCE)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(results) == len(SAID_AT_ONCE), done.stderr
    for line, (code, seconds, torch_is_loaded) in zip(SAID_AT_ONCE, results, strict=True):
        assert code == (0 if line in HELP else 2) and not torch_is_loaded and seconds < 1, (line, code, seconds)
    said = [line for line in done.stderr.splitlines() if re.match(r"vsreid( \w+)?: error: ", line)]
    assert len(said) == len(SAID_AT_ONCE) - len(HELP) and snapshot(tmp_path) == before


def full_disk_of(name=None):
    return OSError(28, "No space left on device", name)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("a.png: expected\n  a mask"), 2, "error: a.png: expected a mask"),
        (FileNotFoundError("clip: expected a folder"), 2, "error: clip: expected a folder"),
        (FileNotFoundError(2, "No such file or directory", "a.png"), 2, "error: a.png: No such file or directory"),
        (FloatingPointError("the loss is nan at step 3"), 2, "error: the loss is nan at step 3"),
        (ChildProcessError("a worker process was killed"), 2, "error: a worker process was killed"),
        (full_disk_of(), 2, "error: standard output: No space left on device"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (KeyboardInterrupt(), 1, "interrupted; finished parts are kept, nothing half-written is left"),
    ],
)
def test_what_the_user_is_told(error, code, text):
    assert explain(error) == (code, text)


class OutOfMemoryError(RuntimeError):
    """Named as torch's, which is one too."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((9, 9), np.dtype(float)),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_no_memory_is_told_with_what_to_do(error):
    code, text = explain(error)
    assert code == 2 and text.startswith("error: out of memory; use fewer --workers")


def test_a_library_that_turns_ctrl_c_into_an_error_of_its_own_is_seen_through():
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise RuntimeError("DataLoader worker exited unexpectedly")  # noqa: B904
    except RuntimeError as error:
        assert explain(error)[0] == 1


@pytest.mark.parametrize("bug", [KeyError("x"), AssertionError(), RuntimeError("shapes differ"), TypeError("None")])
def test_a_bug_of_ours_keeps_its_traceback(bug, monkeypatch):
    def fail(_):
        raise bug

    monkeypatch.setattr(commands, "evaluate_folders", fail)
    with pytest.raises(type(bug)):
        main(["evaluate", "a", "b"])


def test_our_warnings_are_one_line_and_those_of_libraries_silent(capsys):
    ours = Path(commands.__file__)
    _print_warning("frames are missing", UserWarning, str(ours), 3)
    _print_warning("this will be removed", DeprecationWarning, str(ours), 3)
    _print_warning("a library's own", UserWarning, "/usr/lib/python3/torch/x.py", 3)
    assert capsys.readouterr().err == "vsreid: warning: frames are missing\n"


def test_the_way_warnings_are_shown_is_put_back():
    before = warnings.showwarning
    assert main(["figures", "--results", "none.json"]) == 2
    assert warnings.showwarning is before


# In processes of their own


def start(*arguments, script=None, **options):
    """`vsreid` in a process group of its own, as a terminal starts it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    how = ["-m", "vsreid_lite"] if script is None else [str(script)]
    command = [sys.executable, *how, *(str(argument) for argument in arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, env=environment, start_new_session=True, text=True, **pipes)


@pytest.fixture
def folders(tmp_path):
    for name in ("truth", "predicted"):
        for i in range(4):
            write_mask(tmp_path / name / "clip" / f"{i}.png", tiny_mask())
    return tmp_path / "truth", tmp_path / "predicted"


def test_a_reader_that_stops_reading_gets_no_traceback(folders):
    read, write = os.pipe()
    os.close(read)
    process = start("evaluate", *folders, stdout=write)
    os.close(write)
    assert process.communicate(timeout=PATIENCE)[1] == "" and process.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_standard_output_on_a_full_disk_is_one_line(folders):
    with open("/dev/full", "w") as full:
        process = start("evaluate", *folders, stdout=full)
        assert process.communicate(timeout=PATIENCE)[1] == "vsreid: error: standard output: No space left on device\n"
    assert process.returncode == 2


SLOW = """
import sys
import time
from pathlib import Path

import pytest

from tests import command_line
from vsreid_lite.commands.cli import main


class Slow(command_line.GuideAsAnswer):
    def predict(self, image, flow, guide):
        time.sleep(0.2)
        return guide[:, 0]


command_line.GuideAsAnswer = Slow
command_line.ship_stubs(pytest.MonkeyPatch(), Path(__file__).parent / "weights")
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def slow(tmp_path):
    """A `vsreid` whose network takes its time, in worker processes too."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    return script


def wait_for(process, ready):
    """Waits until `ready()` is true, and fails when the process ends before."""
    until = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def interrupt(process):
    """Ctrl-C as a terminal sends it, to the whole group; returns what was said on stderr, progress bars left out."""
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    return [line for line in said.replace("\r", "\n").splitlines() if line.strip() and "it/s]" not in line]


def group_is_gone(process):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


INTERRUPTED = "vsreid: interrupted; finished parts are kept, nothing half-written is left"


def test_ctrl_c_ends_the_workers_of_an_ablation_and_keeps_the_finished_parts(slow, tmp_path):
    root, out = tmp_path / "davis", tmp_path / "out"
    write_benchmark([tiny_sequence("apes", 3), tiny_sequence("bees", 60)], root, "val")
    before = snapshot(root)
    options = ["--dataset", "davis-2017", "--root", root, "--output", out, "--device", "cpu", "--workers", "2"]
    process = start("ablation", *options, script=slow)
    wait_for(process, lambda: (out / "parts").is_dir() and any((out / "parts").glob("*.json")))
    asked = time.monotonic()
    said = interrupt(process)
    assert process.returncode == 1 and said[-1] == INTERRUPTED
    assert not any("Traceback" in line or "Error" in line for line in said), said
    assert time.monotonic() - asked < 60  # bees takes longer than its apes, and nobody waits for it
    assert group_is_gone(process)
    assert list((out / "parts").glob("apes-*.json")) and not (out / "results.json").exists()
    assert snapshot(root) == before and not half_written(tmp_path)


def test_workers_end_when_the_ablation_itself_is_killed(slow, tmp_path):
    root, out = tmp_path / "davis", tmp_path / "out"
    write_benchmark([tiny_sequence("apes", 3), tiny_sequence("bees", 60)], root, "val")
    options = ["--dataset", "davis-2017", "--root", root, "--output", out, "--device", "cpu", "--workers", "2"]
    process = start("ablation", *options, script=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(process, lambda: (out / "parts").is_dir() and any((out / "parts").glob("*.json")))
    process.kill()
    process.wait(timeout=PATIENCE)
    assert group_is_gone(process) and not half_written(tmp_path)
