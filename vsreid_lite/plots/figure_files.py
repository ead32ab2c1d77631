"""Figures as files: PNG and SVG, small, with the alternative text inside, and the same bytes for the same figure."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vsreid_lite.system.files import write_bytes

DPI = 150
EMBEDDED = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def write_both(figure: Figure, folder: Path, name: str) -> list[Path]:
    """`folder`/`name`.png and .svg, each written atomically. Raises OSError as `write_bytes` does."""
    contents = {folder / f"{name}.png": small_png(figure), folder / f"{name}.svg": small_svg(figure)}
    for path, content in contents.items():
        write_bytes(path, content)
    return list(contents)


def small_png(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as a PNG file: with frames or flow in all their colours, a chart in 256, a third of the size."""
    buffer, small, alternative = BytesIO(), BytesIO(), PngInfo()
    figure.savefig(buffer, format="png", dpi=dpi)
    alternative.add_itxt("Description", str(figure.get_label()))
    coloured = any(np.asarray(image.get_array()).ndim == 3 for axes in figure.axes for image in axes.images)
    drawn = Image.open(buffer).convert("RGB")
    (drawn if coloured else drawn.quantize()).save(small, format="PNG", optimize=True, pnginfo=alternative)
    return small.getvalue()


def small_svg(figure: Figure) -> bytes:
    """A figure as an SVG file; pictures in it are JPEG where that is smaller. The title is the alternative text."""
    buffer = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "vsreid_lite", "svg.fonttype": "path"}):  # the same ids, and letters
        figure.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Title": figure.get_label()})
    return EMBEDDED.sub(_smaller, buffer.getvalue().decode()).encode()


def _smaller(found: re.Match[str]) -> str:
    """A picture inside an SVG, as PNG in RGB or as JPEG."""
    image = Image.open(BytesIO(b64decode(found[1])))
    ground = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    encoded = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 85, "optimize": True})):
        buffer = BytesIO()
        flat.save(buffer, format=kind, **options)
        encoded[kind] = b64encode(buffer.getvalue()).decode()
    kind = min(encoded, key=lambda one: len(encoded[one]))
    return f"data:image/{kind};base64,{encoded[kind]}"
