"""How far is a true mask carried along before it is lost: by each flow alone, and by each N_mp?

    .venv/bin/python benchmarks/carrying.py [--root DAVIS] [NAME …]

J after one step and after five from a true mask, without adaptation and ReID: four starts in each sequence of mini-val,
and of DAVIS 2016 below the root, where it is. The networks are those of the weights NAME, by default the shipped sets,
with the flow `dis-tuned`.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from vsreid_lite.config import Config, PropagationConfig, with_propagation
from vsreid_lite.datasets.composite import single_instance_sequences
from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.datasets.mini import CHALLENGES, mini_video
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.flow import get_flow
from vsreid_lite.geometry import warp
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.networks.weight_files import weight_files
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.video.video import Video

STARTS, STEPS = 4, 5
FLOWS = ("dis-medium", "dis-tuned", "dis")
ROWS = {"baseline": (False, False), "box": (True, False), "propagation": (True, True)}  # use_box, use_flow
Carrier = tuple[str, PropagationNetwork | None, PropagationConfig]  # a flow, and the network that follows it


def main() -> None:
    """Print one line for each flow and each network on each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", default=["lite", "lite-real"])
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    options = parser.parse_args()
    carriers = {f"{flow} alone": (flow, None, PropagationConfig()) for flow in FLOWS} | dict(_networks(options.weights))
    measure("mini-val", [mini_video("val", index) for index in range(len(CHALLENGES))], carriers)
    if options.root.is_dir():
        real = [load_davis(options.root, 2016, name) for name in single_instance_sequences(options.root)]
        measure("DAVIS 2016", real, carriers)


def _networks(weights: Iterable[str]) -> Iterator[tuple[str, Carrier]]:
    for name in weights:
        for part, (use_box, use_flow) in ROWS.items():
            if getattr(weight_files(name), part) is not None:
                plain = with_stored_settings(Config(weights=name, reid=False, device="cpu"))
                config = with_propagation(plain, use_box=use_box, use_flow=use_flow)
                yield f"{name} {part}", ("dis-tuned", load_networks(config).propagation, config.propagation)


@torch.inference_mode()
def measure(dataset: str, videos: list[Video], carriers: dict[str, Carrier]) -> None:
    """Print the mean over all starts and instances of J after one step and after the last."""
    scores: dict[str, list[list[float]]] = {name: [] for name in carriers}
    for video in tqdm(videos, desc=dataset):
        for start in np.linspace(0, video.N - STEPS - 2, STARTS).astype(int).tolist():
            steps = range(start, start + STEPS)
            flows = {name: [get_flow(name)(video.frames, i + 1, i) for i in steps] for name in FLOWS}
            for label in np.unique(video.truth[start][video.truth[start] > 0]):
                for name, (flow, network, config) in carriers.items():
                    scores[name].append(carry(video, start, int(label), flows[flow], network, config))
    for name, rows in scores.items():
        mean = np.mean(rows, 0)
        print(f"{dataset:<12}{name:<24} J after 1 step {mean[0]:.3f}, after {STEPS} steps {mean[-1]:.3f}")


def carry(
    video: Video,
    start: int,
    label: int,
    flows: list[torch.Tensor],
    network: PropagationNetwork | None,
    config: PropagationConfig,
) -> list[float]:
    """J of each step from the true mask of an instance in frame `start`, without a network by the flow alone."""
    P, found = torch.from_numpy(video.truth[start] == label).float(), []
    for i, flow in enumerate(flows, start + 1):
        P = warp(P, flow) if network is None else propagate_mask(video.frames[i], flow, P, network, config)
        found.append(region(video.truth[i] == label, P.numpy() > 0.5))
    return found


if __name__ == "__main__":
    main()
