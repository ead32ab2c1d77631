from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from vsreid_lite.config import LITE, PAPER, with_propagation
from vsreid_lite.networks.checkpoints import save_weights
from vsreid_lite.networks.loading import (
    LiteDetector,
    LiteIdentification,
    choose_device,
    lite_streams,
    load_networks,
    network_files,
)
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.networks.weight_files import Provenance, find_provenance, weight_files

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
    """A folder with untrained weights of both sets; lite-davis has "seen" two sequences."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name, seen in (("lite", ()), ("lite-davis", ("dog", "cows"))):
        for part, network in PARTS.items():
            saw = seen if part == "detector" else ()
            save_weights(
                folder / f"{name}-{part}.safetensors", network(), Provenance(part, "none", "none", 0, 0, sequences=saw)
            )
    return folder


@pytest.fixture(autouse=True)
def shipped(untrained, monkeypatch):
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", untrained)
    return untrained


def test_a_set_has_five_files_of_its_own(shipped):
    assert weight_files("lite").all == tuple(shipped / f"lite-{part}.safetensors" for part in PARTS)
    assert weight_files("lite-davis").detector == shipped / "lite-davis-detector.safetensors"


def test_an_own_file_replaces_n_mp_beside_the_other_two_of_lite(shipped, tmp_path):
    own = tmp_path / "own.safetensors"
    own.write_bytes((shipped / "lite-propagation.safetensors").read_bytes())
    files = weight_files(str(own))
    assert files.all == (own, shipped / "lite-detector.safetensors", shipped / "lite-identification.safetensors")


def test_an_own_set_is_found_beside_its_propagation_file(shipped, tmp_path):
    for part in ("propagation", "box", "detector"):
        (tmp_path / f"my-{part}.safetensors").write_bytes((shipped / f"lite-{part}.safetensors").read_bytes())
    files = weight_files(str(tmp_path / "my-propagation.safetensors"))
    assert files.baseline is None and files.box == tmp_path / "my-box.safetensors"
    assert files.detector == tmp_path / "my-detector.safetensors"
    assert files.identification == shipped / "lite-identification.safetensors"


def test_files_of_one_s_own_for_n_det_and_n_reid_take_the_place_of_those_of_the_set(shipped, tmp_path):
    own = tmp_path / "own.safetensors"
    own.write_bytes((shipped / "lite-detector.safetensors").read_bytes())
    files = network_files(replace(LITE, detector_weights=str(own)))
    assert files == replace(weight_files("lite"), detector=own)
    assert files.used(replace(LITE, reid=False)) == {"propagation": files.propagation}
    assert files.used(LITE)["detector"] == own
    with pytest.raises(FileNotFoundError, match="gone: no such weight file"):
        network_files(replace(LITE, identification_weights="gone"))


def test_a_file_of_others_has_no_header_and_has_seen_nothing_that_is_known(shipped, tmp_path):
    for part in ("propagation", "box"):
        torch.save({}, tmp_path / f"my-{part}.pth")
    (tmp_path / "my-identification.pth").write_bytes((shipped / "lite-davis-detector.safetensors").read_bytes())
    files = network_files(replace(PAPER, weights=str(tmp_path / "my-propagation.pth")))
    assert (files.box, files.baseline) == (tmp_path / "my-box.pth", None)
    assert files.sequences() == {"dog", "cows"}
    (tmp_path / "empty.safetensors").touch()
    assert find_provenance(files.box) is find_provenance(tmp_path / "empty.safetensors") is None
    assert find_provenance(files.identification).network == "detector"


@pytest.mark.parametrize(
    ("use_box", "use_flow", "part"), [(False, False, "baseline"), (True, False, "box"), (True, True, "propagation")]
)
def test_each_row_of_table_1_has_weights_of_its_own(shipped, use_box, use_flow, part):
    config = with_propagation(replace(LITE, device="cpu", reid=False), use_box=use_box, use_flow=use_flow)
    assert weight_files("lite").of_streams(config.propagation) == (part, shipped / f"lite-{part}.safetensors")
    assert (load_networks(config).propagation.flow is not None) == use_flow


def test_a_name_that_is_neither_a_set_nor_a_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="heavy: expected lite or lite-davis or a weight file, found neither"):
        weight_files("heavy")
    with pytest.raises(FileNotFoundError, match="found neither"):
        weight_files(str(tmp_path))


def test_what_any_of_the_three_files_has_seen_counts():
    assert weight_files("lite").sequences() == frozenset()
    assert weight_files("lite-davis").sequences() == {"dog", "cows"}


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


def test_the_number_of_proposals_reaches_the_detector():
    config = replace(LITE, device="cpu", matching=replace(LITE.matching, proposals=7))
    assert load_networks(config).detector.rcnn.roi_heads.detections_per_img == 7


def test_a_missing_shipped_file_is_named(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr("vsreid_lite.networks.weight_files.SHIPPED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"weights lite: no \w+ file; make it: vsreid train lite-\w+"):
        load_networks(replace(LITE, device="cpu"))


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "meta", "cpu0", "cpu:", "cuda:", "cuda:01"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ValueError, match="expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="'cuda:3': expected a CUDA GPU, found 1; use --device cpu or auto"):
        choose_device("cuda:3")
    assert choose_device("cuda:0") == torch.device("cuda:0")
