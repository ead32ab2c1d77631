import os
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


def test_a_folder_below_a_file_or_where_nothing_can_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(OSError, match=f"cannot write into the folder {path}.*: Not a directory; check"):
            check_folder(path)
    if os.path.isdir("/proc/self"):
        with pytest.raises(OSError, match="cannot write into the folder /proc/a/b below /proc"):
            check_folder(type(tmp_path)("/proc/a/b"))


def test_a_relative_folder_is_looked_for_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    check_folder(type(tmp_path)("new/folder"))
    with pytest.raises(OSError, match="cannot write into the folder file/folder below .*file: Not a directory"):
        check_folder(type(tmp_path)("file/folder"))


def test_a_file_may_be_new_or_replaced_but_no_folder_device_or_input(tmp_path):
    source = tmp_path / "in.png"
    source.write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(source)
    check_outputs([source])
    check_outputs([tmp_path / "out.png"], inputs=[source])
    with pytest.raises(ValueError, match="expected a file to write, found a folder"):
        check_outputs([tmp_path])
    with pytest.raises(ValueError, match="null: expected a file to write, found a device"):
        check_outputs([type(tmp_path)(os.devnull)])
    for same in (source, tmp_path / "link.png", tmp_path / "no" / ".." / "in.png"):
        if same.exists():
            with pytest.raises(ValueError, match="the output is the input .*in.png; give another"):
                check_outputs([same], inputs=[source])


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
