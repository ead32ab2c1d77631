"""What the checks of a notebook find: each way in which a run must fail, with a small notebook made here."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from papermill.exceptions import PapermillExecutionError

from tests.notebook_checks import (
    ABSOLUTE_PATH,
    WIDGETS,
    definitions,
    differences,
    errors,
    refuse_unknown,
    run_notebook,
    seconds_taken,
    widgets_before_any_picture,
    words,
)
from vsreid_lite.lessons.notebooks import recorded

SECONDS = 120  # for a cell; with an Output widget, jupyter_client may overlook the reply, and finds it only after these


def make_notebook(folder, *cells, parameters="n = 3"):
    """A notebook of code cells behind a parameters cell."""
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[new_markdown_cell("# small"), first, *(new_code_cell(cell) for cell in cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "small.ipynb"
    nbformat.write(notebook, path)
    return path


RECORDING = "from vsreid_lite.lessons.notebooks import record\nrecord({'double': 2 * n, 'nothing': None})"
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


def test_a_good_notebook_passes_with_injected_parameters_and_a_number_recorded_twice_fails(tmp_path):
    path = make_notebook(tmp_path, RECORDING, RAISING_INTERACT, RAISING_OBSERVER)
    executed = run_notebook(path, tmp_path, {"n": 100}, SECONDS)
    assert errors(executed) == []
    assert differences(recorded(executed), {"double": {"value": 200, "tolerance": 0}}) == []
    assert 0 < seconds_taken(executed) < 60
    executed.cells.append(executed.cells[3])
    with pytest.raises(ValueError, match="recorded twice: double"):
        recorded(executed)


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


def test_where_several_cells_may_define_each_defines_one_thing(tmp_path):
    notebook = nbformat.read(make_notebook(tmp_path, "def W(P): pass", "def V(P): pass", "n"), as_version=4)
    for cell in notebook.cells[2:]:
        cell.metadata["tags"] = ["taught"]
    assert definitions(notebook, 2) == [] and definitions(notebook) == ["V"]


@pytest.mark.parametrize("widget", [WIDGETS[0], "interact"])
def test_a_widget_before_any_picture_is_found(tmp_path, widget):
    early = [f"from vsreid_lite.widgets import {widget}", f"plot_{widget}(n)", f"{widget}(n)", "show(n)"]
    assert widgets_before_any_picture(nbformat.read(make_notebook(tmp_path, *early), as_version=4)) == [widget]
    late = ["show(n)", f"{widget}(n)"]
    assert widgets_before_any_picture(nbformat.read(make_notebook(tmp_path, *late), as_version=4)) == []


def test_an_absolute_path_in_an_output_is_found():
    for text, found in (("in /home/me/x.py", True), (r"at C:\Users\me", True), ("two masks:\nsee docs/home/x", False)):
        output = new_output("display_data", {"text/markdown": text})
        assert any(map(ABSOLUTE_PATH.search, words(output))) == found


SHOWING = "try: 1 / 0\nexcept ZeroDivisionError: get_ipython().showtraceback()"


@pytest.mark.parametrize("source", [SHOWING, RAISING_OBSERVER], ids=["shown", "in a callback"])
def test_a_cell_that_shows_an_error_and_a_control_that_raises_when_it_is_moved_fail(tmp_path, source):
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        run_notebook(make_notebook(tmp_path, source), tmp_path, {}, SECONDS)


def test_errors_in_outputs_and_in_the_widget_state_are_found(tmp_path):
    executed = run_notebook(make_notebook(tmp_path, RAISING_INTERACT), tmp_path, {}, SECONDS)
    assert errors(executed) == ["widget: ZeroDivisionError: division by zero"]
    executed.cells[2].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]
    assert errors(executed)[0] == "cell 2: ValueError: no"


def test_an_unknown_parameter_fails_before_anything_runs(tmp_path):
    path = make_notebook(tmp_path, "1 / 0")
    with pytest.raises(ValueError, match="unknown parameters m; there are n"):
        run_notebook(path, tmp_path, {"m": 1}, SECONDS)


@pytest.mark.parametrize("source", ["n = 2 + k", "import os", "n = m = 3", "n: int = int('3')"])
def test_parameters_that_are_no_plain_literals_fail(tmp_path, source):
    with pytest.raises(ValueError):
        refuse_unknown(make_notebook(tmp_path, parameters=source), {})


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
