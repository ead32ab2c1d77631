"""Every row on every sequence, once: what is measured, kept, read back, and marked."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import command_line
from tests.command_line import FIRST, SECOND, half_written, ship_stubs, tiny_sequence
from tests.stubs import ListedDetector, ListedScores, SpyFlow
from vsreid_lite import journal, vsreid
from vsreid_lite.config import LITE, AdaptationConfig
from vsreid_lite.datasets.benchmarks import open_benchmark
from vsreid_lite.datasets.davis import MASKS, write_benchmark
from vsreid_lite.evaluation import ablation
from vsreid_lite.evaluation.ablation import Parts, run_ablation, seen_sequences
from vsreid_lite.evaluation.ladder import adapted, ladder
from vsreid_lite.evaluation.metrics import Scores, score_sequence
from vsreid_lite.evaluation.paper import table1
from vsreid_lite.networks import Networks
from vsreid_lite.networks.checkpoints import save_weights
from vsreid_lite.networks.mask_propagation import lite_streams
from vsreid_lite.networks.weight_files import Provenance
from vsreid_lite.video.masks import write_mask

KEYS = {"name", "J-mean", "F-mean", "global-mean", "boost", "interval", "note", "seconds", "seen-in-training"}
CONFIG = replace(LITE, device="cpu")
ADAPTING = replace(CONFIG, adapt=True, adaptation=AdaptationConfig(steps=1, batch=1, recompositions=2))


@pytest.fixture
def files(tmp_path, monkeypatch):
    return ship_stubs(monkeypatch, tmp_path / "weights")


@pytest.fixture
def benchmark(tmp_path, files):
    write_benchmark([tiny_sequence("apes"), tiny_sequence("bees", labels=(1,))], tmp_path / "davis", "val")
    return open_benchmark("davis-2017", tmp_path / "davis")


@pytest.fixture
def measured(monkeypatch):
    """The (configuration, sequence) that were measured, in order."""
    made = []
    real = ablation._measure

    def measure(job):
        parts = real(job)
        made.extend((config, job.sequence) for config in job.rows.values())
        return parts

    monkeypatch.setattr(ablation, "_measure", measure)
    return made


def test_rows_come_in_the_papers_order_with_null_where_nothing_was_measured(benchmark, files, tmp_path):
    (files / "lite-baseline.safetensors").unlink()
    results = run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    assert results["dataset"] == "davis-2017" and results["weights"] == "lite" and results["seen-in-training"] == {}
    assert (results["preset"], results["flow"], results["untrained"]) == ("lite", "dis", False)
    assert results["sequences"] == ["apes", "bees"] and results["split"] == "val" and results["scenes"] is None
    assert results["adapted-rows"] == [] and results["adapted-total"] is None
    rows = results["rows"]
    assert [row["name"] for row in rows] == [row.name for row in table1()]
    assert all(row.keys() >= KEYS for row in rows)
    baseline, *others = rows
    for key in ("J-mean", "F-mean", "global-mean", "global-mean-interval", "boost", "interval", "sign-agrees"):
        assert baseline[key] is None
    assert baseline["note"] == "not measured: no file lite-baseline; make it: vsreid train lite-baseline"
    for row in others:
        assert row["global-mean"] == pytest.approx((row["J-mean"] + row["F-mean"]) / 2)
        assert row["global-mean"] > 0.7  # nothing moves, and the guide is the answer
        assert set(row["instances"]) == {"apes_1", "apes_2", "bees_1"} and row["note"] == ""


def test_the_numbers_are_those_of_each_sequence_segmented_alone(benchmark, tmp_path):
    rows = ladder(CONFIG)
    results = run_ablation(benchmark, rows, tmp_path)
    for row, entry in zip(rows, results["rows"], strict=True):
        scores = Scores(
            {
                name: one
                for sequence in map(benchmark.load, benchmark.names)
                for name, one in score_sequence(
                    sequence.name, sequence.annotations, vsreid.segment(sequence, row.config).masks
                ).items()
            }
        )
        assert (entry["J-mean"], entry["F-mean"]) == (scores.J.mean, scores.F.mean)
        assert entry["global-mean"] == scores.global_mean


def test_rows_of_one_network_share_its_adaptation_and_get_what_they_would_get_alone(
    benchmark, tmp_path, measured, monkeypatch
):
    def load(config):
        torch.manual_seed(1)
        streams = lite_streams(config.propagation.use_flow).eval()
        return Networks(streams, ListedDetector({}), ListedScores({}, [FIRST, SECOND]))

    monkeypatch.setattr(vsreid, "load_networks", load)
    adaptations = []
    real = vsreid.adapt
    monkeypatch.setattr(vsreid, "adapt", lambda *given: adaptations.append(given[3]) or real(*given))
    bees = replace(benchmark, names=("bees",))
    rows = ladder(ADAPTING)
    every = adapted(rows)
    results = run_ablation(bees, rows, tmp_path, adapted_rows=every)
    assert [(config.use_box, config.use_flow) for config in adaptations] == [
        (True, True),
        (True, False),
        (False, False),
    ]
    assert len(measured) == 10  # the sixth row is the fifth of the adapted ones
    settings = [json.loads(file.read_text())["config"] for file in (tmp_path / "parts").iterdir()]
    for part in settings:
        assert part["matching"]["improvement"] == (0.2 if part["adapt"] else None)

    sequence = benchmark.load("bees")
    for row, entry in ((rows[5], results["rows"][5]), *zip(every[:3], results["adapted-rows"], strict=False)):
        masks = vsreid.segment(sequence, row.config).masks
        scores = Scores(score_sequence("bees", sequence.annotations, masks))
        assert (entry["J-mean"], entry["F-mean"]) == (scores.J.mean, scores.F.mean)
    for without, entry in zip(results["rows"], results["adapted-rows"], strict=False):
        assert entry["adaptation-gain"] == pytest.approx(entry["global-mean"] - without["global-mean"])


def test_rows_that_are_measured_later_join_those_that_are_there(benchmark, tmp_path, measured):
    run_ablation(benchmark, ladder(CONFIG, (4,)), tmp_path)
    assert len(measured) == 2
    results = run_ablation(benchmark, ladder(CONFIG), tmp_path)
    assert len(measured) == len(set(measured)) == 10 and None not in [row["J-mean"] for row in results["rows"]]


def test_a_stopped_run_goes_on_where_it_was(benchmark, tmp_path, measured, monkeypatch):
    counted = ablation._measure

    def stop_at_the_third_network(job):
        if len(measured) == 6:
            raise KeyboardInterrupt
        return counted(job)

    monkeypatch.setattr(ablation, "_measure", stop_at_the_third_network)
    with pytest.raises(KeyboardInterrupt):
        run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 6 and not half_written(tmp_path / "out")
    monkeypatch.setattr(ablation, "_measure", counted)
    run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    assert len(measured) == len(set(measured)) == 10


def test_a_job_that_is_killed_goes_on_in_its_row_and_has_no_time(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "EVERY", 0)
    calls, predict = [], command_line.GuideAsAnswer.predict

    def run(folder, dies=0):
        def mortal(self, *inputs):
            calls.append(inputs)
            if len(calls) == dies:
                raise KeyboardInterrupt
            return predict(self, *inputs)

        calls.clear()
        monkeypatch.setattr(command_line.GuideAsAnswer, "predict", mortal)
        return run_ablation(benchmark, ladder(CONFIG), tmp_path / folder), len(calls)

    whole, every = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("out", dies=5)
    again, rest = run("out")
    assert rest == every - 3  # of the row that comes first, each step has three calls, one a scale
    assert list((tmp_path / "out" / "parts").glob(".*")) == []
    seconds = [[row.pop("seconds") for row in results["rows"]] for results in (whole, again)]
    assert again["rows"] == whole["rows"] and None in seconds[1] and None not in seconds[0] and any(seconds[1])


@pytest.mark.parametrize("content", ["[]", "{}", "3", "[" * 10**5, '{"instances": {"a": {"J": [1]}}, "seconds": 1}'])
def test_a_part_that_is_none_is_named(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"a.json: damaged result of an earlier run \(.*\); delete it and run again"):
        ablation._read(tmp_path / "a.json")


def keys(benchmark, config=CONFIG):
    configs = [row.config for row in ladder(config)]
    return {path.name for path in ablation._results(configs, benchmark, benchmark.root).values()}


def test_a_result_is_kept_under_everything_that_it_depends_on(benchmark, files, tmp_path, monkeypatch):
    before = keys(benchmark)
    assert keys(benchmark) == before and len(before) == 10
    assert not keys(benchmark, replace(CONFIG, seed=1)) & before

    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("x = 1")
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "PACKAGE", code)
        first = keys(benchmark)
        (code / "a.py").write_text("x = 2")
        second = keys(benchmark)
        (code / "__init__.pyi").write_text("from .a import x")
        assert not second & first and not first & before and not keys(benchmark) & second

    write_mask(benchmark.root / MASKS / "apes" / "00003.png", np.zeros((41, 63), np.uint8))
    changed = keys(benchmark)
    assert {name for name in changed - before if name.startswith("apes")} and len(changed & before) == 5

    own = str(files / "lite-box.safetensors")
    for other in ({"flow": "dis-medium"}, {"detector_weights": own}, {"identification_weights": own}):
        assert not keys(benchmark, replace(CONFIG, **other)) & changed

    (files / "lite-detector.safetensors").write_bytes((files / "lite-propagation.safetensors").read_bytes())
    assert not keys(benchmark) & changed


def test_a_result_depends_on_the_preset_and_on_the_network_of_its_flow(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("vsreid_lite.evaluation.ladder.hub_weights", lambda _: None)
    flow = tmp_path / "raft.pth"
    flow.write_bytes(b"one")
    config = replace(CONFIG, weights="random", flow=f"raft:{flow}")
    paper, authors = (replace(config, preset=preset) for preset in ("paper", "authors"))
    first = keys(benchmark, paper)
    assert keys(benchmark, paper) == first and len(first) == 10
    assert not keys(benchmark, authors) & first and not keys(benchmark, replace(CONFIG, flow=config.flow)) & first
    flow.write_bytes(b"two")
    assert not keys(benchmark, paper) & first


def test_parts_of_another_flow_are_not_read_back(benchmark, tmp_path, measured, monkeypatch):
    flows = []
    real = ablation.get_flow
    monkeypatch.setattr(ablation, "get_flow", lambda name, *given: flows.append(name) or real(name, *given))
    run_ablation(benchmark, ladder(CONFIG, (3, 4)), tmp_path)
    assert len(measured) == 4 and flows == ["dis"] * 2  # once for the rows of a sequence
    results = run_ablation(benchmark, ladder(replace(CONFIG, flow="dis-medium"), (3, 4)), tmp_path)
    assert len(measured) == 8 and flows[2:] == ["dis-medium"] * 2 and results["flow"] == "dis-medium"
    assert run_ablation(benchmark, ladder(CONFIG, (3, 4)), tmp_path)["flow"] == "dis"
    assert len(measured) == 8


class SpyScores:
    """An N_reid to which all boxes are alike, and which remembers them."""

    def __init__(self):
        self.asked = []

    def embed(self, frame, boxes):
        self.asked.append(boxes)
        return torch.full((len(boxes), 4), 0.5)


def both_boxes(frame):
    return [FIRST, SECOND]


def test_parts_of_ones_own_replace_those_of_the_configuration_and_are_named(benchmark, monkeypatch):
    flow, scores = SpyFlow(), SpyScores()
    monkeypatch.setattr(ablation, "get_flow", None)
    own = Parts(flow, both_boxes, scores)
    results = run_ablation(replace(benchmark, names=("bees",)), ladder(CONFIG, (3, 4)), parts=own)
    assert {(1, 0), (2, 1), (3, 2)} <= set(flow.asked)
    assert [FIRST] in scores.asked and [FIRST, SECOND] in scores.asked  # the template, the candidates of a frame
    assert (results["flow"], results["detector"], results["identification"]) == ("SpyFlow", "both_boxes", "SpyScores")
    assert [entry["file"] for entry in results["training"]] == ["lite-propagation"]
    assert results["rows"][3]["global-mean"] > 0.7


def test_results_with_parts_of_ones_own_are_not_kept(benchmark, tmp_path, measured):
    with pytest.raises(ValueError, match="out: results with parts of one's own are not kept; leave the folder out"):
        run_ablation(benchmark, ladder(CONFIG, (3,)), tmp_path / "out", parts=Parts(flow=SpyFlow()))
    assert not (tmp_path / "out").exists() and measured == []
    first, second = (run_ablation(benchmark, ladder(CONFIG, (3,))) for _ in range(2))
    assert len(measured) == 4 and first["rows"][2]["J-mean"] == second["rows"][2]["J-mean"]


def test_the_patch_that_is_stored_with_the_weights_is_that_of_the_rows(benchmark, files, tmp_path):
    own = files / "lite-propagation.safetensors"
    save_weights(own, torch.nn.Linear(1, 1), Provenance("two streams", "none", "none", 0, 0, settings={"patch": 160}))
    run_ablation(benchmark, ladder(CONFIG, (3, 5)), tmp_path / "out")
    settings = [json.loads(file.read_text())["config"] for file in (tmp_path / "out" / "parts").iterdir()]
    assert [part["propagation"]["patch"] for part in settings] == [160] * 4


def test_the_place_of_a_data_set_does_not_matter(benchmark, tmp_path):
    before = keys(benchmark)
    moved = benchmark.root.rename(tmp_path / "elsewhere")
    assert keys(open_benchmark("davis-2017", moved)) == before


def test_a_damaged_part_is_named(benchmark, tmp_path):
    run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")
    part = next((tmp_path / "out" / "parts").iterdir())
    part.write_text("{")
    with pytest.raises(ValueError, match=f"{part.name}: damaged result of an earlier run .* delete it and run again"):
        run_ablation(benchmark, ladder(CONFIG), tmp_path / "out")


def test_sequences_that_the_weights_have_seen_are_marked(benchmark, tmp_path):
    own = tmp_path / "own.safetensors"
    header = Provenance("two streams", "", "", 0, 0, sequences=("bees", "wasps"))
    save_weights(own, torch.nn.Linear(1, 1), header)
    assert seen_sequences(benchmark, CONFIG) == {}
    assert seen_sequences(benchmark, replace(CONFIG, weights=str(own))) == {"bees": ["bees"]}
    results = run_ablation(benchmark, ladder(replace(CONFIG, weights=str(own))), tmp_path / "out")
    assert results["seen-in-training"] == {"bees": ["bees"]}
    assert [row["seen-in-training"] for row in results["rows"]] == [False, False, True, True, True]
