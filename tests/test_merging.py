"""The merge against the printed formula, and its parts: the merged maps and each label's pixels."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsreid_lite.geometry import SparseMap
from vsreid_lite.merging import label_maps, merge, merged_maps
from vsreid_lite.reference import merge_as_printed


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 5))
def test_the_merge_is_the_printed_formula(seed, K):
    generator = torch.Generator().manual_seed(seed)
    P = (torch.rand(K, 7, 9, generator=generator) * 8).round() / 8  # a grid, so that there are ties
    P[:, :2], P[0, :, 5:], P[-1, :4], P[-1, :, :2], P[-1, 6:] = 0, 0, 0, 0, 0  # boxes of their own
    labels = tuple(range(3, 3 + K))
    assert np.array_equal(merge([SparseMap.from_dense(p) for p in P], labels), merge_as_printed(P, labels))


def test_merge_by_hand():
    P = torch.tensor([[0.5, 0.6, 0.7, 0.3, 0.0, 1.0], [0.0, 0.6, 0.8, 0.3, 0.0, 1.0]])[:, None]
    # background: 0.5 (a tie, the lowest label wins), 0.16, 0.06, 0.49, 1, 0; equal instances: the lower label
    expected = np.array([[0, 4, 9, 0, 0, 4]], np.uint8)
    for found in (merge([SparseMap.from_dense(p) for p in P], (4, 9)), merge_as_printed(P, (4, 9))):
        assert np.array_equal(found, expected) and found.dtype == np.uint8


def test_the_merge_is_decided_in_float64():
    """A trace of another instance takes so little from the background that float32 sees a tie, which it would win."""
    P = torch.tensor([0.5, 2.0**-30])[:, None, None]
    assert torch.equal((1 - P[0]) * (1 - P[1]), P[0])
    assert merge([SparseMap.from_dense(p) for p in P], (4, 9)).item() == 4
    assert merge_as_printed(P, (4, 9)).item() == 4


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 5))
def test_the_labels_of_the_merged_maps_are_those_of_the_merge(seed, K):
    generator = torch.Generator().manual_seed(seed)
    P = torch.rand(K, 7, 9, generator=generator)  # no grid: ties would be a matter of the last bit
    P[:, :2], P[0, :, 5:], P[-1] = 0, 0, P[-1] * (P[-1] > 0.2)
    maps = [SparseMap.from_dense(p) for p in P]
    found = sum((k + 1) * label.dense() for k, label in enumerate(label_maps(merged_maps(maps))))
    assert np.array_equal(found.numpy(), merge(maps, range(1, K + 1)))


def test_merged_maps_by_hand():
    P = torch.tensor([[0.5, 0.6, 0.0, 1.0], [0.0, 0.8, 0.0, 0.5]])[:, None]
    # background 0.5, 0.08, 1, 0; Z = 1, 1.48, 1, 1.5
    first, second = (merged.dense() for merged in merged_maps([SparseMap.from_dense(p) for p in P]))
    assert torch.allclose(first, torch.tensor([[0.5, 0.6 / 1.48, 0, 1 / 1.5]]))
    assert torch.allclose(second, torch.tensor([[0, 0.8 / 1.48, 0, 0.5 / 1.5]]))


def test_a_pixel_is_the_backgrounds_when_no_map_has_more_than_they_all_leave():
    shares = torch.tensor([[0.375, 0.5, 0.4375, 0.0], [0.25, 0.0, 0.4375, 0.625]])[:, None]
    first, second = (label.dense() for label in label_maps([SparseMap.from_dense(p) for p in shares]))
    assert first.tolist() == [[0, 0, 1, 0]] and second.tolist() == [[0, 0, 0, 1]]


def test_nobody_merged_is_nobody():
    nobody = [SparseMap.empty((3, 4))] * 2
    assert [P.box for P in merged_maps(nobody)] == [P.box for P in label_maps(nobody)] == [None, None]
