"""Run the notebooks and store their outputs in them: small, without times, paths and widget state.

    .venv/bin/python notebooks/refresh.py [NAME ...]   those named, such as 01_data_and_metrics; by default all

Pictures that they make for elsewhere go into figures/. Compare the numbers it prints with tests/golden/notebooks.json.
"""

import json
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill

from vsreid_lite.lessons.notebooks import recorded
from vsreid_lite.system.files import write_text

FOLDER = Path(__file__).resolve().parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def main(names: list[str]) -> None:
    """Run and store the notebooks of this folder, or those named."""
    for path in [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb")):
        source = nbformat.read(path, as_version=4)
        places = {"figures": str(FOLDER.parent / "figures")} if "figures" in papermill.inspect_notebook(path) else {}
        with tempfile.TemporaryDirectory() as folder:
            executed = papermill.execute_notebook(path, Path(folder) / path.name, places, kernel_name="python3")
        store(source, executed)
        write_text(path, nbformat.writes(source) + "\n")
        print(path.name, json.dumps(recorded(source), indent=2))


def store(source: nbformat.NotebookNode, executed: nbformat.NotebookNode) -> None:
    """The outputs of an executed copy put into its source; bars and widgets, which need a kernel, are left out."""
    outputs = {cell.id: cell.outputs for cell in executed.cells if cell.cell_type == "code"}
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
        cell.outputs = [output for output in outputs[cell.id] if WIDGET_VIEW not in output.get("data", {})]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number


if __name__ == "__main__":
    main(sys.argv[1:])
