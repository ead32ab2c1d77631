"""Parameters, arithmetic and output size of every network: prints docs/networks.md, or writes it with --output."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsreid_lite.evaluation.network_table import networks, networks_table
from vsreid_lite.system.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="the page to write")
    output = parser.parse_args().output
    page = networks_table(networks())
    if output is None:
        print(page, end="")
    else:
        write_text(output, page)


if __name__ == "__main__":
    main()
