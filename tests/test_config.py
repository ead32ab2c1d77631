"""docs/fidelity.md against the presets, whose switches it names, and the code, whose places it names."""

import ast
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from vsreid_lite.config import AUTHORS, LITE, PAPER, PRESETS, Config

PAGE = Path(__file__).parents[1] / "docs" / "fidelity.md"
MARKED = (2, 3, 4, 5, 7, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23)  # S in the list of the release's rules
NETWORKS = {"preset", "propagation.patch"}  # what `authors` sets beside rules


def rows():
    """Number and marker of each row of the page's table of choices, and the switches that it names."""
    table = PAGE.read_text(encoding="utf-8").split("## Choices")[1].split("\n## ")[0]
    for number, marker, *_, status in (
        re.match(r"\| (\d+)( S)? \|(.*)\|(.*)\|$", line).groups()
        for line in table.splitlines()
        if line[:3].strip("| ").isdigit()
    ):
        yield int(number), bool(marker), re.findall(r"`([a-z_.]+)`", status)


def value(config, path):
    for name in path.split("."):
        config = getattr(config, name)
    return config


def settings(config, prefix=""):
    for field in fields(config):
        found = getattr(config, field.name)
        if is_dataclass(found):
            yield from settings(found, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", found


SWITCHES = {number: switches for number, marked, switches in rows() if marked}


def test_the_page_marks_the_rows_that_have_a_switch():
    assert tuple(SWITCHES) == MARKED
    assert [number for number, _, _ in rows()] == list(range(1, 31))


@pytest.mark.parametrize("row", MARKED)
def test_a_marked_row_names_fields_that_exist_and_authors_sets_them(row):
    known = dict(settings(Config()))
    switches = [name for name in SWITCHES[row] if name in known]
    assert switches, f"row {row} names no field of Config: {SWITCHES[row]}"
    assert all("." not in name or name in known for name in SWITCHES[row])
    assert any(value(AUTHORS, name) != value(PAPER, name) for name in switches)


def test_authors_sets_nothing_that_the_page_does_not_name():
    named = {switch for _, _, switches in rows() for switch in switches}
    paper = dict(settings(PAPER))
    changed = {name for name, found in settings(AUTHORS) if found != paper[name]}
    assert changed - NETWORKS <= named


def test_every_switch_on_the_page_is_a_field():
    text = PAGE.read_text(encoding="utf-8")
    parts = [field.name for field in fields(Config) if is_dataclass(getattr(Config(), field.name))]
    named = set(re.findall(rf"`((?:{'|'.join(parts)})\.(?!py`)\w+)`", text))
    assert named and named <= {name for name, _ in settings(Config())}


def test_lite_and_paper_follow_the_same_rules():
    rules = {switch for switches in SWITCHES.values() for switch in switches if switch in dict(settings(LITE))}
    assert {rule for rule in rules if value(LITE, rule) != value(PAPER, rule)} == set()


def test_presets_are_known_by_their_name():
    assert {name: config.preset for name, config in PRESETS.items()} == {
        name: name for name in ("lite", "paper", "authors")
    }
    assert PRESETS["lite"] == Config()
    assert (PAPER.propagation.patch, AUTHORS.propagation.patch) == (449, 449)
    assert (AUTHORS.matching.rho_reid, AUTHORS.matching.rho_occ) == (0.5, 0.3)
    assert PAPER.propagation.use_flow and AUTHORS.propagation.use_flow


SENTENCES = {"3.1": 20, "3.2": 13, "3.3": 21, "3.4": 8, "4": 5, "4.1": 11, "4.2": 4}  # of the camera ready
PLACE = re.compile(r"`([\w/]+\.(?:py|csv))(?::([\w.]+))?`")


def sentences():
    """Of each section of the paper, the lines of its table: number, paraphrase, and where it is."""
    listed = PAGE.read_text(encoding="utf-8").split("## The paper, sentence by sentence")[1]
    for section in listed.split("\n### ")[1:]:
        yield section.split()[0], re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", section, re.MULTILINE)


def names(body, prefix=""):
    """What a module or class defines: functions, classes and their members, constants, fields."""
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from names(node.body, f"{prefix}{node.name}.")


def found(file, name):
    places = (PAGE.parents[1] / "vsreid_lite" / file, PAGE.parents[1] / file)
    path = next((path for path in places if path.is_file()), None)
    return path is not None and (not name or name in names(ast.parse(path.read_text(encoding="utf-8")).body))


def test_each_sentence_of_the_method_and_the_experiments_has_its_line():
    tables = dict(sentences())
    assert {section: [int(number) for number, *_ in lines] for section, lines in tables.items()} == {
        section: list(range(1, count + 1)) for section, count in SENTENCES.items()
    }
    for section, lines in tables.items():
        for number, _, where in lines:
            said = PLACE.search(where) or "not here, because" in where or where == "the next six lines"
            assert said, f"section {section}, sentence {number}: {where}"


def test_every_file_and_name_on_the_page_exists():
    places = PLACE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(places) > 60 and [place for place in places if not found(*place)] == []
    assert not found("geometry.py", "Box.nothing") and not found("nothing.py", "")
