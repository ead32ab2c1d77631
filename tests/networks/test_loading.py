"""Which files a configuration names, what each preset loads from them, and what they say is missing."""

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from vsreid_lite.config import AUTHORS, LITE, PAPER, PRESETS, with_propagation
from vsreid_lite.networks import loading
from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint, save_weights
from vsreid_lite.networks.detector import PERSON, LiteDetector, PaperDetector
from vsreid_lite.networks.identification import LiteIdentification
from vsreid_lite.networks.loading import choose_device, load_networks
from vsreid_lite.networks.mask_propagation import TwoStreams, lite_streams
from vsreid_lite.networks.weight_files import COCO, Provenance, find_provenance, network_files, weight_files
from vsreid_lite.system import downloads
from vsreid_lite.system.downloads import hub_weights

FIRST_LAYERS = {"rgb.backbone.norm", "flow.backbone.norm"}  # what stands between them and their norm is the guide
PARTS = {
    "baseline": partial(lite_streams, use_flow=False),
    "box": partial(lite_streams, use_flow=False),
    "propagation": lite_streams,
    "detector": LiteDetector,
    "identification": LiteIdentification,
}


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A folder with untrained weights of both sets; lite-real has "seen" two sequences."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name, seen in (("lite", ()), ("lite-real", ("dog", "cows"))):
        for part, network in PARTS.items():
            saw = seen if part == "detector" else ()
            provenance = Provenance(part, "none", "none", 0, 0, sequences=saw)
            save_weights(folder / f"{name}-{part}.safetensors", network(), provenance)
    return folder


@pytest.fixture(autouse=True)
def shipped(untrained, monkeypatch):
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", untrained)
    return untrained


def test_an_own_file_replaces_n_mp_beside_the_other_two_of_lite(shipped, tmp_path):
    own = shutil.copy(shipped / "lite-propagation.safetensors", tmp_path / "own.safetensors")
    files = weight_files(str(own))
    assert files.all == (own, shipped / "lite-detector.safetensors", shipped / "lite-identification.safetensors")


def test_an_own_set_is_found_beside_its_propagation_file(shipped, tmp_path):
    for part in ("propagation", "box", "detector"):
        shutil.copy(shipped / f"lite-{part}.safetensors", tmp_path / f"my-{part}.safetensors")
    files = weight_files(str(tmp_path / "my-propagation.safetensors"))
    assert files.baseline is None and files.box == tmp_path / "my-box.safetensors"
    assert files.detector == tmp_path / "my-detector.safetensors"
    assert files.identification == shipped / "lite-identification.safetensors"


def test_files_of_one_s_own_for_n_det_and_n_reid_take_the_place_of_those_of_the_set(shipped, tmp_path):
    own = shutil.copy(shipped / "lite-detector.safetensors", tmp_path / "own.safetensors")
    files = network_files(replace(LITE, detector_weights=str(own)))
    assert files == replace(weight_files("lite"), detector=own)
    assert files.used(replace(LITE, reid=False)) == {"propagation": files.propagation}
    assert files.used(LITE)["detector"] == own
    with pytest.raises(FileNotFoundError, match="gone: no such weight file"):
        network_files(replace(LITE, identification_weights="gone"))


def test_a_file_of_others_has_no_header_and_has_seen_nothing_that_is_known(shipped, tmp_path):
    for part in ("propagation", "box"):
        torch.save({}, tmp_path / f"my-{part}.pth")
    shutil.copy(shipped / "lite-real-detector.safetensors", tmp_path / "my-identification.pth")
    files = network_files(replace(PAPER, weights=str(tmp_path / "my-propagation.pth")))
    assert (files.box, files.baseline) == (tmp_path / "my-box.pth", None)
    assert files.sequences() == {"dog", "cows"}
    (tmp_path / "empty.safetensors").touch()
    assert find_provenance(files.box) is find_provenance(tmp_path / "empty.safetensors") is None
    assert find_provenance(files.identification).network == "detector"


@pytest.mark.parametrize(
    ("use_box", "use_flow", "part"), [(False, True, "baseline"), (True, False, "box"), (True, True, "propagation")]
)
def test_each_row_of_table_1_has_weights_of_its_own(shipped, use_box, use_flow, part):
    config = with_propagation(replace(LITE, device="cpu", reid=False), use_box=use_box, use_flow=use_flow)
    assert weight_files("lite").of_streams(config.propagation) == (part, shipped / f"lite-{part}.safetensors")
    assert (load_networks(config).propagation.flow is not None) == (part == "propagation")


def test_what_any_of_the_three_files_has_seen_counts():
    assert weight_files("lite").sequences() == frozenset()
    assert weight_files("lite-real").sequences() == {"dog", "cows"}


def test_networks_come_ready_to_run_and_without_reid_n_mp_alone():
    networks = load_networks(replace(LITE, device="cpu"))
    types = [type(network) for network in (networks.propagation, networks.detector, networks.identification)]
    assert types == [TwoStreams, LiteDetector, LiteIdentification]
    assert not networks.propagation.training and not networks.detector.training
    alone = load_networks(replace(LITE, device="cpu", reid=False))
    assert alone.detector is None and alone.identification is None


@pytest.mark.parametrize("adapt", [False, True])
def test_normalisation_is_folded_unless_n_mp_is_to_be_adapted(adapt):
    networks = load_networks(replace(LITE, device="cpu", adapt=adapt))
    kept = {name for name, layer in networks.propagation.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert (kept > FIRST_LAYERS) if adapt else (kept == FIRST_LAYERS)
    kept = {name for name, layer in networks.identification.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert kept == {"backbone.norm"}


def test_the_number_of_proposals_and_the_precision_reach_the_networks():
    config = replace(LITE, device="cpu", matching=replace(LITE.matching, proposals=7))
    networks = load_networks(with_propagation(config, autocast=False))
    assert networks.detector.rcnn.roi_heads.detections_per_img == 7
    assert not networks.detector.autocast and not networks.identification.autocast


def test_a_missing_shipped_file_is_named(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"weights lite: no \w+ file; make it: vsreid train lite-\w+"):
        load_networks(replace(LITE, device="cpu"))


def test_a_device_is_one_that_is_there(monkeypatch):
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="'cuda:3': expected a CUDA GPU, found 1; use --device cpu or auto"):
        choose_device("cuda:3")


# the presets paper and authors: small networks stand in for the large


class Small(torch.nn.Module):
    """A stand-in with one layer."""

    def __init__(self, fusion="logits"):
        super().__init__()
        self.fusion, self.head = fusion, torch.nn.Conv2d(3, 2, 1)


class SmallDetector(Small):
    """It loads what the large one would load."""

    def __init__(self, proposals):
        super().__init__()
        self.proposals, self.label = proposals, 0

    def load_published(self, file):
        load_tensors(self, read_checkpoint(hub_weights(COCO) if file is None else file), file)

    of_class = PaperDetector.of_class


def small_streams(use_flow=True, fusion="probabilities"):
    return TwoStreams(Small(), Small() if use_flow else None, fusion)


@pytest.fixture
def small(tmp_path, monkeypatch):
    def no_network(*_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(downloads, "fetch", no_network)
    monkeypatch.setattr(loading, "paper_streams", small_streams)
    monkeypatch.setattr(loading, "MP2S", Small)
    monkeypatch.setattr(loading, "PaperDetector", SmallDetector)
    monkeypatch.setattr(loading, "PaperIdentification", Small)


def on_cpu(config, **changes):
    return replace(config, device="cpu", **changes)


def test_random_networks_are_complete_ready_and_the_same_each_time(small):
    before = torch.get_rng_state()
    first = load_networks(on_cpu(PAPER, weights="random"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    second = load_networks(on_cpu(PAPER, weights="random"))
    assert first.first_searches == () and not first.propagation.training and not first.detector.training
    parameters = zip(first.propagation.parameters(), second.propagation.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in parameters)
    assert first.detector.proposals == PAPER.matching.proposals


def test_the_authors_search_persons_first_with_the_same_detector(small):
    networks = load_networks(on_cpu(AUTHORS, weights="random"))
    assert networks.propagation.fusion == "logits"
    (persons,) = networks.first_searches
    assert persons.only_recognised and persons.detector.label == PERSON and networks.detector.label == 0
    assert persons.detector.head is networks.detector.head and persons.identification is networks.identification


def test_a_file_of_one_s_own_fills_the_paper_s_streams(small, tmp_path):
    torch.manual_seed(3)
    network = small_streams()
    save_weights(tmp_path / "own.safetensors", network, Provenance("propagation", "some", "some command", 0, 1))
    loaded = load_networks(on_cpu(PAPER, weights=str(tmp_path / "own.safetensors"), reid=False)).propagation
    assert np.allclose(loaded.rgb.head.weight.detach(), network.rgb.head.weight.detach(), atol=1e-3)
    assert loaded.rgb.head.weight.dtype == torch.float32 and loaded.rgb.head.weight.requires_grad


def test_each_row_of_table_1_has_a_file_of_its_own_beside_that_of_two_streams(small, tmp_path):
    for seed, (part, use_flow) in enumerate((("propagation", True), ("box", False))):
        torch.manual_seed(seed)
        torch.save(small_streams(use_flow).state_dict(), tmp_path / f"my-{part}.pth")
    config = on_cpu(PAPER, weights=str(tmp_path / "my-propagation.pth"), reid=False)
    both, box = (load_networks(with_propagation(config, use_flow=use_flow)).propagation for use_flow in (True, False))
    assert both.flow is not None and box.flow is None and not torch.equal(both.rgb.head.weight, box.rgb.head.weight)
    with pytest.raises(FileNotFoundError, match=r"my-propagation.pth: no baseline file beside it"):
        load_networks(with_propagation(config, use_box=False))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PAPER, r"paper: no weights of its N_mp .* set weights \(--weights\) to a file of its ResNet-101 streams"),
        (AUTHORS, r"\(--weights\) to the release's MP2S.pth.tar, or put it at .*hub/checkpoints/MP2S\.pth\.tar"),
        (replace(PAPER, weights="nowhere.pth"), "nowhere.pth: expected a checkpoint"),
        (replace(AUTHORS, weights="nowhere.pth"), "nowhere.pth: expected a checkpoint"),
    ],
)
def test_missing_weights_of_n_mp_are_said_in_one_line(small, config, message):
    with pytest.raises(FileNotFoundError, match=message) as error:
        load_networks(on_cpu(config))
    assert "\n" not in str(error.value)


def test_missing_weights_of_n_reid_and_n_det_are_said_in_one_line(small, tmp_path):
    save_weights(tmp_path / "own.safetensors", small_streams(), Provenance("propagation", "", "", 0, 1))
    config = on_cpu(PAPER, weights=str(tmp_path / "own.safetensors"))
    with pytest.raises(FileNotFoundError, match=r"get fasterrcnn_resnet50_fpn_coco-258fb6c6\.pth where there is"):
        load_networks(config)
    file = tmp_path / "other.pth"
    torch.save({"state_dict": Small().state_dict()}, file)
    config = replace(config, detector_weights=str(file))
    with pytest.raises(FileNotFoundError, match=r"of its N_reid .* set identification_weights \(--identification\)"):
        load_networks(config)
    networks = load_networks(replace(config, identification_weights=str(file)))
    assert all(part.head.weight.device.type == "cpu" for part in (networks.detector, networks.identification))


def test_what_a_preset_cannot_do_is_said(small):
    with pytest.raises(ValueError, match=r"expected one of lite, paper, authors"):
        load_networks(on_cpu(LITE, preset="large"))
    with pytest.raises(ValueError, match="use_flow cannot be off"):
        load_networks(with_propagation(on_cpu(AUTHORS, weights="random"), use_flow=False))
    with pytest.raises(ValueError, match="weights are adapted to the videos already"):
        load_networks(on_cpu(AUTHORS, weights="random", adapt=True))
    with pytest.raises(ValueError, match="its detector knows no persons"):
        load_networks(on_cpu(LITE, release=AUTHORS.release))
    assert set(PRESETS) == {"lite", "paper", "authors"}
