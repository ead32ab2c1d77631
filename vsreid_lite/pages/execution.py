"""A notebook run for its page: a copy of it, elsewhere, with its widgets filmed at the end."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
from IPython.display import display

from vsreid_lite.pages.films import displayed_boxes, film, film_html

FILMS = "application/vnd.vsreid.films+json"
LAST_CELL = "from vsreid_lite.pages.execution import show_films\nshow_films()"


def execute(path: Path, folder: Path, figures: Path | None = None) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """The notebook as run in `folder`, where its copy is written, and the HTML of its widgets by their model ids.

    figures: where its pictures for elsewhere go, if it has any. Raises papermill's PapermillExecutionError for a cell
    that fails, and for a widget that cannot be drawn at one of its places.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    nbformat.write(notebook, copy)
    asked = {"figures": str(figures)} if figures and "figures" in papermill.inspect_notebook(copy) else {}
    executed = papermill.execute_notebook(
        copy, copy, asked, kernel_name="python3", cwd=folder, progress_bar=False, start_timeout=120
    )
    films = executed.cells.pop().outputs[-1].data[FILMS]
    return executed, films


def show_films() -> None:
    """In a notebook, last: the films of all its widgets, by their model ids."""
    found = {name: film_html(film(box)) for name, box in displayed_boxes().items()}
    display({FILMS: found, "text/plain": f"{len(found)} widgets"}, raw=True)
