"""docs/fidelity.md against the presets, whose switches it names, and the code; and fields set by their names."""

import ast
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from vsreid_lite.config import AUTHORS, LITE, PAPER, Config, ReidConfig, changed_settings, with_settings

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


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("release.exclusive=false", False),
        ("propagation.use_flow=False", False),
        ("matching.rho_reid=0.8", 0.8),
        ("matching.rho_occ=none", None),
        ("propagation.patch=64", 64),
        ("propagation.scales=0.75,1", (0.75, 1.0)),
        ("seed=0", 0),
        ("cache=1000000", 1000000),
        ("flow=raft:a=b.pth", "raft:a=b.pth"),
        ("detector_weights=none", None),
    ],
)
def test_a_field_is_set_by_its_name_and_nothing_else_changes(setting, expected):
    before = replace(AUTHORS, matching=ReidConfig(0.5, 0.3), detector_weights="a.pth", seed=3)
    after = with_settings(before, [setting])
    name = setting.partition("=")[0]
    assert value(after, name) == expected and type(value(after, name)) is type(expected)
    known = dict(settings(before))
    assert {other for other, found in settings(after) if found != known[other]} == {name}


def test_what_differs_from_a_preset_can_be_set_again_and_the_last_setting_counts():
    for preset, other in ((LITE, AUTHORS), (AUTHORS, LITE)):
        config = replace(other, preset=preset.preset)
        assert with_settings(preset, changed_settings(config)) == config
    assert changed_settings(LITE) == changed_settings(AUTHORS) == []
    assert with_settings(LITE, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("matching.exclusive=true", "Config has no field 'matching.exclusive'; the nearest is release.exclusive"),
        ("rho_ocC=1", "the nearest is matching.rho_occ"),
        ("release=true", "Config has no field 'release'; the nearest is release."),
        ("=1", "Config has no field ''; the nearest is "),
        ("release.exclusive", "expected NAME=VALUE, as release.exclusive=true"),
        ("release.exclusive=1", "expected true or false, found '1'"),
        ("matching.rho_reid=high", "expected a number, or none, found 'high'"),
        ("matching.rho_reid=nan", "expected a number, or none, found 'nan'"),
        ("matching.proposals=2.5", "expected a whole number from 1 on, found '2.5'"),
        ("matching.proposals=none", "expected a whole number from 1 on, found 'none'"),
        ("release.absent_below=1.1", "expected a number from 0 to 1, found '1.1'"),
        ("propagation.scales=1,,2", "expected numbers with commas between them from 0.1 to 10, found '1,,2'"),
        ("propagation.scales=1,-1", "found '1,-1'"),
        ("cache=2G", "expected a whole number from 0 on, or none, found '2G'"),
        ("cache=-1", "expected a whole number from 0 on, or none, found '-1'"),
        ("preset=paper", "networks, sizes and rules come with a preset; choose it by --preset"),
    ],
)
def test_a_wrong_name_or_value_is_refused_in_one_line(setting, line):
    with pytest.raises(ValueError) as problem:
        with_settings(LITE, ["seed=1", setting])
    assert str(problem.value).startswith(f"{setting}: ") and line in str(problem.value)
