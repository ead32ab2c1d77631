"""What `vsreid figures` does: the paper's figures and tables with our data, as PNG and SVG."""

from __future__ import annotations

import argparse

from vsreid_lite.interrupts import uninterrupted


def draw_figures(options: argparse.Namespace) -> None:
    """`vsreid figures`: figures/ from runs of the library on mini, results of an ablation, and logs of training."""
    with uninterrupted():
        from tqdm.auto import tqdm

        from vsreid_lite.config import Config
        from vsreid_lite.models.loading import choose_device
        from vsreid_lite.models.weight_files import weight_files
        from vsreid_lite.outputs import check_file
        from vsreid_lite.visualization.files import write_both
        from vsreid_lite.visualization.paper.gallery import DRAWINGS, Gallery

    names = [name for name in DRAWINGS if not options.only or name in options.only]
    if unknown := sorted(set(options.only) - set(DRAWINGS)):
        raise ValueError(f"--only {','.join(unknown)}: expected some of {','.join(sorted(DRAWINGS))}")
    for path in (options.output / f"{name}{suffix}" for name in names for suffix in (".png", ".svg")):
        check_file(path)
    weight_files(options.weights)
    choose_device(options.device)
    config = Config(weights=options.weights, device=options.device, seed=options.seed)
    gallery = Gallery(config, options.results, options.training)
    print(f"{', '.join(sorted(names))} as PNG and SVG: {options.output}", flush=True)
    drawn = {name: DRAWINGS[name](gallery) for name in names if name in ("table1", "table2", "training")}
    bar = tqdm(names)
    for name in bar:
        bar.set_description(name)
        for path in write_both(drawn.get(name) or DRAWINGS[name](gallery), options.output, name):
            tqdm.write(f"figure: {path}")
