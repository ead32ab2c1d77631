"""Stages in miniature: what each starts from, what it leaves alone, what its file says of it."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torchvision.models import ResNet
from torchvision.models.resnet import Bottleneck

from tests.training.still_folders import make_voc
from tests.training.tiny_clips import tiny_clip
from vsreid_lite.config import PAPER, with_propagation
from vsreid_lite.networks import full_size, resnet
from vsreid_lite.networks.detector import PaperDetector
from vsreid_lite.networks.efficientnet import Backbone
from vsreid_lite.networks.identification import PaperIdentification
from vsreid_lite.networks.loading import load_networks
from vsreid_lite.networks.mask_propagation import Stream, TwoStreams
from vsreid_lite.networks.provenance import read_provenance
from vsreid_lite.networks.resnet import ResNetStream
from vsreid_lite.networks.weight_files import hub_file
from vsreid_lite.networks.weights import load_weights, save_weights
from vsreid_lite.training import detection_samples, stages
from vsreid_lite.training.log import read_log
from vsreid_lite.training.loop import Plan
from vsreid_lite.training.rendering import ClipStore
from vsreid_lite.training.stages import STAGES, Request, is_finished, run_stage
from vsreid_lite.training.starts import IMAGENET_START, PUBLISHED, Published
from vsreid_lite.training.stills import open_stills

SHALLOW = (1, 1, 1, 1)
NOTHING = Published(lambda: None, lambda network: None, "")
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

    def real(self, root, names, each_of):
        self.asked.append(("real", names, each_of))
        return [tiny_clip(name) for name in names]


@pytest.fixture
def store(monkeypatch):
    """Narrow networks and two steps a stage, whatever the table says of them."""
    plan = Plan(2, 1e-2, warm_up=1)
    short = {name: replace(stage, plan=plan, batch=4) for name, stage in STAGES.items()}
    small = {name: replace(stage, patch=48) for name, stage in short.items() if name.startswith("paper")}
    monkeypatch.setattr(stages, "STAGES", {**short, **small})
    monkeypatch.setattr(stages, "PUBLISHED", dict.fromkeys(stages.NETWORKS, NOTHING))
    monkeypatch.setattr(stages, "lite_streams", narrow)
    monkeypatch.setattr(stages, "paper_streams", shallow)
    monkeypatch.setattr(resnet, "WIDTH", 8)
    monkeypatch.setitem(stages.NETWORKS, "two streams", narrow)
    monkeypatch.setitem(stages.NETWORKS, "paper two streams", shallow)
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
    network, before = stages._start(STAGES[stage], request(tmp_path, stage))
    published = Backbone()
    published.load_imagenet()
    assert before is None
    assert all(torch.equal(v, backbone(network).state_dict()[name]) for name, v in published.state_dict().items())


def test_what_starts_from_imagenet_says_so_and_what_follows_too(tmp_path):
    first = stages._provenance(STAGES["lite-stills"], request(tmp_path, "lite-stills"), None, 1)
    second = stages._provenance(STAGES["lite-rgb"], request(tmp_path, "lite-rgb"), first, 1)
    assert first.data.endswith(IMAGENET_START) and second.data.endswith(IMAGENET_START)


def test_every_row_of_table_1_has_had_as_many_steps():
    def steps(name, alone):
        """Of the RGB stream, and where it is not trained alone of the flow stream."""
        stage = STAGES[name]
        own = 0 if stage.flow_only and alone else stage.plan.steps
        return own + (steps(stage.start, alone) if stage.start else 0)

    assert {steps(f"lite-{row}", True) for row in ("baseline", "box", "propagation")} == {2500}
    assert steps("lite-propagation", False) == 3300  # the flow stream, which begins as the RGB stream


def test_the_file_of_an_older_network_is_not_that_of_the_stage(store, tmp_path):
    run(store, tmp_path, "lite-stills")
    file = tmp_path / "lite-stills.safetensors"
    save_weights(file, torch.nn.Linear(1, 1), read_provenance(file))
    assert not is_finished("lite-stills", request(tmp_path, "lite-stills"))


def test_the_flow_stage_leaves_the_rgb_stream_as_it_is(store, tmp_path):
    run(store, tmp_path, "lite-stills", "lite-rgb", "lite-flow")
    rgb = loaded(tmp_path, "lite-rgb", narrow(use_flow=False)).rgb.state_dict()
    both = loaded(tmp_path, "lite-flow", narrow())
    assert all(torch.equal(value, rgb[name]) for name, value in both.rgb.state_dict().items())
    assert not torch.equal(both.flow.head.weight, both.rgb.head.weight)


def test_the_joint_stage_trains_both_streams(store, tmp_path):
    run(store, tmp_path, "lite-stills", "lite-rgb", "lite-flow")
    before = loaded(tmp_path, "lite-flow", narrow())
    run(store, tmp_path, "lite-propagation")
    after = loaded(tmp_path, "lite-propagation", narrow())
    for stream in ("rgb", "flow"):
        assert not torch.equal(getattr(before, stream).head.weight, getattr(after, stream).head.weight)
    chain = read_provenance(tmp_path / "lite-propagation.safetensors").start
    assert [command.split()[2] for command in chain][:3] == ["lite-stills", "lite-rgb", "lite-flow"]


def test_a_stage_with_real_video_remembers_all_that_its_weights_have_seen(store, tmp_path):
    run(store, tmp_path, "lite-detector")
    seen = request(tmp_path, "lite-davis-detector", root=tmp_path, sequences=("dog", "cows"))
    made = run_stage("lite-davis-detector", seen, store=store)
    assert made.sequences == ("cows", "dog") and "DAVIS 2016 (CC BY 4.0)" in made.data
    each_of = STAGES["lite-davis-detector"].real // 2
    assert store.asked[-1] == ("real", ("dog", "cows"), each_of)


def test_a_file_or_state_of_another_chain_of_stages_is_not_this_one(store, tmp_path, monkeypatch):
    """An older version may have had other stages before one of the same name."""
    run(store, tmp_path, "lite-stills", "lite-rgb")
    assert is_finished("lite-rgb", request(tmp_path, "lite-rgb"))
    changed = {**stages.STAGES, "lite-rgb": replace(stages.STAGES["lite-rgb"], start=None)}
    monkeypatch.setattr(stages, "STAGES", changed)
    assert not is_finished("lite-rgb", request(tmp_path, "lite-rgb"))
    with pytest.raises(
        ValueError, match="that of: vsreid train lite-rgb --seed 0, 2 steps after lite-stills of 2 steps"
    ):
        run(store, tmp_path, "lite-rgb")
    file = tmp_path / "lite-rgb.safetensors"
    save_weights(file, narrow(use_flow=False), replace(read_provenance(file), start=("by hand",)))
    assert not is_finished("lite-rgb", request(tmp_path, "lite-rgb"))


def test_a_file_or_state_of_another_plan_is_not_this_one(store, tmp_path, monkeypatch):
    run(store, tmp_path, "lite-stills", "lite-rgb")
    longer = {**stages.STAGES, "lite-stills": replace(stages.STAGES["lite-stills"], plan=Plan(3))}
    monkeypatch.setattr(stages, "STAGES", longer)
    assert not any(is_finished(name, request(tmp_path, name)) for name in ("lite-stills", "lite-rgb"))
    with pytest.raises(ValueError, match="2 steps"):
        run(store, tmp_path, "lite-stills")


def test_identification_is_trained_and_its_table_of_identities_stays_out_of_the_file(store, tmp_path):
    made = run_stage("lite-identification", request(tmp_path, "lite-identification"), store=store)
    assert made.steps == 2
    loaded(tmp_path, "lite-identification", stages.NETWORKS["identification"]())
    assert set(torch.load(tmp_path / "lite-identification.state", weights_only=True)) >= {"step", "model", "seconds"}


def test_a_repetition_with_the_same_seed_gives_the_same_file(store, tmp_path):
    for folder in ("a", "b"):
        run(store, tmp_path / folder, "lite-stills")
    files = [tmp_path / folder / "lite-stills.safetensors" for folder in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    run_stage("lite-stills", replace(request(tmp_path / "c", "lite-stills"), seed=1), store=store)
    assert (tmp_path / "c" / "lite-stills.safetensors").read_bytes() != files[0].read_bytes()


def test_a_stage_that_cannot_start_says_why(store, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "SHIPPED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lite-stills\.safetensors: .*make them: vsreid train lite-stills"):
        run(store, tmp_path, "lite-rgb")
    with pytest.raises(ValueError, match="unknown training stage 'lite': expected one of lite-stills, "):
        run(store, tmp_path, "lite")
    with pytest.raises(ValueError, match="lite-davis-box learns from real video"):
        run(store, tmp_path, "lite-davis-box")
    assert store.asked == [] and not list(tmp_path.iterdir())


def test_an_interrupted_stage_goes_on_and_its_log_is_beside_it(store, tmp_path, monkeypatch):
    long = {**stages.STAGES, "lite-stills": replace(stages.STAGES["lite-stills"], plan=Plan(60), batch=2)}
    monkeypatch.setattr(stages, "STAGES", long)
    short = request(tmp_path, "lite-stills", minutes=1e-9)
    assert run_stage("lite-stills", short, store=store).steps == 1
    assert not is_finished("lite-stills", short)
    assert run_stage("lite-stills", replace(short, minutes=float("inf")), store=store).steps == 60
    assert is_finished("lite-stills", short) and read_log(tmp_path / "lite-stills.csv").steps.tolist() == [50]


def test_the_state_of_another_seed_is_not_gone_on_with(store, tmp_path):
    """It would give that seed's weights, and a header that says otherwise; so would other real sequences."""
    run(store, tmp_path, "lite-stills")
    other = replace(request(tmp_path, "lite-stills"), seed=1, command="vsreid train lite-stills --seed 1")
    with pytest.raises(
        ValueError, match=r"stills\.state: not .*that of: vsreid train lite-stills --seed 0, 2 steps\); delete it"
    ):
        run_stage("lite-stills", other, store=store)
    assert read_provenance(tmp_path / "lite-stills.safetensors").seed == 0
    state = torch.load(tmp_path / "lite-stills.state", weights_only=True)
    torch.save({name: value for name, value in state.items() if name != "command"}, tmp_path / "lite-stills.state")
    assert run_stage("lite-stills", other, store=store).steps == 2  # of an older version, which did not say


# stills


def test_a_first_stage_learns_from_stills_beside_the_scenes_and_the_files_after_it_say_so(store, tmp_path):
    voc = open_stills(make_voc(tmp_path / "VOC2012"))
    asked = replace(request(tmp_path, "lite-stills"), stills=(voc,))
    asked = replace(asked, command=f"{asked.command} --stills 'PASCAL VOC2012'")
    first = run_stage("lite-stills", asked, store=store)
    run(store, tmp_path, "lite-rgb")
    second = read_provenance(tmp_path / "lite-rgb.safetensors")
    assert first.data == second.data and first.data.endswith("footage; and 2 stills of PASCAL VOC2012")
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


def test_the_papers_stages_are_those_of_lite_at_the_papers_size_and_longer():
    names = [name for name in STAGES if name.startswith("paper-")]
    for name in names:
        ours, lite = STAGES[name], STAGES[name.replace("paper", "lite")]
        same = ("mixture", "use_box", "own_guides", "flow_only", "mini", "footage")
        assert all(getattr(ours, field) == getattr(lite, field) for field in same)
        assert ours.patch == 449 and ours.plan.steps == 10 * lite.plan.steps and ours.network == f"paper {lite.network}"
        assert ours.start == (lite.start and lite.start.replace("lite", "paper"))
    assert {stage.network for stage in STAGES.values() if stage.start is None} == set(PUBLISHED)
    with torch.device("meta"):
        networks = {name: make() for name, make in stages.NETWORKS.items() if name.startswith("paper")}
    assert networks["paper rgb"].flow is None and networks["paper two streams"].flow is not None


def test_the_papers_streams_go_through_all_stages_and_into_the_preset_paper(store, tmp_path, monkeypatch):
    order = [f"paper-{part}" for part in stages.N_MP]
    run(store, tmp_path, *order)
    rgb = loaded(tmp_path, "paper-rgb", shallow(use_flow=False)).rgb.state_dict()
    both = loaded(tmp_path, "paper-flow", shallow())
    assert all(torch.equal(value, rgb[name]) for name, value in both.rgb.state_dict().items())
    assert not torch.equal(both.flow.head.weight, both.rgb.head.weight)
    made = read_provenance(tmp_path / "paper-propagation.safetensors")
    assert [command.split()[2] for command in made.start] == ["paper-stills", "paper-rgb", "paper-flow"]
    assert is_finished("paper-propagation", request(tmp_path, "paper-propagation"))
    monkeypatch.setattr(full_size, "paper_streams", shallow)
    config = replace(PAPER, weights=str(tmp_path / "paper-propagation.safetensors"), device="cpu", reid=False)
    for part, use_flow in (("propagation", True), ("box", False)):
        network = load_networks(with_propagation(config, use_flow=use_flow)).propagation
        expected = loaded(tmp_path, f"paper-{part}", shallow(use_flow))
        assert all(torch.equal(v, expected.state_dict()[name]) for name, v in network.state_dict().items())


def test_a_first_stage_of_the_paper_starts_from_torchvisions_weights_and_its_files_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "paper_streams", shallow)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    published = ResNet(Bottleneck, list(SHALLOW))
    (tmp_path / "checkpoints").mkdir()
    torch.save(published.state_dict(), hub_file(resnet.IMAGENET))
    network, _ = stages._start(STAGES["paper-stills"], request(tmp_path, "paper-stills"))
    assert torch.equal(network.rgb.backbone.layer4[0].conv1.weight, published.layer4[0].conv1.weight)
    first = stages._provenance(STAGES["paper-stills"], request(tmp_path, "paper-stills"), None, 1)
    second = stages._provenance(STAGES["paper-rgb"], request(tmp_path, "paper-rgb"), first, 1)
    assert second.data == first.data and first.data.endswith("; at first ResNet-101's ImageNet weights (torchvision)")


def test_the_identification_net_learns_from_frames_and_goes_into_the_preset_paper(store, tmp_path, monkeypatch):
    small = partial(PaperIdentification, blocks=(1, 1, 4, 1))
    monkeypatch.setitem(stages.NETWORKS, "paper identification", small)
    monkeypatch.setattr(detection_samples, "SEEN", (96, 160))
    torch.manual_seed(0)
    before = small().embedding.weight
    run(store, tmp_path, "paper-identification")
    after = loaded(tmp_path, "paper-identification", small())
    assert not torch.allclose(before, after.embedding.weight, atol=1e-3)
    monkeypatch.setattr(full_size, "PaperIdentification", small)
    network = full_size._identification(PAPER, tmp_path / "paper-identification.safetensors")
    assert torch.equal(network.embedding.weight, after.embedding.weight)


def test_the_papers_detector_learns_and_goes_into_the_preset_paper(store, tmp_path, monkeypatch):
    class Trained(PaperDetector):
        """It sees small frames, for speed."""

        def __init__(self, proposals=20):
            super().__init__(proposals)
            self.rcnn.transform.min_size, self.rcnn.transform.max_size = (64,), 96

    monkeypatch.setitem(stages.NETWORKS, "paper detector", Trained)
    monkeypatch.setitem(stages.STAGES, "paper-detector", replace(stages.STAGES["paper-detector"], batch=2))
    torch.manual_seed(0)
    before = Trained().rcnn.roi_heads.box_predictor.cls_score.weight
    run(store, tmp_path, "paper-detector")
    detector = full_size._detector(PAPER, tmp_path / "paper-detector.safetensors")
    expected = loaded(tmp_path, "paper-detector", PaperDetector())
    assert not torch.allclose(before, detector.rcnn.roi_heads.box_predictor.cls_score.weight, atol=1e-3)
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in detector.state_dict().items())
