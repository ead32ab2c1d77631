"""`vsreid evaluate`, `ablation`, `render`, `figures` and `download`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import half_written, refused, ship_stubs, small_disk, snapshot, tiny_mask, tiny_sequence
from vsreid_lite.cli import main
from vsreid_lite.commands import download_names
from vsreid_lite.datasets.davis import FRAMES, MASKS
from vsreid_lite.datasets.frozen import read_benchmark, write_benchmark
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.masks import write_mask
from vsreid_lite.training.log import append_to_log

GOLDEN = Path(__file__).parent / "golden" / "metrics"
COMMANDS = ("segment", "evaluate", "ablation", "render", "train", "choose", "download", "figures", "doctor")


# evaluate


@pytest.fixture
def folders(tmp_path):
    """Reference and prediction of one sequence of four frames with two instances."""
    for name in ("truth", "predicted"):
        for i in range(4):
            write_mask(tmp_path / name / "clip" / f"{i:05d}.png", tiny_mask())
    return [str(tmp_path / "truth"), str(tmp_path / "predicted")]


def test_evaluate_prints_and_writes_the_official_numbers(tmp_path, capsys):
    for part in ("reference", "predicted"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "dogs-jump").symlink_to(GOLDEN / part / "dogs-jump")
    file = tmp_path / "new" / "scores.json"
    assert main(["evaluate", str(tmp_path / "reference"), str(tmp_path / "predicted"), "--json", str(file)]) == 0
    official = json.loads((GOLDEN / "official.json").read_text())["objects"]
    scores = json.loads(file.read_text())
    assert list(scores["instances"]) == ["dogs-jump_1", "dogs-jump_2", "dogs-jump_3"]
    for name, instance in scores["instances"].items():
        for measure in ("J", "F"):
            expected, found = official[name][measure], instance[measure]
            assert found.keys() == {"mean", "recall", "decay", "per_frame"}
            assert len(found["per_frame"]) == 28
            for key in ("mean", "recall", "decay", "per_frame"):
                assert found[key] == pytest.approx(expected[key], abs=1e-9)
    means = {m: np.mean([one[m]["mean"] for one in scores["instances"].values()]) for m in ("J", "F")}
    assert scores["global"]["J"]["mean"] == pytest.approx(means["J"])
    assert scores["global"]["J"].keys() == scores["global"]["F"].keys() == {"mean", "recall", "decay"}
    assert scores["global"]["global-mean"] == pytest.approx((means["J"] + means["F"]) / 2)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["instance", "J-mean", "F-mean"]
    assert printed[1].split()[0] == "dogs-jump_1"
    assert f"J: mean {means['J']:.3f}, recall" in "\n".join(printed)
    assert printed[-1] == f"global-mean {scores['global']['global-mean']:.3f}"


def test_a_perfect_prediction_prints_a_dash_for_what_is_undefined(folders, capsys):
    assert main(["evaluate", *folders]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == ["J in visible frames: 1.000", "J after re-appearance: -", "global-mean 1.000"]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


BAD_PREDICTION = {
    "missing truth": (lambda root: shutil.rmtree(root / "truth"), "truth: there is no such folder"),
    "missing prediction": (lambda root: shutil.rmtree(root / "predicted"), "clip: there is no such folder"),
    "no sequence": (lambda root: shutil.rmtree(root / "truth" / "clip"), "truth: expected one folder"),
    "missing frame": (lambda root: (root / "predicted/clip/00001.png").unlink(), "00001.png: there is no such frame"),
    "truncated mask": (lambda root: truncate(root / "predicted/clip/00002.png"), "00002.png: cannot be read"),
    "truncated truth": (lambda root: truncate(root / "truth/clip/00001.png"), "00001.png: cannot be read"),
    "another size": (
        lambda root: write_mask(root / "predicted/clip/00001.png", tiny_mask()[:30]),
        "predicted/clip/00001.png: expected 63 x 41",
    ),
    "more labels than in the truth": (
        lambda root: write_mask(root / "predicted/clip/00002.png", tiny_mask((1, 5))),
        "predicted/clip/00002.png: expected labels 0 to 2, as in the first true frame, found 5",
    ),
}


@pytest.mark.parametrize("case", BAD_PREDICTION)
def test_a_prediction_that_cannot_be_scored_is_one_line_and_nothing_is_written(folders, tmp_path, capfd, case):
    spoil, line = BAD_PREDICTION[case]
    spoil(tmp_path)
    before = snapshot(tmp_path)
    assert line in refused(capfd, "evaluate", *folders, "--json", tmp_path / "new" / "a.json")
    assert snapshot(tmp_path) == before and not (tmp_path / "new").exists()


@pytest.mark.parametrize("file", ["/proc/a.json", "/dev/full", "{}/truth", "{}/truth/clip/00000.png/a.json"])
def test_scores_that_cannot_be_written_are_refused_before_the_run(folders, tmp_path, capfd, monkeypatch, file):
    monkeypatch.setattr("vsreid_lite.evaluation.metrics.evaluate", None)
    file = file.format(tmp_path)
    assert str(Path(file).parent) in refused(capfd, "evaluate", *folders, "--json", file)


def test_scores_on_a_full_disk_are_one_line(folders, tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        line = refused(capfd, "evaluate", *folders, "--json", disk / "a.json")
        assert "a.json: No space left on device" in line and not half_written(disk)


# ablation


@pytest.fixture
def davis(tmp_path, monkeypatch):
    ship_stubs(monkeypatch, tmp_path / "weights")
    write_benchmark([tiny_sequence("apes"), tiny_sequence("bees")], tmp_path / "davis", "val")
    return ["ablation", "--dataset", "davis-2017", "--root", str(tmp_path / "davis"), "--device", "cpu"]


@pytest.mark.filterwarnings("default")
def test_ablation_prints_the_table_writes_the_json_and_warns_of_what_the_weights_have_seen(
    davis, tmp_path, capfd, monkeypatch
):
    ship_stubs(monkeypatch, tmp_path / "weights", seen=("bees",))
    out = tmp_path / "out"
    before = snapshot(tmp_path)
    assert main([*davis, "--output", str(out), "--workers", "1"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results.keys() >= {"dataset", "weights", "rows", "sequences", "seen-in-training", "total", "training"}
    assert [row["name"] for row in results["rows"]] == [row.name for row in table1()]
    assert (out / "table1.png").read_bytes().startswith(b"\x89PNG")
    for row in results["rows"]:
        assert f"| {row['name']} *" in (out / "table1.md").read_text()
        assert f"no,{row['name']},{row['J-mean']}" in (out / "table1.csv").read_text()
    assert results["seen-in-training"] == {"bees": ["bees"]}
    captured = capfd.readouterr()
    warned = [line for line in captured.err.replace("\r", "\n").splitlines() if "warning" in line]
    assert warned == ["vsreid: warning: weights lite have seen bees in training: no fair test"]
    assert "Table 1 on davis-2017" in captured.out and "+ re-id module *" in captured.out
    assert before.items() <= snapshot(tmp_path).items() and not half_written(tmp_path)


def test_with_adapt_all_every_row_is_adapted_beside_the_sixth(davis, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vsreid_lite.api.adapt", lambda network, *_: network)
    monkeypatch.setattr("vsreid_lite.api.TwoStreams", object)
    options = ["--output", str(tmp_path / "out"), "--workers", "1", "--sequences", "apes", "--adapt"]
    assert main([*davis, *options]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["rows"]) == 6 and results["adapted-rows"] == []
    assert main([*davis, *options, "all"]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["rows"]) == 6 and len(results["adapted-rows"]) == 5
    assert "each row adapted to each first frame" in capsys.readouterr().out


def test_only_the_rows_chosen_are_measured(davis, tmp_path):
    options = ["--output", str(tmp_path / "out"), "--workers", "1", "--sequences", "apes", "--rows", "3,4"]
    assert main([*davis, *options]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["global-mean"] is None for row in results["rows"]] == [True, True, False, False, True]
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 2


def test_scenes_of_mini_that_were_never_used_are_rendered_below_the_output(davis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsreid_lite.datasets.benchmarks.mini_sequence", lambda _, i: tiny_sequence(f"crowd-{i:04d}"))
    options = ["ablation", "--scenes", "14:16", "--device", "cpu", "--workers", "1", "--rows", "2"]
    assert main(options) == 0
    out = tmp_path / "runs" / "mini-14-16-lite"
    results = json.loads((out / "results.json").read_text())
    assert (results["dataset"], results["split"], results["scenes"]) == ("mini", "test", [14, 15])
    assert results["sequences"] == ["crowd-0014", "crowd-0015"]
    parts = snapshot(out / "parts")
    assert (out / "scenes-14-16" / FRAMES / "crowd-0015").is_dir() and len(parts) == 2
    assert main(options) == 0 and snapshot(out / "parts") == parts


def test_only_the_sequences_named_are_measured(davis, tmp_path):
    assert main([*davis, "--output", str(tmp_path / "out"), "--workers", "1", "--sequences", "apes"]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["sequences"] == ["apes"] and results["seen-in-training"] == {}


def test_the_results_lie_under_data_set_and_weights_unless_told_otherwise(davis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*davis, "--workers", "1", "--sequences", "apes"]) == 0
    assert (tmp_path / "runs" / "davis-2017-lite" / "results.json").is_file()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--sequences", "dogs"], "no sequence dogs in davis-2017; there are apes, bees"),
        (["--root", "/nowhere"], "/nowhere: expected DAVIS 2017"),
        (["--dataset", "composite", "--root", "/nowhere"], "/nowhere: expected DAVIS 2016"),
        (["--weights", "heavy"], "heavy: expected lite or lite-davis"),
        (["--output", "/proc/out"], "cannot write into the folder /proc/out"),
        (["--rows", "2,6"], "row 6: expected numbers from 1 to 5, as in Table 1; 6 is ours, with --adapt"),
        (["--scenes", "12:14"], "--scenes renders scenes of mini: it goes with --dataset mini and without --root"),
    ],
)
def test_an_ablation_that_cannot_run_is_refused_at_once(davis, tmp_path, capfd, monkeypatch, options, line):
    monkeypatch.setattr("vsreid_lite.evaluation.ablation.run_ablation", None)
    before = snapshot(tmp_path)
    out = [] if "--output" in options else ["--output", tmp_path / "out"]
    assert line in refused(capfd, *davis, "--sequences", "apes", *out, *options)
    assert snapshot(tmp_path) == before and not (tmp_path / "out").exists()


def test_an_error_in_a_worker_is_one_line(davis, tmp_path, capfd):
    """Both sequences are spoilt: whichever process is first, it is a frame that cannot be read."""
    for name in ("apes", "bees"):
        truncate(tmp_path / "davis" / FRAMES / name / "00002.jpg")
    line = refused(capfd, *davis, "--output", tmp_path / "out", "--workers", "2", "--sequences", "apes,bees")
    assert "00002.jpg: unreadable or truncated image" in line
    assert not half_written(tmp_path)


@pytest.mark.parametrize("part", [FRAMES, MASKS])
def test_a_damaged_sequence_is_one_line_and_finished_parts_are_kept(davis, tmp_path, capfd, part):
    file = sorted((tmp_path / "davis" / part / "bees").iterdir())[1]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    sequences = ["--sequences", "apes,bees"]
    assert f"{file}: unreadable" in refused(capfd, *davis, "--output", tmp_path / "out", "--workers", "1", *sequences)
    assert len(list((tmp_path / "out" / "parts").glob("apes-*.json"))) == 3  # the rows that share one network
    assert not (tmp_path / "out" / "results.json").exists()


def test_results_on_a_full_disk_are_one_line(davis, tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        line = refused(capfd, *davis, "--output", disk / "out", "--workers", "1", "--sequences", "apes")
        assert str(disk / "out") in line and "No space left on device" in line
        assert not half_written(disk)


# render


def test_one_mini_sequence_is_rendered_in_the_layout_of_davis_2017(tmp_path):
    assert main(["render", "mini", "--output", str(tmp_path), "--count", "1", "--split", "val"]) == 0
    (sequence,) = read_benchmark(tmp_path, "val")
    assert sequence.name == "articulation" and sequence.N == 40 and sequence.shape == (192, 320)
    assert all(mask is not None for mask in sequence.annotations)
    assert not half_written(tmp_path)


def test_composites_are_drawn_with_the_seed_split_and_count_that_were_asked_for(tmp_path, monkeypatch):
    asked = []

    def draw(*arguments, **options):
        asked.append((*arguments, options))
        return [tiny_sequence("cross-apes")]

    monkeypatch.setattr("vsreid_lite.datasets.composite.composite_sequences", draw)
    root, out = tmp_path / "davis", tmp_path / "out"
    arguments = ["--root", str(root), "--output", str(out), "--seed", "3", "--split", "train", "--count", "2"]
    assert main(["render", "composite", *arguments]) == 0
    assert asked == [(root, 3, "train", {"count": 2})]
    assert [sequence.name for sequence in read_benchmark(out, "train")] == ["cross-apes"]


def test_composites_are_never_written_into_the_data_they_are_made_from(tmp_path, capfd):
    write_benchmark([tiny_sequence("apes")], tmp_path / "davis", "val")
    before = snapshot(tmp_path)
    line = refused(capfd, "render", "composite", "--root", tmp_path / "davis", "--output", tmp_path / "x/../davis")
    assert "the output is the input" in line or "cannot write" in line
    assert "davis: the output is the input" in refused(
        capfd, "render", "composite", "--root", tmp_path / "davis", "--output", tmp_path / "davis"
    )
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["composite"], "needs --root"),
        (["composite", "--root", "/nowhere"], "/nowhere: expected DAVIS 2016"),
        (["mini", "--output", "/proc/out"], "cannot write into the folder /proc/out"),
    ],
)
def test_a_rendering_that_cannot_be_made_is_refused(tmp_path, capfd, arguments, line):
    assert line in refused(capfd, "render", "--output", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_rendering_on_a_full_disk_leaves_no_list_of_its_sequences(tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        line = refused(capfd, "render", "mini", "--count", "1", "--output", disk)
        assert "00000.jpg: No space left on device" in line
        assert not half_written(disk) and not (disk / "ImageSets").exists()


# figures


def test_tables_and_curves_are_drawn_from_results_and_logs_the_same_each_time(davis, tmp_path, capsys):
    assert main([*davis, "--output", str(tmp_path / "out"), "--workers", "1", "--sequences", "apes"]) == 0
    append_to_log(tmp_path / "logs" / "lite-rgb.csv", 50, 1.0, 2.0)
    options = ["--results", str(tmp_path / "out" / "results.json"), "--training", str(tmp_path / "logs")]
    options += ["--only", "table1,table2,training", "--output", str(tmp_path / "drawn")]
    assert main(["figures", *options]) == 0
    assert f"figure: {tmp_path / 'drawn' / 'table2.svg'}" in capsys.readouterr().out
    drawn = snapshot(tmp_path / "drawn")
    assert main(["figures", *options]) == 0
    assert snapshot(tmp_path / "drawn") == drawn and not half_written(tmp_path)
    for name in ("table1", "table2", "training"):
        assert (tmp_path / "drawn" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (tmp_path / "drawn" / f"{name}.svg").read_bytes()
    assert "2 instances in 1 sequence," in (tmp_path / "drawn" / "table2.svg").read_text()


def test_a_figure_that_needs_no_results_is_drawn_without(tmp_path):
    options = ["--only", "figure3", "--results", str(tmp_path / "none.json"), "--output", str(tmp_path / "drawn")]
    assert main(["figures", *options]) == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["figure3.png", "figure3.svg"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--only", "figure3,figure9"], "--only figure9: expected some of figure1,figure2"),
        (["--only", "figure3", "--weights", "nothing"], "nothing"),
        (["--only", "training", "--training", "nowhere"], "nowhere: no logs of training"),
    ],
)
def test_figures_that_cannot_be_drawn_are_refused_before_anything_is_written(tmp_path, capfd, options, line):
    assert line in refused(capfd, "figures", *options, "--output", tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": 3}', "{}"])
def test_results_that_are_none_are_named(tmp_path, capfd, content):
    assert "no results; run `vsreid ablation" in refused(capfd, "figures", "--results", tmp_path / "none.json")
    (tmp_path / "a.json").write_text(content)
    line = refused(capfd, "figures", "--results", tmp_path / "a.json", "--output", tmp_path / "drawn")
    assert "a.json: expected the results of `vsreid ablation`" in line and not (tmp_path / "drawn").exists()


# download


def test_the_archives_of_the_parser_are_those_there_are():
    from vsreid_lite.datasets.download import ARCHIVES

    assert download_names() == list(ARCHIVES)


def test_a_download_without_a_place_to_write_is_refused(tmp_path, capfd):
    (tmp_path / "file").touch()
    assert "cannot write into the folder" in refused(capfd, "download", "davis-2017", "--output", tmp_path / "file")


# all


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_refuses_what_it_does_not_know(command, capsys):
    with pytest.raises(SystemExit) as helped:
        main([command, "--help"])
    assert helped.value.code == 0 and f"usage: vsreid {command}" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refusal:
        main([command, "--nonsense"])
    assert refusal.value.code == 2
