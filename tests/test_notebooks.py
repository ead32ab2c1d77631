"""The notebooks run, give the numbers of tests/golden/notebooks.json, and are fit to be read.

Each way in which a run must fail has its own test, with a small notebook made here.
"""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from papermill.exceptions import PapermillExecutionError

from tests.notebook_checks import (
    changed_outputs,
    differences,
    errors,
    literals,
    parameters_cell,
    refuse_unknown,
    run_notebook,
    seconds_taken,
    widget_models,
)
from vsreid_lite.exercises import EXERCISES
from vsreid_lite.visualization import widgets
from vsreid_lite.visualization.notebooks import recorded

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
TABLE = json.loads((Path(__file__).parent / "golden" / "notebooks.json").read_text(encoding="utf-8"))
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

LONGEST_CELL = 6  # lines, blank ones not counted
LARGEST_OUTPUT = 500_000
LARGEST_FILE = 2_000_000
TAGS = {"parameters", "taught", "nbval-check-output", "nbval-ignore-output"}
HANGS = 600  # seconds on the clock for one cell, however busy the machine is
WIDGET = re.compile(rf"\b(?:interact|{'|'.join(set(widgets.__all__) - {'PictureBox'})})\b(?=\()")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|usr|mnt|data|opt)/|[A-Za-z]:\\\\?\w")


# ---- the notebooks


@each_notebook
def test_a_notebook_runs_in_time_without_error_and_gives_the_numbers_of_the_table(path, tmp_path):
    case = TABLE[path.stem]
    executed = run_notebook(path, tmp_path, case["parameters"], HANGS)
    assert errors(executed) == []
    assert differences(recorded(executed), case["numbers"]) == []
    assert changed_outputs(nbformat.read(path, as_version=4), executed) == []
    assert seconds_taken(executed) < case["processor seconds"]


@each_notebook
def test_the_outputs_in_the_repository_give_the_numbers_of_the_table(path):
    notebook = nbformat.read(path, as_version=4)
    assert differences(recorded(notebook), TABLE[path.stem]["numbers"]) == []
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run all cells in order: python notebooks/refresh.py"


def test_every_notebook_is_in_the_table():
    assert sorted(TABLE) == [path.stem for path in NOTEBOOKS]


@each_notebook
def test_a_notebook_starts_with_plain_parameters_that_the_table_sets(path):
    notebook = nbformat.read(path, as_version=4)
    values = literals(parameters_cell(notebook))
    refuse_unknown(path, TABLE[path.stem]["parameters"])
    assert {"profile", "dataset", "sequence", "seed", "device"} <= set(values)
    assert values["profile"] == "quick" and values["device"] == "cpu"
    assert values | TABLE[path.stem]["parameters"] == values, "what is stored comes from other parameters"


@each_notebook
def test_a_notebook_is_small_and_free_of_machine_time_and_widget_state(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < LARGEST_FILE
    assert notebook.metadata.kernelspec.name == "python3"
    assert "papermill" not in notebook.metadata and "widgets" not in notebook.metadata
    assert errors(notebook) == [] and widget_models(notebook) == []
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"} and set(cell.metadata.get("tags", [])) <= TAGS
        assert not ABSOLUTE_PATH.search(cell.source)
        for output in cell.get("outputs", []):
            text = json.dumps(output)
            assert len(text) < LARGEST_OUTPUT and "widget-view" not in text
            assert not any(map(ABSOLUTE_PATH.search, words(_without_images(output))))


@each_notebook
def test_a_notebook_explains_more_than_it_computes_in_short_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(cells) - len(code) >= 1.3 * len(code)
    for cell in code:
        lines = [line for line in cell.source.splitlines() if line]
        assert len(lines) <= LONGEST_CELL or "parameters" in cell.metadata.get("tags", []), cell.source
        assert max(map(len, lines)) <= 120, cell.source


@each_notebook
def test_a_notebook_defines_nothing_but_what_it_teaches(path):
    assert definitions(nbformat.read(path, as_version=4)) == []


@each_notebook
def test_a_notebook_asks_all_exercises_of_its_chapter_and_answers_none(path):
    chapter = [name for name in EXERCISES if name.startswith(path.stem[:3].replace("_", "."))]
    cells = nbformat.read(path, as_version=4).cells
    asking = [cell for cell in cells if cell.cell_type == "code" and "question(" in cell.source]
    assert [re.findall(r'(?:question|check)\("([\d.]+)"', cell.source) for cell in asking] == [[n, n] for n in chapter]
    for cell in asking:
        assert re.search(r"^\w+ = None\b", cell.source, re.MULTILINE)
        assert "not attempted" in "".join(output.get("text", "") for output in cell.outputs)


@each_notebook
def test_every_picture_has_an_alternative_text_and_every_widget_a_static_twin(path):
    notebook = nbformat.read(path, as_version=4)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
            assert output.metadata[kind]["alt"] == output.data["text/plain"] != ""
    assert widgets_before_any_picture(notebook) == []


def definitions(notebook):
    """What is defined where nothing may be: outside of a cell tagged taught, in a second one, or beside the first."""
    taught, found = False, []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        names = re.findall(r"^\s*(?:def|class|async def) (\w+)", cell.source, re.MULTILINE)
        allowed = "taught" in cell.metadata.get("tags", []) and not taught
        taught, found = taught or allowed, found + names[int(allowed) :]
    return found


def widgets_before_any_picture(notebook):
    """The widgets that are made before the first cell, or in the first cell, that shows a picture."""
    found = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        found += WIDGET.findall(cell.source)
        if re.search(r"\bshow\(", cell.source):
            break
    return found


def words(output):
    """Every text in an output, however deep."""
    if isinstance(output, str):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, list) else []
    return [text for part in parts for text in words(part)]


def _without_images(output):
    data = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
    return {**output, "data": data}


# ---- the checks can fail


def make_notebook(folder, *cells, parameters="n = 3"):
    """A notebook of code cells behind a parameters cell."""
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[new_markdown_cell("# small"), first, *(new_code_cell(cell) for cell in cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "small.ipynb"
    nbformat.write(notebook, path)
    return path


RECORDING = "from vsreid_lite.visualization.notebooks import record\nrecord({'double': 2 * n})"
RAISING_INTERACT = """
import ipywidgets
ipywidgets.interact(lambda i: 1 / (i - n), i=ipywidgets.IntSlider(value=0, min=0, max=6));
"""
RAISING_OBSERVER = """
import ipywidgets
slider = ipywidgets.IntSlider(value=0, min=0, max=6)
slider.observe(lambda change: 1 / (change["new"] - n), names="value")
slider
"""


def test_a_good_notebook_passes_with_injected_parameters(tmp_path):
    path = make_notebook(tmp_path, RECORDING, RAISING_INTERACT, RAISING_OBSERVER)
    executed = run_notebook(path, tmp_path, {"n": 100}, HANGS)
    assert errors(executed) == []
    assert differences(recorded(executed), {"double": {"value": 200, "tolerance": 0}}) == []
    assert 0 < seconds_taken(executed) < 60


def stored_and_run(tmp_path, stored, run):
    """A notebook with a checked cell, as stored and as a new run left it, each output as text."""
    notebooks = []
    for text in (stored, run):
        notebook = nbformat.read(make_notebook(tmp_path, "print(n)"), as_version=4)
        notebook.cells[2].id, notebook.cells[2].metadata["tags"] = "cell-02", ["nbval-check-output"]
        notebook.cells[2].outputs = [new_output("stream", text=part) for part in text]
        notebooks.append(notebook)
    return notebooks


def test_a_checked_output_that_changed_is_found(tmp_path):
    assert changed_outputs(*stored_and_run(tmp_path, ["3\n", "4\n"], ["3\n4\n"])) == []
    assert changed_outputs(*stored_and_run(tmp_path, ["3\n"], ["5\n"])) == ["cell-02: '5\\n', stored '3\\n'"]
    untagged = stored_and_run(tmp_path, ["3\n"], ["5\n"])
    untagged[0].cells[2].metadata["tags"] = []
    assert changed_outputs(*untagged) == []


@pytest.mark.parametrize(
    ("sources", "taught", "found"),
    [
        (["def W(P): pass"], [True], []),
        (["def W(P): pass"], [False], ["W"]),
        (["def W(P): pass\nclass V: pass"], [True], ["V"]),
        (["def W(P): pass", "def V(P): pass"], [True, True], ["V"]),
        (["if n:\n    async def W(P): pass", "f = lambda x: x"], [False, False], ["W"]),
    ],
)
def test_a_definition_beyond_the_taught_one_is_found(tmp_path, sources, taught, found):
    notebook = nbformat.read(make_notebook(tmp_path, *sources), as_version=4)
    for cell, tag in zip(notebook.cells[2:], taught, strict=True):
        cell.metadata["tags"] = ["taught"] if tag else []
    assert definitions(notebook) == found


@pytest.mark.parametrize("widget", [name for name in widgets.__all__ if name != "PictureBox"] + ["interact"])
def test_a_widget_before_any_picture_is_found(tmp_path, widget):
    early = [f"from vsreid_lite.visualization.widgets import {widget}", f"plot_{widget}(n)", f"{widget}(n)", "show(n)"]
    assert widgets_before_any_picture(nbformat.read(make_notebook(tmp_path, *early), as_version=4)) == [widget]
    late = ["show(n)", f"{widget}(n)"]
    assert widgets_before_any_picture(nbformat.read(make_notebook(tmp_path, *late), as_version=4)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("in /home/me/x.py", True),
        (r"at C:\Users\me", True),
        ("two masks:\nunion", False),
        ("see docs/home/x", False),
    ],
)
def test_an_absolute_path_in_an_output_is_found(text, found):
    output = new_output("display_data", {"text/markdown": text})
    assert any(map(ABSOLUTE_PATH.search, words(output))) == found


@pytest.mark.parametrize("source", ["1 / 0", "try: 1 / 0\nexcept ZeroDivisionError: get_ipython().showtraceback()"])
def test_a_cell_that_raises_or_shows_an_error_fails(tmp_path, source):
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        run_notebook(make_notebook(tmp_path, source), tmp_path, {}, HANGS)


def test_an_error_output_is_found(tmp_path):
    notebook = nbformat.read(make_notebook(tmp_path, "1 / 0"), as_version=4)
    notebook.cells[2].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]
    assert errors(notebook) == ["cell 2: ValueError: no"]


def test_a_callback_that_raises_inside_interact_is_found_in_the_widget_state(tmp_path):
    executed = run_notebook(make_notebook(tmp_path, RAISING_INTERACT), tmp_path, {}, HANGS)
    assert errors(executed) == ["widget: ZeroDivisionError: division by zero"]


def test_a_callback_that_raises_when_a_control_is_moved_fails(tmp_path):
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        run_notebook(make_notebook(tmp_path, RAISING_OBSERVER), tmp_path, {}, HANGS)


def test_an_unknown_parameter_fails_before_anything_runs(tmp_path):
    path = make_notebook(tmp_path, "1 / 0")
    with pytest.raises(ValueError, match="unknown parameters m; there are n"):
        run_notebook(path, tmp_path, {"m": 1}, HANGS)


@pytest.mark.parametrize("source", ["n = 2 + k", "import os", "n = m = 3", "n: int = int('3')"])
def test_parameters_that_are_no_plain_literals_fail(tmp_path, source):
    with pytest.raises(ValueError):
        refuse_unknown(make_notebook(tmp_path, parameters=source), {})


def test_a_notebook_without_a_parameters_cell_fails(tmp_path):
    path = make_notebook(tmp_path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["tags"] = []
    nbformat.write(notebook, path)
    with pytest.raises(ValueError, match="tagged parameters"):
        run_notebook(path, tmp_path, {}, HANGS)


def test_a_cell_that_never_ends_fails(tmp_path):
    with pytest.raises(CellTimeoutError):
        run_notebook(make_notebook(tmp_path, "import time; time.sleep(60)"), tmp_path, {}, 2)


EXPECTED = {"double": {"value": 6.0, "tolerance": 0.5}}


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ({}, "double: not recorded"),
        ({"double": 6.0, "half": 1.5}, "half: recorded, but not in the table"),
        ({"double": 6.75}, "double: 6.75, expected 6.0 ± 0.5"),
        ({"double": float("nan")}, "double: nan, expected 6.0 ± 0.5"),
    ],
)
def test_a_number_that_is_missing_unknown_or_off_is_found(numbers, problem):
    assert differences(numbers, EXPECTED) == [problem]
    assert differences({"double": 6.25}, EXPECTED) == []


def test_a_number_that_is_none_counts_as_missing(tmp_path):
    source = "from vsreid_lite.visualization.notebooks import record\nrecord({'double': None})"
    executed = run_notebook(make_notebook(tmp_path, source), tmp_path, {}, HANGS)
    assert differences(recorded(executed), EXPECTED) == ["double: not recorded"]


def test_a_number_recorded_twice_fails(tmp_path):
    executed = run_notebook(make_notebook(tmp_path, RECORDING, RECORDING), tmp_path, {}, HANGS)
    with pytest.raises(ValueError, match="recorded twice: double"):
        recorded(executed)
