"""What of the generated scenes makes N_mp hold on real video: each of their traits taken away alone.

    .venv/bin/python benchmarks/scenes.py [--root DAVIS] [--seeds 2]

For each variant and seed the RGB stream is trained on patches for 400 steps on 120 scenes in the style of footage, then
it carries true masks of DAVIS 2016 for five frames, without adaptation, flow `dis-tuned`. Scenes and frames are drawn
alike for all variants but the last three: one has other frames, one other scenes, one another start. Ten minutes for
each on a core.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tqdm.auto import tqdm
from transfer import STARTS, STEPS, rollout

from vsreid_lite.config import PropagationConfig
from vsreid_lite.datasets.composite import single_instance_sequences
from vsreid_lite.datasets.davis import load_davis
from vsreid_lite.datasets.footage import footage_scene
from vsreid_lite.datasets.mini import mini_scene
from vsreid_lite.datasets.scenes import Body, Image, Scene, Track
from vsreid_lite.flow import get_flow
from vsreid_lite.networks.mask_propagation import lite_streams
from vsreid_lite.training.clips import Clip, scene_clip
from vsreid_lite.training.loop import train
from vsreid_lite.training.losses import joint_loss
from vsreid_lite.training.propagation_samples import PropagationBatches
from vsreid_lite.training.stages import VIDEO, Plan
from vsreid_lite.video.video import Video

SCENES, LEARNING = 120, Plan(400, 4e-4)
Change = Callable[[Scene], Scene]


@dataclass(frozen=True)
class Variant:
    """Scenes and a start. pairs: of frames that are seen of each scene."""

    name: str
    change: Change = lambda scene: scene
    draw: Callable[[int], Scene] = footage_scene
    pairs: int = 3
    imagenet: bool = True

    def clips(self) -> list[Clip]:
        """One clip of each scene; the frames depend on its number and on `pairs` alone."""
        return [
            scene_clip(f"{self.name} {i}", self.change(self.draw(i)), (10, i), self.pairs)
            for i in tqdm(range(SCENES), desc=f"rendering {self.name}")
        ]


def plain(scene: Scene) -> Scene:
    """Every surface, and the background, in its mean colour."""
    dressed = _each_body(scene, lambda body: replace(body, surface=_mean(body.surface), parts=_parts(body, _mean)))
    return replace(dressed, backdrop=_mean(scene.backdrop))


def one_surface(scene: Scene) -> Scene:
    """A body wears one surface, not several."""
    return _each_body(scene, lambda body: replace(body, parts=_parts(body, lambda surface: None)))


def unshaded(scene: Scene) -> Scene:
    """No darker outlines, no slope or drift of light, no limb darker than another."""

    def even(body: Body) -> Body:
        parts = tuple(replace(part, tint=0.0) for part in body.parts)
        return replace(body, parts=parts, rim=0.0, light=np.zeros_like(body.light), drift=np.zeros_like(body.drift))

    return _each_body(scene, even)


def still_camera(scene: Scene) -> Scene:
    """The camera stays as in the first frame."""
    first = scene.camera.values[:1]
    return replace(scene, camera=Track(scene.camera.times, np.repeat(first, len(scene.camera.times), 0)))


def rigid(scene: Scene) -> Scene:
    """Nothing swings or bends."""

    def stiff(body: Body) -> Body:
        parts = tuple(replace(part, swing=(0.0, 0.0, 0.0)) for part in body.parts)
        return replace(body, parts=parts, wave=(0.0, 0.0, 0.0, 0.0))

    return _each_body(scene, stiff)


VARIANTS = (
    Variant("all of it"),
    Variant("surfaces of one colour", plain),
    Variant("one surface for a body", one_surface),
    Variant("no shading", unshaded),
    Variant("no motion blur", lambda scene: replace(scene, blur=1)),
    Variant("motion blur always", lambda scene: replace(scene, blur=3)),
    Variant("still camera", still_camera),
    Variant("rigid bodies", rigid),
    Variant("one pair of frames of a scene", pairs=1),
    Variant("scenes of mini-train", draw=partial(mini_scene, "train")),
    Variant("not from ImageNet's weights", imagenet=False),
)


def main() -> None:
    """Print a line for each variant: the mean over the seeds, and their values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("DAVIS_ROOT", "../shared/data/davis2016")))
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    if not options.root.is_dir():
        print(f"{options.root}: no DAVIS 2016 here, nothing measured; give --root or DAVIS_ROOT")
        return
    starts = list(_starts(options.root))
    print(f"J of real video after 1 and {STEPS} steps, mean of {options.seeds} seeds, each in brackets")
    for variant in VARIANTS:
        clips = variant.clips()
        found = np.array([_transfer(variant, clips, seed, starts) for seed in range(options.seeds)])
        columns = (f"{values.mean():.3f} ({' '.join(f'{value:.3f}' for value in values)})" for values in found.T)
        print(f"{variant.name:<30} {'  '.join(columns)}", flush=True)


Start = tuple[Video, int, list[torch.Tensor]]


def _starts(root: Path) -> list[Start]:
    """Video, first frame and flows of every start."""
    found = []
    for name in tqdm(single_instance_sequences(root), desc="flows"):
        sequence = load_davis(root, 2016, name)
        for start in np.linspace(0, sequence.N - STEPS - 2, STARTS).astype(int).tolist():
            flows = [get_flow("dis-tuned")(sequence.frames, i + 1, i) for i in range(start, start + STEPS)]
            found.append((sequence, start, flows))
    return found


def _transfer(variant: Variant, clips: list[Clip], seed: int, starts: list[Start]) -> tuple[float, float]:
    """J after one step and after five, of a stream trained on `clips`."""
    torch.manual_seed(seed)
    network = lite_streams(use_flow=False)
    if variant.imagenet:
        network.rgb.backbone.load_published()  # type: ignore[operator, union-attr]
    config = PropagationConfig(use_flow=False)
    batches = PropagationBatches(clips, 8, config, seed, VIDEO)
    with TemporaryDirectory() as folder:
        train(network, batches, partial(joint_loss, network), LEARNING, Path(folder, f"{variant.name}.state"))
    network.eval()
    with torch.inference_mode():
        rows = [rollout(sequence, start, flows, network, config) for sequence, start, flows in starts]
    mean = np.mean(rows, 0)
    return float(mean[0]), float(mean[-1])


def _each_body(scene: Scene, change: Callable[[Body], Body]) -> Scene:
    return replace(scene, bodies=tuple(map(change, scene.bodies)))


def _parts(body: Body, surface_of: Callable[[Image], Image | None]) -> tuple:
    return tuple(
        part if part.surface is None else replace(part, surface=surface_of(part.surface)) for part in body.parts
    )


def _mean(surface: Image) -> Image:
    return np.broadcast_to(surface.mean((0, 1), keepdims=True), surface.shape).copy()


if __name__ == "__main__":
    main()
