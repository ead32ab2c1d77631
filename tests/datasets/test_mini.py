from functools import cache

import numpy as np
import pytest
import torch

from vsreid_lite.datasets.mini import CHALLENGES, FRAMES, SHAPE, SMALLEST, mini_scene, mini_test, mini_video
from vsreid_lite.evaluation import Scores, score_sequence
from vsreid_lite.flow import DisFlow
from vsreid_lite.geometry import Box, warp
from vsreid_lite.system.files import MINI
from vsreid_lite.video.video import Video

LOOK_ALIKE = [name for name in CHALLENGES if name.startswith("look-alike")]


@cache
def frozen() -> list[Video]:
    return mini_test()


def test_there_are_twelve_sequences_each_named_after_its_challenge():
    assert [sequence.name for sequence in frozen()] == list(CHALLENGES)
    for sequence, challenge in zip(frozen(), CHALLENGES.values(), strict=True):
        assert (sequence.N, sequence.shape, sequence.K) == (FRAMES, SHAPE, challenge.instances)
        assert all(annotation is not None for annotation in sequence.annotations)


def test_the_frozen_split_takes_at_most_8_megabytes():
    assert sum(path.stat().st_size for path in MINI.rglob("*") if path.is_file()) <= 8e6


def test_every_instance_is_visible_in_frame_0():
    for sequence in frozen():
        areas = np.bincount(sequence.first_mask.ravel())
        assert len(areas) == sequence.K + 1
        assert areas.min() >= SMALLEST


@pytest.mark.parametrize("index", range(12))
def test_the_frozen_files_are_what_the_scene_renders(index: int):
    scene, sequence = mini_scene("test", index), frozen()[index]
    for i in (0, 13, 26, 39):
        rendered = scene.render(i)
        different = np.count_nonzero(rendered.labels != sequence.annotations[i])
        assert different <= 2, "bit for bit; another processor may round a point of an outline the other way"
        error = np.abs(rendered.image.astype(int) - sequence.frames[i])
        assert error.mean() < 3, "frames differ by the error of their JPEG file alone"


def test_instances_leave_hide_and_return():
    lost = {s.name: [s for k in s.labels if returns(s, k)] for s in frozen()}
    assert {"exit-and-return", "look-alike-exit"} <= {name for name, found in lost.items() if len(found) >= 2}
    assert sum(map(len, lost.values())) >= 6


def returns(sequence: Video, label: int) -> bool:
    visible = np.array([(annotation == label).any() for annotation in sequence.annotations])
    return bool(np.any(~visible[:-1] & visible[1:]))


def test_warping_the_first_mask_by_dis_flow_alone_scores_below_055():
    instances = {}
    for sequence in frozen():
        truth = np.stack(sequence.annotations)
        instances |= score_sequence(sequence.name, truth, warped_masks(sequence))
    assert 0.2 < Scores(instances).global_mean < 0.55


def warped_masks(sequence: Video) -> np.ndarray:
    flow, P = DisFlow(), sequence.first_probabilities()
    masks = [sequence.first_mask]
    for j in range(1, sequence.N):
        P = warp(P, flow(sequence.frames, target=j, source=j - 1))
        best, instance = P.max(0)
        masks.append(torch.where(best > 0.5, instance + 1, 0).numpy().astype(np.uint8))
    return np.stack(masks)


@pytest.mark.parametrize("name", LOOK_ALIKE)
def test_look_alikes_are_not_told_apart_by_mean_colour(name: str):
    sequence = next(s for s in frozen() if s.name == name)
    templates = np.array([mean_colour(sequence, 0, k) for k in sequence.labels])
    hits = []
    for k in sequence.labels:
        for i in range(1, sequence.N):
            colour = mean_colour(sequence, i, k)
            if colour is not None:
                nearest = np.linalg.norm(templates - colour, axis=1).argmin()
                hits.append(sequence.labels[nearest] == k)
    assert len(hits) > 40
    assert np.mean(hits) < 0.8


def mean_colour(sequence: Video, i: int, label: int) -> np.ndarray | None:
    """The mean RGB of what the box of an instance shows; None where less than SMALLEST pixels of it are seen."""
    mask = sequence.annotations[i] == label
    if mask.sum() < SMALLEST:
        return None
    box = Box.from_probability(torch.from_numpy(mask.astype(np.float32)))
    return sequence.frames[i][box.y0 : box.y1, box.x0 : box.x1].mean((0, 1))


def test_a_sequence_comes_from_its_split_and_index_alone():
    first, again = mini_scene("val", 14).render(4), mini_scene("val", 14).render(4)
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, mini_scene("train", 14).render(4).image)
    assert not np.array_equal(first.image, mini_scene("val", 2).render(4).image)


def test_later_scenes_repeat_the_challenges_under_names_of_their_own():
    sequence = mini_video("train", 12 + 5)
    assert sequence.name == "fast-motion-0017"
    assert sequence.labels == (1, 2)
    assert np.array_equal(sequence.first_mask, sequence.annotations[0])


def test_another_split_is_refused_by_name():
    with pytest.raises(ValueError, match="expected one of train, val, test, found 'trainval'"):
        mini_scene("trainval", 0)
