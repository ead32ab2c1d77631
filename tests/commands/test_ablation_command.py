"""`vsreid ablation`, and `vsreid figures`, which draws its results."""

import json

import pytest

from tests.command_line import half_written, refused, ship_stubs, small_disk, snapshot, tiny_sequence
from vsreid_lite.commands.cli import main
from vsreid_lite.datasets.davis import FRAMES, MASKS, write_benchmark
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.training.loop import append_to_log

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
    monkeypatch.setattr("vsreid_lite.vsreid.adapt", lambda network, video, *_: ([network] * video.K, False))
    monkeypatch.setattr("vsreid_lite.vsreid.TwoStreams", object)
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


def test_the_last_of_three_shards_prints_the_table_of_one_run_and_so_does_merge(davis, tmp_path, capfd):
    def run(out, *options):
        assert main([*davis, "--output", str(tmp_path / out), "--workers", "1", "--rows", "2,3", *options]) == 0
        return capfd.readouterr().out

    def table(out):
        rows = json.loads((tmp_path / out / "results.json").read_text())["rows"]
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]

    assert "Table 1 on davis-2017" in run("alone")
    said = [run("out", "--shard", f"{k}/3") for k in (3, 1)]
    assert "shard finished, 3 results of other shards not there yet" in said[0]  # 4 results, and no shard has another's
    assert "shard finished, 1 result of other shards" in said[1] and not (tmp_path / "out" / "results.json").exists()
    merge = [*davis, "--output", tmp_path / "out", "--rows", "2,3", "--merge"]
    assert "--merge: 1 result of other shards not there yet in" in refused(capfd, *merge)
    assert "Table 1 on davis-2017" in run("out", "--shard", "2/3") and table("out") == table("alone")
    (tmp_path / "out" / "results.json").unlink()
    assert "Table 1 on davis-2017" in run("out", "--merge") and table("out") == table("alone")


def test_what_was_rendered_is_measured_by_its_only_split_or_by_the_one_named(davis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "davis/ImageSets/2017/val.txt").rename(tmp_path / "davis/ImageSets/2017/test.txt")
    options = ["--workers", "1", "--rows", "2"]
    assert main([*davis, *options]) == main([*davis, *options, "--split", "test"]) == 0
    for folder in ("davis-2017-lite", "davis-2017-test-lite"):
        results = json.loads((tmp_path / "runs" / folder / "results.json").read_text())
        assert (results["split"], results["sequences"]) == ("test", ["apes", "bees"])


def test_scenes_of_mini_that_were_never_used_are_rendered_below_the_output(davis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsreid_lite.datasets.mini.mini_video", lambda _, i: tiny_sequence(f"crowd-{i:04d}"))
    options = ["ablation", "--scenes", "14:16", "--device", "cpu", "--workers", "1", "--rows", "2"]
    assert main(options) == 0
    out = tmp_path / "runs" / "mini-14-16-lite"
    results = json.loads((out / "results.json").read_text())
    assert (results["dataset"], results["split"], results["scenes"]) == ("mini", "test", [14, 15])
    assert results["sequences"] == ["crowd-0014", "crowd-0015"]
    parts = snapshot(out / "parts")
    assert (out / "scenes-14-16" / FRAMES / "crowd-0015").is_dir() and len(parts) == 2
    assert main(options) == 0 and snapshot(out / "parts") == parts


def test_flow_and_files_of_another_kind_are_recorded_and_name_the_folder(davis, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    detector = tmp_path / "weights" / "lite-detector.safetensors"
    options = ["--workers", "1", "--sequences", "apes", "--flow", "dis-medium", "--detector", str(detector)]
    assert main([*davis, *options, "--rows", "3"]) == 0
    results = json.loads((tmp_path / "runs/davis-2017-lite-dis-medium-lite-detector/results.json").read_text())
    assert (results["preset"], results["flow"], results["detector"]) == ("lite", "dis-medium", str(detector))
    assert results["rows"][2]["global-mean"] is not None and "flow dis-medium" in capsys.readouterr().out


def test_settings_are_measured_recorded_and_name_the_folder(davis, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = ["release.skip_last=true", "propagation.enlarge=0.2"]
    options = ["--workers", "1", "--sequences", "apes", "--rows", "3"]
    assert main([*davis, *options, "--set", settings[0], "--set", settings[1], "--set", "seed=2"]) == 0
    out = tmp_path / "runs/davis-2017-lite-release.skip_last=true-propagation.enlarge=0.2-seed=2"
    results, (part,) = json.loads((out / "results.json").read_text()), (out / "parts").iterdir()
    assert sorted(results["settings"]) == sorted(settings) and results["seed"] == 2
    config = json.loads(part.read_text())["config"]
    assert config["release"]["skip_last"] and config["propagation"]["enlarge"] == 0.2 and config["seed"] == 2
    assert "weights lite, propagation.enlarge=0.2, release.skip_last=true (paper" in capsys.readouterr().out
    assert "propagation.enlarge=0.2 release.skip_last=true" in (out / "table1.csv").read_text()


@pytest.mark.parametrize(("preset", "measured"), [("paper", 5), ("authors", 3)])
def test_untrained_networks_of_another_preset_are_measured_and_marked(davis, tmp_path, monkeypatch, preset, measured):
    options = ["--preset", preset, "--weights", "random", "--flow", "dis", "--workers", "1", "--sequences", "apes"]
    assert main([*davis, *options, "--output", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["preset"], results["weights"], results["untrained"]) == (preset, "random", True)
    assert len([row for row in results["rows"] if row["global-mean"] is not None]) == measured
    assert f"preset {preset}, weights random, flow dis, untrained" in (tmp_path / "out" / "table1.md").read_text()
    assert results["rows"][0]["note"].startswith("not measured: the release's" if preset == "authors" else "")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--sequences", "dogs"], "no sequence dogs in davis-2017; there are apes, bees"),
        (["--root", "/nowhere"], "/nowhere: expected DAVIS 2017"),
        (["--dataset", "composite", "--root", "/nowhere"], "/nowhere: expected DAVIS 2016"),
        (["--weights", "heavy"], "heavy: expected lite or lite-real"),
        (["--output", "/proc/out"], "cannot write into the folder /proc/out"),
        (["--rows", "2,6"], "row 6: expected numbers from 1 to 5, as in Table 1; 6 is ours, with --adapt"),
        (["--preset", "paper", "--flow", "dis"], "preset paper: no weights of its N_mp ship with this package"),
        (["--preset", "authors", "--weights", "random", "--adapt"], "preset authors: its weights are adapted"),
        (["--preset", "paper", "--weights", "random"], "FlowNet2 needs its weights there, found no such file"),
        (["--scheduler", "tcp://a:1", "--workers", "2"], "--workers 2: counts processes of this machine"),
        (["--flow", "sparrow"], "flow 'sparrow': expected one of dis"),
        (["--flow", "/tmp"], "--flow /tmp: a folder holds the flow of one video; an ablation takes an estimator"),
        (["--identification", "gone.pth"], "gone.pth: no such weight file"),
        (["--scenes", "12:14"], "--scenes renders scenes of mini: it goes with --dataset mini and without --root"),
    ],
)
def test_an_ablation_that_cannot_run_is_refused_at_once(davis, tmp_path, capfd, monkeypatch, options, line):
    monkeypatch.setattr("vsreid_lite.evaluation.ablation.run_ablation", None)
    before = snapshot(tmp_path)
    out = [] if "--output" in options else ["--output", tmp_path / "out"]
    assert line in refused(capfd, *davis, "--sequences", "apes", *out, *options)
    assert snapshot(tmp_path) == before and not (tmp_path / "out").exists()


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


# figures


def test_tables_and_curves_are_drawn_from_results_and_logs(davis, tmp_path, capsys):
    assert main([*davis, "--output", str(tmp_path / "out"), "--workers", "1", "--sequences", "apes"]) == 0
    append_to_log(tmp_path / "logs" / "lite-rgb.csv", 50, 1.0, 2.0)
    options = ["--results", str(tmp_path / "out" / "results.json"), "--training", str(tmp_path / "logs")]
    options += ["--only", "table1,table2,training", "--output", str(tmp_path / "drawn")]
    assert main(["figures", *options]) == 0
    assert f"figure: {tmp_path / 'drawn' / 'table2.svg'}" in capsys.readouterr().out
    assert not half_written(tmp_path)
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
