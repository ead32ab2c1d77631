"""What `vsreid figures` does: the paper's figures and tables with our data, as PNG and SVG."""

from __future__ import annotations

import argparse

from vsreid_lite.config import Config
from vsreid_lite.system.interrupts import uninterrupted

FROM_FILES = ("table1", "table2", "training")  # of results that are there; refused at once where they are missing
FIGURES = (*FROM_FILES, "figure1", "figure2", "figure3", "figure4", "figure5")


def draw_figures(options: argparse.Namespace) -> None:
    """`vsreid figures`: figures/ from runs of the library on mini, results of an ablation, and logs of training."""
    names = _checked_names(options)
    with uninterrupted():
        from tqdm.auto import tqdm

        from vsreid_lite.figures.gallery import DRAWINGS, Gallery
        from vsreid_lite.networks.loading import choose_device
        from vsreid_lite.plots.figure_files import write_both

    choose_device(options.device)
    config = Config(weights=options.weights, device=options.device, seed=options.seed)
    gallery = Gallery(config, options.results, options.training)
    print(f"{', '.join(sorted(names))} as PNG and SVG: {options.output}", flush=True)
    drawn = {name: DRAWINGS[name](gallery) for name in names if name in FROM_FILES}
    bar = tqdm(names)
    for name in bar:
        bar.set_description(name)
        for path in write_both(drawn.get(name) or DRAWINGS[name](gallery), options.output, name):
            tqdm.write(f"figure: {path}")


def _checked_names(options: argparse.Namespace) -> list[str]:
    """The figures that were asked for; what cannot be drawn or written is refused before torch is loaded."""
    with uninterrupted():
        from vsreid_lite.networks.weight_files import check_weights
        from vsreid_lite.system.machine import check_device
        from vsreid_lite.video.outputs import check_outputs

    if unknown := sorted(set(options.only) - set(FIGURES)):
        raise ValueError(f"--only {','.join(unknown)}: expected some of {','.join(sorted(FIGURES))}")
    names = [name for name in FIGURES if not options.only or name in options.only]
    files = [options.output / f"{name}{suffix}" for name in names for suffix in (".png", ".svg")]
    check_outputs(files, options.output, [options.results, *options.training.glob("*.csv")])
    check_device(options.device)
    check_weights(Config(weights=options.weights, device=options.device))
    return names
