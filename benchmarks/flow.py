"""DIS, RAFT and FlowNet2 beside the exact flow of mini scenes: end-point error and time a pair."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsreid_lite.datasets.mini import CHALLENGES, challenge_name, mini_scene
from vsreid_lite.lessons.flow_and_warping import FlowPair, compare_flows, contenders, flow_pair, flow_table, plot_flows
from vsreid_lite.lessons.notebooks import to_png
from vsreid_lite.networks.loading import choose_device
from vsreid_lite.system.files import write_bytes

TARGETS = (10, 20, 30)  # of each scene, each towards the frame before it


def main() -> None:
    """Print the table; with --figure, draw one pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--untrained", action="store_true", help="run networks without weights too, on random ones")
    parser.add_argument("--figure", type=Path, help="write the flows of one pair as a PNG")
    arguments = parser.parse_args()
    rivals = contenders(choose_device(arguments.device), untrained=arguments.untrained)
    pairs = [pair for index in range(len(CHALLENGES)) for pair in scene_pairs(index)]
    print(flow_table(compare_flows(pairs, rivals)))
    if arguments.figure:
        flows = {rival.name: rival.estimate(pairs[0]) for rival in rivals if rival.make and rival.name != "exact"}
        write_bytes(arguments.figure, to_png(plot_flows(pairs[0], flows)))


def scene_pairs(index: int) -> list[FlowPair]:
    """The pairs of scene `index` of mini-val."""
    scene = mini_scene("val", index)
    return [flow_pair(scene, i, i - 1, f"{challenge_name(index)}, frames {i - 1} and {i}") for i in TARGETS]


if __name__ == "__main__":
    main()
