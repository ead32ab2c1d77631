"""Label masks as indexed PNGs: read exactly, refused when they are no labels, written with the DAVIS palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsreid_lite.files import atomic_path

Frame = NDArray[np.uint8]  # (H, W, 3), RGB
Mask = NDArray[np.uint8]  # (H, W), labels, 0 is the background

WHITE = 255  # the instance in a mask of 0 and 255 (DAVIS 2016), void beside other labels (DAVIS 2017)
HOW_TO_SAVE = "save it as an 8-bit indexed PNG (0 background, 1, 2, ... the instances), or as grey with 0 and 255 only"
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
    """The decoded image. Raises FileNotFoundError, or ValueError for one that is unreadable or truncated."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected an image file, found {'a folder' if path.is_dir() else 'nothing'}")
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: unreadable or truncated image ({error}); copy or export the file again") from error


def read_mask(path: Path | str, shape: tuple[int, ...] | None = None) -> Mask:
    """The labels of a mask exactly as they are stored: (H, W), uint8; 255 stays 255, a 1-bit mask gives 0 and 1.

    shape: the (H, W, ...) that the mask must have. Raises FileNotFoundError, and ValueError for an RGB, anti-aliased,
    16-bit, unreadable or wrong-size mask, and for one that is not a PNG.
    """
    return _labels(open_image(path), Path(path), shape)


def read_first_mask(path: Path | str, shape: tuple[int, ...] | None = None) -> tuple[Mask, bool]:
    """A first mask as one draws it: its labels (H, W) without void, and whether 255 was its one instance (now 1).

    Refuses soft edges and an empty mask too. Labels with the DAVIS palette are taken as they are.
    """
    image = open_image(path)
    labels = _labels(image, Path(path), shape)
    if not np.array_equal(_colours(image)[:2], PALETTE[:2]):
        _refuse_soft_edges(labels, Path(path))
    single = bool(np.any(labels == WHITE)) and not np.any((labels != 0) & (labels != WHITE))
    labels = single_instance(labels) if single else without_void(labels)
    if not labels.any():
        raise ValueError(f"{path}: expected at least one instance, found background only; {HOW_TO_SAVE}")
    return labels, single


def single_instance(labels: Mask) -> Mask:
    """DAVIS 2016: whatever is not background is instance 1."""
    return (labels != 0).astype(np.uint8)


def without_void(labels: Mask) -> Mask:
    """DAVIS 2017: void (255) becomes background, as in the official evaluation."""
    return np.where(labels == WHITE, 0, labels).astype(np.uint8)


def read_palette(path: Path | str) -> NDArray[np.uint8] | None:
    """The colours of an indexed PNG, (n, 3) uint8, to write other masks with; None for a mask without a palette."""
    colours = _colours(open_image(path))
    return colours if len(colours) else None


def write_mask(path: Path | str, labels: Mask, palette: NDArray[np.uint8] | None = None) -> None:
    """Write labels (H, W), 0..255, as an indexed PNG, atomically. palette: (n, 3) uint8, the DAVIS palette by default.

    Raises ValueError for labels that do not fit, OSError when the file cannot be written.
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


def overlay(frame: Frame, labels: Mask, opacity: float = 0.5) -> Frame:
    """The frame (H, W, 3) with each instance tinted in its colour of the DAVIS palette; (H, W, 3), uint8."""
    tinted = np.rint(frame * (1 - opacity) + PALETTE[labels] * opacity).astype(np.uint8)
    return np.where(labels[..., None] > 0, tinted, frame)


def _labels(image: Image.Image, path: Path, shape: tuple[int, ...] | None) -> Mask:
    if image.format != "PNG":
        raise ValueError(f"{path}: expected a PNG mask, found {image.format}, which may not keep labels; {HOW_TO_SAVE}")
    if image.mode not in ("P", "L", "1"):
        raise ValueError(f"{path}: expected an 8-bit indexed or grey mask, found mode {image.mode}; {HOW_TO_SAVE}")
    labels = np.asarray(image, dtype=np.uint8)
    if shape is not None and labels.shape != tuple(shape[:2]):
        raise ValueError(
            f"{path}: expected a mask of {size_text(shape)} as the frames, found {size_text(labels.shape)}; "
            "draw it on the frame itself, or resize it with nearest-neighbour sampling"
        )
    values = np.unique(labels)
    if image.mode == "L" and WHITE in values and np.any((values > 0) & (values < WHITE)):
        between = ", ".join(str(v) for v in values[(values > 0) & (values < WHITE)][:5])
        raise ValueError(
            f"{path}: expected a grey mask of 0 and 255 only, found {len(values)} values ({between}, ...), "
            f"as a soft brush or a smooth resize leaves them; {HOW_TO_DRAW}"
        )
    _refuse_moved_background(image, values, path)
    return labels


def _refuse_moved_background(image: Image.Image, values: NDArray[np.uint8], path: Path) -> None:
    """Image editors may sort a palette anew; then black, the background, is no longer label 0."""
    colours = _colours(image)
    if len(colours) == 0 or colours[0].sum() == 0:
        return
    black = [int(v) for v in values if v < len(colours) and colours[v].sum() == 0]
    if black:
        raise ValueError(
            f"{path}: expected black, the background, at label 0 of the palette, found it at label {black[0]} and "
            f"{tuple(int(c) for c in colours[0])} at label 0; sort the palette in the image editor, or {HOW_TO_SAVE}"
        )


def _refuse_soft_edges(labels: Mask, path: Path) -> None:
    """Labels that lie nearly everywhere between two other labels are shades of an anti-aliased edge."""
    instances = np.unique(labels[labels > 0])
    if len(instances) < 2:
        return
    between = _between_two_others(labels)
    shades = [int(v) for v in instances if between[labels == v].mean() > 0.8]
    if 2 * len(shades) >= len(instances):
        raise ValueError(
            f"{path}: expected one label for each instance, found soft edges: labels "
            f"{', '.join(map(str, shades[:5]))} only lie between others; {HOW_TO_DRAW}"
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
