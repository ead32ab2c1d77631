"""The Python of docs/extending.md runs from any folder and prints what its comments say (README.md: test_wheel)."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\bprint\(.*\)  # (.*)$", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def program(page: str) -> str:
    """The Python blocks of a page, in order."""
    return "\n".join(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")))


def numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def promised(code: str) -> list[float]:
    """The numbers in the comments behind what is printed."""
    return [number for comment in COMMENT.findall(code) for number in numbers(comment)]


def test_the_code_of_the_page_prints_the_numbers_of_its_comments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed = program("docs/extending.md"), io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "docs/extending.md", "exec"), {"__name__": "a page"})
    assert promised(code) and numbers(printed.getvalue()) == pytest.approx(promised(code), abs=0.01)
