"""Frames a second, memory, and the share of each part, of the presets paper and authors, untrained, at 480 x 854.

Untrained networks lose every instance at once and find nothing. So each part runs, and its answer is replaced: nothing
moves, N_mp keeps its guide, N_det finds boxes from a grid. That is the arithmetic of a video whose instances stay in
sight: the first propagation and the search of all frames. A round would add N_mp on each frame that it updates.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from speed import CROWD, SHAPE, enlarged

from vsreid_lite.config import PRESETS, Config
from vsreid_lite.flow import CachedFlow, FlowEstimator, get_flow
from vsreid_lite.flow.learned import FlowNet2Flow
from vsreid_lite.geometry import Box
from vsreid_lite.networks import Networks, Search
from vsreid_lite.networks.interfaces import batched
from vsreid_lite.networks.loading import choose_device, load_networks
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment

PARTS = ("F", "N_mp", "N_det", "N_reid", "rest")
WARM_UP = 3  # frames
NEVER = 1.0  # rho_reid: no cosine exceeds it, so there is no round


@dataclass
class Timed:
    """A part of the method and its seconds, on a GPU until its work ends; `answer` is given instead of its result."""

    call: Callable[..., Any]
    answer: Callable[..., Any]
    device: torch.device
    seconds: float = 0.0

    def __call__(self, *arguments: Any) -> Any:
        return self.answer(self._clocked(self.call, *arguments), *arguments)

    predict = embed = __call__  # as flow and detector, as N_mp, as N_reid

    def in_batch(self, *arguments: Sequence[Any]) -> list[Any]:
        """As flow, detector or N_reid."""
        results = self._clocked(batched, getattr(self.call, "__self__", self.call), self.call, *arguments)
        return [self.answer(result, *values) for result, *values in zip(results, *arguments, strict=True)]

    def _clocked(self, call: Callable[..., Any], *arguments: Any) -> Any:
        self._wait()
        began = time.perf_counter()
        result = call(*arguments)
        self._wait()
        self.seconds += time.perf_counter() - began
        return result

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def measure(
    config: Config, networks: Networks, flow: FlowEstimator, sequence: Video, waits: bool = True
) -> dict[str, float]:
    """Frames a second of all and of the first propagation, GiB, and the seconds of each part.

    waits: for the GPU after each part, whose seconds are right then; without, the frames a second are.
    """
    device, proposals = choose_device(config.device), config.matching.proposals
    config = replace(config, matching=replace(config.matching, rho_reid=NEVER))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    clock = device if waits else torch.device("cpu")
    for part in (replace(sequence, frames=sequence.frames[:WARM_UP], frame_names=()), sequence):
        timed = {
            "F": Timed(flow, lambda result, *_: torch.zeros_like(result), clock),
            "N_mp": Timed(networks.propagation.predict, lambda _, image, flow, guide: guide[:, 0], clock),
            "N_det": Timed(networks.detector, lambda _, frame: grid(frame, proposals), clock),
            "N_reid": Timed(networks.identification.embed, lambda result, *_: result, clock),
        }
        searches = [Search(timed["N_det"], timed["N_reid"])] * (len(networks.searches) - 1)
        clocked = Networks(timed["N_mp"], timed["N_det"], timed["N_reid"], tuple(searches))
        with patch.object(CachedFlow, "prefetch", lambda *_: None) if waits else nullcontext():  # one part at a time
            result = segment(part, config, clocked, timed["F"])
    seconds = {name: part.seconds for name, part in timed.items()}
    rest = result.seconds["total"] - sum(seconds.values())
    rates = {name: (sequence.N - 1) / result.seconds[name] for name in ("total", "initial")}
    return {**rates, "memory": peak_memory(device), **seconds, "rest": rest}


def grid(frame: np.ndarray, proposals: int) -> list[Box]:
    """So many boxes, each half as wide and high as the frame."""
    height, width = frame.shape[:2]
    lefts = (i * width // (2 * proposals) for i in range(proposals))
    return [Box(x, height // 4, x + width // 2, 3 * height // 4) for x in lefts]


def peak_memory(device: torch.device) -> float:
    """GiB at most: of the tensors on the GPU, else of the process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(arguments: Sequence[str] | None = None) -> None:
    """Print machine, setting and one row for each preset."""
    options = _options(arguments)
    if options.device == "auto" and not torch.cuda.is_available():
        print("presets: no GPU here, and these networks want one; --device cpu measures them nevertheless, in minutes")
        return
    device = choose_device(options.device)
    sequence = enlarged(CROWD, options.instances, options.frames, (options.height, options.width))
    _print_head(options, sequence, device)
    own = FlowNet2Flow(device=device, untrained=True) if options.flow == "flownet2" else None
    for preset in options.presets.split(","):
        config = replace(PRESETS[preset], weights="random", device=options.device)
        config = replace(config, propagation=replace(config.propagation, patch=options.patch, flip=True))
        flow = own or get_flow(options.flow, device=device)
        print(_row(preset, measure(config, load_networks(config), flow, sequence)))


def _print_head(options: argparse.Namespace, sequence: Video, device: torch.device) -> None:
    on_gpu = device.type == "cuda"
    size, precision = f"{options.height} x {options.width}", "bfloat16" if on_gpu else "float32"
    print(f"machine: {torch.cuda.get_device_name(device) if on_gpu else platform.processor() or platform.machine()}")
    print(
        f"{sequence.N} frames of {size}, {sequence.K} instance(s), flow {options.flow}, patch {options.patch}, flip, ",
        end="",
    )
    print(f"N_mp in {precision}, all untrained\n\n| preset | frames/s | first propagation | peak memory | ", end="")
    print(" | ".join(PARTS), "|\n" + "|---" * (4 + len(PARTS)) + "|")


def _row(preset: str, values: dict[str, float]) -> str:
    total = sum(values[part] for part in PARTS)
    shares = [f"{100 * values[part] / total:.0f} %" for part in PARTS]
    cells = [preset, f"{values['total']:.2f}", f"{values['initial']:.2f} frames/s", f"{values['memory']:.1f} GiB"]
    return f"| {' | '.join([*cells, *shares])} |"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="paper,authors")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--flow", default="flownet2", help="flownet2 (untrained), or a flow as of Config.flow")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--height", type=int, default=SHAPE[0])
    parser.add_argument("--width", type=int, default=SHAPE[1])
    parser.add_argument("--patch", type=int, default=449)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
