"""What the presets `paper` and `authors` load and what they say is missing; small networks stand in for the large."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vsreid_lite.config import AUTHORS, LITE, PAPER, PRESETS, with_propagation
from vsreid_lite.networks import loading
from vsreid_lite.networks.checkpoints import load_tensors, read_checkpoint, save_weights
from vsreid_lite.networks.detector import COCO, PERSON, PaperDetector
from vsreid_lite.networks.loading import load_networks
from vsreid_lite.networks.mask_propagation import TwoStreams
from vsreid_lite.networks.weight_files import Provenance
from vsreid_lite.system import downloads
from vsreid_lite.system.downloads import hub_weights


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


@pytest.fixture(autouse=True)
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


def test_random_networks_are_complete_ready_and_the_same_each_time():
    before = torch.get_rng_state()
    first, second = (load_networks(on_cpu(PAPER, weights="random")) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.first_searches == () and not first.propagation.training and not first.detector.training
    parameters = zip(first.propagation.parameters(), second.propagation.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in parameters)
    assert first.detector.proposals == PAPER.matching.proposals


def test_the_authors_search_persons_first_with_the_same_detector():
    networks = load_networks(on_cpu(AUTHORS, weights="random"))
    assert networks.propagation.fusion == "logits"
    (persons,) = networks.first_searches
    assert persons.only_recognised and persons.detector.label == PERSON and networks.detector.label == 0
    assert persons.detector.head is networks.detector.head and persons.identification is networks.identification


def test_a_file_of_one_s_own_fills_the_paper_s_streams(tmp_path):
    torch.manual_seed(3)
    network = small_streams()
    save_weights(tmp_path / "own.safetensors", network, Provenance("propagation", "some", "some command", 0, 1))
    loaded = load_networks(on_cpu(PAPER, weights=str(tmp_path / "own.safetensors"), reid=False)).propagation
    assert np.allclose(loaded.rgb.head.weight.detach(), network.rgb.head.weight.detach(), atol=1e-3)
    assert loaded.rgb.head.weight.dtype == torch.float32 and loaded.rgb.head.weight.requires_grad


def test_each_row_of_table_1_has_a_file_of_its_own_beside_that_of_two_streams(tmp_path):
    for seed, (part, use_flow) in enumerate((("propagation", True), ("box", False))):
        torch.manual_seed(seed)
        torch.save(small_streams(use_flow).state_dict(), tmp_path / f"my-{part}.pth")
    config = on_cpu(PAPER, weights=str(tmp_path / "my-propagation.pth"), reid=False)
    both, box = (load_networks(with_propagation(config, use_flow=use_flow)).propagation for use_flow in (True, False))
    assert both.flow is not None and box.flow is None and not torch.equal(both.rgb.head.weight, box.rgb.head.weight)
    with pytest.raises(FileNotFoundError, match=r"my-propagation.pth: no baseline file beside it"):
        load_networks(with_propagation(config, use_box=False))


def test_the_rows_of_table_1_choose_the_streams():
    config = on_cpu(PAPER, weights="random", reid=False)
    assert load_networks(config).propagation.flow is not None
    for changes in ({"use_flow": False}, {"use_box": False}):
        assert load_networks(with_propagation(config, **changes)).propagation.flow is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            PAPER,
            r"preset paper: no weights of its N_mp .* set weights \(--weights\) to a file of its ResNet-101 streams",
        ),
        (
            AUTHORS,
            r"set weights \(--weights\) to the release's MP2S.pth.tar, or put it at .*hub/checkpoints/MP2S\.pth\.tar",
        ),
        (replace(PAPER, weights="nowhere.pth"), "nowhere.pth: expected a checkpoint"),
        (replace(AUTHORS, weights="nowhere.pth"), "nowhere.pth: expected a checkpoint"),
    ],
)
def test_missing_weights_of_n_mp_are_said_in_one_line(config, message):
    with pytest.raises(FileNotFoundError, match=message) as error:
        load_networks(on_cpu(config))
    assert "\n" not in str(error.value)


def test_missing_weights_of_n_reid_and_n_det_are_said_in_one_line(tmp_path):
    save_weights(tmp_path / "own.safetensors", small_streams(), Provenance("propagation", "", "", 0, 1))
    config = on_cpu(PAPER, weights=str(tmp_path / "own.safetensors"))
    with pytest.raises(FileNotFoundError, match=r"get fasterrcnn_resnet50_fpn_coco-258fb6c6\.pth where there is"):
        load_networks(config)
    file = tmp_path / "other.pth"
    torch.save({"state_dict": Small().state_dict()}, file)
    config = replace(config, detector_weights=str(file))
    with pytest.raises(
        FileNotFoundError, match=r"no weights of its N_reid .* set identification_weights \(--identification\)"
    ):
        load_networks(config)
    networks = load_networks(replace(config, identification_weights=str(file)))
    assert all(part.head.weight.device.type == "cpu" for part in (networks.detector, networks.identification))


def test_what_a_preset_cannot_do_is_said():
    with pytest.raises(ValueError, match=r"expected one of lite, paper, authors"):
        load_networks(on_cpu(LITE, preset="large"))
    with pytest.raises(ValueError, match="use_flow cannot be off"):
        load_networks(with_propagation(on_cpu(AUTHORS, weights="random"), use_flow=False))
    with pytest.raises(ValueError, match="weights are adapted to the videos already"):
        load_networks(on_cpu(AUTHORS, weights="random", adapt=True))
    with pytest.raises(ValueError, match="searches persons: expected all, or persons and then all"):
        load_networks(on_cpu(PAPER, weights="random", matching=replace(PAPER.matching, searches=("persons",))))
    with pytest.raises(ValueError, match="its detector knows no persons"):
        load_networks(on_cpu(LITE, matching=AUTHORS.matching))
    assert set(PRESETS) == {"lite", "paper", "authors"}
