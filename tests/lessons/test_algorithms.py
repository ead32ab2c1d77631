"""The printed algorithms: their lines are numbered and marked, and what the paper's text says stands in them."""

import pytest

from vsreid_lite.lessons import algorithms, notebooks
from vsreid_lite.lessons.algorithms import show_algorithm
from vsreid_lite.lessons.notebooks import RECORD, record_table


@pytest.fixture
def shown(monkeypatch):
    """What a cell displays, without a kernel."""
    outputs = []
    for module in (algorithms, notebooks):
        monkeypatch.setattr(module, "display", lambda data, raw: outputs.append(data))
    return outputs


@pytest.mark.parametrize(("number", "lines"), [(1, 7), (2, 10), (3, 31)])
def test_an_algorithm_has_its_lines_and_each_row_three_cells(number, lines, shown):
    show_algorithm(number)
    rows = shown[0]["text/markdown"].splitlines()
    assert len(rows) == lines + 2 and f"| {lines}: |" in rows[-1]
    assert all(row.count("|") == 4 for row in rows)
    assert shown[0]["text/markdown"].count("$") % 2 == 0 and r"\h" not in shown[0]["text/markdown"].replace(r"\hat", "")


def test_marked_lines_have_an_arrow_and_an_excerpt_has_no_other_lines(shown):
    show_algorithm(3, 24, 28, lines=range(23, 31))
    rows = shown[0]["text/markdown"].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows][:2] == ["23:", "**→ 24:**"]
    assert len(rows) == 8 and sum("→ " in row for row in rows) == 2
    assert r"\lvert c_{i,\hat{k}} - i \rvert > \lvert \hat{i} - i \rvert" in rows[1]
    assert rows[0].endswith("| ▷ forward propagate |") and rows[3].startswith(
        r"| 26: | &emsp;&emsp;&emsp;&emsp;&emsp;$c"
    )
    assert shown[0]["text/plain"] == "Algorithm 3: VS-ReID algorithm, as printed; lines marked: 24, 28"


def test_a_table_shows_and_keeps_its_numbers(shown):
    record_table({"before": {"J": 0.25, "n": 3}, "after": {"J": None, "n": 4}}, "{column} {row}")
    (data,) = shown
    assert data[RECORD] == {"J before": 0.25, "n before": 3, "J after": None, "n after": 4}
    rows = data["text/markdown"].splitlines()
    assert rows == ["|  | J | n |", "| --- | --- | --- |", "| before | 0.250 | 3 |", "| after | None | 4 |"]
    assert data["text/plain"].splitlines()[0] == "J before: 0.250"
