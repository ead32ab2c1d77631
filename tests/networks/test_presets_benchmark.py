"""The benchmark of the large presets, on small networks: its figures add up, and it says when there is no GPU."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from tests.stubs import CopyGuide, RandomDetector, RandomIdentification, ZeroFlow, random_sequence
from vsreid_lite.config import AUTHORS, LITE, with_propagation
from vsreid_lite.networks import Networks, Search


@pytest.fixture
def presets(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import presets

    return presets


def counted_networks():
    """Networks that count their calls."""
    return Networks(*(Mock(wraps=network) for network in (CopyGuide(), RandomDetector(0), RandomIdentification(0))))


def test_every_frame_goes_through_every_network_and_the_parts_add_up(presets):
    networks, flow, sequence = counted_networks(), Mock(wraps=ZeroFlow()), random_sequence(0, 6, 2, (24, 30))
    values = presets.measure(replace(LITE, device="cpu"), networks, flow, sequence)
    frames = sequence.N - 1 + presets.WARM_UP - 1
    assert flow.call_count == networks.propagation.predict.call_count == networks.detector.call_count == frames
    assert networks.identification.embed.call_count == frames + 2 * sequence.K  # templates, each time
    assert all(values[part] > 0 for part in presets.PARTS) and values["memory"] > 0
    assert sum(values[part] for part in presets.PARTS) == pytest.approx((sequence.N - 1) / values["total"])
    assert values["initial"] > values["total"] > 0


def test_each_search_of_the_authors_is_paid_for(presets):
    networks, sequence = counted_networks(), random_sequence(1, 5, 1, (24, 30))
    twice = replace(networks, first_searches=(Search(networks.detector, networks.identification, True),))
    presets.measure(with_propagation(replace(AUTHORS, device="cpu"), patch=33), twice, ZeroFlow(), sequence)
    searched = presets.WARM_UP - 2 + sequence.N - 2  # the release searches neither the first nor the last frame
    assert networks.detector.call_count >= 2 * searched


def test_a_small_run_prints_a_row_for_each_preset(presets, monkeypatch, capsys):
    monkeypatch.setattr(presets, "load_networks", lambda config: counted_networks())
    monkeypatch.setattr(presets, "enlarged", lambda scene, K, N, shape: random_sequence(scene, N, K, shape))
    size = ["--frames", "3", "--height", "48", "--width", "64", "--patch", "33", "--instances", "1"]
    presets.main(["--device", "cpu", "--flow", "dis", *size])
    lines = capsys.readouterr().out.splitlines()
    assert "3 frames of 48 x 64, 1 instance(s), flow dis, patch 33, flip, N_mp in float32, all untrained" in lines
    assert [line.split(" | ")[0] for line in lines[-2:]] == ["| paper", "| authors"]
    assert all(line.count("|") == lines[-3].count("|") for line in lines[-2:])


def test_without_a_gpu_it_says_so(presets, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    presets.main([])
    assert capsys.readouterr().out.startswith("presets: no GPU here")
