"""Label masks as PNGs: read exactly, in one of two conventions, refused when they hold no labels; and written.

DAVIS 2017: 0 is the background, 1, 2, ... are the instances, 255 is void. DAVIS 2016: one instance, 255 by convention.
A file of 0 and 255 alone is of 2016 (`year_of`); no other is, unless the caller says so.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence
from PIL.Image import DecompressionBombError

from vsreid_lite.system.files import atomic_path

Frame = NDArray[np.uint8]  # (H, W, 3), RGB
Mask = NDArray[np.uint8]  # (H, W), labels, 0 is the background

WHITE = 255  # the instance in a mask of 0 and 255 (DAVIS 2016), void beside other labels (DAVIS 2017)
UNCHECKED_PIXELS = 1 << 23  # about a 4K frame: smaller pictures are not checked
CHECKED = ("JPEG", "MPO", "PNG")  # formats; lossless WebP and bilevel TIFF compress without a bound of use
MOST_PIXELS_PER_BYTE = 8192  # the best compression that PNG (one-bit pixels) or JPEG can reach
HOW_TO_SAVE = "save it as an 8-bit indexed PNG (0 background, 1, 2, ... the instances), or as grey with 0 and 255 only"
MOST_OF_THE_BORDER = 0.9  # of the frame's border: an instance that covers more is probably the background
HOW_TO_DRAW = f"draw with a hard brush (no anti-aliasing), and {HOW_TO_SAVE}"


def _davis_palette() -> NDArray[np.uint8]:
    """(256, 3): bits 0, 1 and 2 of a label, then 3, 4, 5 and 6, 7, set red, green and blue from the top bit down."""
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= (((labels >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return palette


PALETTE = _davis_palette()


def size_text(shape: tuple[int, ...]) -> str:
    """The size of an array (H, W, ...) for a message: width x height, as image editors show it."""
    return f"{shape[1]} x {shape[0]} pixels (width x height)"


def open_image(path: Path | str) -> Image.Image:
    """The decoded picture, turned upright where its EXIF orientation says so.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is unreadable or truncated, or holds several pictures.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected an image file, found {'a folder' if path.is_dir() else 'nothing'}")
    try:
        with Image.open(path) as image:
            _check_size(image, path)
            pictures = _count_pictures(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, DecompressionBombError) as error:
        raise ValueError(f"{path}: unreadable or truncated image ({error}); copy or export the file again") from error
    if pictures > 1:
        raise ValueError(f"{path}: expected one picture, found {pictures} in one file; save each as a file of its own")
    return image


def _check_size(image: Image.Image, path: Path) -> None:
    """Refuse a picture whose header claims more pixels than its bytes can encode: it would fill the memory."""
    size, pixels = path.stat().st_size, image.width * image.height
    if image.format in CHECKED and pixels > max(UNCHECKED_PIXELS, MOST_PIXELS_PER_BYTE * size):
        raise ValueError(f"its {size} bytes are too few for the {size_text((image.height, image.width))} it promises")


def _count_pictures(image: Image.Image) -> int:
    """The pages or moments of a file that have the size of the first; smaller ones are previews of it, as in a MPO."""
    if image.format == "MPO" or getattr(image, "n_frames", 1) == 1:
        return 1
    size = image.size  # of the first; the iterator moves the image itself on
    count = sum(page.size == size for page in ImageSequence.Iterator(image))
    image.seek(0)
    return count


def read_labels(path: Path | str, shape: tuple[int, ...] | None = None) -> Mask:
    """The labels of a PNG exactly as they are stored: (H, W), uint8; 255 stays 255, a 1-bit mask gives 0 and 1.

    A colour image whose channels are equal counts as grey. A palette is never applied.

    Args:
        path: the file.
        shape: the (H, W, ...) that the mask must have; any when not given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no PNG, unreadable, in colours, of 16 bits, or of another size.
    """
    return _labels(open_image(path), Path(path), shape)


def read_mask(path: Path | str, shape: tuple[int, ...] | None = None) -> Mask:
    """As `read_labels`, for a mask that a person may have drawn.

    Also refuses a palette whose background is not label 0, and soft edges of a grey mask that is white inside.
    """
    return _read_drawn(Path(path), shape, strict=False)[0]


@dataclass(frozen=True, eq=False)
class FirstMask:
    """What the mask of a first frame holds, or of a later one that is given.

    Attributes:
        labels: (H, W), uint8, without void.
        year: 2016 where one instance was drawn as 255 (it has label 1 here), else 2017.
        palette: (n, 3), uint8, the colours to write other masks with; None where the file gives its labels none.
    """

    labels: Mask
    year: int
    palette: NDArray[np.uint8] | None


def read_first_mask(path: Path | str, shape: tuple[int, ...] | None = None, year: int | None = None) -> FirstMask:
    """The mask of a first frame, or of a later one, as one draws it.

    Warns of an instance that covers nearly the whole border.

    Args:
        path: a PNG, as `read_mask` takes it.
        shape: the (H, W, ...) that the mask must have; any when not given.
        year: the convention, 2016 or 2017; by the file (`year_of`) when not given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `read_mask`; and for soft edges, and a mask without instance.
    """
    path = Path(path)
    stored, colours = _read_drawn(path, shape, strict=True)
    year = year or year_of(stored)
    labels = to_instances(stored, year)
    if not labels.any():
        raise ValueError(f"{path}: expected at least one instance, found background only; {HOW_TO_SAVE}")
    _warn_of_background(labels, path)
    return FirstMask(labels, year, colours if len(colours) and year != 2016 else None)


def read_given_masks(
    paths: Sequence[Path | str], year: int | None = None
) -> tuple[list[FirstMask], NDArray[np.uint8] | None]:
    """The masks that are given of one video, by frames in ascending order, and the colours of all their labels.

    Args:
        paths: PNGs, at least one, as `read_first_mask` takes them.
        year: as there, for all of them.

    Returns:
        The masks, and a palette (n, 3) in which each label has the colour that a file gives it, or that of DAVIS; of
        a single mask its own palette, or None.

    Raises:
        FileNotFoundError, ValueError: as `read_first_mask`; and where one label may mean two instances: 255 alone
            beside labels in another file, or a label in two colours.
    """
    masks = [read_first_mask(path, year=year) for path in paths]
    _refuse_white_beside_labels(paths, masks)
    if len(masks) == 1:
        return masks, masks[0].palette
    palette, shown_by = PALETTE.copy(), dict[int, Path | str]()
    for path, mask in zip(paths, masks, strict=True):
        colours = palette[:0] if mask.palette is None else mask.palette
        for label in np.unique(mask.labels[(mask.labels > 0) & (mask.labels < len(colours))]).tolist():
            other = shown_by.setdefault(label, path)
            if other is not path and np.any(palette[label] != colours[label]):
                raise ValueError(
                    f"{path}: expected label {label} in its colour of {other}, {tuple(palette[label].tolist())}, found "
                    f"{tuple(colours[label].tolist())}; a label is one instance in all masks: give them one palette, "
                    "or save them as grey"
                )
            palette[label] = colours[label]
    return masks, palette


def _refuse_white_beside_labels(paths: Sequence[Path | str], masks: Sequence[FirstMask]) -> None:
    """255 alone is instance 1 where all given masks show that one; beside other labels it may be any of them."""
    white = [path for path, mask in zip(paths, masks, strict=True) if mask.year == 2016]
    for path, mask in zip(paths, masks, strict=True):
        if white and mask.labels.max() > 1:
            raise ValueError(
                f"{white[0]}: holds 0 and 255 alone, and {path} labels up to {mask.labels.max()}, so that it is not "
                "known which instance 255 is; paint it in its label"
            )


def year_of(labels: NDArray[np.integer]) -> int:
    """The convention of stored labels: 2016 where there is 255 and nothing else beside the background, else 2017."""
    return 2016 if np.any(labels == WHITE) and not np.any((labels != 0) & (labels != WHITE)) else 2017


def to_instances(labels: NDArray[np.integer], year: int) -> Mask:
    """Stored labels (H, W) as the instances that they mean: `single_instance` in 2016, `without_void` in 2017."""
    return single_instance(labels) if year == 2016 else without_void(labels)


def to_instances_as(labels: NDArray[np.integer], year: int, where: str, folder: str) -> Mask:
    """`to_instances` of a mask of a video, the convention of which its first mask has decided.

    Warns of 0 and 255 alone in a video with labels: most likely void, but perhaps the instance.

    Args:
        labels: (H, W), as they are stored.
        year: of the convention.
        where: what to call the mask in an error.
        folder: what to call its folder in a warning.

    Raises:
        ValueError: other labels in a video of 0 and 255.
    """
    if year == 2016 and labels.any() and year_of(labels) != 2016:
        raise ValueError(f"{where}: expected 0 and 255 alone, as in the first mask, found labels; the year decides")
    if year == 2017 and year_of(labels) == 2016:
        warnings.warn(
            f"{folder}: masks of 0 and 255 alone beside a first mask with labels: 255 is void there, unless the year "
            "is said to be 2016",
            stacklevel=1,  # one place, so that it is said once for a folder
        )
    return to_instances(labels, year)


def single_instance(labels: NDArray[np.integer]) -> Mask:
    """DAVIS 2016: whatever is not background is instance 1."""
    return (labels != 0).astype(np.uint8)


def without_void(labels: NDArray[np.integer]) -> Mask:
    """DAVIS 2017: void (255) becomes background, as in the official evaluation."""
    return np.where(labels == WHITE, 0, labels).astype(np.uint8)


def write_mask(path: Path | str, labels: Mask, palette: NDArray[np.uint8] | None = None) -> None:
    """Write labels as an indexed PNG, atomically.

    Args:
        path: of the file.
        labels: (H, W), integers in 0..255.
        palette: (n, 3), uint8; that of DAVIS when not given.

    Raises:
        OSError: as `atomic_path`.
        ValueError: labels that do not fit.
    """
    labels = np.asarray(labels)
    if (
        labels.ndim != 2
        or labels.dtype.kind not in "bui"
        or (labels.size and not 0 <= labels.min() <= labels.max() < 256)
    ):
        raise ValueError(f"{path}: expected integer labels (H, W) in 0..255, found {labels.dtype} {labels.shape}")
    image = Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8))
    image.putpalette(np.asarray(PALETTE if palette is None else palette, np.uint8).tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def _labels(image: Image.Image, path: Path, shape: tuple[int, ...] | None) -> Mask:
    if image.format != "PNG":
        raise ValueError(f"{path}: expected a PNG mask, found {image.format}, which may not keep labels; {HOW_TO_SAVE}")
    deep = path.read_bytes()[24:25] == b"\x10"  # the depth in a PNG's header: Pillow cuts colours of 16 bits to 8
    labels = None if deep else _single_channel(image)
    if labels is None:
        kind = " of 16 bits" if deep else ", in colours or transparent" if image.mode in ("LA", "RGB", "RGBA") else ""
        mode = f"{image.mode}{kind}"
        raise ValueError(f"{path}: expected an 8-bit indexed or grey mask, found mode {mode}; {HOW_TO_SAVE}")
    if shape is not None:
        check_size(path, labels, shape)
    return labels


def check_size(path: Path | str, labels: Mask, shape: tuple[int, ...]) -> None:
    """Check that a mask has the size of the frames.

    Args:
        path: of the mask, for the message.
        labels: (H, W).
        shape: the (H, W, ...) of the frames.

    Raises:
        ValueError: it has another size.
    """
    if labels.shape != tuple(shape[:2]):
        raise ValueError(
            f"{path}: expected a mask of {size_text(shape)} as the frames, found {size_text(labels.shape)}; "
            "draw it on the frame itself, or resize it with nearest-neighbour sampling"
        )


def _single_channel(image: Image.Image) -> Mask | None:
    """(H, W), uint8; also of a colour image whose channels are equal, and 0 where it is transparent; else None."""
    if image.mode not in ("P", "L", "1", "LA", "RGB", "RGBA"):
        return None
    pixels = np.asarray(image, dtype=np.uint8)
    if pixels.ndim == 2:
        return pixels
    if image.mode != "RGB":
        pixels, alpha = pixels[..., :-1], pixels[..., -1]
        if np.any((alpha > 0) & (alpha < 255)) or np.any(pixels[alpha == 0]):
            return None
    return pixels[..., 0] if np.array_equal(pixels, np.broadcast_to(pixels[..., :1], pixels.shape)) else None


def _read_drawn(path: Path, shape: tuple[int, ...] | None, strict: bool) -> tuple[Mask, NDArray[np.uint8]]:
    """The stored labels (H, W) of a mask, and the colours of its palette (n, 3), none for a grey one.

    strict: look for soft edges in every mask that is not in the colours of DAVIS.
    """
    image = open_image(path)
    labels, colours = _labels(image, path, shape), _colours(image)
    _refuse_moved_background(colours, labels, path)
    if (strict and not np.array_equal(colours[:2], PALETTE[:2])) or (len(colours) == 0 and WHITE in labels):
        _refuse_soft_edges(labels, path)
    return labels, colours


def _refuse_moved_background(colours: NDArray[np.uint8], labels: Mask, path: Path) -> None:
    """Image editors may sort a palette anew; then black, the background, is no longer label 0."""
    if len(colours) == 0 or colours[0].sum() == 0:
        return
    black = [int(v) for v in np.unique(labels) if v < len(colours) and colours[v].sum() == 0]
    if black:
        raise ValueError(
            f"{path}: expected black, the background, at label 0 of the palette, found it at label {black[0]} and "
            f"{tuple(int(c) for c in colours[0])} at label 0; sort the palette in the image editor, or {HOW_TO_SAVE}"
        )


def _refuse_soft_edges(labels: Mask, path: Path) -> None:
    """Labels that lie nearly everywhere between two other labels are shades of an anti-aliased edge.

    255 is none: it is the inside of a soft white instance, or void.
    """
    found = np.unique(labels[labels > 0])
    instances = found[found < WHITE]
    if len(found) < 2:
        return
    between = _between_two_others(labels)
    shades = [int(v) for v in instances if between[labels == v].mean() > 0.8]
    if 2 * len(shades) >= len(instances):
        raise ValueError(
            f"{path}: expected one label for each instance, found soft edges: labels "
            f"{', '.join(map(str, shades[:5]))} only lie between others; {HOW_TO_DRAW}"
        )


def _warn_of_background(labels: Mask, path: Path) -> None:
    border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    counts = np.bincount(border, minlength=1)
    label, share = int(counts.argmax()), float(counts.max() / len(border))
    if label and share > MOST_OF_THE_BORDER:
        warnings.warn(
            f"{path}: instance {label} covers {share:.0%} of the frame's border, as a background does; the background "
            "is label 0",
            stacklevel=1,  # one place, so that it is said once however often the mask is read
        )


def _between_two_others(labels: Mask) -> NDArray[np.bool_]:
    """(H, W): the pixels whose 3 x 3 neighbourhood holds at least three labels."""
    height, width = labels.shape
    padded = np.pad(labels, 1, mode="edge")
    around = np.stack([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    return np.any((around != around.min(axis=0)) & (around != around.max(axis=0)), axis=0)


def _colours(image: Image.Image) -> NDArray[np.uint8]:
    palette = image.getpalette("RGB") if image.mode == "P" else None
    return np.asarray(palette or [], np.uint8).reshape(-1, 3)
