"""The notebooks run on other videos, give the numbers of tests/golden/notebooks.json, and are fit to be read.

That they run as they are stored, and give the same tagged outputs, is checked by nbval: `make test`. The runs on other
videos are left in build/tested/runs, of which `make test-browser` makes pages to look at.
"""

import ast
import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.command_line import tiny_frame, tiny_mask, tiny_sequence, write_frames
from tests.notebook_checks import (
    ABSOLUTE_PATH,
    HANGS,
    definitions,
    differences,
    errors,
    literals,
    parameters_cell,
    refuse_unknown,
    run_notebook,
    seconds_taken,
    widget_models,
    widgets_before_any_picture,
    words,
)
from vsreid_lite.config import PropagationConfig
from vsreid_lite.datasets.davis import write_benchmark
from vsreid_lite.lessons.notebooks import recorded
from vsreid_lite.networks.weight_files import read_provenance, weight_files
from vsreid_lite.video.masks import write_mask
from vsreid_lite.video.movies import write_video

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
RUNS = FOLDER.parent / "build" / "tested" / "runs"
TABLE = json.loads((Path(__file__).parent / "golden" / "notebooks.json").read_text(encoding="utf-8"))
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

LONGEST_CELL = 6  # lines, blank ones not counted
LARGEST_OUTPUT = 500_000
LARGEST_FILE = 2_000_000
PARTS = 3  # that notebook 11 replaces
TAGS = {"slide", "parameters", "taught", "nbval-check-output", "nbval-ignore-output"}


@each_notebook
def test_a_notebook_runs_on_another_video_in_time_and_gives_the_numbers_of_the_table(path, tmp_path):
    case = TABLE[path.stem]
    executed = run_notebook(path, tmp_path, case["other"]["parameters"], HANGS)
    assert errors(executed) == []
    assert differences(recorded(executed), case["other"]["numbers"]) == []
    assert seconds_taken(executed) < case["processor seconds"]
    RUNS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tmp_path / path.name, RUNS / path.name)


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if "davis" in case])
def test_a_notebook_runs_on_real_video_and_gives_the_numbers_of_the_table(name, tmp_path, davis_root):
    case = TABLE[name]["davis"]
    parameters = {"dataset": "davis-2016", "root": str(davis_root), **case["parameters"]}
    executed = run_notebook(FOLDER / f"{name}.ipynb", tmp_path, parameters, HANGS)
    assert errors(executed) == []
    of_the_video = {name: x for name, x in recorded(executed).items() if name in case["numbers"]}  # not of all of DAVIS
    assert differences(of_the_video, case["numbers"]) == []


def test_a_clip_of_ones_own_may_have_any_size_and_number_of_frames(tmp_path):
    clips = [
        own_clip(tmp_path / "tiny", (40, 64), 3, (1,)),
        own_clip(tmp_path / "one", (97, 51), 1, (3, 7)),
        own_clip(tmp_path / "film", (240, 400), 2, (255,), video=True),
    ]
    write_benchmark([tiny_sequence()], tmp_path / "data")
    notebook = nbformat.read(FOLDER / "10_benchmark_and_your_video.ipynb", as_version=4)
    sections = code_from(notebook, "## 8.", "## 11.")
    for parameters in clips[1:]:  # in the same kernel, as starting one takes longest
        sources = [f"{name} = {value!r}" for name, value in parameters.items()]
        notebook.cells += map(new_code_cell, [*sources, "own = own_frames(clip, first_mask)", *sections])
    nbformat.write(notebook, tmp_path / "own.ipynb")
    short = {"root": str(tmp_path / "data"), "sequence": "tiny", "others": []}
    executed = run_notebook(tmp_path / "own.ipynb", tmp_path, short | clips[0], HANGS)
    assert errors(executed) == []
    printed = "".join(output.get("text", "") for cell in executed.cells for output in cell.get("outputs", []))
    assert re.findall(r"^(.* instances?, .*)$", printed, re.MULTILINE) == [
        "tiny: 3 frames, 1 instance, 64 x 40",
        "one: 1 frame, 2 instances, 51 x 97",
        "film: 2 frames, 1 instance, 400 x 240",
    ]


def own_clip(path, shape, count, labels, video=False):
    """A folder of frames, or a film, and its first mask, as the parameters of a notebook."""
    mask = path.with_name(f"{path.name}-mask.png")
    write_mask(mask, tiny_mask(labels, shape))
    if not video:
        return {"clip": str(write_frames(path, count, shape)), "first_mask": str(mask)}
    film = path.with_suffix(".mp4")
    write_video(film, [tiny_frame(i, shape) for i in range(count)])
    return {"clip": str(film), "first_mask": str(mask)}


def code_from(notebook, first, last):
    """The code of a notebook between the headings that begin with `first` and `last`."""
    start, stop = (next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith(x)) for x in (first, last))
    return [cell.source for cell in notebook.cells[start:stop] if cell.cell_type == "code"]


@each_notebook
def test_the_outputs_in_the_repository_give_the_numbers_of_the_table(path):
    notebook = nbformat.read(path, as_version=4)
    assert differences(recorded(notebook), TABLE[path.stem]["numbers"]) == []
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run all cells in order: python notebooks/refresh.py"


@pytest.mark.parametrize("number", ["03", "04", "05", "08"])
def test_networks_see_the_patch_that_is_stored_with_their_weights(number):
    notebook = nbformat.read(next(FOLDER.glob(f"{number}_*")), as_version=4)
    tree = ast.parse("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"))
    parts = ("from vsreid_lite import", "weights=weights")
    lines = [line for line in tree.body if any(part in ast.unparse(line) for part in parts)]
    names = {**literals(parameters_cell(notebook)), "weights": "lite-real"}
    exec(compile(ast.Module(lines, []), number, "exec"), names)
    stored = read_provenance(weight_files("lite-real").propagation).settings["patch"]
    assert names["config"].propagation.patch == stored != PropagationConfig().side


def test_every_notebook_is_in_the_table():
    assert sorted(TABLE) == [path.stem for path in NOTEBOOKS]


@each_notebook
def test_a_notebook_starts_with_plain_parameters_that_the_table_sets(path):
    notebook = nbformat.read(path, as_version=4)
    values = literals(parameters_cell(notebook))
    case, other = TABLE[path.stem]["parameters"], TABLE[path.stem]["other"]["parameters"]
    refuse_unknown(path, case | other)
    assert {"profile", "dataset", "sequence", "seed", "device"} <= set(values)
    assert values["profile"] == "quick" and values["device"] == "cpu"
    assert values | case == values, "what is stored comes from other parameters"
    assert all(values[name] != value for name, value in other.items()), "nbval runs these already"


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
def test_links_lead_to_headings_of_the_notebook_and_to_files_that_exist(path):
    texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    headings = [heading for text in texts for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    links = re.findall(r"\]\(((?:[^\s()]|\([^\s()]*\))+)\)", "\n".join(texts))
    assert len(set(headings)) == len(headings)
    assert {link[1:] for link in links if link[0] == "#"} <= {heading.replace(" ", "-") for heading in headings}
    files = {link.partition("#")[0] for link in links} - {""}
    assert [file for file in files if not (file.startswith("https://") or (FOLDER / file).is_file())] == []


@each_notebook
def test_a_notebook_defines_nothing_but_what_it_teaches(path):
    assert definitions(nbformat.read(path, as_version=4), PARTS if path.stem == "11_change_a_part" else 1) == []


@each_notebook
def test_every_picture_has_an_alternative_text_and_every_widget_a_static_twin(path):
    notebook = nbformat.read(path, as_version=4)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
            assert output.metadata[kind]["alt"] == output.data["text/plain"] != ""
            assert not re.search(r"\bnan\b|\n", output.data["text/plain"])
    assert widgets_before_any_picture(notebook) == []


def _without_images(output):
    data = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
    return {**output, "data": data}
