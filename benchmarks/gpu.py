"""What one card does, in six minutes: the presets at 480 x 854 with 1, 3 and 5 instances, and the stages of training.

    .venv/bin/python benchmarks/gpu.py --output gpu.json
    .venv/bin/python benchmarks/gpu.py --cpu    # whether it runs, at a tiny size; its figures mean nothing

Presets as in `presets.py`: each part runs, its answer is replaced, so that the instances stay in sight; weights are
random where none ship. Each is measured without the steps that are for a GPU, and with them: flow ahead and in batches,
a frame uploaded once, corners fetched in one transfer, normalisation folded in the ResNet streams, N_det and N_reid in
batches and in bfloat16. Then, if time is left (`--presets paper` leaves it), each for one instance with N_mp compiled,
as `torch.compile` does with CUDA graphs; the package does not. Utilisation is that of N_mp: its arithmetic in the time
in which it runs, against the largest product of two matrices here. Training starts from random weights.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from presets import PARTS, measure, peak_memory
from speed import CROWD, SHAPE, enlarged
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.flop_counter import FlopCounterMode

from vsreid_lite.config import PRESETS, Config, with_propagation
from vsreid_lite.flow import CachedFlow, FlowEstimator, get_flow
from vsreid_lite.flow.learned import FlowNet2Flow, RaftFlow
from vsreid_lite.geometry import Box
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.networks.layers import MixedPrecision
from vsreid_lite.networks.loading import load_networks, with_stored_settings
from vsreid_lite.propagation import FramesOnDevice
from vsreid_lite.system.files import write_json
from vsreid_lite.system.machine import available_cores
from vsreid_lite.training.clips import ClipStore
from vsreid_lite.training.processes import Processes
from vsreid_lite.training.running import Request, Training
from vsreid_lite.training.stages import STAGES, TIMED

FLOWS = {"lite": "dis", "paper": "raft", "authors": "flownet2"}
PAPER_STAGES = [name for name in STAGES if name not in TIMED]


@dataclass(frozen=True)
class Size:
    """How much is measured: frames, (H, W), instances, patch of the large presets, side of the matrices, clips."""

    device: str = "cuda"
    frames: int = 24
    shape: tuple[int, int] = SHAPE
    instances: tuple[int, ...] = (1, 3, 5)
    patch: int = 449
    side: int = 8192
    clips: int = 8
    batch: int | None = None  # of training; None: the stage's


TINY = Size("cpu", 3, (48, 64), (1,), 33, 256, 2, 2)


def rows(presets: Sequence[str], size: Size, ends: float) -> Iterator[dict[str, Any]]:
    """The figures of each preset and number of instances, in each state; no more once `ends` has come."""
    peak = teraflops(size)
    cases = [(preset, K, state) for preset in presets for K in size.instances for state in ("without", "with")]
    cases += [(preset, size.instances[0], "compiled") for preset in presets]
    for preset, K, state in cases:
        if time.monotonic() < ends:
            yield {"preset": preset, "K": K, "state": state, **figures(preset, K, state, size, peak)}


def figures(preset: str, K: int, state: str, size: Size, peak: float) -> dict[str, Any]:
    """Frames a second of the initial propagation and of N_mp, GiB, share of each part, utilisation."""
    config = replace(PRESETS[preset], device=size.device)
    if preset != "lite":
        config = with_propagation(replace(config, weights="random"), patch=size.patch, flip=True)
    config, sequence = with_stored_settings(config), enlarged(CROWD, K, size.frames, size.shape)
    flow = estimator(FLOWS[preset], size)
    with without_steps(preset) if state == "without" else ExitStack():
        networks = load_networks(config)
        patches = K * (sequence.N - 1) * (2 if config.propagation.flip else 1)
        work = operations(networks.propagation, config) * patches
        if state == "compiled":
            compiled = torch.compile(networks.propagation.predict, mode="reduce-overhead")
            networks.propagation.predict = compiled  # type: ignore[method-assign]
        free = measure(config, networks, flow, sequence, waits=False)
        parts = measure(config, networks, flow, sequence)
    total = sum(parts[part] for part in PARTS)
    return {
        "frames/s": free["total"],
        "propagation": free["initial"],
        "N_mp": (sequence.N - 1) / parts["N_mp"],
        "GiB": parts["memory"],
        "utilisation": work / parts["N_mp"] / peak / 1e12,
        "shares": {part: parts[part] / total for part in PARTS},
    }


@contextmanager
def without_steps(preset: str) -> Iterator[None]:
    """The steps for a GPU switched off; the networks of `lite` are folded on every device."""
    with ExitStack() as off:
        off.enter_context(patch.object(CachedFlow, "prefetch", lambda *_: None))
        off.enter_context(patch("vsreid_lite.engine.batch_size", lambda device, shape: 1))
        off.enter_context(patch.object(MixedPrecision, "precision", lambda network: nullcontext()))
        off.enter_context(patch.object(FramesOnDevice, "__getitem__", lambda images, i: images._frames[i]))
        off.enter_context(patch("vsreid_lite.geometry.boxes_from_probabilities", one_by_one))
        if preset != "lite":
            off.enter_context(patch("vsreid_lite.networks.loading.fold_normalisation", lambda network: None))
        yield


def one_by_one(maps: Sequence[Tensor], threshold: float = 0.5) -> list[Box | None]:
    """The boxes of maps, each corner fetched by itself."""
    boxes: list[Box | None] = []
    for P in maps:
        rows, columns = ((threshold < P).any(axis).nonzero() for axis in (1, 0))
        ends = (columns, rows) if len(rows) else ()
        boxes.append(Box(*(int(e[0]) for e in ends), *(int(e[-1]) + 1 for e in ends)) if ends else None)
    return boxes


def operations(network: PropagationNetwork, config: Config) -> float:
    """Of N_mp for one patch: a multiplication and an addition are two."""
    side = config.propagation.side
    inputs = [torch.zeros(1, channels, side, side, device=config.device) for channels in (3, 2, 1)]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.predict(*inputs)
    return counter.get_total_flops()


def teraflops(size: Size) -> float:
    """10^12 operations a second of a product of two bfloat16 matrices, the best of five."""
    a = torch.randn(size.side, size.side, device=size.device, dtype=torch.bfloat16)
    seconds = [clock(lambda: a @ a, size.device) for _ in range(6)][1:]
    return 2 * size.side**3 / min(seconds) / 1e12


def clock(call: Callable[[], object], device: str) -> float:
    """Seconds of a call, on a GPU until its work ends."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - began


@lru_cache(maxsize=1)
def estimator(name: str, size: Size) -> FlowEstimator:
    """Flow by name, networks with random weights; on a CPU always DIS. The last one alone stays in memory."""
    if size.device == "cpu" or name == "dis":
        return get_flow("dis")
    return (
        FlowNet2Flow(device=size.device, untrained=True)
        if name == "flownet2"
        else RaftFlow("large", size.device, untrained=True)
    )


@dataclass(frozen=True)
class Watched(Training):
    """A training whose losses and times are kept."""

    seen: list[tuple[float, Tensor]]

    def run(self, model: torch.nn.Module, batches: Dataset[Any], loss: Callable[[Any], Tensor]) -> int:
        def watched(values: Any) -> Tensor:
            found = loss(values)
            self.seen.append((time.monotonic(), found.detach()))
            return found

        return super().run(model, batches, watched)


def train(name: str, seconds: float, size: Size, store: ClipStore) -> dict[str, Any]:
    """Train a stage for a while: its steps a second after the first, the losses of its first and last tenth, GiB."""
    device = torch.device(size.device)
    stage = replace(STAGES[name], patches=(size.patch,), batch=size.batch or STAGES[name].batch)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    network = stage.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen: list[tuple[float, Tensor]] = []
    clips = store.mini(size.clips)
    with tempfile.TemporaryDirectory() as folder:
        request = Request(Path(folder, "weights.safetensors"), "benchmarks/gpu.py", minutes=seconds / 60)
        stage.train(Watched(network, stage, clips, (), request, Processes(device), seen))
    losses, tenth = [float(loss) for _, loss in seen], max(1, len(seen) // 10)
    rate = (len(seen) - 1) / max(seen[-1][0] - seen[0][0], 1e-9)
    first, last = (sum(part) / tenth for part in (losses[:tenth], losses[-tenth:]))
    return {
        "stage": name,
        "steps": len(seen),
        "steps/s": rate,
        "first": first,
        "last": last,
        "GiB": peak_memory(device),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables, row by row; write all figures as JSON where asked to."""
    options = _options(arguments)
    if not options.cpu and not torch.cuda.is_available():
        print("gpu: no GPU here; --cpu tries the script at a tiny size, without any meaning of its figures")
        return
    size = TINY if options.cpu else Size()
    machine = platform.machine() if options.cpu else torch.cuda.get_device_name()
    found: dict[str, Any] = {"machine": machine, "torch": torch.__version__, "size": asdict(size)}
    began = time.monotonic()
    print(
        f"{machine}, torch {torch.__version__}\n\n| preset | K | state | frames/s | propagation | N_mp | GiB | ", end=""
    )
    print(" | ".join((*PARTS, "utilisation")), "|\n" + "|---" * (8 + len(PARTS)) + "|")
    found["presets"] = []
    for row in rows(options.presets, size, began + 60 * options.minutes / 2):
        found["presets"].append(row)
        speeds = [f"{row[name]:.1f}" for name in ("frames/s", "propagation", "N_mp", "GiB")]
        shares = [f"{100 * share:.0f} %" for share in (*row["shares"].values(), row["utilisation"])]
        print(f"| {' | '.join([row['preset'], str(row['K']), row['state'], *speeds, *shares])} |", flush=True)
        keep(found, options.output)
    print("\n| stage | steps | steps/s | first loss | last loss | GiB |\n|---|---|---|---|---|---|")
    found["training"] = []
    store = ClipStore(available_cores(), quiet=True)
    for left, name in zip(range(len(options.stages), 0, -1), options.stages, strict=True):
        seconds = min(120.0, (began + 60 * options.minutes - time.monotonic()) / left)
        row = train(name, max(seconds, 1.0), size, store)
        found["training"].append(row)
        numbers = [f"{row[key]:.3g}" for key in ("steps/s", "first", "last", "GiB")]
        print(f"| {' | '.join([name, str(row['steps']), *numbers])} |", flush=True)
        keep(found, options.output)


def keep(found: dict[str, Any], output: Path | None) -> None:
    """Write what was found so far, so that a stage that fails loses nothing."""
    if output is not None:
        write_json(output, json.loads(json.dumps(found)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="*", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--stages", nargs="*", default=PAPER_STAGES, choices=PAPER_STAGES, help="of training")
    parser.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        help="of all, but for loading and saving; half of them for the presets at most",
    )
    parser.add_argument("--cpu", action="store_true", help="a tiny size on the CPU")
    parser.add_argument("--output", type=Path, help="a JSON file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
