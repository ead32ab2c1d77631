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
    text = "\n".join(f"{name}: {_in_digits(x)}" for name, x in numbers.items())
    display({RECORD: dict(numbers), "text/plain": text}, raw=True)


def record_table(rows: Mapping[str, Mapping[str, float | None]], name: str = "{column} {row}") -> None:
    """Show numbers, rounded, as a table, and keep each for the notebook's test, as `record` does.

    Args:
        rows: by the name of a row, then by that of a column; all rows have the same columns.
        name: of a number, made of its row and its column.
    """
    columns = list(next(iter(rows.values())))
    numbers = {name.format(row=row, column=column): x for row, cells in rows.items() for column, x in cells.items()}
    lines = [
        ["", *columns],
        ["---"] * (len(columns) + 1),
        *([row, *map(_in_digits, rows[row].values())] for row in rows),
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    text = "\n".join(f"{key}: {_in_digits(x)}" for key, x in numbers.items())
    display({RECORD: numbers, "text/markdown": table, "text/plain": text}, raw=True)


def _in_digits(x: float | None) -> str:
    return f"{x:.3f}" if isinstance(x, float) else str(x)


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
