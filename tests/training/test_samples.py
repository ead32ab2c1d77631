"""Deformed guides, recompositions and the batches that the networks learn from."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.command_line import tiny_frame, tiny_mask
from vsreid_lite.config import PropagationConfig
from vsreid_lite.datasets.scenes import fractal_noise
from vsreid_lite.training import clips
from vsreid_lite.training.clips import Clip, mask_box, real_clips
from vsreid_lite.training.deformation import deform_mask, deformation_steps
from vsreid_lite.training.detection_samples import (
    STRANGER,
    DetectionBatches,
    IdentityBatches,
    RegionBatches,
    _background_box,
    instance_boxes,
)
from vsreid_lite.training.propagation_samples import AnySize, PropagationBatches
from vsreid_lite.training.recomposition import fill_holes, paste, recompose
from vsreid_lite.training.stages import STILLS, VIDEO, Mixture
from vsreid_lite.video.video import Video

SMALL = PropagationConfig(patch=32)


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


def test_a_guide_is_thicker_than_the_mask_three_times_of_four_and_else_thinner():
    """The dilation is MaskTrack's (Perazzi et al. 2017); that a quarter is thinner is ours."""
    rng = np.random.default_rng(2)
    change = []
    for _ in range(200):
        steps = deformation_steps(disk(), rng)
        change.append(float(steps["thickened"].sum() - steps["bent"].sum()))
    thinner, thicker = (np.array(change) < 0).sum(), (np.array(change) > 0).sum()
    assert 0.18 < thinner / (thinner + thicker) < 0.32 and thinner + thicker > 100


@pytest.mark.parametrize("hard", [False, True])
def test_the_last_step_of_a_deformation_is_the_guide_and_each_step_changes_the_one_before(hard):
    guide, steps = (make(disk(), np.random.default_rng(1), hard) for make in (deform_mask, deformation_steps))
    assert list(steps) == ["moved", "bent", *(["corrupted"] if hard else []), "thickened", "softened"]
    assert np.array_equal(steps["softened"], guide)
    stages = [disk(), *steps.values()]
    assert not any(np.array_equal(a, b) for a, b in zip(stages, stages[1:], strict=False))


@pytest.mark.parametrize("mixture", [STILLS, VIDEO], ids=["stills", "video"])
def test_a_propagation_batch_depends_on_seed_and_step_alone(clip, mixture):
    batches = PropagationBatches([clip], 6, SMALL, seed=3, mixture=mixture)
    first, again, other = batches[5], batches[5], batches[6]
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image"], other["image"])
    assert first["image"].shape == (6, 3, 32, 32) and first["guide"].shape == (6, 1, 32, 32)
    assert first["truth"].shape == (6, 32, 32) and set(first["truth"].unique().tolist()) <= {0.0, 1.0}
    assert first["image"].min() >= 0 and first["image"].max() <= 1
    assert first["flow"].shape == (6, 2, 32, 32) and first["flow"].isfinite().all()


def moving(flow):
    """Two equal frames of 64 x 96 with one instance, and a constant flow between them."""
    rng = np.random.default_rng(0)
    frame = (rng.random((64, 96, 3)) * 255).astype(np.uint8)
    labels = np.zeros((64, 96), np.uint8)
    labels[20:44, 30:70] = 1
    constant = np.broadcast_to(np.array(flow, np.float16)[:, None, None], (2, 64, 96))
    return Clip("moving", (frame, frame), (labels, labels), ((), ()), (constant, constant))


def test_batches_of_several_sizes_take_turns_at_random_and_depend_on_seed_and_step_alone(clip):
    sizes = [PropagationBatches([clip], 2, PropagationConfig(patch=side), 0) for side in (32, 48)]
    sides = [AnySize(sizes, 0)[step]["image"].shape[-1] for step in range(12)]
    assert set(sides) == {32, 48} and sides == [AnySize(sizes, 0)[step]["image"].shape[-1] for step in range(12)]
    assert sides != [AnySize(sizes, 1)[step]["image"].shape[-1] for step in range(12)]


def test_flow_is_in_pixels_of_the_patch_whatever_was_cut(monkeypatch):
    """A whole frame of 64 x 96 becomes a patch of 32: a third of dx, half of dy; mirrored, dx changes its sign."""
    monkeypatch.setattr("vsreid_lite.training.propagation_samples._augment", lambda sample, rng: sample)
    whole = PropagationBatches([moving((6, 4))], 4, replace(SMALL, use_box=False), seed=0)[0]["flow"]
    assert torch.allclose(whole[:, 0], torch.tensor(2.0)) and torch.allclose(whole[:, 1], torch.tensor(2.0))
    unbent = Mixture(neighbour=1.0, recovery=0.0, warped=1.0, kept=1.0)
    cut = PropagationBatches([moving((0, 4))], 4, replace(SMALL, enlarge=0.0), seed=0, mixture=unbent)[0]["flow"]
    assert cut[:, 1, 16, 16].numpy() == pytest.approx(4 * 32 / 24, rel=0.1)  # the box is 24 pixels high
    assert cut[:, 0].abs().max() < 1e-4


def test_a_neighbouring_mask_is_that_of_the_other_frame_of_the_pair(monkeypatch):
    """Four frames are two pairs, (0, 1) and (2, 3); the instance of each frame has a place of its own."""
    monkeypatch.setattr("vsreid_lite.training.propagation_samples._augment", lambda sample, rng: sample)
    labels = np.zeros((4, 64, 96), np.uint8)
    for i in range(4):
        labels[i, 20:40, 24 * i : 24 * i + 16] = 1
    frames, rest = (np.zeros((64, 96, 3), np.uint8),) * 4, (np.zeros((2, 64, 96), np.float16),) * 4
    as_it_is = Mixture(neighbour=1.0, recovery=0.0, warped=1.0, kept=1.0)
    whole = replace(SMALL, use_box=False)
    batch = PropagationBatches([Clip("pairs", frames, tuple(labels), ((),) * 4, rest)], 32, whole, 0, as_it_is)[0]
    guided, true = ((masks.flatten(0, -3).sum(1) > 0).float() for masks in (batch["guide"], batch["truth"]))
    shown, own = (columns.view(32, 4, 8).sum(2).argmax(1).tolist() for columns in (guided, true))
    assert set(own) == {0, 1, 2, 3} and shown == [{0: 1, 1: 0, 2: 3, 3: 2}[i] for i in own]


def test_a_leaking_guide_also_covers_a_part_of_an_instance_beside_it_and_others_stay_as_they_are():
    labels = np.zeros((64, 96), np.uint8)
    labels[20:44, 20:40], labels[20:44, 44:64], labels[50:60, 80:90] = 1, 2, 3
    batches = PropagationBatches((), 1, SMALL, 0, Mixture(leaking=1.0))
    rng, source = np.random.default_rng(0), (labels == 1).astype(np.float32)
    added = [batches._leaking(rng, source, labels, 1) - source for _ in range(20)]
    assert all(set(labels[part > 0]) == {2} for part in added)  # 3 is too far
    assert len({float(part.sum()) for part in added}) > 10
    alone, before = (labels == 3).astype(np.float32), rng.bit_generator.state
    assert batches._leaking(rng, alone, labels, 3) is alone
    batches.mixture = Mixture()
    assert batches._leaking(rng, source, labels, 1) is source and rng.bit_generator.state == before


def test_a_patch_of_the_papers_size_shows_what_the_frame_shows():
    """Stripes of two pixels are lost in a window for patches of 128 and live in one for 449."""
    frame = np.zeros((700, 700, 3), np.uint8)
    frame[:, 0::4], frame[:, 1::4] = 255, 255
    labels = np.zeros((700, 700), np.uint8)
    labels[200:500, 200:500] = 1
    rest = np.zeros((2, 700, 700), np.float16)
    clip = Clip("stripes", (frame, frame), (labels, labels), ((), ()), (rest, rest))
    unbent = Mixture(neighbour=1.0, recovery=0.0, warped=1.0, kept=1.0)

    def contrast(patch):
        return PropagationBatches([clip], 4, PropagationConfig(patch=patch), 0, unbent)[0]["image"].std().item()

    assert contrast(449) > 3 * contrast(128)


def test_the_guided_instance_is_the_truth_and_not_its_neighbour(clip):
    batches = PropagationBatches([clip], 32, SMALL, seed=0, mixture=STILLS)
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


def test_a_pasted_instance_stands_in_front_and_the_rest_stays(clip):
    frame = np.full((64, 96, 3), 100, np.uint8)
    pasted, mask = paste(frame, clip, 0, 1, np.random.default_rng(0))
    assert set(np.unique(mask)) == {0, 1} and mask.sum() >= 30
    far = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
    assert (pasted[far] == 100).all() and (frame == 100).all()
    red, _, blue = pasted[cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0].astype(int).T
    assert (red > blue + 100).all(), "the colours of another place"


def test_pasted_instances_have_any_size_side_and_brightness_within_the_limits(clip):
    halves = clip.frames[0].copy()
    halves[clip.labels[0] == 1] = (200, 0, 0)
    halves[10:30, 20:30] = (0, 0, 200)  # the right half of instance 1, a square of 20 pixels
    donor = replace(clip, frames=(halves, *clip.frames[1:]))
    sides, mirrored = [], []
    for seed in range(60):
        pasted, mask = paste(np.zeros((160, 240, 3), np.uint8), donor, 0, 1, np.random.default_rng(seed))
        box = mask_box(mask > 0)
        if box is None or 0 in (box.x0, box.y0) or (box.x1, box.y1) == (240, 160):
            continue
        sides.append(max(box.width, box.height))
        redness = pasted[..., 0].astype(int) - pasted[..., 2]
        middle = (box.x0 + box.x1) // 2
        mirrored.append(redness[:, :middle].sum() < redness[:, middle:].sum())
    assert 0.1 * 160 - 2 <= min(sides) < 20 < max(sides) <= 2 * 20 + 2
    assert 0.2 < np.mean(mirrored) < 0.8


def test_identities_are_numbered_by_video_and_label(clip):
    batches = IdentityBatches([clip, Clip("other", clip.frames, clip.labels, clip.strangers)], 16, seed=0)
    crops, identities = batches[0]
    assert crops.shape == (16, 3, 96, 96)
    assert set(batches.identities) == {"test 1", "test 2", "other 1", "other 2"}
    assert set(identities.tolist()) <= {STRANGER, 0, 1, 2, 3}
    assert set(instance_boxes(clip.labels[0])) == {1, 2}


def test_labels_of_one_object_are_one_identity(clip):
    twins = replace(clip, identities={1: "seal", 2: "seal"})
    batches = IdentityBatches([twins, replace(twins, video="other")], 16, seed=0)
    assert batches.identities == {"seal": 0} and set(batches[0][1].tolist()) <= {STRANGER, 0}


def test_regions_come_with_frames_of_one_size_and_show_the_instances_of_their_identities(clip):
    """Instance 1 is bright and yellow, instance 2 dark and blue, all else grey: what is cut out must be one of them."""
    batches = RegionBatches([clip, Clip("other", clip.frames, clip.labels, clip.strangers)], 4, seed=0)
    images, boxes, identities = batches[0]
    assert images.shape == (4, 3, 562, 1000) and boxes.shape == (4, 8, 4) and identities.shape == (4, 8)
    assert all(torch.equal(a, b) for a, b in zip(batches[0], (images, boxes, identities), strict=True))
    assert (boxes[..., :2] >= 0).all() and (boxes[..., 2] <= 999).all() and (boxes[..., 3] <= 561).all()
    label = {number: int(name.split()[1]) for name, number in batches.identities.items()}
    seen = set()
    for step in range(4):
        for image, corners, names in zip(*batches[step], strict=True):
            for (x0, y0, x1, y1), name in zip(corners.round().int().tolist(), names.tolist(), strict=True):
                middle = image[:, (y0 + y1) // 2, (x0 + x1) // 2]
                if name != STRANGER:
                    assert (middle[0] > 0.6) == (label[name] == 1)
                    seen.add(name)
    assert seen == set(label)


def test_a_guide_is_a_probability_map_and_nothing_stays_nothing():
    rng = np.random.default_rng(1)
    guides = [deform_mask(disk(), rng, hard=bool(i % 2)) for i in range(20)]
    assert all(g.min() >= 0 and g.max() <= 1 + 1e-6 and g.dtype == np.float32 for g in guides)
    assert not deform_mask(np.zeros((32, 32), np.float32), rng, hard=True).any()


def test_a_mirrored_sample_moves_the_other_way():
    made = PropagationBatches([moving((9, 0))], 64, replace(SMALL, use_box=False), seed=1)[0]["flow"][:, 0].mean((1, 2))
    assert (made > 1).sum() > 10 and (made < -1).sum() > 10


def test_n_reid_sees_an_instance_in_other_frames_too_under_its_own_name():
    frame, labels = np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128), np.uint8)
    frame[30:60, 40:80], labels[30:60, 40:80] = (0, 255, 0), 1
    green = Clip("green", (frame,) * 2, (labels,) * 2, ((),) * 2)
    blank = Clip("blank", (np.full_like(frame, 128),) * 2, (np.zeros_like(labels),) * 2, ((),) * 2)
    elsewhere = 0
    for step in range(6):
        crops, names = IdentityBatches([green, blank], 16, seed=0)[step]
        for crop, name in zip(crops, names.tolist(), strict=True):
            instance, other_clip = crop[1] > 2 * crop[0] + 0.2, crop[0] > 0.3  # green, and the grey of the other clip
            if instance.float().mean() > 0.3 and other_clip.float().mean() > 0.03:
                elsewhere += 1
                assert name == 0
    assert elsewhere > 2


def test_recompositions_keep_every_instance_and_fill_the_place_it_left(clip):
    made = recompose(clip.frames[0], clip.labels[0], count=3, seed=0)
    assert len(made.frames) == 6 and all(set(np.unique(m)) == {0, 1, 2} for m in made.labels)
    assert any((m != clip.labels[0]).any() for m in made.labels)
    filled = fill_holes(clip.frames[0], clip.labels[0] > 0)
    hole = clip.labels[0] == 1
    assert abs(filled[hole].mean() - clip.frames[0][clip.labels[0] == 0].mean()) < 25


@pytest.mark.parametrize(("width", "height"), [(9, 64), (20, 200), (64, 9)])
def test_frames_of_any_proportions_give_crops_of_background(width, height):
    frames, labels = (np.zeros((height, width, 3), np.uint8),) * 2, (np.zeros((height, width), np.uint8),) * 2
    strip = Clip("strip", frames, labels, ((),) * 2)
    rng = np.random.default_rng(0)
    boxes = [_background_box(rng, width, height) for _ in range(200)]
    assert all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in boxes)
    if min(width, height) >= 20:  # boxes of at least 8 pixels
        assert IdentityBatches([strip], 6, 0)[0][1].tolist() == [STRANGER] * 6


def video(frames, masks):
    """A real sequence of so many frames, the first `masks` of which have masks."""
    annotations = [tiny_mask((1,)) if i < masks else None for i in range(frames)]
    return Video("apes", [tiny_frame(i) for i in range(frames)], tiny_mask((1,)), annotations=annotations)


@pytest.mark.parametrize(("frames", "masks"), [(5, 5), (8, 7), (8, 1)])
def test_a_real_sequence_that_is_too_short_or_lacks_masks_is_named(monkeypatch, frames, masks):
    monkeypatch.setattr(clips, "load_davis", lambda *_: video(frames, masks))
    line = f"sequence apes: expected at least 6 frames, each with a mask, .* found {frames} frames and {masks} masks"
    with pytest.raises(ValueError, match=line):
        real_clips(Path("davis"), ["apes"], 2)
