"""What a notebook hands over: figures with their alternative text to the reader, numbers to the test."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from vsreid_lite.plots.figure_files import small_png
from vsreid_lite.system.files import write_bytes

RECORD = "application/vnd.vsreid.record+json"
DPI = 100


def show(figure: Figure) -> None:
    """Display a figure with its alternative text: as JPEG where that is smaller (frames), else as PNG (charts)."""
    alternative, png = figure.get_label(), small_png(figure, DPI)
    jpeg = BytesIO()
    Image.open(BytesIO(to_png(figure))).convert("RGB").save(jpeg, "JPEG", quality=90, subsampling=0, optimize=True)
    kind, data = min(("image/png", png), ("image/jpeg", jpeg.getvalue()), key=lambda image: len(image[1]))
    display({kind: data, "text/plain": alternative}, metadata={kind: {"alt": alternative}}, raw=True)


def record(numbers: Mapping[str, float | None]) -> None:
    """Print numbers, rounded, and keep them in the notebook for its test, under names used once in a notebook."""
    text = "\n".join(f"{name}: {f'{x:.3f}' if isinstance(x, float) else x}" for name, x in numbers.items())
    display({RECORD: dict(numbers), "text/plain": text}, raw=True)


def recorded(notebook: Mapping[str, Any]) -> dict[str, float]:
    """The numbers recorded in an executed notebook; those that are None are left out.

    Raises:
        ValueError: a name was recorded twice.
    """
    numbers: dict[str, float] = {}
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", [])):
        new = {name: x for name, x in output.get("data", {}).get(RECORD, {}).items() if x is not None}
        if twice := sorted(new.keys() & numbers.keys()):
            raise ValueError(f"recorded twice: {', '.join(twice)}")
        numbers |= new
    return numbers


def to_png(figure: Figure) -> bytes:
    """A figure as a PNG file: the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, folder: str, name: str) -> None:
    """Write a figure as a PNG, atomically.

    Args:
        figure: to be written.
        folder: where; "" for nowhere.
        name: of the file.

    Raises:
        OSError: the file cannot be written.
    """
    if folder:
        write_bytes(Path(folder) / name, small_png(figure, DPI))
