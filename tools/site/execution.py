"""A notebook run for its page: a copy of it, elsewhere, with its widgets filmed at the end."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
from IPython.display import display
from papermill.exceptions import PapermillExecutionError

from tools.site.films import displayed_boxes, film, film_html

FILMS = "application/vnd.vsreid.films+json"
LAST_CELL = "from tools.site.execution import show_films\nshow_films()"


def execute(path: Path, folder: Path, figures: Path | None = None) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """The notebook as run in `folder`, where its copy is written, and the HTML of its widgets by their model ids.

    Args:
        path: of the notebook.
        folder: where its copy is run and left.
        figures: where its pictures for elsewhere go, if it has any.

    Raises:
        ValueError: a cell fails, a widget cannot be drawn at one of its places, or a kernel does not start or dies. The
            message names the notebook.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    nbformat.write(notebook, copy)
    asked = {"figures": str(figures)} if figures and "figures" in papermill.inspect_notebook(copy) else {}
    try:
        executed = papermill.execute_notebook(
            copy, copy, asked, kernel_name="python3", cwd=folder, progress_bar=False, start_timeout=120
        )
    except PapermillExecutionError as error:
        said = f"{error.ename}: {' '.join(str(error.evalue).split())}"
        raise ValueError(f"{path.name}: a cell ended with {said}; its traceback is in {copy}") from error
    except RuntimeError as error:  # of nbclient: no answer, or a kernel that was killed
        raise ValueError(f"{path.name}: {' '.join(str(error).split())}; perhaps memory ran out") from error
    return with_films(executed)


def shows_films(executed: nbformat.NotebookNode) -> bool:
    """Whether the last cell of a notebook, which shows the films, has run."""
    return any(FILMS in output.get("data", {}) for output in executed.cells[-1].get("outputs", []))


def with_films(executed: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """An executed notebook without its last cell, and the films that this cell shows."""
    shown = [output.get("data", {}) for output in executed.cells.pop().outputs]
    return executed, next(data[FILMS] for data in shown if FILMS in data)


def show_films() -> None:
    """In a notebook, last: the films of all its widgets, by their model ids."""
    found = {name: film_html(film(box)) for name, box in displayed_boxes().items()}
    display({FILMS: found, "text/plain": f"{len(found)} widgets"}, raw=True)
