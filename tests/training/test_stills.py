"""Stills of one's own: tiny folders of PASCAL VOC and COCO, what is read of them, and what is refused in one line."""

import numpy as np
import pytest
import torch

from tests.training.still_folders import SHAPE, instance, make_coco, make_voc, save_picture, square, voc_labels
from vsreid_lite.config import PropagationConfig
from vsreid_lite.training import stills
from vsreid_lite.training.propagation_samples import PropagationBatches
from vsreid_lite.training.stages import STILLS
from vsreid_lite.training.stills import Mixed, open_stills


def runs(mask):
    """The run-length code of a mask (H, W) as COCO writes it: column by column, beginning with zeros."""
    column = mask.T.ravel().astype(int)
    ends = np.flatnonzero(np.diff(column)) + 1
    counts = np.diff([0, *ends, column.size]).tolist()
    return {"size": list(mask.shape), "counts": counts if column[0] == 0 else [0, *counts]}


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_voc_is_found_in_its_folder_or_above_and_void_and_small_instances_are_background(tmp_path, above):
    made = open_stills(make_voc(tmp_path / "VOCdevkit" / "VOC2012") / above)
    assert made.name == "PASCAL VOC2012" and len(made) == 2  # b shows nothing
    assert open_stills(make_voc(tmp_path / "coco-sample")).name == "coco-sample"
    clip = made[1]
    assert clip.video == "c" and clip.instances == (1,) and clip.frames[0].shape == (*SHAPE, 3)
    assert np.array_equal(clip.labels[0], (voc_labels() == 1).astype(np.uint8))
    assert clip.frames[0] is clip.frames[1] and not any(flow.any() for flow in clip.flows)


def test_coco_has_polygons_and_run_lengths_without_crowds_and_small_instances(tmp_path):
    behind = np.zeros(SHAPE, bool)
    behind[20:55, 30:75] = True
    make_coco(
        tmp_path,
        [
            instance(7, 400, square(40, 30, 20)),
            instance(7, behind.sum().item(), runs(behind)),
            instance(7, 900, square(0, 0, 30), crowd=1),
            instance(9, 100, square(10, 10, 10)),
        ],
    )
    made = open_stills(tmp_path)
    assert made.name == "COCO train2017" and len(made) == 1  # the instance of picture 9 is too small
    expected = behind.astype(np.uint8)
    expected[30:50, 40:60] = 2  # the smaller one lies in front
    assert np.array_equal(made[0].labels[0], expected)


def test_batches_are_drawn_from_stills_and_from_each_source_as_often(tmp_path):
    voc = open_stills(make_voc(tmp_path))
    other = [voc[0]] * 5
    both = Mixed(other, voc)
    assert len(both) == 10
    assert [both[i].video for i in range(10)] == ["a", "a", "a", "c", "a", "a", "a", "c", "a", "a"]
    batches = PropagationBatches(both, 4, PropagationConfig(patch=32), 0, STILLS)
    assert torch.equal(batches[3]["image"], batches[3]["image"]) and batches[3]["truth"].any()


def test_a_still_whose_outlines_hold_no_pixel_is_passed_over(tmp_path):
    make_coco(tmp_path, [instance(7, 400, square(0, 0, 20)), instance(9, 400, square(200, 200, 20))])
    made = open_stills(tmp_path)
    assert [clip.instances for clip in (made[0], made[1])] == [(1,), ()]
    assert PropagationBatches(made, 8, PropagationConfig(patch=32), 0, STILLS)[0]["image"].shape == (8, 3, 32, 32)


def refused(kind, folder):
    with pytest.raises(kind) as error:
        open_stills(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_neither_voc_nor_coco_is_refused(tmp_path):
    line = refused(FileNotFoundError, tmp_path)
    assert (
        line.startswith(f"{tmp_path}: expected PASCAL VOC") and "COCO (annotations/inst" in line and "neither" in line
    )
    assert refused(FileNotFoundError, tmp_path / "nowhere").endswith("found nothing")


def test_a_missing_picture_is_named(tmp_path):
    make_voc(tmp_path / "voc")
    (tmp_path / "voc" / "JPEGImages" / "c.jpg").unlink()
    assert "c.jpg: expected a picture of" in (line := refused(FileNotFoundError, tmp_path / "voc")) and "1 of 2" in line
    make_coco(tmp_path / "coco", [instance(7, 400, square(0, 0, 20))])
    (tmp_path / "coco" / "train2017" / "7.jpg").unlink()
    assert "7.jpg: expected a picture of" in refused(FileNotFoundError, tmp_path / "coco")
    (tmp_path / "coco" / "train2017").rename(tmp_path / "coco" / "elsewhere")
    line = refused(FileNotFoundError, tmp_path / "coco")
    assert "train2017: expected the pictures of" in line and line.endswith("found no such folder")


def test_a_set_without_a_large_instance_is_refused(tmp_path):
    make_coco(tmp_path / "coco", [instance(7, 399, square(0, 0, 19))])
    assert "expected instances of at least 400 pixels" in refused(ValueError, tmp_path / "coco")
    (tmp_path / "VOC2012" / "SegmentationObject").mkdir(parents=True)
    assert "VOC2012: expected instances of at least" in refused(ValueError, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"images": [], "annotations": [{"id": 1}]}'])
def test_a_damaged_or_other_json_is_refused(tmp_path, content):
    make_coco(tmp_path, [instance(7, 400, square(0, 0, 20))]).write_text(content)
    assert "train2017.json: expected COCO's instances, with images and annot" in refused(ValueError, tmp_path)


def test_coco_without_pycocotools_says_what_to_install(tmp_path, monkeypatch):
    make_coco(tmp_path, [instance(7, 400, square(0, 0, 20))])
    monkeypatch.setattr(stills, "find_spec", lambda name: None)
    assert refused(ValueError, tmp_path).endswith("need pycocotools: python -m pip install pycocotools")


def test_a_picture_of_another_size_than_its_masks_and_a_damaged_one_are_named(tmp_path):
    made = open_stills(make_voc(tmp_path))
    save_picture(made.pictures[0], (30, 40))
    with pytest.raises(ValueError, match=r"a\.jpg: expected 80 x 60 pixels .*, as its masks have, found 40 x 30"):
        made[0]
    made.pictures[0].write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.jpg: unreadable or truncated image"):
        made[0]


def test_of_coco_the_first_split_with_pictures_is_taken(tmp_path):
    train = make_coco(tmp_path, [instance(7, 400, square(0, 0, 20))])
    (train.parent / "instances_other.json").write_text(train.read_text())
    assert open_stills(tmp_path).name == "COCO train2017"
