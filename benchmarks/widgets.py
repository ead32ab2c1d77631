"""How soon a widget's picture follows its sliders, on a run of the mini benchmark.

    .venv/bin/python benchmarks/widgets.py

Each slider is put on PLACES places, none of them twice. The time is that in the kernel, from the moved slider to the
picture in the message, as seconds passed and as processor time; a browser and its network come on top.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from ipywidgets import FloatSlider, IntSlider
from metrics import print_machine

from vsreid_lite.config import Config
from vsreid_lite.datasets.benchmarks import open_benchmark
from vsreid_lite.evaluation.matches import find_matches
from vsreid_lite.flow import get_flow
from vsreid_lite.networks import Networks
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.result import Result
from vsreid_lite.video.video import Video
from vsreid_lite.vsreid import segment
from vsreid_lite.widgets import (
    FirstMaskPainter,
    PictureBox,
    ablation_browser,
    checkpoint_explorer,
    patches,
    reid_matches,
    warped_maps,
)

NAME, PLACES = "exit-and-return", 13


def main() -> None:
    """Print the machine, and one line for each widget."""
    torch.set_num_threads(1)
    print_machine()
    print(f"{'':<22}{'median':>9}{'slowest':>9}{'processor':>11}")
    video = open_benchmark("mini", names=(NAME,)).load(NAME)
    config = with_stored_settings(Config(device="cpu"))
    networks = load_networks(config)
    for name, box in make_widgets(video, config, networks, segment(video, config, networks, keep_maps=True)):
        times = np.array([each for control in box.controls.values() for each in moved(control)]) * 1000
        (median, processor), slowest = np.median(times, 0), times[:, 0].max()
        print(f"{name:<22}{median:>6.0f} ms{slowest:>6.0f} ms{processor:>8.0f} ms")


def make_widgets(video: Video, config: Config, networks: Networks, result: Result) -> Iterator[tuple[str, PictureBox]]:
    """The six widgets on a run with its maps, by name."""
    before, flow = [result.mask_after(0, i) for i in range(video.N)], get_flow(config.flow)
    yield "warped_maps", warped_maps(video, result.snapshots[0])
    yield "patches", patches(video, result.snapshots[0], networks.propagation, flow, config.propagation)
    matches = find_matches(video, networks, result.snapshots[0], config.matching)
    yield "reid_matches", reid_matches(matches, config.matching.thresholds)
    yield "checkpoint_explorer", checkpoint_explorer(video, result)
    yield "ablation_browser", ablation_browser([video], {NAME: {"before": before, "after": result.masks}})
    yield "FirstMaskPainter", FirstMaskPainter(video.frames[0])


def moved(control: object) -> Iterator[tuple[float, float]]:
    """Seconds and seconds of the processor of each move."""
    if not isinstance(control, IntSlider | FloatSlider):
        return
    for place in np.linspace(control.min, control.max, PLACES):
        value = type(control.value)(place)
        if value == control.value:
            continue
        began = time.perf_counter(), time.process_time()
        control.value = value
        yield time.perf_counter() - began[0], time.process_time() - began[1]


if __name__ == "__main__":
    main()
