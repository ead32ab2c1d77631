"""Collages: their material, what is annotated, how far things move within a pair, and what is refused."""

import cv2
import numpy as np
import pytest

from vsreid_lite.training import collages
from vsreid_lite.training.clips import ClipStore
from vsreid_lite.training.collages import SHAPE, CutOut, collage_clip, cut_outs, read_stamps
from vsreid_lite.training.stills import open_stills
from vsreid_lite.video.outputs import write_mask

GREEN, RED = (0, 200, 0), (200, 0, 0)
EDGES = slice(60, 140), slice(80, 180)  # of the one instance of the still


@pytest.fixture
def stills(tmp_path):
    """PASCAL VOC of one green picture with a red instance."""
    folder = tmp_path / "stills"
    labels = np.zeros((200, 300), np.uint8)
    labels[EDGES] = 1
    frame = np.full((*labels.shape, 3), GREEN, np.uint8)
    frame[labels == 1] = RED
    (folder / "JPEGImages").mkdir(parents=True)
    exact = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    cv2.imwrite(str(folder / "JPEGImages" / "a.jpg"), frame[..., ::-1], exact)
    write_mask(folder / "SegmentationObject" / "a.png", labels)
    return folder


@pytest.fixture
def stamps(tmp_path, monkeypatch):
    """A folder of one blue stamp, 90 pixels wide and 60 high, in a clear margin of 5 pixels."""
    folder = tmp_path / "stamps"
    (folder / "animals").mkdir(parents=True)
    rgba = np.zeros((70, 100, 4), np.uint8)
    rgba[5:65, 5:95] = (200, 0, 0, 255)  # BGR
    cv2.imwrite(str(folder / "animals" / "seal.png"), rgba)
    names = tmp_path / "stamps.txt"
    names.write_text("# chosen by eye\nanimals/seal.png\n")
    monkeypatch.setattr(collages, "STAMPS", names)
    collages._material.cache_clear()
    return folder


def test_stamps_and_instances_are_cut_out_with_their_own_colours(stills, stamps):
    (stamp,) = read_stamps(stamps)
    assert 80 * 55 < stamp.alpha.sum() < 90 * 60 and np.allclose(stamp.colours[stamp.alpha > 0], (0, 0, 200), atol=2)
    (instance,) = cut_outs(open_stills(stills))
    assert 95 * 75 < instance.alpha.sum() < 100 * 80
    assert np.allclose(instance.colours[instance.alpha > 0.1], RED, atol=25)  # JPEG


def test_an_instance_at_the_border_is_not_cut_out(stills):
    labels = np.zeros((200, 300), np.uint8)
    labels[60:140, :100] = 1
    write_mask(stills / "SegmentationObject" / "a.png", labels)
    assert not list(cut_outs(open_stills(stills)))


def test_a_cut_out_is_enlarged_only_so_far():
    small = CutOut(np.zeros((10, 20, 3), np.float32), np.ones((10, 20), np.float32))
    assert small.scaled(30).alpha.shape == (15, 30)
    assert small.scaled(300).alpha.shape == (16, 32)


def test_what_a_collage_shows_is_annotated(stills, stamps):
    for index in range(4):
        clip = collage_clip(index, stills, stamps)
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            assert frame.shape == (*SHAPE, 3) and labels.shape == SHAPE
            instance = (frame[..., 1] < 60) & (frame.max(2) > 100)  # red or blue, in any light
            inner = cv2.erode(instance.astype(np.uint8), np.ones((9, 9))) > 0
            outer = cv2.dilate(instance.astype(np.uint8), np.ones((9, 9))) > 0
            assert labels[inner].all() and not labels[~outer].any()
    assert len(clip.frames) == len(clip.labels) == len(clip.flows) == 6


def test_a_collage_depends_on_its_index_alone(stills, stamps):
    first, again, other = (collage_clip(index, stills, stamps) for index in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first.frames, again.frames, strict=True))
    assert not np.array_equal(first.frames[0], other.frames[0])


def test_a_cut_out_is_one_identity_in_all_collages_and_so_is_its_twin(stills, stamps, monkeypatch):
    monkeypatch.setattr(collages, "TWINS", 1.0)
    for index in range(4):
        identities = collage_clip(index, stills, stamps).identities
        *others, twin = (identities[label] for label in sorted(identities))
        assert others[0] == twin and set(others) <= {"cut-out 0", "cut-out 1"}


def test_neighbours_are_alike_and_pairs_are_not(stills, stamps):
    def overlap(a, b):
        return ((a > 0) & (b > 0)).sum() / max(((a > 0) | (b > 0)).sum(), 1)

    clips = [collage_clip(index, stills, stamps) for index in range(6)]
    within = np.mean([overlap(clip.labels[i], clip.labels[i + 1]) for clip in clips for i in (0, 2, 4)])
    between = np.mean([overlap(clip.labels[i], clip.labels[i + 2]) for clip in clips for i in (0, 2)])
    assert within > between + 0.1


def test_kept_collages_are_those_of_their_stamps(tmp_path, stills, stamps):
    kept = tmp_path / "clips"
    for names in ("animals/seal.png\n", "animals/seal.png\n# another list\n"):
        collages.STAMPS.write_text(names)
        ClipStore(quiet=True, folder=kept).collages(1, stills, stamps)
    assert len(list(kept.glob("collage-*"))) == 2


def test_a_missing_stamp_is_named(tmp_path, stamps):
    (stamps / "animals" / "seal.png").unlink()
    with pytest.raises(FileNotFoundError, match="seal.png: expected a stamp of tuxpaint-stamps-default"):
        read_stamps(stamps)
