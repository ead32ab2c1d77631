"""Slides are the tagged pictures of the notebooks, in order, in one file that fetches nothing."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.site.slides import main


def cell(words, *tags):
    drawn = new_output("display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": words}})
    return new_code_cell("show()", outputs=[drawn], metadata={"tags": list(tags)})


@pytest.fixture
def notebooks(tmp_path):
    opening = new_markdown_cell("# Title\n\n## 1. Warping of $P_{i,k}$")
    empty = new_code_cell("x = 1", metadata={"tags": ["slide"]})
    cells = [
        opening,
        cell("left < right", "slide"),
        cell("not chosen"),
        empty,
        new_markdown_cell("## Last"),
        cell("z", "slide"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "02_small.ipynb")
    return tmp_path


def test_tagged_pictures_have_the_heading_above_them_and_their_words(notebooks, capsys):
    assert main(["--notebooks", str(notebooks), "--output", str(notebooks / "slides.html")]) == 0
    deck = (notebooks / "slides.html").read_text(encoding="utf-8")
    assert deck.count("<section") == 3 and "3 slides" in capsys.readouterr().out
    assert "Warping of <math" in deck and "left &lt; right" in deck and "not chosen" not in deck
    assert deck.index("left &lt; right") < deck.index("Last") and "Notebook 02_small" in deck
    assert "http" not in deck.replace("http://www.w3.org", "")


def test_no_tagged_picture_is_one_line_and_no_file(tmp_path, capsys):
    output = tmp_path / "slides.html"
    assert main(["--notebooks", str(tmp_path), "--output", str(output)]) == 2
    assert "expected cells with the tag `slide` and a picture, found none" in capsys.readouterr().err
    assert not output.exists()
