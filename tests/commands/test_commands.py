"""`vsreid evaluate`, `render` and `download`, and what holds of every command."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from tests.command_line import half_written, refused, small_disk, snapshot, tiny_mask, tiny_sequence
from vsreid_lite.commands.cli import main
from vsreid_lite.commands.run import LINKED
from vsreid_lite.datasets.davis import read_benchmark, write_benchmark
from vsreid_lite.evaluation import evaluate
from vsreid_lite.video.masks import write_mask

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
COMMANDS = (
    "segment",
    "evaluate",
    "ablation",
    "render",
    "train",
    "choose",
    "download",
    "figures",
    "notebooks",
    "doctor",
)


# evaluate


@pytest.fixture
def folders(tmp_path):
    """Reference and prediction of one sequence of four frames with two instances."""
    for name in ("truth", "predicted"):
        for i in range(4):
            write_mask(tmp_path / name / "clip" / f"{i:05d}.png", tiny_mask())
    return [str(tmp_path / "truth"), str(tmp_path / "predicted")]


def test_evaluate_prints_and_writes_the_scores(tmp_path, capsys):
    for part in ("reference", "predicted"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "dogs-jump").symlink_to(GOLDEN / part / "dogs-jump")
    folders, file = (tmp_path / "reference", tmp_path / "predicted"), tmp_path / "new" / "scores.json"
    assert main(["evaluate", *map(str, folders), "--json", str(file)]) == 0
    scores = json.loads(file.read_text())
    assert scores == json.loads(json.dumps(evaluate(*folders).to_json()))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["instance", "J-mean", "F-mean"]
    assert printed[1].split()[0] == "dogs-jump_1"
    assert f"J: mean {scores['global']['J']['mean']:.3f}, recall" in "\n".join(printed)
    assert printed[-1] == f"global-mean {scores['global']['global-mean']:.3f}"


def test_a_perfect_prediction_prints_a_dash_for_what_is_undefined(folders, capsys):
    assert main(["evaluate", *folders]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == ["J in visible frames: 1.000", "J after re-appearance: -", "global-mean 1.000"]


@pytest.fixture
def two_sequences(tmp_path):
    """A DAVIS root with two sequences, and a prediction of the first."""
    write_benchmark([tiny_sequence("my apes"), tiny_sequence("bees")], tmp_path, "val")
    truth = tmp_path / "Annotations" / "480p"
    shutil.copytree(truth / "my apes", tmp_path / "predicted" / "my apes")
    return [str(truth), str(tmp_path / "predicted")]


@pytest.mark.parametrize("option", ["--sequences=my apes", "--split=first", "--split={}/list.txt"])
def test_some_sequences_or_a_split_are_scored_alone(two_sequences, tmp_path, capsys, option):
    (tmp_path / "ImageSets" / "2017" / "first.txt").write_text("\ufeffmy apes \r\n", encoding="utf-8")
    (tmp_path / "list.txt").write_text("my apes")
    file = tmp_path / "scores.json"
    assert main(["evaluate", *two_sequences, option.format(tmp_path), "--json", str(file)]) == 0
    assert list(json.loads(file.read_text())["instances"]) == ["my apes_1", "my apes_2"]


def test_workers_score_and_render_what_one_process_does(two_sequences, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vsreid_lite.datasets.mini.mini_video", lambda _, index: tiny_sequence(f"crowd-{index:04d}"))
    render = ["render", "mini", "--count", "3", "--output"]
    shutil.copytree(tmp_path / "Annotations" / "480p" / "bees", tmp_path / "predicted" / "bees")
    assert main(["evaluate", *two_sequences]) == main([*render, str(tmp_path / "alone")]) == 0
    alone = capsys.readouterr().out
    with ThreadPoolExecutor(2) as executor:
        monkeypatch.setattr("vsreid_lite.commands.run.open_workers", lambda *_: nullcontext(executor))
        assert main(["evaluate", *two_sequences]) == main([*render, str(tmp_path / "both")]) == 0
    assert capsys.readouterr().out == alone.replace("alone", "both")
    alone, both = (snapshot(tmp_path / name) for name in ("alone", "both"))
    assert [*alone.values()] == [*both.values()] and len(both) == len(alone)


def test_a_sequence_or_split_that_is_not_there_is_named(two_sequences, tmp_path, capfd):
    assert "--sequences my apes" in refused(capfd, "evaluate", *two_sequences)
    assert "no sequence cats; there are bees, my apes" in refused(capfd, "evaluate", *two_sequences, "--sequences=cats")
    assert "--split test: expected a file" in refused(capfd, "evaluate", *two_sequences, "--split=test")


def test_masks_of_2016_are_scored_and_the_year_can_be_said(folders, tmp_path, capfd):
    for part in ("truth", "predicted"):
        for i in range(4):
            Image.fromarray(tiny_mask((255,))).save(tmp_path / part / "clip" / f"{i:05d}.png")
    assert main(["evaluate", *folders]) == main(["evaluate", *folders, "--year", "2016"]) == 0
    assert capfd.readouterr().out.count("global-mean 1.000") == 2
    assert "no instance, and 255 is void" in refused(capfd, "evaluate", *folders, "--year", "2017")


@pytest.mark.parametrize("file", ["/proc/a.json", "/dev/full", "{}/truth", "{}/truth/clip/00000.png/a.json"])
def test_scores_that_cannot_be_written_are_refused_before_the_run(folders, tmp_path, capfd, monkeypatch, file):
    monkeypatch.setattr("vsreid_lite.evaluation.metrics.evaluate", None)
    file = file.format(tmp_path)
    assert str(Path(file).parent) in refused(capfd, "evaluate", *folders, "--json", file)


def test_scores_on_a_full_disk_are_one_line(folders, tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        line = refused(capfd, "evaluate", *folders, "--json", disk / "a.json")
        assert "a.json: No space left on device" in line and not half_written(disk)


# render


def test_one_mini_sequence_is_rendered_in_the_layout_of_davis_2017(tmp_path):
    assert main(["render", "mini", "--output", str(tmp_path), "--count", "1", "--split", "val"]) == 0
    (sequence,) = read_benchmark(tmp_path, "val")
    assert sequence.name == "articulation" and sequence.N == 40 and sequence.shape == (192, 320)
    assert all(mask is not None for mask in sequence.annotations)
    assert not half_written(tmp_path)


def test_composites_are_drawn_with_the_seed_split_and_count_that_were_asked_for(tmp_path, monkeypatch):
    asked = []

    def composer(*arguments):
        asked.append(arguments)
        return lambda index: tiny_sequence(f"cross-{index}")

    monkeypatch.setattr("vsreid_lite.datasets.composite.Composer.of", composer)
    root, out = tmp_path / "davis", tmp_path / "out"
    arguments = ["--root", str(root), "--output", str(out), "--seed", "3", "--split", "train", "--count", "2"]
    assert main(["render", "composite", *arguments]) == 0
    assert asked == [(root, 3, "train")]
    assert [sequence.name for sequence in read_benchmark(out, "train")] == ["cross-0", "cross-1"]


@pytest.fixture
def tiny_mini(monkeypatch):
    """Sequences of four small frames instead of those of mini, which take seconds."""
    monkeypatch.setattr("vsreid_lite.datasets.mini.mini_video", lambda _, index: tiny_sequence("articulation"))


@pytest.mark.usefixtures("tiny_mini")
def test_a_rendering_replaces_its_own_list_and_no_other(tmp_path, capfd):
    arguments = ["render", "mini", "--output", str(tmp_path), "--split", "val", "--count", "1"]
    assert main(arguments) == main(arguments) == 0
    path = tmp_path / "ImageSets" / "2017" / "val.txt"
    path.write_text("articulation\nbike-packing\n")
    before = snapshot(tmp_path)
    assert f"{path}: lists sequences of another data set (bike-packing, ...)" in refused(capfd, *arguments)
    assert snapshot(tmp_path) == before


@pytest.mark.usefixtures("tiny_mini")
def test_a_rendering_on_a_full_disk_leaves_no_list_of_its_sequences(tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        line = refused(capfd, "render", "mini", "--count", "1", "--output", disk)
        assert "00000.jpg: No space left on device" in line
        assert not half_written(disk) and not (disk / "ImageSets").exists()


# notebooks


def contents(folder):
    """The content of every notebook below a folder, by its name."""
    found = [*folder.glob("*.ipynb"), *folder.glob("solutions/*.ipynb")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def links(path):
    """The files that a document or a notebook links to."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(
            "".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"
        )
    return {(path.parent / link).resolve() for link in re.findall(r"\]\((?!\w+:|#)([^)\s#]+)", text)}


def test_every_link_of_what_is_copied_leads_to_what_is_copied(tmp_path):
    assert main(["notebooks", str(tmp_path / "course")]) == 0
    copied = {path for path in (tmp_path / "course").rglob("*") if path.is_file()}
    linked = {path: links(path) for path in copied if path.suffix in (".md", ".ipynb")}
    assert {path: lost for path, found in linked.items() if (lost := found - copied)} == {}
    assert tmp_path / "course" / "11_change_a_part.ipynb" in linked[tmp_path / "course" / "README.md"]


def test_notebooks_solutions_and_the_documents_they_link_to_are_copied_and_nothing_else(tmp_path, capsys):
    linked = {name: text.replace(b"](../docs/", b"](docs/") for name, text in contents(NOTEBOOKS).items()}
    documents = {f"docs/{path.name}" for path in (NOTEBOOKS.parent / "docs").glob("*.md")} | {"README.md", *LINKED}
    for folder in (tmp_path / "new" / "course", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert main(["notebooks", str(folder)]) == 0
        assert contents(folder) == linked and len(linked) == 22
        copied = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert copied - linked.keys() == documents
        assert capsys.readouterr().out == f"22 notebooks: {folder}; to open them: jupyter lab {folder}\n"


def test_notebooks_are_never_copied_over_anything(tmp_path, capfd):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "00_start_here.ipynb").write_text("my answers")
    before = snapshot(tmp_path)
    line = refused(capfd, "notebooks", tmp_path / "mine")
    assert line.endswith("mine: expected a new or empty folder, found 00_start_here.ipynb in it; give another name")
    line = refused(capfd, "notebooks", tmp_path / "mine" / "00_start_here.ipynb")
    assert line.endswith("00_start_here.ipynb: expected a new or empty folder, found a file; give another name")
    assert "cannot write into the folder /proc/course" in refused(capfd, "notebooks", "/proc/course")
    assert snapshot(tmp_path) == before


# all


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_refuses_what_it_does_not_know(command, capsys):
    with pytest.raises(SystemExit) as helped:
        main([command, "--help"])
    assert helped.value.code == 0 and f"usage: vsreid {command}" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refusal:
        main([command, "--nonsense"])
    assert refusal.value.code == 2
