"""The Python of README.md and docs/extending.md runs from any folder and prints what its comments say."""

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


@pytest.mark.parametrize(("page", "tolerance"), [("README.md", 0.0011), ("docs/extending.md", 0.01)])
def test_the_code_of_a_page_prints_the_numbers_of_its_comments(page, tolerance, tmp_path, monkeypatch):
    """Scores move by the number of threads: by 0.001 in the README's snippet (and its rounding)."""
    monkeypatch.chdir(tmp_path)
    code, printed = program(page), io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code, page, "exec"), {"__name__": page})
    assert promised(code) and numbers(printed.getvalue()) == pytest.approx(promised(code), abs=tolerance)
