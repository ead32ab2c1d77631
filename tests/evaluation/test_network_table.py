"""The table of networks: figures counted by hand, and the committed page against the networks as they are."""

from pathlib import Path

import pytest
import torch
from torch import nn

from vsreid_lite.evaluation.network_table import NetworkRow

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"


def test_a_row_counts_as_one_does_by_hand():
    """4 x 3 x 3 x 3 weights and 4 biases; 4 x 6 x 8 outputs of 27 products and sums each."""
    row = NetworkRow("part", "name", "preset", lambda: nn.Conv2d(3, 4, 3), lambda n: n(torch.rand(1, 3, 8, 10)), "in")
    assert row.markdown() == f"| part | name | preset | 112 | in | {2 * 27 * 4 * 6 * 8 / 1e9:.2f} | 4 × 6 × 8 |"


def test_the_committed_table_is_that_of_the_networks_as_they_are(monkeypatch):
    monkeypatch.syspath_prepend(PAGE.parents[1] / "benchmarks")
    import networks

    assert PAGE.read_text() == networks.page(), "out of date: python benchmarks/networks.py --output docs/networks.md"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("FlowNet2", "162,518,834"), ("Faster R-CNN R50-FPN", "41,755,286"), ("RAFT, 12 updates", "5,257,536")],
)
def test_sizes_are_those_that_were_published(name, parameters):
    """FlowNet2's by its authors, the others by torchvision."""
    (row,) = (line for line in PAGE.read_text().splitlines() if f"| {name} |" in line)
    assert f"| {parameters} |" in row
