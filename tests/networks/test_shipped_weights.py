"""Each shipped weight file: size, provenance, and a pinned output that an accidental change would move."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from vsreid_lite.geometry import Box
from vsreid_lite.networks.checkpoints import load_weights
from vsreid_lite.networks.weight_files import SHIPPED, read_provenance
from vsreid_lite.training.running import Request, is_finished
from vsreid_lite.training.stages import STAGES

PINNED = json.loads((Path(__file__).parents[1] / "golden" / "weights.json").read_text())
FILES = sorted(SHIPPED.glob("*.safetensors"))
DAVIS_SEQUENCES = 12


def output(network, kind):
    """A few numbers that depend on every layer: the same input for every file of a kind."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
    frame[20:70, 30:90] = (200, 60, 40)
    with torch.inference_mode():
        if kind in ("rgb", "two streams"):
            image = torch.from_numpy(frame[:64, :64]).permute(2, 0, 1)[None] / 255
            guide = torch.zeros(1, 1, 64, 64)
            guide[..., 16:60, 24:60] = 1
            flow = torch.from_numpy(rng.normal(0, 3, (1, 2, 64, 64))).float()
            return network.predict(image, flow, guide)[0, 8::16, 8::16].flatten()
        if kind == "identification":
            return network.embed(frame, [Box(30, 20, 90, 70)])[0, ::32]
        image = torch.from_numpy(frame).permute(2, 0, 1) / 255
        return network.rcnn([image])[0]["scores"][:4]


def test_the_sets_are_complete_and_all_weights_together_are_small():
    parts = ("baseline", "box", "propagation", "detector", "identification")
    assert {file.stem for file in FILES} == {f"{name}-{part}" for name in ("lite", "lite-real") for part in parts}
    assert sum(file.stat().st_size for file in FILES) <= 40_000_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_weight_file_says_what_it_learnt_from_and_gives_its_pinned_output(file):
    provenance = read_provenance(file)
    network = STAGES[file.stem].build().eval()
    load_weights(file, network)
    assert is_finished(file.stem, Request(file, provenance.command)) and provenance.command.split()[2] == file.stem
    assert provenance.settings.items() >= STAGES[file.stem].settings.items()
    assert len(provenance.sequences) == (DAVIS_SEQUENCES if STAGES[file.stem].real else 0)
    assert output(network, provenance.network).tolist() == pytest.approx(PINNED[file.stem], abs=2e-3)
