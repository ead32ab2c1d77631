"""Deformed guides, recompositions and the batches that the networks learn from."""

import numpy as np
import pytest
import torch

from vsreid_lite.datasets.textures import fractal_noise
from vsreid_lite.training.clips import Clip
from vsreid_lite.training.deformation import deform_mask
from vsreid_lite.training.detection_samples import STRANGER, DetectionBatches, IdentityBatches, instance_boxes
from vsreid_lite.training.propagation_samples import STILLS, VIDEO, PropagationBatches
from vsreid_lite.training.recomposition import fill_holes, recompose


def disk(size=96, radius=24):
    y, x = np.mgrid[:size, :size] - size // 2
    return (x**2 + y**2 < radius**2).astype(np.float32)


def jaccard(a, b):
    return ((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum()


@pytest.fixture(scope="module")
def clip():
    """Two pairs of frames in which instance 1 (a bright square) moves and instance 2 (a dark one) rests."""
    rng = np.random.default_rng(0)
    frames, labels = [], []
    for i in range(4):
        grey = (fractal_noise(rng, (64, 96)) * 80 + 80).astype(np.uint8)
        label = np.zeros((64, 96), np.uint8)
        label[10:30, 10 + 4 * i : 30 + 4 * i], label[36:56, 60:84] = 1, 2
        frame = np.repeat(grey[..., None], 3, 2)
        frame[label == 1], frame[label == 2] = (240, 200, 40), (20, 30, 60)
        frames.append(frame)
        labels.append(label)
    return Clip("test", tuple(frames), tuple(labels), ((),) * 4)


def test_a_deformed_mask_stays_near_the_true_one_and_a_hard_one_strays():
    rng = np.random.default_rng(0)
    mild = [jaccard(deform_mask(disk(), rng), disk()) for _ in range(40)]
    hard = [jaccard(deform_mask(disk(), rng, hard=True), disk()) for _ in range(40)]
    assert 0.6 < np.mean(mild) < 0.95 and min(mild) > 0.4
    assert np.mean(hard) < np.mean(mild) - 0.1


def test_a_guide_is_a_probability_map_and_nothing_stays_nothing():
    rng = np.random.default_rng(1)
    guides = [deform_mask(disk(), rng, hard=bool(i % 2)) for i in range(20)]
    assert all(g.min() >= 0 and g.max() <= 1 + 1e-6 and g.dtype == np.float32 for g in guides)
    assert not deform_mask(np.zeros((32, 32), np.float32), rng, hard=True).any()


@pytest.mark.parametrize("mixture", [STILLS, VIDEO], ids=["stills", "video"])
def test_a_propagation_batch_depends_on_seed_and_step_alone(clip, mixture):
    batches = PropagationBatches([clip], 6, 32, 0.15, seed=3, mixture=mixture)
    first, again, other = batches[5], batches[5], batches[6]
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image"], other["image"])
    assert first["image"].shape == (6, 3, 32, 32) and first["guide"].shape == (6, 1, 32, 32)
    assert first["truth"].shape == (6, 32, 32) and set(first["truth"].unique().tolist()) <= {0.0, 1.0}
    assert first["image"].min() >= 0 and first["image"].max() <= 1


def test_the_guided_instance_is_the_truth_and_not_its_neighbour(clip):
    batches = PropagationBatches([clip], 32, 32, 0.15, seed=0, mixture=STILLS)
    batch = batches[0]
    overlaps = [
        jaccard(g[0].numpy(), t.numpy()) for g, t in zip(batch["guide"], batch["truth"], strict=True) if t.any()
    ]
    assert np.median(overlaps) > 0.5


def test_detection_targets_are_the_boxes_of_instances_and_strangers(clip):
    images, targets = DetectionBatches([clip], 3, seed=0)[0]
    assert len(images) == len(targets) == 3
    for image, target in zip(images, targets, strict=True):
        assert image.shape == (3, 64, 96) and target["boxes"].shape == (2, 4)
        sizes = sorted((target["boxes"][:, 2] - target["boxes"][:, 0]).tolist())
        assert sizes == [20, 24] and target["labels"].tolist() == [1, 1]


def test_identities_are_numbered_by_video_and_label(clip):
    batches = IdentityBatches([clip, Clip("other", clip.frames, clip.labels, clip.strangers)], 16, seed=0)
    crops, identities = batches[0]
    assert crops.shape == (16, 3, 96, 96)
    assert set(batches.identities) == {("test", 1), ("test", 2), ("other", 1), ("other", 2)}
    assert set(identities.tolist()) <= {STRANGER, 0, 1, 2, 3}
    assert set(instance_boxes(clip.labels[0])) == {1, 2}


def test_recompositions_keep_every_instance_and_fill_the_place_it_left(clip):
    made = recompose(clip.frames[0], clip.labels[0], count=3, seed=0)
    assert len(made.frames) == 6 and all(set(np.unique(m)) == {0, 1, 2} for m in made.labels)
    assert any((m != clip.labels[0]).any() for m in made.labels)
    filled = fill_holes(clip.frames[0], clip.labels[0] > 0)
    hole = clip.labels[0] == 1
    assert abs(filled[hole].mean() - clip.frames[0][clip.labels[0] == 0].mean()) < 25
