"""Runs a notebook as a reader would, and finds what papermill lets pass.

papermill only warns of an unknown parameter, stays green when a widget's callback raises inside `interact` (the error
is kept in the notebook's widget state) and never calls a callback at all. So a last cell films the widgets, as
`make site` does, and then moves every control. Before, it prints the processor time used so far, which a busy machine
does not stretch as it does the time on the clock.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill

from vsreid_lite import widgets

WIDGETS = sorted(set(widgets.__all__) - {"Painting", "PictureBox", "plot_painting"})
WIDGET = re.compile(rf"\b(?:interact|{'|'.join(WIDGETS)})\b(?=\()")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|usr|mnt|data|opt)/|[A-Za-z]:\\\\?\w")
HANGS = 600  # seconds on the clock for one cell, however busy the machine is
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
LAST_CELL = """
import gc, time, ipywidgets
print(time.process_time())
from tools.site.execution import show_films
show_films()
for control in [thing for thing in gc.get_objects() if issubclass(type(thing), ipywidgets.Widget)]:
    if isinstance(control, (ipywidgets.IntSlider, ipywidgets.FloatSlider)):
        for control.value in (control.min, control.max, (control.min + control.max) // 2):
            pass
    elif isinstance(control, (ipywidgets.Dropdown, ipywidgets.ToggleButtons)):
        for control.index in range(len(control.options)):
            pass
    elif isinstance(control, (ipywidgets.Checkbox, ipywidgets.ToggleButton)):
        control.value = not control.value
    elif isinstance(control, ipywidgets.Button):
        control.click()
"""


def run_notebook(path: Path, folder: Path, parameters: Mapping[str, Any], seconds: int) -> nbformat.NotebookNode:
    """Execute a copy of a notebook in `folder`, with parameters injected, film its widgets and move them.

    The run is left in `folder`, under the name of the notebook.

    Raises ValueError for a parameter that the notebook does not have, papermill's error for a cell that raises, and
    nbclient's CellTimeoutError for one that takes longer than `seconds`.
    """
    refuse_unknown(path, parameters)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))
    nbformat.write(notebook, folder / "copy.ipynb")
    return papermill.execute_notebook(
        folder / "copy.ipynb",
        folder / path.name,
        dict(parameters),
        kernel_name="python3",
        cwd=folder,
        progress_bar=False,
        execution_timeout=seconds,
        start_timeout=120,
    )


def refuse_unknown(path: Path, parameters: Mapping[str, Any]) -> None:
    """Raises ValueError for names that the parameters cell does not assign, or that papermill does not see in it."""
    known = set(literals(parameters_cell(nbformat.read(path, as_version=4))))
    if known != set(papermill.inspect_notebook(path)):
        raise ValueError(f"{path}: papermill does not see the parameters {sorted(known)} as they stand")
    if unknown := sorted(set(parameters) - known):
        raise ValueError(f"{path}: unknown parameters {', '.join(unknown)}; there are {', '.join(sorted(known))}")


def parameters_cell(notebook: nbformat.NotebookNode) -> str:
    """The source of the cell tagged "parameters". Raises ValueError unless it is there, the first with code."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])]
    if tagged != [0]:
        raise ValueError(f"expected the first code cell, and no other, to be tagged parameters, found {tagged}")
    return code[0].source


def literals(source: str) -> dict[str, Any]:
    """The names and values of a cell of plain assignments. Raises ValueError for anything else in it."""
    values = {}
    for line in ast.parse(source).body:
        if not isinstance(line, ast.Assign) or len(line.targets) != 1 or not isinstance(line.targets[0], ast.Name):
            raise ValueError(f"expected `name = literal`, found {ast.unparse(line)}")
        values[line.targets[0].id] = ast.literal_eval(line.value)
    return values


def errors(notebook: nbformat.NotebookNode) -> list[str]:
    """Every error in the outputs of the cells, and in those that the widgets caught."""
    found = []
    for number, cell in enumerate(notebook.cells):
        found += [f"cell {number}: {error}" for error in _errors_in(cell.get("outputs", []))]
    for model in widget_models(notebook):
        found += [f"widget: {error}" for error in _errors_in(model["state"].get("outputs", []))]
    return found


def widget_models(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The widgets saved in a notebook."""
    saved = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {})
    return list(saved.get("state", {}).values())


def _errors_in(outputs: list[dict[str, Any]]) -> list[str]:
    return [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]


def differences(numbers: Mapping[str, float], expected: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is wrong with recorded numbers: missing, not in the table, or further off than the table allows.

    expected: for each name {"value", "tolerance"}, the largest absolute difference that passes.
    """
    found = [f"{name}: not recorded" for name in expected if name not in numbers]
    found += [f"{name}: recorded, but not in the table" for name in numbers if name not in expected]
    for name in expected.keys() & numbers.keys():
        value, tolerance = expected[name]["value"], expected[name]["tolerance"]
        if not abs(numbers[name] - value) <= tolerance:
            found.append(f"{name}: {numbers[name]}, expected {value} ± {tolerance}")
    return sorted(found)


def seconds_taken(notebook: nbformat.NotebookNode) -> float:
    """Processor time of the kernel for the notebook's own cells, imports included."""
    return float(notebook.cells[-1].outputs[0].text.splitlines()[0])


def definitions(notebook: nbformat.NotebookNode, most: int = 1) -> list[str]:
    """What is defined where nothing may be: outside of `most` cells tagged taught, or second in one of them."""
    taught, found = 0, []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        names = re.findall(r"^\s*(?:def|class|async def) (\w+)", cell.source, re.MULTILINE)
        allowed = "taught" in cell.metadata.get("tags", []) and taught < most
        taught, found = taught + allowed, found + names[int(allowed) :]
    return found


def widgets_before_any_picture(notebook: nbformat.NotebookNode) -> list[str]:
    """The widgets that are made before the first cell, or in the first cell, that shows a picture."""
    found = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        found += WIDGET.findall(cell.source)
        if re.search(r"\bshow\(", cell.source):
            break
    return found


def words(output: Any) -> list[str]:
    """Every text in an output, however deep."""
    if isinstance(output, str):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, list) else []
    return [text for part in parts for text in words(part)]
