"""Parameters, arithmetic and output size of every network: prints docs/networks.md, or writes it with --output."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsreid_lite.evaluation.network_table import network_rows
from vsreid_lite.system.files import write_text

HEAD = """# The networks

This page is written by `python benchmarks/networks.py --output docs/networks.md`; a test fails when it is out of date.

Each row is one call of a network, as the presets use it: for one patch, one frame, one crop or one pair of frames.
GFLOP counts 10⁹ operations of convolutions and matrix products, where a multiplication and an addition are two
operations; normalisation, sampling, region pooling and non-maximum suppression are not counted. Sizes are channels ×
height × width. N_mp returns the logits of background and instance. N_det returns, for each proposal, the scores and
box offsets of its classes; non-maximum suppression leaves at most the 20 best boxes as candidates. N_reid returns a
unit vector.

| part | network | preset | parameters | input | GFLOP | output |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The table as Markdown."""
    return HEAD + "\n".join(row.markdown() for row in network_rows()) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="the page to write")
    output = parser.parse_args().output
    if output is None:
        print(page(), end="")
    else:
        write_text(output, page())


if __name__ == "__main__":
    main()
