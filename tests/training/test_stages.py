"""Stages in miniature: what each starts from, what it leaves alone, what its file says of it."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torchvision.models import ResNet
from torchvision.models.resnet import Bottleneck

from tests.training.still_folders import make_voc
from tests.training.tiny_clips import tiny_clip
from vsreid_lite.config import PAPER, with_propagation
from vsreid_lite.networks import detector, identification, loading, mask_propagation
from vsreid_lite.networks.checkpoints import load_weights, save_weights
from vsreid_lite.networks.detector import PaperDetector
from vsreid_lite.networks.efficientnet import Backbone
from vsreid_lite.networks.identification import PaperIdentification
from vsreid_lite.networks.layers import fold_normalisation
from vsreid_lite.networks.loading import load_networks
from vsreid_lite.networks.mask_propagation import ResNetStream, Stream, TwoStreams
from vsreid_lite.networks.weight_files import read_provenance
from vsreid_lite.system.downloads import hub_file
from vsreid_lite.training import detection_samples, running, stages
from vsreid_lite.training.clips import ClipStore
from vsreid_lite.training.loop import read_log
from vsreid_lite.training.running import Request, is_finished, run_stage
from vsreid_lite.training.stages import STAGES, Plan
from vsreid_lite.training.stills import open_stills

SHALLOW = (1, 1, 1, 1)
pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")


def narrow(use_flow=True, fusion="probabilities"):
    return TwoStreams(Stream(3, 4), Stream(2, 4) if use_flow else None, fusion)


def shallow(use_flow=True, fusion="probabilities"):
    """The paper's streams with one bottleneck a stage instead of 33 in all."""
    return TwoStreams(ResNetStream(3, SHALLOW), ResNetStream(2, SHALLOW) if use_flow else None, fusion)


class TinyStore(ClipStore):
    """Ready-made clips; what was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def mini(self, count):
        self.asked.append(("mini", count))
        return [tiny_clip("mini-train 0")]

    def footage(self, count):
        self.asked.append(("footage", count))
        return [tiny_clip("footage 0")]

    def collages(self, count, stills, stamps):
        self.asked.append(("collages", count, stills, stamps))
        return [tiny_clip("collage 0")]

    def real(self, root, names, each_of):
        self.asked.append(("real", names, each_of))
        return [tiny_clip(name) for name in names]


@pytest.fixture
def table():
    """The stages, which a test may change."""
    before = dict(STAGES)
    yield STAGES
    STAGES.clear()
    STAGES.update(before)


@pytest.fixture
def store(table, monkeypatch):
    """Narrow untrained networks, small patches and two steps a stage, whatever the table says of them."""
    for name, stage in table.items():
        table[name] = replace(stage, plan=Plan(2, 1e-2, warm_up=1), batch=4, patches=(48,) * len(stage.patches))
    for network in (Backbone, ResNetStream, PaperDetector, PaperIdentification):
        monkeypatch.setattr(network, "load_published", lambda self: None)
    monkeypatch.setattr(mask_propagation, "lite_streams", narrow)
    monkeypatch.setattr(mask_propagation, "paper_streams", shallow)
    monkeypatch.setattr(mask_propagation, "ASPP_WIDTH", 8)
    return TinyStore()


def request(folder, name, **options):
    return Request(folder / f"{name}.safetensors", f"vsreid train {name} --seed 0", **options)


def run(store, folder, *names):
    for name in names:
        run_stage(name, request(folder, name), store=store)


def loaded(folder, name, network):
    load_weights(folder / f"{name}.safetensors", network)
    return network


def test_a_stage_starts_from_the_file_of_the_one_before_and_says_how_it_came_about(store, tmp_path):
    run(store, tmp_path, "lite-stills", "lite-rgb")
    first, second = (read_provenance(tmp_path / f"{name}.safetensors") for name in ("lite-stills", "lite-rgb"))
    assert (first.network, first.steps, first.start) == ("rgb", 2, ())
    assert second.command == "vsreid train lite-rgb --seed 0" and second.start == ("vsreid train lite-stills --seed 0",)
    assert second.start_steps == (2,)
    assert is_finished("lite-rgb", request(tmp_path, "lite-rgb"))
    assert not is_finished("lite-rgb", replace(request(tmp_path, "lite-rgb"), command="vsreid train lite-rgb --seed 1"))
    assert not is_finished("lite-flow", request(tmp_path, "lite-flow"))
    save_weights(tmp_path / "lite-rgb.safetensors", torch.nn.Linear(1, 1), second)  # the file of an older network
    assert not is_finished("lite-rgb", request(tmp_path, "lite-rgb"))


@pytest.mark.parametrize(
    ("stage", "backbone"),
    [
        ("lite-stills", lambda network: network.rgb.backbone),
        ("lite-baseline-stills", lambda network: network.rgb.backbone),
        ("lite-detector", lambda network: network.rcnn.backbone.backbone),
        ("lite-identification", lambda network: network.backbone),
    ],
)
def test_the_lite_networks_start_from_imagenet(stage, backbone, tmp_path):
    network, before = running._start(STAGES[stage], request(tmp_path, stage))
    published = Backbone()
    published.load_published()
    assert before is None
    assert all(torch.equal(v, backbone(network).state_dict()[name]) for name, v in published.state_dict().items())


def test_what_starts_from_imagenet_says_so_and_what_follows_too(tmp_path):
    first = running._provenance(STAGES["lite-stills"], request(tmp_path, "lite-stills"), None, 1)
    second = running._provenance(STAGES["lite-rgb"], request(tmp_path, "lite-rgb"), first, 1)
    said = "; at first EfficientNet-Lite0's ImageNet weights (ML Illustrated, Apache-2.0)"
    assert first.data.endswith(said) and second.data.endswith(said)


def test_settings_that_are_not_chosen_on_mini_val_are_stored_by_the_stage_and_kept_by_make_weights(tmp_path):
    stage, start = STAGES["lite-real-propagation"], read_provenance(running.SHIPPED / "lite-box.safetensors")
    made = running._provenance(stage, request(tmp_path, "a"), start, 1)
    assert made.settings == stage.settings and stage.settings["adaptation"]["steps"]
    chosen = re.findall("vsreid choose (.*) --adapt", (Path(__file__).parents[2] / "Makefile").read_text())
    assert chosen == ["runs/weights/lite-propagation.safetensors"] and not STAGES["lite-propagation"].settings


def test_every_row_of_table_1_has_had_as_many_steps():
    def steps(name, alone):
        """Of the RGB stream, and where it is not trained alone of the flow stream."""
        stage = STAGES[name]
        own = 0 if stage.flow_only and alone else stage.plan.steps
        return own + (steps(stage.start, alone) if stage.start else 0)

    assert {steps(f"lite-{row}", True) for row in ("baseline", "box", "propagation")} == {2500}
    assert {steps(f"lite-real-{row}", True) for row in ("baseline", "box", "propagation")} == {4340}
    assert steps("lite-propagation", False) == 3300  # the flow stream, which begins as the RGB stream


def test_each_stage_trains_the_streams_that_it_names_and_goes_on_with_those_of_the_one_before(store, tmp_path):
    run(store, tmp_path, "lite-stills", "lite-rgb", "lite-flow", "lite-propagation")
    rgb = loaded(tmp_path, "lite-rgb", narrow(use_flow=False)).rgb.state_dict()
    flow, joint = (loaded(tmp_path, f"lite-{name}", narrow()) for name in ("flow", "propagation"))
    assert all(torch.equal(value, rgb[name]) for name, value in flow.rgb.state_dict().items())
    assert not torch.equal(flow.flow.head.weight, flow.rgb.head.weight)
    for stream in ("rgb", "flow"):
        assert not torch.equal(getattr(flow, stream).head.weight, getattr(joint, stream).head.weight)
    chain = read_provenance(tmp_path / "lite-propagation.safetensors").start
    assert [command.split()[2] for command in chain] == ["lite-stills", "lite-rgb", "lite-flow"]

    # a stage of one stream after one of two
    material = tmp_path / "voc", tmp_path / "stamps"
    for name in ("lite-real-collages", "lite-real-large"):
        run_stage(name, request(tmp_path, name, material=material), store=store)
    both = loaded(tmp_path, "lite-real-large", narrow())
    box = request(tmp_path, "lite-real-box", root=tmp_path, sequences=("dog",), material=material)
    network, _ = running._start(STAGES["lite-real-box"], box)
    assert network.flow is None
    assert all(torch.equal(v, both.rgb.state_dict()[name]) for name, v in network.rgb.state_dict().items())


def test_a_stage_with_real_video_and_collages_remembers_all_that_its_weights_have_seen(store, tmp_path):
    name = "lite-real-identification"
    run(store, tmp_path, "lite-identification")
    material = tmp_path / "voc", tmp_path / "stamps"
    seen = request(tmp_path, name, root=tmp_path, sequences=("dog", "cows"), material=material)
    made = run_stage(name, seen, store=store)
    stage = STAGES[name]
    assert made.sequences == ("cows", "dog") and "DAVIS 2016 (CC BY 4.0)" in made.data
    assert f"{stage.collages} collages" in made.data and "tuxpaint-stamps-default" in made.data
    assert store.asked[-2:] == [("collages", stage.collages, *material), ("real", ("dog", "cows"), stage.real // 2)]


def test_a_file_or_state_of_another_plan_or_chain_of_stages_is_not_this_one(store, table, tmp_path):
    """An older version may have had other stages before one of the same name."""
    run(store, tmp_path, "lite-stills", "lite-rgb")
    assert is_finished("lite-rgb", request(tmp_path, "lite-rgb"))
    before = dict(table)
    table["lite-stills"] = replace(table["lite-stills"], plan=Plan(3))
    assert not any(is_finished(name, request(tmp_path, name)) for name in ("lite-stills", "lite-rgb"))
    with pytest.raises(ValueError, match="2 steps"):
        run(store, tmp_path, "lite-stills")
    table.update(before)
    table["lite-rgb"] = replace(table["lite-rgb"], start=None, published=table["lite-stills"].published)
    assert not is_finished("lite-rgb", request(tmp_path, "lite-rgb"))
    with pytest.raises(
        ValueError, match="that of: vsreid train lite-rgb --seed 0, 2 steps after lite-stills of 2 steps"
    ):
        run(store, tmp_path, "lite-rgb")
    file = tmp_path / "lite-rgb.safetensors"
    save_weights(file, narrow(use_flow=False), replace(read_provenance(file), start=("by hand",)))
    assert not is_finished("lite-rgb", request(tmp_path, "lite-rgb"))


def test_identification_is_trained_and_its_table_of_identities_stays_out_of_the_file(store, tmp_path):
    made = run_stage("lite-identification", request(tmp_path, "lite-identification"), store=store)
    assert made.steps == 2
    loaded(tmp_path, "lite-identification", STAGES["lite-identification"].build())
    assert set(torch.load(tmp_path / "lite-identification.state", weights_only=True)) >= {"step", "model", "seconds"}


def test_a_repetition_with_the_same_seed_gives_the_same_file(store, tmp_path):
    for folder in ("a", "b"):
        run(store, tmp_path / folder, "lite-stills")
    files = [tmp_path / folder / "lite-stills.safetensors" for folder in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    run_stage("lite-stills", replace(request(tmp_path / "c", "lite-stills"), seed=1), store=store)
    assert (tmp_path / "c" / "lite-stills.safetensors").read_bytes() != files[0].read_bytes()


def test_a_stage_that_cannot_start_says_why(store, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SHIPPED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lite-stills\.safetensors: .*make them: vsreid train lite-stills"):
        run(store, tmp_path, "lite-rgb")
    with pytest.raises(ValueError, match="unknown training stage 'lite': expected one of lite-stills, "):
        run(store, tmp_path, "lite")
    with pytest.raises(ValueError, match="lite-real-box learns from real video"):
        run(store, tmp_path, "lite-real-box")
    with pytest.raises(ValueError, match="lite-real-detector learns from collages: give --stills and --stamps"):
        run(store, tmp_path, "lite-real-detector")
    assert store.asked == [] and not list(tmp_path.iterdir())


def test_an_interrupted_stage_goes_on_and_its_log_is_beside_it(store, table, tmp_path):
    table["lite-stills"] = replace(table["lite-stills"], plan=Plan(60), batch=2)
    short = request(tmp_path, "lite-stills", minutes=1e-9)
    assert run_stage("lite-stills", short, store=store).steps == 1
    assert not is_finished("lite-stills", short)
    assert run_stage("lite-stills", replace(short, minutes=float("inf")), store=store).steps == 60
    assert is_finished("lite-stills", short) and read_log(tmp_path / "lite-stills.csv").steps.tolist() == [50]


# stills


def test_a_first_stage_learns_from_stills_beside_the_scenes_and_the_files_after_it_say_so(store, tmp_path):
    voc = open_stills(make_voc(tmp_path / "VOC2012"))
    asked = replace(request(tmp_path, "lite-stills"), stills=(voc,))
    asked = replace(asked, command=f"{asked.command} --stills 'PASCAL VOC2012'")
    first = run_stage("lite-stills", asked, store=store)
    run(store, tmp_path, "lite-rgb")
    second = read_provenance(tmp_path / "lite-rgb.safetensors")
    assert first.data == second.data and "footage; and 2 stills of PASCAL VOC2012; " in first.data
    assert second.start == ("vsreid train lite-stills --seed 0 --stills 'PASCAL VOC2012'",)
    assert is_finished("lite-stills", asked) and not is_finished("lite-stills", request(tmp_path, "lite-stills"))
    with pytest.raises(ValueError, match="that of: vsreid train lite-stills --seed 0 --stills 'PASCAL VOC2012'"):
        run_stage("lite-stills", request(tmp_path, "lite-stills"), store=store)
    plain = run_stage("lite-stills", request(tmp_path / "plain", "lite-stills"), store=store)
    files = [folder / "lite-stills.safetensors" for folder in (tmp_path, tmp_path / "plain")]
    assert "stills" not in plain.data and files[0].read_bytes() != files[1].read_bytes()
    with pytest.raises(ValueError, match="lite-detector does not learn from stills: --stills goes with lite-stills, "):
        run_stage("lite-detector", replace(request(tmp_path, "lite-detector"), stills=(voc,)), store=store)


# the paper's sizes


def test_every_stage_names_what_there_is():
    for name, stage in STAGES.items():
        with torch.device("meta"):
            network = stage.build()
        assert type(network).__name__.startswith(("TwoStreams", name.split("-")[0].capitalize()))
        assert (getattr(network, "flow", None) is not None) == stage.network.endswith("two streams")
        assert callable(stages.resolve_name(stage.trainer))
        assert (stage.start is None) == (stage.published is not None)
        if stage.published:
            assert hasattr(network.get_submodule(stage.published.part), "load_published")
            stages.resolve_name(stage.published.weights)


def test_the_papers_streams_go_through_all_stages_and_into_the_preset_paper(store, tmp_path, monkeypatch):
    order = [f"paper-{part}" for part in stages.N_MP_PARTS]
    run(store, tmp_path, *order)
    rgb = loaded(tmp_path, "paper-rgb", shallow(use_flow=False)).rgb.state_dict()
    both = loaded(tmp_path, "paper-flow", shallow())
    assert all(torch.equal(value, rgb[name]) for name, value in both.rgb.state_dict().items())
    assert not torch.equal(both.flow.head.weight, both.rgb.head.weight)
    made = read_provenance(tmp_path / "paper-propagation.safetensors")
    assert [command.split()[2] for command in made.start] == ["paper-stills", "paper-rgb", "paper-flow"]
    assert is_finished("paper-propagation", request(tmp_path, "paper-propagation"))
    monkeypatch.setattr(loading, "paper_streams", shallow)
    config = replace(PAPER, weights=str(tmp_path / "paper-propagation.safetensors"), device="cpu", reid=False)
    for part, use_flow in (("propagation", True), ("box", False)):
        network = load_networks(with_propagation(config, use_flow=use_flow)).propagation
        expected = loaded(tmp_path, f"paper-{part}", shallow(use_flow)).eval()
        fold_normalisation(expected)
        assert all(torch.equal(v, expected.state_dict()[name]) for name, v in network.state_dict().items())


def test_a_first_stage_of_the_paper_starts_from_torchvisions_weights_and_its_files_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_propagation, "paper_streams", shallow)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    published = ResNet(Bottleneck, list(SHALLOW))
    (tmp_path / "checkpoints").mkdir()
    torch.save(published.state_dict(), hub_file(mask_propagation.IMAGENET))
    network, _ = running._start(STAGES["paper-stills"], request(tmp_path, "paper-stills"))
    assert torch.equal(network.rgb.backbone.layer4[0].conv1.weight, published.layer4[0].conv1.weight)
    first = running._provenance(STAGES["paper-stills"], request(tmp_path, "paper-stills"), None, 1)
    second = running._provenance(STAGES["paper-rgb"], request(tmp_path, "paper-rgb"), first, 1)
    assert second.data == first.data and first.data.endswith("; at first ResNet-101's ImageNet weights (torchvision)")


def test_the_identification_net_learns_from_frames_and_goes_into_the_preset_paper(store, tmp_path, monkeypatch):
    small = partial(PaperIdentification, blocks=(1, 1, 4, 1))
    monkeypatch.setattr(identification, "PaperIdentification", small)
    monkeypatch.setattr(detection_samples, "SEEN", (96, 160))
    torch.manual_seed(0)
    before = small().embedding.weight
    run(store, tmp_path, "paper-identification")
    after = loaded(tmp_path, "paper-identification", small())
    assert not torch.allclose(before, after.embedding.weight, atol=1e-3)
    network = loading._built(small, tmp_path / "paper-identification.safetensors")
    assert torch.equal(network.embedding.weight, after.embedding.weight)


def test_the_papers_detector_learns_and_goes_into_the_preset_paper(store, table, tmp_path, monkeypatch):
    class Trained(PaperDetector):
        """It sees small frames, for speed."""

        def __init__(self, proposals=20):
            super().__init__(proposals)
            self.rcnn.transform.min_size, self.rcnn.transform.max_size = (64,), 96

    table["paper-detector"] = replace(table["paper-detector"], batch=2)
    monkeypatch.undo()  # the preset loads its file
    monkeypatch.setattr(detector, "PaperDetector", Trained)
    monkeypatch.setattr(Trained, "load_published", lambda self: None)
    torch.manual_seed(0)
    before = Trained().rcnn.roi_heads.box_predictor.cls_score.weight
    run(store, tmp_path, "paper-detector")
    made = loading._paper_detector(PAPER, tmp_path / "paper-detector.safetensors")
    expected = loaded(tmp_path, "paper-detector", PaperDetector())
    assert not torch.allclose(before, made.rcnn.roi_heads.box_predictor.cls_score.weight, atol=1e-3)
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in made.state_dict().items())
