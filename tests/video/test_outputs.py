import sys
from itertools import product

import numpy as np
import pytest
from PIL import Image

from tests.command_line import half_written, tiny_frame, tiny_mask
from vsreid_lite.video.masks import read_mask
from vsreid_lite.video.outputs import (
    check_coco,
    check_folder,
    check_outputs,
    check_video,
    write_coco,
    write_cutouts,
    write_masks,
)


def test_a_check_leaves_no_trace(tmp_path):
    check_folder(tmp_path)
    check_folder(tmp_path / "a" / "b")
    check_outputs([tmp_path / "c" / "d.json"])
    assert list(tmp_path.iterdir()) == []


def test_the_links_of_the_system_as_dev_stdout_are_devices(tmp_path, monkeypatch):
    """Whatever they lead to: a file would be written in their place."""
    monkeypatch.setattr("vsreid_lite.video.outputs.DEVICES", tmp_path)
    (tmp_path / "log").touch()
    (tmp_path / "stdout").symlink_to(tmp_path / "log")
    with pytest.raises(ValueError, match="stdout: expected a file to write, found a device"):
        check_outputs([tmp_path / "stdout"])


def test_a_video_is_an_mp4_and_needs_pyav(tmp_path, monkeypatch):
    check_video(tmp_path / "a.MP4")
    with pytest.raises(ValueError, match=r"a\.avi: expected a file name that ends in \.mp4"):
        check_video(tmp_path / "a.avi")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"a\.mp4: videos need PyAV, which is not installed"):
        check_video(tmp_path / "a.mp4")


def test_masks_are_written_all_or_none(tmp_path):
    masks, names = [tiny_mask(), tiny_mask((1,))], ["a", "b"]
    write_masks(tmp_path / "new" / "out", names, masks)
    for name, mask in zip(names, masks, strict=True):
        assert np.array_equal(read_mask(tmp_path / "new" / "out" / f"{name}.png"), mask)
    with pytest.raises(ValueError):
        write_masks(tmp_path / "other", ["a", "b"], [masks[0], masks[1].astype(float)])
    assert list((tmp_path / "other").iterdir()) == []
    assert not half_written(tmp_path)


def test_cutouts_are_whole_frames_transparent_but_for_one_instance(tmp_path):
    frames, masks = [tiny_frame(0), tiny_frame(1)], [tiny_mask((2, 5)), tiny_mask((5,))]
    write_cutouts(tmp_path / "cut", ["a", "b"], frames, masks, (2, 5))
    for label, (name, frame, mask) in product((2, 5), zip("ab", frames, masks, strict=True)):
        with Image.open(tmp_path / "cut" / str(label) / f"{name}.png") as image:
            assert image.mode == "RGBA"
            cut = np.array(image)
        assert np.array_equal(cut[..., 3], 255 * (mask == label))
        assert np.array_equal(cut[mask == label][:, :3], frame[mask == label]) and not cut[mask != label].any()
    with pytest.raises(ValueError):
        write_cutouts(tmp_path / "other", ["a", "b"], frames, masks[:1], (2, 5))
    assert list((tmp_path / "other").iterdir()) == [] and not half_written(tmp_path)


def test_coco_reads_the_masks_as_they_are(tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    masks, files = [tiny_mask((2, 5)), tiny_mask((5,)), tiny_mask() * 0], ["a.jpg", "b.jpg", "c.jpg"]
    write_coco(tmp_path / "coco.json", files, masks, (2, 5))
    coco = COCO(tmp_path / "coco.json")
    assert [coco.imgs[i]["file_name"] for i in (1, 2, 3)] == files and coco.imgs[2]["frame_id"] == 1
    for number, mask in enumerate(masks, 1):
        found = np.zeros_like(mask)
        for annotation in coco.loadAnns(coco.getAnnIds(number)):
            inside = coco.annToMask(annotation) > 0
            found[inside] = annotation["track_id"]
            y, x = np.nonzero(inside)
            assert annotation["area"] == inside.sum() and coco.cats[annotation["category_id"]]["name"] == "instance"
            assert annotation["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
        assert np.array_equal(found, mask)
    assert len(coco.anns) == 3


def test_coco_needs_pycocotools_and_says_so(tmp_path, monkeypatch):
    check_coco(tmp_path / "a.json")
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(
        ValueError, match=r"a\.json: COCO's run lengths need pycocotools, which is not installed \(python"
    ):
        check_coco(tmp_path / "a.json")
