"""The solutions are right and the notebooks ask what they solve."""

import ast
from pathlib import Path

import nbformat
import pytest

from vsreid_lite.lessons import check
from vsreid_lite.lessons.exercises import exercises

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
EXERCISES = exercises()


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("chapter", [f"{i:02d}" for i in range(1, 11)])
def test_the_solutions_of_a_notebook_are_all_right_and_repeat_its_questions(chapter, capsys):
    notebook = nbformat.read(FOLDER / "solutions" / f"solutions_{chapter}.ipynb", as_version=4)
    namespace = {}
    for source in code_of(notebook):
        exec(compile(source, "a cell", "exec"), namespace)
    names = [name for name in EXERCISES if name.startswith(chapter)]
    assert capsys.readouterr().out.splitlines() == [f"{name}: right" for name in names]
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert texts[1::2] == [f"## {name}\n\n{EXERCISES[name].question}" for name in names]
    assert len(texts) == 1 + 2 * len(names) and all(text.endswith(".") for text in texts[2::2])


def test_there_is_a_file_of_solutions_for_each_notebook_and_no_other():
    files = sorted(path.name for path in (FOLDER / "solutions").iterdir() if not path.name.startswith("."))
    assert files == [f"solutions_{i:02d}.ipynb" for i in range(1, 11)]


@pytest.mark.parametrize("path", sorted((FOLDER / "solutions").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_file_of_solutions_is_a_plain_notebook_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3" and set(notebook.metadata) == {"kernelspec", "language_info"}
    assert [cell.id for cell in notebook.cells] == [f"cell-{i:02d}" for i in range(len(notebook.cells))]
    for cell in notebook.cells:
        assert not cell.metadata and not cell.get("outputs") and cell.get("execution_count") is None
        assert cell.cell_type == "markdown" or max(map(len, cell.source.splitlines())) <= 120


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[01][0-9]_*.ipynb"))[1:], ids=lambda path: path.stem)
def test_a_notebook_asks_its_exercises_each_before_its_stub_and_holds_no_solution(path, capsys):
    sources = code_of(nbformat.read(path, as_version=4))
    for name in (name for name in EXERCISES if name.startswith(path.stem[:2])):
        asked = [i for i, source in enumerate(sources) if f'question("{name}")' in source]
        tried = [i for i, source in enumerate(sources) if f'check("{name}", ' in source]
        assert len(asked) == len(tried) == 1 and asked[0] <= tried[0], name
        wanted = EXERCISES[name].oracle.__name__ if EXERCISES[name].cases else "answer"
        assert f'check("{name}", {wanted})' in sources[tried[0]], "the stub defines what the question asks for"
        stub = "\n".join(ast.unparse(part) for part in ast.parse(sources[tried[0]]).body if not is_question(part))
        exec(compile(stub, "a cell", "exec"), {"check": check})
        assert capsys.readouterr().out == f"{name}: not attempted\n"
    assert sum(source.count("question(") for source in sources) == sum(name[:2] == path.stem[:2] for name in EXERCISES)


def is_question(statement):
    return "question(" in ast.unparse(statement)


@pytest.mark.parametrize("chapter", [f"{i:02d}" for i in range(1, 11)])
def test_the_course_guide_names_every_notebook_with_its_exercises(chapter):
    page = (FOLDER.parent / "docs" / "course.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{chapter}_")]
    names = [name for name in EXERCISES if name.startswith(chapter)]
    assert f"{names[0]} {'to' if len(names) > 2 else 'and'} {names[-1]}" in row
    assert f"{len(EXERCISES)} exercises" in page
    written = [path.stem for path in FOLDER.glob(f"{chapter}_*.ipynb")]
    assert all(f"`{name}`" in row for name in written)
