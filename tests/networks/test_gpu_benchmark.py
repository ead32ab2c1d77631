"""The benchmark of a card, tried without one: what it switches off, what it counts, and what it says without a GPU."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.stubs import CopyGuide, RandomDetector, RandomIdentification, blank_frames, random_sequence
from vsreid_lite import engine, geometry
from vsreid_lite.config import LITE, with_propagation
from vsreid_lite.flow import CachedFlow
from vsreid_lite.geometry import Box, boxes_from_probabilities
from vsreid_lite.networks import Networks
from vsreid_lite.networks.identification import LiteIdentification
from vsreid_lite.propagation import FramesOnDevice
from vsreid_lite.training.stages import STAGES


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import gpu

    return gpu


class OneLayer(CopyGuide):
    """N_mp of one convolution, whose answer is not used."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3, padding=1, bias=False)

    def predict(self, image, flow, guide):
        self.layer(image)
        return super().predict(image, flow, guide)


def test_without_the_steps_for_a_gpu_the_boxes_are_the_same(gpu):
    frames = blank_frames(2)
    maps = [torch.zeros(3, 5), torch.eye(4, 6)]
    with gpu.without_steps("paper"):
        assert geometry.boxes_from_probabilities(maps) == [None, Box(0, 0, 4, 4)] == boxes_from_probabilities(maps)
        assert FramesOnDevice(frames, torch.device("meta"))[1] is frames[1]
        assert engine.batch_size(torch.device("cuda"), (480, 854)) == 1
        assert isinstance(LiteIdentification().precision(), nullcontext)
        cache = CachedFlow(None, frames)
        cache.prefetch([(1, 0)])
        assert not cache._begun
    assert FramesOnDevice(frames, torch.device("meta"))[1].is_meta


def test_operations_are_two_for_each_multiplication(gpu):
    config = with_propagation(replace(LITE, device="cpu"), patch=10)
    assert gpu.operations(OneLayer(), config) == 2 * 10 * 10 * 3 * 2 * 9


def test_a_tiny_run_writes_a_row_for_each_state_and_stage(gpu, monkeypatch, tmp_path, capsys):
    networks = Networks(OneLayer(), RandomDetector(0), RandomIdentification(0))
    monkeypatch.setattr(gpu, "load_networks", lambda config: networks)
    monkeypatch.setattr(gpu, "enlarged", lambda scene, K, N, shape: random_sequence(scene, N, K, shape))
    stage = replace(STAGES["paper-rgb"], architecture=STAGES["lite-rgb"].architecture)
    monkeypatch.setitem(gpu.STAGES, "paper-rgb", replace(stage, plan=replace(stage.plan, steps=2)))
    monkeypatch.setattr(gpu, "TINY", replace(gpu.TINY, patch=32))
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network, mode: compiled.append(mode) or network)
    gpu.main(["--cpu", "--presets", "paper", "--stages", "paper-rgb", "--output", str(tmp_path / "gpu.json")])
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [(row["preset"], row["K"], row["state"]) for row in found["presets"]] == [
        ("paper", 1, "without"),
        ("paper", 1, "with"),
        ("paper", 1, "compiled"),
    ]
    assert compiled == ["reduce-overhead"]
    for row in found["presets"]:
        assert min(row["frames/s"], row["N_mp"], row["GiB"], row["utilisation"]) > 0
        assert all(0 < share < 1 for share in row["shares"].values())
    (trained,) = found["training"]
    assert trained["steps"] == 2 and trained["steps/s"] > 0 and trained["first"] > 0 and trained["last"] > 0
    assert sum(line.startswith("| paper") for line in capsys.readouterr().out.splitlines()) == 4


def test_without_a_gpu_it_says_so_in_one_line(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main([])
    out = capsys.readouterr().out
    assert out.startswith("gpu: no GPU here") and out.count("\n") == 1
