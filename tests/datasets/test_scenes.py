from dataclasses import replace

import cv2
import numpy as np
import pytest

from vsreid_lite.datasets.mini import mini_scene
from vsreid_lite.datasets.scenes import BACKGROUND, Body, Part, Scene, Track

LONG = np.array([-50, 50], np.float32)


def steady(start: tuple[float, ...], speed: tuple[float, ...]) -> Track:
    """A track that is linear in time, and so is not changed by its smoothing."""
    return Track(LONG, np.array([np.add(start, np.multiply(t, speed)) for t in LONG], np.float32))


def disk(label: int, depth: float, motion: Track, swing: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Body:
    zero, grey = np.zeros(2, np.float32), np.full((64, 64, 3), 0.2 * label, np.float32)
    part = Part(zero, zero, np.full(2, 10, np.float32), 2.0, (2, 0.0, 0.0), 0.0, swing, zero, 0.0)
    return Body(label, depth, (part,), grey, motion)


def hand_made(bodies: tuple[Body, ...], camera: Track) -> Scene:
    return Scene((48, 64), 5, np.zeros((120, 160, 3), np.float32), bodies, camera)


STILL = steady((0, 0, 1, 0), (0, 0, 0, 0))


@pytest.fixture(scope="module", params=[3, 10], ids=["deformation", "scale-change"])
def scene(request: pytest.FixtureRequest) -> Scene:
    scene = mini_scene("train", request.param)
    still = tuple(replace(body, drift=np.zeros((3, 3), np.float32)) for body in scene.bodies)  # in steady light
    return replace(scene, bodies=still, noise=0.0, jpeg=0, blur=1)


def landing(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each pixel goes: x and y, and whether it stays a pixel clear of the border."""
    height, width = flow.shape[1:]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + flow[0], y + flow[1]
    return x, y, (x >= 1) & (y >= 1) & (x <= width - 2) & (y <= height - 2)


def test_a_panning_camera_moves_the_backdrop_by_hand_calculation():
    scene = hand_made((), steady((0, 0, 1, 0), (3, -2, 0, 0)))
    flow = scene.flow(target=3, source=1)
    assert np.allclose(flow[0], 3 * (3 - 1), atol=1e-3)
    assert np.allclose(flow[1], -2 * (3 - 1), atol=1e-3)


def test_a_zooming_camera_moves_the_backdrop_away_from_the_centre():
    scene = hand_made((), steady((0, 0, 2, 0), (0, 0, 0.5, 0)))
    flow = scene.flow(target=0, source=2)  # zoom 2, then 3: a pixel at c + d goes to c + 1.5 d
    y, x = np.mgrid[:48, :64]
    assert np.allclose(flow, 0.5 * np.stack([x - 32, y - 24]), atol=1e-3)


def test_a_moving_disk_carries_its_pixels_and_leaves_the_backdrop():
    scene = hand_made((disk(1, 1.0, steady((-8, 0, 1, 0), (4, 1, 0, 0))),), STILL)
    labels, flow = scene.render(2).labels, scene.flow(target=2, source=1)
    y, x = np.nonzero(labels)
    assert np.allclose([x.mean(), y.mean()], [32 - 8 + 2 * 4, 24 + 2 * 1], atol=0.51)
    assert labels.sum() == pytest.approx(np.pi * 10**2, rel=0.03)
    assert np.allclose(flow[:, labels == 1].T, (-4, -1), atol=1e-3)
    assert np.allclose(flow[:, labels == 0], 0, atol=1e-4)


def test_a_swinging_limb_turns_about_its_joint():
    scene = hand_made((disk(1, 1.0, STILL, swing=(0.3, np.pi / 2, 0.0)),), STILL)
    flow = scene.flow(target=0, source=1)  # angle 0, then 0.3
    own = scene.render(0).labels == 1
    y, x = (value[own] - centre for value, centre in zip(np.mgrid[:48, :64], (24, 32), strict=True))
    turned = np.stack([np.cos(0.3) * x - np.sin(0.3) * y, np.sin(0.3) * x + np.cos(0.3) * y])
    assert np.allclose(flow[:, own], turned - np.stack([x, y]), atol=1e-3)


def test_the_nearer_body_hides_the_other_and_an_unannotated_one_has_label_0():
    near, far = disk(2, 1.0, STILL), disk(1, 2.0, steady((5, 0, 1, 0), (0, 0, 0, 0)))
    for bodies in ((near, far), (far, near)):
        labels = hand_made(bodies, STILL).render(0).labels
        assert labels[24, 32] == labels[24, 40] == 2
        assert labels[24, 45] == 1
    assert not hand_made((disk(0, 1.0, STILL),), STILL).render(0).labels.any()


def test_the_flow_of_a_frame_to_itself_is_zero_so_forward_undoes_inverse(scene: Scene):
    for time in (0, 17):
        assert np.abs(scene.flow(time, time)).max() < 1e-3


def test_what_is_sampled_along_the_flow_is_the_same_surface(scene: Scene):
    target, source = scene.render(10), scene.render(13)
    flow = scene.flow(10, 13)
    x, y, inside = landing(flow)
    fetched = cv2.remap(source.image, x, y, cv2.INTER_LINEAR)
    source_owner = cv2.remap(source.owner, x, y, cv2.INTER_NEAREST)
    seen = inside & (source_owner == target.owner)
    change = np.abs(fetched.astype(int) - target.image).mean(2)
    still = np.abs(source.image.astype(int) - target.image).mean(2)
    for part in (seen & (target.owner == BACKGROUND), seen & (target.labels > 0)):
        inner = cv2.erode(part.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert change[inner].mean() < 0.5 * still[inner].mean()
        assert change[inner].mean() < 5


def test_labels_warped_by_the_flow_agree_except_where_something_nearer_hides_them(scene: Scene):
    target, source = scene.render(5), scene.render(9)
    depths = np.array([np.inf, *(body.depth for body in scene.bodies for _ in body.parts)])
    x, y, inside = landing(scene.flow(5, 9))
    found_owner = cv2.remap(source.owner, x, y, cv2.INTER_NEAREST)
    found_label = cv2.remap(source.labels, x, y, cv2.INTER_NEAREST)
    visible = inside & (depths[found_owner + 1] >= depths[target.owner + 1])
    assert visible.mean() > 0.5
    agree = found_label == target.labels
    for label in np.unique(target.labels):
        own = visible & (target.labels == label)
        assert agree[own].mean() > 0.95, "only outlines may be rounded to another pixel"


def test_flow_there_and_back_returns_where_the_point_stays_in_sight(scene: Scene):
    there, back = scene.flow(20, 21), scene.flow(21, 20)
    x, y, inside = landing(there)
    owners = [scene.render(time).owner for time in (20, 21)]
    seen = inside & (cv2.remap(owners[1], x, y, cv2.INTER_NEAREST) == owners[0])
    inner = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    returned = np.stack([cv2.remap(back[c], x, y, cv2.INTER_LINEAR) for c in (0, 1)])
    error = np.abs(there + returned).max(0)[inner]
    assert np.median(error) < 0.01  # the bent flow is sampled between pixels
    assert np.percentile(error, 98) < 0.2


def test_rendering_is_deterministic_and_blur_changes_the_image_alone():
    scene = mini_scene("train", 5)
    first, again = scene.render(7), mini_scene("train", 5).render(7)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    sharp = replace(scene, blur=1).render(7)
    assert np.array_equal(first.labels, sharp.labels)
    assert not np.array_equal(first.image, sharp.image)


def test_a_part_owns_exactly_the_pixels_of_its_bodys_label(scene: Scene):
    rendered = scene.render(3)
    labels = np.array([0, *(body.label for body in scene.bodies for _ in body.parts)])
    assert np.array_equal(labels[rendered.owner + 1], rendered.labels)
    assert rendered.image.dtype == rendered.labels.dtype == np.uint8
    assert rendered.image.shape == (*scene.shape, 3)
