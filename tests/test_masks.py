import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from vsreid_lite.masks import PALETTE, overlay, read_first_mask, read_mask, read_palette, write_mask


def disk(shape=(60, 80), centre=(30, 40), radius=15):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_labels_come_back_exactly_as_they_were_written(tmp_path_factory, height, width, seed):
    labels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    path = tmp_path_factory.mktemp("masks") / "mask.png"
    write_mask(path, labels)
    assert Image.open(path).mode == "P"
    np.testing.assert_array_equal(read_mask(path), labels)


def test_masks_are_written_with_the_davis_palette_or_with_the_one_given(tmp_path):
    write_mask(tmp_path / "davis.png", disk())
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]
    assert [tuple(colour) for colour in read_palette(tmp_path / "davis.png")[:5].tolist()] == known
    np.testing.assert_array_equal(PALETTE[[8, 20, 64, 255]], [[64, 0, 0], [0, 64, 128], [32, 0, 0], [224, 224, 192]])
    own = np.array([[0, 0, 0], [255, 200, 10]], np.uint8)
    write_mask(tmp_path / "own.png", disk(), own)
    np.testing.assert_array_equal(read_palette(tmp_path / "own.png")[:2], own)
    Image.fromarray(disk()).save(tmp_path / "grey.png")
    assert read_palette(tmp_path / "grey.png") is None


@pytest.mark.parametrize(
    "bad", [np.full((4, 4), 300), np.full((4, 4), -1), np.zeros((4, 4, 3), np.uint8), np.ones((4, 4))]
)
def test_what_is_no_label_mask_is_not_written(tmp_path, bad):
    with pytest.raises(ValueError, match="expected integer labels"):
        write_mask(tmp_path / "mask.png", bad)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_mask(tmp_path, monkeypatch):
    def full(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match=r"cannot write .*mask\.png: No space left"):
        write_mask(tmp_path / "mask.png", disk())
    assert not list(tmp_path.iterdir())


def test_grey_0_and_255_is_one_instance(tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(disk() * 255).save(path)
    np.testing.assert_array_equal(read_mask(path), disk() * 255)
    labels, single = read_first_mask(path, (60, 80))
    np.testing.assert_array_equal(labels, disk())
    assert single


def test_an_instance_that_fills_a_grey_frame_is_one_instance(tmp_path):
    Image.fromarray(np.full((5, 7), 255, np.uint8)).save(tmp_path / "mask.png")
    assert read_first_mask(tmp_path / "mask.png")[0].min() == 1


def test_a_1_bit_mask_is_one_instance(tmp_path):
    Image.fromarray(disk().astype(bool)).save(tmp_path / "mask.png")
    assert Image.open(tmp_path / "mask.png").mode == "1"
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png")[0], disk())


@pytest.mark.parametrize("indexed", [True, False])
def test_labels_need_not_follow_each_other(tmp_path, indexed):
    labels = disk() * 3 + disk(centre=(10, 10), radius=5) * 17
    if indexed:
        write_mask(tmp_path / "mask.png", labels)
    else:
        Image.fromarray(labels).save(tmp_path / "mask.png")
    first, single = read_first_mask(tmp_path / "mask.png")
    np.testing.assert_array_equal(first, labels)
    assert not single


def test_255_beside_other_labels_is_void(tmp_path):
    labels = disk()
    labels[:4] = 255
    write_mask(tmp_path / "mask.png", labels)
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png")[0], disk())
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), labels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_a_mask_that_holds_no_labels_is_refused_with_what_to_do(tmp_path, mode):
    image = Image.fromarray(disk().astype(np.uint16) if mode == "I;16" else disk() * 255)
    (image if mode == "I;16" else image.convert(mode)).save(tmp_path / "mask.png")
    with pytest.raises(
        ValueError, match=r"mask\.png: expected an 8-bit indexed or grey mask, found mode .*; save it as"
    ):
        read_mask(tmp_path / "mask.png")


def test_a_jpeg_mask_is_refused(tmp_path):
    Image.fromarray(disk() * 255).save(tmp_path / "mask.jpg")
    with pytest.raises(ValueError, match="expected a PNG mask, found JPEG"):
        read_mask(tmp_path / "mask.jpg")


def test_an_anti_aliased_grey_mask_is_refused_with_what_to_do(tmp_path):
    Image.fromarray(disk() * 255).filter(ImageFilter.GaussianBlur(1)).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match=r"mask\.png: .*0 and 255 only.* hard brush"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("shades", [3, 16])
def test_an_anti_aliased_indexed_mask_is_refused_with_what_to_do(tmp_path, shades):
    soft = Image.fromarray(disk((240, 320), (120, 160), 60) * 255).resize((80, 60), Image.Resampling.BILINEAR)
    labels = np.rint(np.asarray(soft) / 255 * (shades - 1)).astype(np.uint8)
    greys = np.repeat(np.linspace(0, 255, shades).astype(np.uint8)[:, None], 3, axis=1)
    write_mask(tmp_path / "mask.png", labels, greys)
    with pytest.raises(ValueError, match=r"mask\.png: .*soft edges.* hard brush"):
        read_first_mask(tmp_path / "mask.png")


def test_two_touching_instances_of_an_image_editor_are_not_taken_for_soft_edges(tmp_path):
    labels = disk()
    labels[25:27, 30:34] = 2  # a small instance inside the other one
    labels[45:50, 40:41] = 3  # a thin one that hangs below
    write_mask(tmp_path / "mask.png", labels, np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]))
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png")[0], labels)


def test_a_palette_whose_background_moved_is_refused(tmp_path):
    write_mask(tmp_path / "mask.png", 1 - disk(), np.array([[255, 0, 0], [0, 0, 0]]))
    with pytest.raises(ValueError, match=r"expected black, the background, at label 0 .* at label 1"):
        read_first_mask(tmp_path / "mask.png")


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path):
    write_mask(tmp_path / "mask.png", disk())
    with pytest.raises(
        ValueError, match=r"mask\.png: expected a mask of 81 x 60 pixels.*found 80 x 60 pixels.*nearest"
    ):
        read_mask(tmp_path / "mask.png", (60, 81))


def test_an_empty_first_mask_is_refused(tmp_path):
    write_mask(tmp_path / "mask.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"mask\.png: expected at least one instance"):
        read_first_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("keep", [0, 20, -60])
def test_a_truncated_mask_is_refused(tmp_path, keep):
    path = tmp_path / "mask.png"
    write_mask(path, np.random.default_rng(0).integers(0, 3, (60, 80)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"mask\.png: unreadable or truncated image"):
        read_mask(path)


def test_a_missing_mask_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png: expected an image file, found nothing"):
        read_mask(tmp_path / "nowhere.png")


def test_the_overlay_tints_the_instances_and_nothing_else():
    frame = np.full((60, 80, 3), 100, np.uint8)
    tinted = overlay(frame, disk())
    assert (tinted[disk() == 0] == 100).all()
    assert (tinted[disk() == 1] == [114, 50, 50]).all()
