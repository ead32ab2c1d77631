"""Algorithm 1: the mask propagation module M_mp, for one instance and one pair of neighbouring frames (section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsreid_lite.config import PropagationConfig
from vsreid_lite.geometry import Box, Shape, SparseMap, cut, paste, resize, resize_flow, to_image, warp
from vsreid_lite.networks import PropagationNetwork
from vsreid_lite.video.masks import Frame


@dataclass(frozen=True)
class Propagation:
    """How one probability map came about, for those who want to look.

    guided: P_{i->j,k}, the guided probability map; in a recovery P_{1,k}, whose box is the guide. box: what N_mp saw of
    frame j; None where the guided map is empty. patch: N_mp's answer (S, S), averaged over scales; None without a box.
    """

    guided: SparseMap
    box: Box | None
    patch: Tensor | None


@dataclass(frozen=True)
class Region:
    """What N_mp sees of one instance, cut out at the frame's resolution.

    image: (3, h, w), RGB in [0, 1]. flow: (2, h, w), pixels of the frame. guide: (1, h', w') in [0, 1]; in a recovery
    it comes from the first frame, at another size.
    """

    image: Tensor
    flow: Tensor
    guide: Tensor


def propagate_mask(
    frame: Frame, flow: Tensor, P: Tensor, network: PropagationNetwork, config: PropagationConfig
) -> Tensor:
    """M_mp(I_i, I_j, P_{i,k}): the map P_{j,k} (H, W) of the next frame, in [0, 1].

    frame: I_j (H, W, 3). flow: (2, H, W), for each pixel of frame j where it was in frame i. P: P_{i,k} (H, W).
    """
    return trace_mask(frame, flow, P, network, config)[0]


def trace_mask(
    frame: Frame, flow: Tensor, P: Tensor, network: PropagationNetwork, config: PropagationConfig
) -> tuple[Tensor, Propagation]:
    """As `propagate_mask`, with the record of its steps."""
    guided = warp(P, flow)  # line 4
    sparse = SparseMap.from_dense(guided)
    box = propagation_box(Box.from_probability(guided), sparse.shape, config)  # line 5
    if box is None:  # R4: an empty map stays empty
        return torch.zeros_like(P), Propagation(sparse, None, None)
    region = Region(cut(to_image(frame, device=P.device), box), cut(flow, box), cut(guided[None], box))
    patch = predict_patches([region], network, config)[0]  # line 6
    return paste(patch, box, sparse.shape).clamp(0, 1), Propagation(sparse, box, patch)  # lines 2, 6 and 7


def propagation_box(found: Box | None, shape: Shape, config: PropagationConfig) -> Box | None:
    """The box b that N_mp sees: Box(guided > 0.5), slightly enlarged; in the baseline the whole frame."""
    if found is None:
        return None
    return found.enlarge(config.enlarge, shape, config.truncated_box) if config.use_box else Box.full(shape)


def predict_patches(regions: Sequence[Region], network: PropagationNetwork, config: PropagationConfig) -> Tensor:
    """N_mp on a batch of regions: probabilities (B, S, S), the average over scales and, with `flip`, mirror images.

    Beside N_mp itself, each region is treated alone: what else is in the batch does not change its bits.
    """
    predictions = []
    for size in patch_sizes(config):
        inputs = _patches(regions, size, config.rescale_flow)
        predictions.append(_predict(inputs, network, config))
        if config.flip:
            predictions.append(_predict(_mirror(*inputs), network, config).flip(-1))
    return torch.stack([_average([p[b] for p in predictions], config.patch) for b in range(len(regions))])


def patch_sizes(config: PropagationConfig) -> list[int]:
    """The patch's side at each scale, in pixels: scale 1 is `config.patch`, others are rounded to a multiple of 8."""
    return [config.patch if scale == 1 else max(8, 8 * round(config.patch * scale / 8)) for scale in config.scales]


def _patches(regions: Sequence[Region], size: int, rescale_flow: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Images, flows and guides (B, C, S, S); the release leaves flow in pixels of the frame (FIDELITY row 6)."""
    return (
        torch.stack([resize(region.image, (size, size)) for region in regions]),
        torch.stack([resize_flow(r.flow, size) if rescale_flow else resize(r.flow, (size, size)) for r in regions]),
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
