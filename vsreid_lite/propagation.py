"""Algorithm 1: the mask propagation module M_mp, for one map or a batch of maps (section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsreid_lite.config import PRINTED, PropagationConfig, ReleaseRules
from vsreid_lite.geometry import Box, Shape, SparseMap, cut, flow_reach, resize, resize_flow, to_image
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.video.masks import Frame

UPLOADED = 8  # frames: both sweeps of a recovery look at one each, several times


@dataclass(frozen=True)
class Region:
    """What N_mp sees of one instance, cut out at the frame's resolution.

    Attributes:
        image: (3, h, w), RGB in [0, 1].
        flow: (2, h, w), in pixels of the frame.
        guide: (1, h', w'), in [0, 1]; in a recovery it comes from the first frame, at another size.
    """

    image: Tensor
    flow: Tensor
    guide: Tensor


class FramesOnDevice:
    """The frames of a video, on the device of N_mp; on a GPU the last `UPLOADED` are kept there.

    Args:
        frames: (H, W, 3), uint8.
        device: where N_mp runs.
    """

    def __init__(self, frames: Sequence[Frame], device: torch.device) -> None:
        self._frames, self._device = frames, device
        self._uploaded: dict[int, Tensor] = {}  # the one used last at the end

    def __getitem__(self, i: int) -> Frame | Tensor:
        if self._device.type == "cpu":
            return self._frames[i]
        self._uploaded[i] = self._uploaded.pop(i) if i in self._uploaded else self._upload(i)
        if len(self._uploaded) > UPLOADED:
            del self._uploaded[next(iter(self._uploaded))]
        return self._uploaded[i]

    def _upload(self, i: int) -> Tensor:
        frame = torch.from_numpy(np.ascontiguousarray(self._frames[i]))
        pinned = frame.pin_memory() if self._device.type == "cuda" else frame
        return pinned.to(self._device, non_blocking=True)


@dataclass(frozen=True)
class View:
    """One map before it is predicted: Algorithm 1 up to the cut with the box.

    Attributes:
        guided: P_{i->j,k}, the guided probability map; in a recovery the first frame's map of the
            instance, whose part inside the template's box is the guide.
        box: what N_mp sees of frame j; None where the guided map has no pixel above 0.5.
        region: frame, flow and guide inside the box; None without a box.
    """

    guided: SparseMap
    box: Box | None = None
    region: Region | None = None


@dataclass(frozen=True)
class Propagation:
    """One map and how it came about.

    Attributes:
        guided: as in `View`.
        box: as in `View`.
        patch: the answer of N_mp (S, S), averaged over scales; None without a box.
        P: the new map P_{j,k}.
    """

    guided: SparseMap
    box: Box | None
    patch: Tensor | None
    P: SparseMap


def propagate_mask(
    frame: Frame,
    flow: Tensor,
    P: Tensor,
    network: PropagationNetwork,
    config: PropagationConfig,
    release: ReleaseRules = PRINTED,
) -> Tensor:
    """M_mp(I_i, I_j, P_{i,k}): predict the map of an instance in frame j from its map in the neighbouring frame i.

    Args:
        frame: I_j, (H, W, 3).
        flow: (2, H, W), for each pixel of frame j where it was in frame i.
        P: P_{i,k}, (H, W), in [0, 1].
        network: N_mp.
        config: patch, box, scales and flip.
        release: rules of the authors' release that concern one map by itself (rows 2 and 6 of docs/fidelity.md).

    Returns:
        P_{j,k}, (H, W), in [0, 1]. An empty map stays empty (R4).
    """
    view = guided_view(frame, flow, SparseMap.from_dense(P), config, release)
    return propagate([view], network, config, release)[0].P.dense()


def guided_view(
    frame: Frame,
    flow: Tensor,
    P: SparseMap,
    config: PropagationConfig,
    release: ReleaseRules = PRINTED,
) -> View:
    """Algorithm 1, lines 4 and 5: warp a map, find its box, and cut frame, flow and map with it.

    Args:
        frame: I_j, (H, W, 3).
        flow: (2, H, W), for each pixel of frame j where it was in frame i.
        P: P_{i,k}.
        config: whether N_mp sees a box, and how far it is enlarged.
        release: row 2 of docs/fidelity.md.
    """
    guided = P.warp(flow, flow_reach(flow))  # line 4
    return cut_view(frame, flow, guided, propagation_box(guided.probability_box(), guided.shape, config, release))


def cut_view(frame: Frame | Tensor, flow: Tensor, guided: SparseMap, box: Box | None) -> View:
    """The view of a guided map through a box, which need not be its own."""
    if box is None:  # R4: an empty map stays empty
        return View(guided)
    image = to_image(frame, box, guided.values.device)
    return View(guided, box, Region(image, cut(flow, box), guided.region(box)[None]))


def propagation_box(
    found: Box | None, shape: Shape, config: PropagationConfig, release: ReleaseRules = PRINTED
) -> Box | None:
    """The box b that N_mp sees: Box(guided > 0.5), slightly enlarged; in the baseline the whole frame."""
    if found is None:
        return None
    return found.enlarge(config.enlarge, shape, release.truncated_box) if config.use_box else Box.full(shape)


def propagate(
    views: Sequence[View], network: PropagationNetwork, config: PropagationConfig, release: ReleaseRules = PRINTED
) -> list[Propagation]:
    """Algorithm 1, lines 6 and 7: ask N_mp about all views as one batch, and paste its answers into maps of zeros.

    Views without a box become empty maps, for which the network is not asked. Beside N_mp itself, each view is treated
    alone: what else is in the batch does not change its bits.
    """
    regions = [view.region for view in views if view.region is not None]
    patches = iter(predict_patches(regions, network, config, release) if regions else ())
    return [_pasted(view, None if view.region is None else next(patches)) for view in views]


def _pasted(view: View, patch: Tensor | None) -> Propagation:
    shape, box = view.guided.shape, view.box
    if patch is None or box is None:
        return Propagation(view.guided, None, None, SparseMap.empty(shape, view.guided.values.device))
    values = resize(patch[None], (box.height, box.width))[0].clamp(0, 1)
    return Propagation(view.guided, box, patch, SparseMap(shape, box, values))


def predict_patches(
    regions: Sequence[Region], network: PropagationNetwork, config: PropagationConfig, release: ReleaseRules = PRINTED
) -> Tensor:
    """N_mp on a batch of regions: probabilities (B, S, S), the average over scales and, with `flip`, mirror images."""
    predictions = []
    for size in patch_sizes(config):
        inputs = _patches(regions, size, release.unscaled_flow)
        predictions.append(_predict(inputs, network, config))
        if config.flip:
            predictions.append(_predict(_mirror(*inputs), network, config).flip(-1))
    return torch.stack([_average([p[b] for p in predictions], config.side) for b in range(len(regions))])


def patch_sizes(config: PropagationConfig) -> list[int]:
    """The patch's side at each scale, in pixels: scale 1 is `config.side`, others are rounded to a multiple of 8."""
    return [config.side if scale == 1 else max(8, 8 * round(config.side * scale / 8)) for scale in config.scales]


def _patches(regions: Sequence[Region], size: int, unscaled_flow: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Images, flows and guides (B, C, S, S); the release has flow in pixels of the frame (docs/fidelity.md, row 6)."""
    return (
        torch.stack([resize(region.image, (size, size)) for region in regions]),
        torch.stack([resize(r.flow, (size, size)) if unscaled_flow else resize_flow(r.flow, size) for r in regions]),
        torch.stack([resize(region.guide, (size, size)) for region in regions]),
    )


def _average(patches: list[Tensor], size: int) -> Tensor:
    total = torch.zeros(size, size, device=patches[0].device)
    for patch in patches:
        total = total + resize(patch[None], (size, size))[0]
    return total / len(patches)


def _mirror(image: Tensor, flow: Tensor, guide: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Left and right exchanged, dx negated."""
    return image.flip(-1), torch.stack([-flow[:, 0], flow[:, 1]], 1).flip(-1), guide.flip(-1)


def _predict(inputs: tuple[Tensor, Tensor, Tensor], network: PropagationNetwork, config: PropagationConfig) -> Tensor:
    on_gpu = inputs[0].is_cuda
    with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu and config.autocast):
        return network.predict(*inputs).float()
