"""How far each N_mp holds on real video that it has not seen: J after one step and after five from a true mask.

    .venv/bin/python benchmarks/transfer.py [--root DAVIS] [NAME-propagation.safetensors …]

Four starts in each sequence of DAVIS 2016 below the root, without adaptation and ReID, flow `dis-tuned`. Without
files the shipped sets. "warp": the mask carried by the flow alone, no network.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from vsreid_lite.config import Config, PropagationConfig, with_propagation
from vsreid_lite.datasets.composite import single_instance_sequences
from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.evaluation.metrics import region
from vsreid_lite.flow import get_flow
from vsreid_lite.geometry import warp
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.networks.loading import load_networks
from vsreid_lite.networks.weight_files import weight_files
from vsreid_lite.propagation import propagate_mask
from vsreid_lite.video.video import Video

STARTS, STEPS = 4, 5
ROWS = {"baseline": (False, False), "box": (True, False), "propagation": (True, True)}  # use_box, use_flow


@torch.inference_mode()
def main() -> None:
    """Print one line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", default=["lite", "lite-davis"])
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    options = parser.parse_args()
    if not options.root.is_dir():
        print(f"{options.root}: no DAVIS 2016 here, nothing measured; give --root or DAVIS_ROOT")
        return
    contenders: dict[str, tuple[PropagationNetwork | None, PropagationConfig]] = {"warp": (None, PropagationConfig())}
    for weights in options.weights:
        for part, (use_box, use_flow) in ROWS.items():
            if getattr(weight_files(weights), part) is not None:
                plain = Config(weights=weights, reid=False, device="cpu")
                config = with_propagation(plain, use_box=use_box, use_flow=use_flow)
                contenders[f"{weights} {part}"] = load_networks(config).propagation, config.propagation
    scores: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for name in tqdm(single_instance_sequences(options.root), desc="sequences"):
        sequence = load_davis(options.root, 2016, name)
        for start in np.linspace(0, sequence.N - STEPS - 2, STARTS).astype(int):
            flows = [get_flow("dis-tuned")(sequence.frames, i + 1, i) for i in range(start, start + STEPS)]
            for contender, (network, config) in contenders.items():
                scores[contender].append(rollout(sequence, int(start), flows, network, config))
    for contender, rows in scores.items():
        mean = np.mean(rows, 0)
        print(f"{contender:<24} J after 1 step {mean[0]:.3f}, after {STEPS} steps {mean[-1]:.3f}")


def rollout(
    sequence: Video,
    start: int,
    flows: list[torch.Tensor],
    network: PropagationNetwork | None,
    config: PropagationConfig,
) -> list[float]:
    """J of each step from the true mask of frame `start`."""
    truth = [mask > 0 for mask in sequence.annotations[start : start + STEPS + 1]]
    P, found = torch.from_numpy(truth[0]).float(), []
    for step, flow in enumerate(flows, 1):
        frame = sequence.frames[start + step]
        P = warp(P, flow) if network is None else propagate_mask(frame, flow, P, network, config)
        found.append(region(truth[step], P.numpy() > 0.5))
    return found


if __name__ == "__main__":
    main()
