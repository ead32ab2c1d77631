"""What `vsreid train` and `vsreid choose` do: weight files, their curves and their settings."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from vsreid_lite.config import Config
from vsreid_lite.system.cluster import open_workers
from vsreid_lite.system.files import write_text
from vsreid_lite.system.wording import counted
from vsreid_lite.system.workers import uninterrupted
from vsreid_lite.training.stages import ALL, STAGES, TIMED, check_stills

if TYPE_CHECKING:
    from vsreid_lite.training.processes import Processes
    from vsreid_lite.training.running import Request


def train_stage(options: argparse.Namespace) -> None:
    """`vsreid train`: one stage, resumed where an earlier run was stopped; or all, without those that are finished."""
    outputs, sequences = _checked_stages(options)
    material = _material(options, outputs)
    with uninterrupted():
        from vsreid_lite.networks.loading import choose_device
        from vsreid_lite.training import running
        from vsreid_lite.training.clips import ClipStore
        from vsreid_lite.training.processes import assemble

    requests = _requests(options, outputs, sequences, material)
    processes = assemble(str(choose_device(options.device)))
    for name in requests:
        _check_share(name, processes)  # refused now, and not after hours
    _find_published(requests, processes)
    folder = next(iter(requests.values())).output.with_name("clips")
    store = ClipStore(processes.cores, quiet=not processes.main, folder=folder, keeps=processes.main)
    for name, request in requests.items():
        if options.stage == ALL and processes.decide(partial(running.is_finished, name, request)):
            said = f"{name}: finished before: {request.output}"
        else:
            steps = running.run_stage(name, request, processes, store).steps
            said = f"{counted(steps, 'step')}: {request.output}"
        if processes.main:
            _draw_curve(request.output.with_suffix(".csv"))
            print(said)


def _checked_stages(options: argparse.Namespace) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The weight file of each stage, and the real sequences it may see; refused in a moment, before torch is loaded."""
    with uninterrupted():
        from vsreid_lite.datasets.davis import input_files
        from vsreid_lite.system.machine import check_device
        from vsreid_lite.video.outputs import check_outputs, pictures

    check_device(options.device)
    if options.stage == ALL:
        folder = options.output or Path("runs/weights")
        outputs = {name: folder / f"{name}.safetensors" for name in TIMED}
    else:
        outputs = {options.stage: options.output or Path("runs/train") / f"{options.stage}.safetensors"}
    for output in outputs.values():
        if output.suffix != ".safetensors":
            raise ValueError(f"{output}: expected a file name that ends in .safetensors")
        if output.stem in STAGES and options.stage not in (output.stem, ALL):
            raise ValueError(f"{output}: is the name for the weights of another stage, not of {options.stage}")
    if options.stills and options.stage != ALL:
        check_stills(options.stage)
    for i, folder in enumerate(options.stills):
        if folder.resolve() in [other.resolve() for other in options.stills[:i]]:
            raise ValueError(f"--stills {folder}: was given before; name each set of stills once")
    real = any(STAGES[name].real for name in outputs)
    inputs = chain(pictures(*options.stills), input_files(options.root, 2016) if real and options.root else [])
    endings = (".safetensors", ".state", ".csv", ".png")
    check_outputs([file.with_suffix(ending) for file in outputs.values() for ending in endings], inputs=inputs)
    return outputs, _real_sequences(options) if real else ()


def _check_share(name: str, processes: Processes) -> None:
    """Whether the processes can share each batch of a stage; an even part each, where it is halved for own guides."""
    stage = STAGES[name]
    part = len(processes.share(range(stage.batch)))
    if stage.own_guides and part % 2:
        raise ValueError(
            f"{name}: half of each part of a batch gets the network's own guides, but {processes.count} processes have "
            f"{part} of {stage.batch} samples each: start as many as leave an even number"
        )


def _material(options: argparse.Namespace, outputs: dict[str, Path]) -> tuple[Path, Path] | None:
    """The folders of stills and stamps that collages are made of; None where no stage learns from collages."""
    learners = [name for name in outputs if STAGES[name].collages]
    if not learners:
        if options.stamps:
            raise ValueError(f"{options.stage} does not learn from collages: --stamps goes with lite-real-...")
        return None
    if len(options.stills) != 1 or options.stamps is None:
        raise ValueError(f"{learners[0]} learns from collages: give one folder each to --stills and --stamps")
    return options.stills[0], options.stamps


def _requests(
    options: argparse.Namespace,
    outputs: dict[str, Path],
    sequences: tuple[str, ...],
    material: tuple[Path, Path] | None,
) -> dict[str, Request]:
    """The stages that were asked for, and what each may see."""
    from vsreid_lite.training.collages import stamp_files
    from vsreid_lite.training.running import Request
    from vsreid_lite.training.stills import open_stills

    if material:
        stamp_files(material[1])  # miss one now, and not after hours
    opened = tuple(map(open_stills, options.stills))
    seen = f" --root DAVIS --sequences {shlex.quote(','.join(sequences))}"
    requests = {}
    for name, output in outputs.items():
        stage = STAGES[name]
        stills = opened if options.stage != ALL and not stage.collages else ()
        command = f"vsreid train {name} --seed {options.seed}"
        command += "".join(f" --stills {shlex.quote(one.name)}" for one in (opened if stage.collages else stills))
        command += (" --stamps STAMPS" if stage.collages else "") + (seen if stage.real else "")
        request = Request(output, command, options.seed, options.minutes, stills=stills)
        if stage.real:
            request = replace(request, root=options.root, sequences=sequences)
        requests[name] = replace(request, material=material if stage.collages else None)
    return requests


def _find_published(requests: dict[str, Request], processes: Processes) -> None:
    """Miss the published weights of first stages now, and not after hours; the first process alone fetches them."""
    if processes.main:
        for name, request in requests.items():
            published = STAGES[name].published
            if published and not request.output.exists():
                published.find()
    processes.wait()


def _real_sequences(options: argparse.Namespace) -> tuple[str, ...]:
    """The real sequences that a stage may see: those named, which must be there, or all."""
    from vsreid_lite.datasets.composite import single_instance_sequences

    if options.root is None:
        raise ValueError(f"{options.stage} learns from real video: give --root, the folder of DAVIS 2016")
    there = single_instance_sequences(options.root, 2016)
    unknown = [name for name in options.sequences if name not in there]
    if unknown:
        raise ValueError(f"{options.root}: no sequence {', '.join(unknown)}; there are {', '.join(there)}")
    return options.sequences or tuple(there)


def _draw_curve(log: Path) -> None:
    """The curve of a stage beside its log, as PNG; a training of fewer than 50 steps has none."""
    from vsreid_lite.plots.line_plots import plot_training
    from vsreid_lite.training.loop import read_log
    from vsreid_lite.video.outputs import write_figure

    if log.exists():
        write_figure(log.with_suffix(".png"), plot_training({log.stem: read_log(log)}))


def choose_settings(options: argparse.Namespace) -> None:
    """`vsreid choose`: thresholds, scales and adaptation chosen on mini-val, stored in the header of N_mp."""
    config, file, output, table = _checked_choice(options)
    with uninterrupted():
        from vsreid_lite.evaluation.selection import format_selection, select_settings
        from vsreid_lite.networks.checkpoints import store_settings
        from vsreid_lite.networks.weight_files import read_provenance

    before = read_provenance(file).settings
    with open_workers(options.workers, options.scheduler) as workers:
        selection = select_settings(config, options.sequences, workers, options.adapt)
    write_text(table, format_selection(selection))
    store_settings(file, output, {**before, **selection.chosen})
    print(f"chosen on {counted(options.sequences, 'sequence')} of mini-val: {json.dumps(selection.chosen)}")
    print(f"stored in {output}; all that was measured: {table}")


def _checked_choice(options: argparse.Namespace) -> tuple[Config, Path, Path, Path]:
    """The configuration, the N_mp file, the one to write and the table; refused in a moment, before torch is loaded."""
    with uninterrupted():
        from vsreid_lite.networks.weight_files import check_weights, named_files
        from vsreid_lite.system.machine import check_device
        from vsreid_lite.video.outputs import check_outputs

    check_device(options.device)
    file = _propagation_file(options.weights)
    if options.output is None and not options.in_place:
        raise ValueError(f"{file}: give --output, a file to write with the settings, or --in-place")
    output = options.output or file
    table = options.table or Path("runs/choose") / f"{file.stem}.csv"
    config = Config(weights=options.weights, device=options.device, seed=options.seed)
    read = named_files(config).all
    check_outputs([output, table], inputs=[one for one in read if not options.in_place or one != file])
    check_weights(config)
    return config, file, output, table


def _propagation_file(weights: str) -> Path:
    """The N_mp file of a choice of weights, which the settings are stored with."""
    from vsreid_lite.networks.weight_files import weight_files

    file = weight_files(weights).propagation
    if file is None:
        raise FileNotFoundError(f"weights {weights}: no propagation file; make it: vsreid train {weights}-propagation")
    return file
