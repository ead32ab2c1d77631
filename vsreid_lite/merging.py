"""The merge M_i(l): the K maps of a frame to one label for each pixel (section 3.3), and its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vsreid_lite.geometry import Box, SparseMap
from vsreid_lite.video.masks import Mask


def merge(maps: Sequence[SparseMap], labels: Sequence[int]) -> Mask:
    """M_i(l): the K maps of a frame to its labels (H, W), uint8: `labels[k]` for instance k, 0 for the background.

    The label of the largest of prod_j (1 - P_j), which is the background's, and P_1, ..., P_K, each divided by their
    sum Z. In float64; ties go to the lowest label. Outside the union of the boxes the background is certain.
    """
    mask = np.zeros(maps[0].shape, np.uint8)
    present = [k for k, P in enumerate(maps) if P.box is not None]
    union = _union(maps)
    if union is None:
        return mask
    values = _divided_by_Z([maps[k].region(union) for k in present])
    best = next(values)
    found = torch.zeros_like(best, dtype=torch.uint8)
    for k, value in zip(present, values, strict=True):
        found[value > best] = labels[k]
        best = torch.maximum(best, value)
    mask[union.y0 : union.y1, union.x0 : union.x1] = found.cpu().numpy()
    return mask


def merged_maps(maps: Sequence[SparseMap]) -> list[SparseMap]:
    """P_k / Z of the K maps of a frame, float32: what the release guides N_mp with (docs/fidelity.md, row 4)."""
    union = _union(maps)
    if union is None:
        return list(maps)
    values = _divided_by_Z([P.region(union) for P in maps])
    next(values)
    return [
        P if P.box is None else SparseMap(P.shape, P.box, SparseMap(P.shape, union, value.float()).region(P.box))
        for P, value in zip(maps, values, strict=True)
    ]


def label_maps(merged: Sequence[SparseMap]) -> list[SparseMap]:
    """Of K merged maps, warped or not, the pixels of each label: 1 there, 0 elsewhere (docs/fidelity.md, row 3).

    The background has what the K maps leave of 1; ties go to it, then to the lowest label.
    """
    union = _union(merged)
    if union is None:
        return list(merged)
    values = torch.stack([P.region(union) for P in merged])
    labels = torch.cat([1 - values.sum(0, keepdim=True), values]).argmax(0)
    return [SparseMap(P.shape, union, (labels == k + 1).float()) for k, P in enumerate(merged)]


def _divided_by_Z(maps: Sequence[Tensor]) -> Iterator[Tensor]:
    """The background's prod_j (1 - P_j) / Z, then P_k / Z of each map (h, w), in float64."""
    P = [P_k.double() for P_k in maps]
    background, total = torch.ones_like(P[0]), torch.zeros_like(P[0])
    for P_k in P:
        background, total = background * (1 - P_k), total + P_k
    Z = background + total
    yield background / Z
    for P_k in P:
        yield P_k / Z


def _union(maps: Sequence[SparseMap]) -> Box | None:
    boxes = [P.box for P in maps if P.box is not None]
    if not boxes:
        return None
    return Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
