"""Boxes, IoU, crop, paste and warp against hand calculations, grid_sample and the laws they must obey."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from vsreid_lite.geometry import (
    Box,
    SparseMap,
    boxes_from_probabilities,
    crop,
    crop_flow,
    cut,
    flow_reach,
    iou,
    paste,
    probability_boxes,
    release_iou,
    resize,
    to_image,
    warp,
    warp_averaged,
)

SHAPE = (9, 13)  # odd on purpose


def boxes(shape=SHAPE):
    """Any box within the image."""
    height, width = shape
    return st.tuples(
        st.tuples(st.integers(0, width), st.integers(0, width)).filter(lambda x: x[0] != x[1]),
        st.tuples(st.integers(0, height), st.integers(0, height)).filter(lambda y: y[0] != y[1]),
    ).map(lambda b: Box(min(b[0]), min(b[1]), max(b[0]), max(b[1])))


def dense(box, shape=SHAPE):
    map_ = torch.zeros(shape)
    cut(map_, box).fill_(1)
    return map_


def test_a_box_is_half_open():
    box = Box(2, 1, 5, 3)
    assert (box.width, box.height, box.area) == (3, 2, 6)
    assert Box.full((3, 7)) == Box(0, 0, 7, 3)
    for corners in [(2, 1, 2, 3), (2, 1, 5, 1)]:
        with pytest.raises(ValueError, match="empty"):
            Box(*corners)


@settings(deadline=None)
@given(boxes())
def test_the_box_of_a_map_is_the_box_it_was_drawn_with(box):
    assert Box.from_probability(dense(box)) == box


def test_the_threshold_is_strict_and_an_empty_map_has_no_box():
    P = torch.full((3, 4), 0.5)
    assert Box.from_probability(P) is None
    P[2, 1] = 0.50001
    assert Box.from_probability(P) == Box(1, 2, 2, 3)
    assert Box.from_probability(P, threshold=0.9) is None


def test_enlarge_grows_each_side_by_its_share_and_clips():
    assert Box(40, 40, 60, 50).enlarge(0.15, (100, 100)) == Box(37, 38, 63, 52)  # 3 and 1.5, rounded up
    assert Box(40, 40, 50, 60).enlarge(0.15, (100, 100)) == Box(38, 37, 52, 63)
    assert Box(1, 0, 21, 100).enlarge(0.15, (100, 100)) == Box(0, 0, 24, 100)
    assert Box(100, 50, 200, 95).enlarge(0.15, (100, 210)) == Box(85, 43, 210, 100)
    assert Box(40, 40, 60, 50).enlarge(0, (100, 100)) == Box(40, 40, 60, 50)


def test_the_release_drops_the_fractions_of_the_enlarged_corners():
    box = Box(10, 20, 20, 33)  # margins of 1.5 and 1.95: corners at 8.5, 18.05, 21.5 and 34.95
    assert box.enlarge(0.15, (100, 100), truncated=True) == Box(8, 18, 21, 34)
    assert box.enlarge(0.15, (100, 100)) == Box(8, 18, 22, 35)
    assert box.enlarge(0.15, (34, 21), truncated=True) == Box(8, 18, 21, 34)
    assert Box(1, 0, 21, 100).enlarge(0.15, (100, 100), truncated=True) == Box(0, 0, 24, 100)
    assert Box(5, 5, 6, 6).enlarge(0.15, (100, 100), truncated=True) == Box(4, 4, 6, 6)


@settings(deadline=None)
@given(boxes(), boxes())
def test_iou_counts_pixels(a, b):
    A, B = dense(a).bool(), dense(b).bool()
    assert iou(a, b) == int((A & B).sum()) / int((A | B).sum()) == iou(b, a)
    assert iou(a, a) == 1


def test_the_iou_of_the_release_exceeds_1_and_tells_left_from_right():
    ten = Box(20, 30, 30, 40)
    assert release_iou(ten, ten) == pytest.approx(1.21)
    beside = Box(30, 30, 40, 40)
    assert iou(ten, beside) == 0 and release_iou(ten, beside) == pytest.approx(11 / 200)
    assert release_iou(beside, ten) == pytest.approx(11 / 190)
    assert release_iou(ten, Box(50, 60, 55, 65)) == 0  # apart along both axes


@settings(deadline=None)
@given(boxes(), st.floats(0, 1, width=32), st.integers(1, 40))
def test_crop_then_paste_of_a_constant_is_that_constant_inside_the_box(box, value, size):
    patch = crop(torch.full((1, *SHAPE), value), box, size)
    assert patch.shape == (1, size, size)
    pasted = paste(patch[0], box, SHAPE)
    assert torch.allclose(pasted, dense(box) * value, rtol=0, atol=1e-6)


def test_crop_at_its_own_size_is_a_cut_of_its_own_and_paste_puts_it_back():
    image = torch.rand(3, *SHAPE)
    box = Box(4, 2, 9, 7)
    assert torch.equal(crop(image, box, 5), image[:, 2:7, 4:9])
    crop(image, box, 5).fill_(2)
    assert image.max() < 1
    assert torch.equal(paste(crop(image, box, 5)[0], box, SHAPE), image[0] * dense(box))


def triangle_weights(source, target):
    """(target, source): how much of each source pixel is in each target pixel, along one axis.

    Pillow's BILINEAR, which torch's antialiased bilinear follows: a triangle around the centre of the target pixel that
    reaches one pixel of the coarser grid to each side; its weights are divided by their sum.
    """
    scale = source / target
    centres = (np.arange(target)[:, None] + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(source) - centres) / max(scale, 1))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_resizing_is_a_triangle_filter_along_each_axis_at_every_small_size(dtype, tolerance, channels_last):
    sizes = range(1, 13) if dtype == torch.float32 and not channels_last else (1, 2, 3, 5, 12)
    weights = {pair: triangle_weights(*pair) for pair in itertools.product(sizes, sizes)}
    whole = torch.rand(2, 12, 12, dtype=dtype, generator=torch.Generator().manual_seed(0))
    if channels_last:
        whole = whole.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for h, w, height, width in itertools.product(sizes, repeat=4):
        image = whole[:, :h, :w]
        expected = weights[h, height] @ image.numpy() @ weights[w, width].T
        error = np.abs(resize(image, (height, width)).numpy() - expected).max()
        assert error < tolerance, f"{h} x {w} to {height} x {width}"


def test_a_patch_pasted_into_a_box_one_pixel_wide_keeps_its_rows():
    box, rows = Box(10, 5, 11, 45), torch.zeros(128, 128)
    rows[40:90] = 1  # in a box 40 pixels high from 12.5 to 28.1 pixels below its top
    pasted = paste(rows, box, (60, 60)) > 0.5
    assert Box.from_probability(pasted.float()) == Box(10, 5 + 13, 11, 5 + 28) and pasted.sum() == 15
    assert torch.equal(paste(rows.T, Box(5, 10, 45, 11), (60, 60)) > 0.5, pasted.T)


def test_a_cropped_flow_is_in_pixels_of_the_patch():
    flow = torch.stack([torch.full(SHAPE, 2.0), torch.full(SHAPE, -3.0)])
    patch = crop_flow(flow, Box(0, 0, 10, 5), 20)
    assert torch.allclose(patch[0], torch.tensor(4.0)) and torch.allclose(patch[1], torch.tensor(-12.0))


@pytest.mark.parametrize("box", [Box(-1, 0, 3, 3), Box(0, -1, 3, 3), Box(0, 0, 14, 3), Box(0, 0, 3, 10)])
def test_a_crop_that_leaves_the_image_is_refused(box):
    with pytest.raises(ValueError, match="leaves the image.*13 x 9"):
        crop(torch.zeros(1, *SHAPE), box, 4)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**16))
def test_zero_flow_is_the_identity_bit_for_bit(height, width, seed):
    P = torch.rand(2, height, width, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(warp(P, torch.zeros(2, height, width)), P)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.floats(0, 60), st.integers(0, 2**16))
def test_warp_is_grid_sample(height, width, size, seed):
    generator = torch.Generator().manual_seed(seed)
    P = torch.rand(3, height, width, generator=generator)
    flow = torch.randn(2, height, width, generator=generator) * size
    x = (torch.arange(width) + flow[0].double()) * 2 / (width - 1) - 1
    y = (torch.arange(height)[:, None] + flow[1].double()) * 2 / (height - 1) - 1
    grid = torch.stack([x, y], -1)[None]
    expected = functional.grid_sample(P[None].double(), grid, "bilinear", "zeros", align_corners=True)[0]
    assert torch.allclose(warp(P, flow).double(), expected, rtol=0, atol=1e-5)
    assert torch.equal(warp(P[0], flow), warp(P, flow)[0])


def test_warp_bears_displacements_without_measure():
    flow = torch.full((2, *SHAPE), 1e9)
    flow[:, 0, 0] = -1e30
    assert not warp(torch.ones(SHAPE), flow).any()


def constant_flow(dx, dy, shape=SHAPE):
    return torch.tensor([dx, dy], dtype=torch.float32)[:, None, None].expand(2, *shape)


def averaged_by_hand(P, flow, reverse):
    """docs/fidelity.md, row 5, pixel by pixel."""
    height, width = P.shape
    result = torch.zeros_like(P)
    back = warp(reverse, flow)
    for y, x in np.ndindex(height, width):
        u, v = (float(value) for value in flow[:, y, x])
        bu, bv = (float(value) for value in back[:, y, x])
        mx, my = x + (u - bu) / 2, y + (v - bv) / 2
        within = 0 <= np.floor(x + u) < width - 1 and 0 <= np.floor(y + v) < height - 1
        if within and 0 <= mx < width - 1 and 0 <= my < height - 1 and np.hypot(u + bu, v + bv) < 100:
            result[y, x] = P[round(my), round(mx)]
    return result


@settings(deadline=None)
@given(st.floats(0, 6), st.integers(0, 2**16))
def test_the_warp_of_the_release_is_its_definition_pixel_by_pixel(size, seed):
    generator = torch.Generator().manual_seed(seed)
    P = torch.rand(2, *SHAPE, generator=generator)
    flow, reverse = (torch.randn(2, 2, *SHAPE, generator=generator) * size * 8).round() / 8  # exact in float32
    warped = warp_averaged(P, flow, reverse)
    assert all(torch.equal(warped[c], averaged_by_hand(P[c], flow, reverse)) for c in (0, 1))


def test_the_warp_of_the_release_drops_flows_that_disagree_by_100_pixels():
    shape, far = (3, 300), Box(50, 0, 200, 2)
    for disagreement, kept in ((99.5, True), (100, False), (100.5, False)):
        flow, reverse = constant_flow(10, 0, shape), constant_flow(disagreement - 10, 0, shape)
        warped = warp_averaged(dense(far, shape)[None], flow, reverse)
        assert bool(warped.any()) is kept


@settings(deadline=None)
@given(boxes(), boxes(), st.integers(0, 2**16))
def test_a_sparse_map_is_exact(box, region, seed):
    P = dense(box) * torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))
    sparse = SparseMap.from_dense(P)
    assert torch.equal(sparse.dense(), P)
    assert torch.equal(sparse.region(region), cut(P, region))
    assert sparse.probability_box() == Box.from_probability(P)


@settings(deadline=None)
@given(boxes(), st.floats(0, 20), st.floats(-20, 20), st.integers(0, 2**16))
def test_a_sparse_warp_has_the_bits_of_the_dense_one(box, size, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    P = dense(box) * torch.rand(SHAPE, generator=generator)
    flow = torch.randn(2, *SHAPE, generator=generator) * size + shift
    warped = SparseMap.from_dense(P).warp(flow, flow_reach(flow))
    assert torch.equal(warped.dense(), warp(P, flow))
    assert warped.probability_box() == Box.from_probability(warp(P, flow))


def test_a_sparse_warp_loses_nothing_to_rounding():
    """A flow of 1e-20 pixels brings as much of the first row and column to the pixels before them: little, not 0."""
    P, flow = dense(Box(3, 2, 6, 5)), torch.full((2, *SHAPE), 1e-20)
    warped = SparseMap.from_dense(P).warp(flow, flow_reach(flow)).dense()
    assert torch.equal(warped, warp(P, flow)) and warped[3, 2] > 0 and warped[1, 4] > 0


def test_the_empty_sparse_map_stays_empty():
    empty = SparseMap.from_dense(torch.zeros(SHAPE))
    flow = torch.ones(2, *SHAPE)
    assert empty.box is None and empty.probability_box() is None
    assert not empty.dense().any() and not empty.region(Box(1, 1, 4, 4)).any()
    assert empty.warp(flow, flow_reach(flow)).box is None


def test_a_warp_is_computed_where_the_map_can_come_from_not_where_the_farthest_flow_of_the_frame_leads():
    flow = torch.zeros(2, 40, 60)
    flow[0, 0, :30] = 50  # far from the map
    P = SparseMap.from_dense(dense(Box(30, 20, 34, 23), (40, 60)))
    warped = P.warp(flow, flow_reach(flow))
    assert torch.equal(warped.dense(), P.dense())
    assert warped.box is not None and warped.box.area <= 6 * 6  # two more rows and columns


def test_the_boxes_of_several_maps_come_in_one_transfer(monkeypatch):
    transfers, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: transfers.append(0) or tolist(tensor))
    monkeypatch.setattr(torch.Tensor, "__int__", None)
    monkeypatch.setattr(torch.Tensor, "nonzero", None)
    maps = [dense(Box(3, 2, 6, 5)), torch.zeros(4, 7), dense(Box(0, 0, 1, 1), (2, 3)), dense(Box(12, 8, 13, 9))]
    expected = [Box(3, 2, 6, 5), None, Box(0, 0, 1, 1), Box(12, 8, 13, 9)]
    assert boxes_from_probabilities(maps) == expected and len(transfers) == 1
    sparse = [SparseMap((40, 60), Box(10, 20, 10 + P.shape[1], 20 + P.shape[0]), P) for P in maps]
    moved = [Box(b.x0 + 10, b.y0 + 20, b.x1 + 10, b.y1 + 20) if b else None for b in expected]
    assert probability_boxes([*sparse, SparseMap.empty((40, 60))]) == [*moved, None] and len(transfers) == 2
    assert probability_boxes([]) == []


def test_flow_reach_is_the_extremes_of_both_axes():
    flow = torch.from_numpy(np.array([[[-1.0, 2.0]], [[3.0, 4.0]]], np.float32))
    assert flow_reach(flow) == (-1, 2, 3, 4)


def test_the_part_of_a_frame_is_the_cut_of_the_whole():
    frame = np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)
    assert torch.equal(to_image(frame, Box(3, 5, 9, 17)), to_image(frame)[:, 5:17, 3:9])
    assert torch.equal(to_image(torch.from_numpy(frame), Box(3, 5, 9, 17)), to_image(frame)[:, 5:17, 3:9])
    assert to_image(frame).max() <= 1 and to_image(frame).dtype == torch.float32
