"""The presets against docs/fidelity.md: each row marked S has its switch, and `authors` sets them all."""

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
    assert [number for number, _, _ in rows()] == list(range(1, 27))


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
