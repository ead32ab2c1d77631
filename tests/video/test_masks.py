import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from vsreid_lite.video.masks import (
    PALETTE,
    open_image,
    read_first_mask,
    read_labels,
    read_mask,
    write_mask,
)
from vsreid_lite.video.video import read_frame


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


def stored_palette(path):
    with Image.open(path) as image:
        return np.array(image.getpalette()).reshape(-1, 3)


def test_masks_are_written_with_the_davis_palette_or_with_the_one_given(tmp_path):
    write_mask(tmp_path / "davis.png", disk())
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]
    assert [tuple(colour) for colour in stored_palette(tmp_path / "davis.png")[:5].tolist()] == known
    np.testing.assert_array_equal(PALETTE[[8, 20, 64, 255]], [[64, 0, 0], [0, 64, 128], [32, 0, 0], [224, 224, 192]])
    own = np.array([[0, 0, 0], [255, 200, 10]], np.uint8)
    write_mask(tmp_path / "own.png", disk(), own)
    np.testing.assert_array_equal(stored_palette(tmp_path / "own.png")[:2], own)


@pytest.mark.parametrize(
    "bad", [np.full((4, 4), 300), np.full((4, 4), -1), np.zeros((4, 4, 3), np.uint8), np.ones((4, 4))]
)
def test_what_is_no_label_mask_is_not_written(tmp_path, bad):
    with pytest.raises(ValueError, match="expected integer labels"):
        write_mask(tmp_path / "mask.png", bad)
    assert not list(tmp_path.iterdir())


def no_labels(mode):
    """A picture of a disk in which every pixel has a value, but none that is a label."""
    if mode == "I;16":
        return Image.fromarray(disk().astype(np.uint16))
    image = Image.fromarray(disk() * 255)
    if mode == "RGB":
        return Image.merge("RGB", [image, Image.new("L", image.size), image])
    grey = image.convert(mode)
    grey.putalpha(image.point(lambda value: 100))  # half transparent
    return grey


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_a_mask_that_holds_no_labels_is_refused_with_what_to_do(tmp_path, mode):
    no_labels(mode).save(tmp_path / "mask.png")
    said = r"mask\.png: expected an 8-bit indexed or grey mask, found mode .*; save it as"
    with pytest.raises(ValueError, match=said):
        read_mask(tmp_path / "mask.png")


def test_an_anti_aliased_grey_mask_is_refused_with_what_to_do(tmp_path):
    Image.fromarray(disk() * 255).filter(ImageFilter.GaussianBlur(1)).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match=r"mask\.png: .*soft edges.* hard brush.* 0 and 255 only"):
        read_first_mask(tmp_path / "mask.png")


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
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png").labels, labels)


def test_a_palette_whose_background_moved_is_refused(tmp_path):
    write_mask(tmp_path / "mask.png", 1 - disk(), np.array([[255, 0, 0], [0, 0, 0]]))
    with pytest.raises(ValueError, match=r"expected black, the background, at label 0 .* at label 1"):
        read_first_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("values", [(1, 2, 255), (1, 255), (3, 7), (255,)])
def test_one_reader_takes_labels_with_void_alike_in_every_kind_of_file(tmp_path, mode, values):
    labels = np.zeros((60, 80), np.uint8)
    labels[2:4] = values[-1]  # a band, as void often is
    for row, value in enumerate(values):
        labels[10 + 15 * row : 20 + 15 * row, 5:40] = value
    if mode == "P":
        write_mask(tmp_path / "mask.png", labels)
    else:
        Image.fromarray(labels).convert(mode).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.png"), labels)
    first = read_first_mask(tmp_path / "mask.png")
    expected = labels > 0 if values == (255,) else np.where(labels == 255, 0, labels)
    np.testing.assert_array_equal(first.labels, expected)
    assert first.year == (2016 if values == (255,) else 2017)
    assert (first.palette is not None) == (mode == "P" and first.year == 2017)


def test_a_thin_ring_of_void_is_no_soft_edge(tmp_path):
    labels = np.where(disk(radius=17) > disk(), 255, disk()).astype(np.uint8)
    Image.fromarray(labels).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png").labels, disk())


def test_transparent_pixels_are_background_and_colours_under_them_are_refused(tmp_path):
    white, alpha = Image.new("L", (80, 60), 255), Image.fromarray(disk() * 255)
    Image.merge("LA", [alpha, alpha]).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png").labels, disk())
    Image.merge("LA", [white, alpha]).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match="found mode LA"):
        read_first_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("year", [2016, 2017])
def test_the_year_can_be_said(tmp_path, year):
    labels = disk() + 2 * disk(centre=(10, 10), radius=5)
    write_mask(tmp_path / "mask.png", labels)
    first = read_first_mask(tmp_path / "mask.png", year=year)
    np.testing.assert_array_equal(first.labels, labels > 0 if year == 2016 else labels)
    assert (first.palette is None) == (year == 2016)
    Image.fromarray(disk() * 255).save(tmp_path / "mask.png")
    if year == 2017:
        with pytest.raises(ValueError, match="expected at least one instance"):
            read_first_mask(tmp_path / "mask.png", year=year)


@pytest.mark.parametrize(("open_border", "warned"), [(0, True), (8, True), (40, False)])
def test_an_instance_along_nearly_the_whole_border_is_pointed_out(tmp_path, open_border, warned):
    labels = 1 - disk()
    labels[0, :open_border] = 0
    write_mask(tmp_path / "mask.png", labels, np.array([[255, 0, 0], [255, 255, 255]]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_first_mask(tmp_path / "mask.png")
    assert ["covers" in str(warning.message) for warning in caught] == [True] * warned


def upright(values):
    """A picture that looks as `values` when it is turned by the orientation that it is stored with, for all eight."""
    turned = {1: values, 2: values[:, ::-1], 3: values[::-1, ::-1], 4: values[::-1], 5: values.swapaxes(0, 1)}
    turned |= {6: np.rot90(values, 1), 7: values[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(values, -1)}
    return turned


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_by_their_exif_orientation_as_frames_are(tmp_path, orientation):
    labels = disk(centre=(12, 9), radius=6) + 2 * disk(centre=(40, 60), radius=9)
    stored = np.ascontiguousarray(upright(labels)[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(stored)
    image.putpalette(PALETTE.tobytes())
    image.save(tmp_path / "mask.png", exif=exif)
    np.testing.assert_array_equal(read_first_mask(tmp_path / "mask.png").labels, labels)
    Image.fromarray(stored * 80).convert("RGB").save(tmp_path / "0.png", exif=exif)
    np.testing.assert_array_equal(read_frame(tmp_path / "0.png")[..., 0], labels * 80)


@pytest.mark.parametrize("format", ["TIFF", "PNG", "WEBP"])
def test_several_pictures_in_one_file_are_refused(tmp_path, format):
    pages = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 90, 180)]
    path = tmp_path / f"0.{format.lower()}"
    pages[0].save(path, format=format, save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match="expected one picture, found 3 in one file"):
        open_image(path)


def test_a_header_that_promises_more_than_its_file_can_hold_is_refused_before_it_fills_memory(tmp_path):
    stored = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stored, "JPEG")
    data = bytearray(stored.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = (9000).to_bytes(2, "big") * 2
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ValueError, match=r"a.jpg: unreadable .*too few for the 9000 x 9000 pixels .* it promises"):
        open_image(tmp_path / "a.jpg")
