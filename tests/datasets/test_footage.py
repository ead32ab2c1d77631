"""The training scenes in the style of footage: repeatable, annotated, and unlike mini where they should be."""

import numpy as np

from vsreid_lite.datasets.footage import FRAMES, SHAPE, footage_scene
from vsreid_lite.datasets.mini import SMALLEST, mini_scene
from vsreid_lite.training.clips import footage_clips


def test_a_scene_depends_on_its_index_alone():
    first, again, other = (footage_scene(index).render(3).image for index in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_frame_0_shows_every_instance():
    for index in range(3):
        scene = footage_scene(index)
        labels = scene.render(0).labels
        instances = [body.label for body in scene.bodies if body.label]
        assert labels.shape == SHAPE and scene.frames == FRAMES and instances
        assert all((labels == label).sum() >= SMALLEST for label in instances)


def test_some_bodies_have_no_dark_rim_where_all_of_mini_have():
    rims = [body.rim for index in range(6) for body in footage_scene(index).bodies]
    assert 0.0 in rims and max(rims) <= 0.35
    assert {body.rim for body in mini_scene("train", 0).bodies} == {0.35}


def test_a_clip_has_pairs_of_near_frames_with_their_flow():
    (clip,) = footage_clips(1, pairs=2)
    assert len(clip.frames) == len(clip.labels) == len(clip.flows) == len(clip.strangers) == 4
    assert all(flow.shape == (2, *SHAPE) for flow in clip.flows) and clip.video == "footage 0"
