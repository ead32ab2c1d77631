"""Pages show every output of a notebook without a kernel, fetch nothing, and refuse what they cannot show."""

import base64
import html
import os
import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tools.site.__main__ import main
from tools.site.execution import FILMS
from tools.site.page import make_page, to_mathml, wrap
from tools.site.site import RESULTS, TITLE, write_documents, write_pages, write_site

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
FETCHED = re.compile(
    r"""(?:src=|<link[^>]* href=|href=(?!["']https://))["'](?!data:|#|[\w-]+\.html)|url\(|@import|\bfetch\(|\bimport\("""
)


def png(colour="red"):
    buffer = BytesIO()
    Image.new("RGB", (8, 4), colour).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def widget(model_id, text):
    return new_output(
        "display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": model_id}, "text/plain": text}
    )


def picture(words):
    return new_output("display_data", {"image/png": png(), "text/plain": words}, metadata={"image/png": {"alt": words}})


def page(*outputs, opening="# A *title*\n\nOf $P_{i,k}$.\n\nMore.", films=None, tags=()):
    code = new_code_cell("x = 1", outputs=list(outputs), metadata={"tags": list(tags)})
    notebook = new_notebook(cells=[new_markdown_cell(opening), code])
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return make_page("05_small", notebook, films or {})


def test_a_page_has_title_summary_and_last_picture():
    made = page(new_output("stream", text="7\n"), picture("first"), picture("second"))
    assert (made.name, made.title, made.words) == ("05_small", "A <em>title</em>", "second")
    assert made.summary.startswith("Of <math") and made.summary.endswith("</math>.")
    assert made.picture == f"data:image/png;base64,{png()}"
    assert "<pre>7" in made.body and made.body.count("<img") == 2 and 'alt="second"' in made.body


def test_a_widget_becomes_its_film_and_a_progress_bar_goes():
    bar = "  0%|          | 0/30 [00:00<?, ?it/s]"
    made = page(widget("a1", "PictureBox()"), widget("b2", bar), films={"a1": "<b>film</b>"})
    assert "<b>film</b>" in made.body and "30" not in made.body
    assert "widget-view" not in made.body and "widget-state" not in made.body
    assert made.body.count('class="output_area"') == 1

    assert "moves in JupyterLab only" in page(widget("a1", "Text(value='')")).body  # it has no film


def test_a_page_lists_its_sections_and_does_not_ask_for_a_kernel_above_a_film():
    made = page(
        opening="# T\n\nMoves. (The controls need a running\nkernel; pages have a film.)\n\n## A $b$ c\n\n## 2. D"
    )
    links = re.findall(r'<a href="#(.*?)">', made.body)
    assert len(links) == 2 and links[1] == "2.-D" and all(f'<h2 id="{name}">' in made.body for name in links)
    assert "<p>Moves.</p>" in made.body
    assert "contents" not in page(opening="# T\n\n[A](#a) [B](#b)\n\n## A\n\n## B").body  # it has its own


def test_parameters_that_were_injected_are_not_shown():
    assert "output_stream" not in page(new_output("stream", text="7"), tags=["injected-parameters"]).body


@pytest.mark.parametrize(
    ("outputs", "opening", "message"),
    [
        ([new_output("error", ename="KeyError", evalue="'k'")], "# T", "a cell ended with KeyError: 'k'"),
        ([], "No title", "expected the first cell to start with a title"),
    ],
)
def test_a_cell_that_failed_and_a_notebook_without_a_title_are_no_page(outputs, opening, message):
    with pytest.raises(ValueError, match=f"05_small: {message}"):
        page(*outputs, opening=opening)


def test_mathematics_is_mathml_and_what_has_none_is_refused():
    assert page(opening="# T\n\n$$b \\leftarrow \\mathrm{Box}(P_{i\\to j,k} > 0.5)$$").body.count("<math") == 1
    assert "←" in to_mathml(r"a \leftarrow b") or "&#x02190;" in to_mathml(r"a \leftarrow b")
    assert "<mo>arg</mo>" in to_mathml(r"\arg\max_k P_k")
    with pytest.raises(ValueError, match=r"mathematics '\\\\nothing x': \\nothing has no MathML"):
        to_mathml(r"\nothing x")
    with pytest.raises(ValueError, match="mathematics 'x_' cannot be read: MissingSuperScriptOrSubscriptError"):
        to_mathml("x_")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebooks_as_stored_make_pages_that_fetch_nothing(path):
    made = make_page(path.stem, nbformat.read(path, as_version=4), {})
    whole = wrap(made.title, made.body)
    assert not FETCHED.search(re.sub(r"base64,[^\"]+", "", whole))
    assert "$" not in re.sub(r"<pre.*?</pre>|<code.*?</code>|<script.*?</script>", "", made.body, flags=re.DOTALL)
    assert made.summary and made.picture and made.words
    targets = set(re.findall(r' id="([^"]*)"', made.body))
    assert {html.unescape(unquote(link)) for link in re.findall(r'href="#([^"]*)"', made.body)} <= targets
    assert set(RESULTS[path.stem]) <= set(made.numbers) and "running kernel;" not in made.body


def test_the_index_has_all_pages_in_order_each_with_its_picture_and_they_lead_to_one_another(tmp_path, monkeypatch):
    pages = [make_page(name, new_notebook(cells=page_cells(name)), {}) for name in ("00_a", "01_b", "02_c")]
    monkeypatch.setitem(RESULTS, "01_b", ("rounds",))
    write_pages([pages[0], replace(pages[1], numbers={"rounds": 4, "x": 1.0}), pages[2]], tmp_path)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f"<h1>{TITLE}</h1>" in index and '<p class="result">rounds: 4</p>' in index
    assert re.findall(r'<a href="(.*?)">', index) == ["painter.html", "00_a.html", "01_b.html", "02_c.html"]
    assert re.findall(r'<img alt="(.*?)"', index) == ["picture of 00_a", "picture of 01_b", "picture of 02_c"]
    middle = (tmp_path / "01_b.html").read_text(encoding="utf-8")
    assert re.findall(r'<a href="(.*?)">', middle) == ["index.html", "00_a.html", "02_c.html"]
    painter = (tmp_path / "painter.html").read_text(encoding="utf-8")
    assert re.findall(r'<a href="(.*?)">', painter) == ["index.html"]
    assert not any(map(FETCHED.search, (index, middle, painter)))


def page_cells(name):
    return [
        new_markdown_cell(f"# Title of {name}\n\nText."),
        new_code_cell("", outputs=[picture(f"picture of {name}")]),
    ]


def test_headings_have_the_ids_to_which_contents_link_and_those_of_documents_as_on_github(tmp_path):
    body = page(opening="# T\n\n[2](#2.-Line-`x`:-why?)\n\n## 2. Line `x`: why?").body
    assert '<h2 id="2.-Line-x:-why?">2. Line <code>x</code>: why?</h2>' in body
    write_documents(tmp_path)
    fidelity = (tmp_path / "fidelity.html").read_text(encoding="utf-8")
    assert '<h2 id="choices">Choices</h2>' in fidelity and '<h3 id="31-mask-propagation-module">' in fidelity
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not FETCHED.search(re.sub(r"base64,[^\"]+", "", text)), path.name
        assert set(re.findall(r'href="([\w-]+\.html)', text)) <= {f.name for f in tmp_path.iterdir()} | {"index.html"}


def test_links_to_notebooks_lead_to_their_pages_and_titles_of_files_are_plain():
    made = page(opening="# T\n\n[on](02_flow.ipynb#x)")
    assert 'href="02_flow.html#x"' in made.body and 'href="02_flow.html#x"' in made.summary
    assert "<title>J &amp; F, a title</title>" in wrap(page(opening="# J & F, *a* title\n\nText.").title, "")


def test_a_run_that_is_newer_than_all_code_is_kept_and_a_notebook_that_fails_is_named_in_one_line(tmp_path, capsys):
    cells = [new_markdown_cell("# T\n\nText."), new_code_cell("raise KeyError('two\\nlines')")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "05_small.ipynb")
    run = tmp_path / "site" / "runs" / "05_small.ipynb"
    run.parent.mkdir(parents=True)
    films = new_output("display_data", {FILMS: {"a1": "<b>film</b>"}})
    made = [cells[0], new_code_cell("", outputs=[widget("a1", "PictureBox()")]), new_code_cell("", outputs=[films])]
    nbformat.write(new_notebook(cells=made), run)
    arguments = ["--notebooks", str(tmp_path), "--output", str(tmp_path / "site"), "--keep"]
    assert main(arguments) == 0
    assert "<b>film</b>" in (tmp_path / "site" / "05_small.html").read_text(encoding="utf-8")
    os.utime(run, (0, 0))
    assert main(arguments) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: 05_small.ipynb: a cell ended with KeyError: ")
    assert told.endswith(str(run))
    assert main(arguments) == 2 and told in capsys.readouterr().err, "what failed is no run to be kept"


def test_without_what_pages_need_one_line_says_what_to_install():
    code = "import sys; sys.modules['latex2mathml'] = None; from tools.site.__main__ import main; exit(main([]))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    line = "error: pages need latex2mathml: python -m pip install latex2mathml\n"
    assert (ended.returncode, ended.stderr) == (2, line)


def test_no_notebooks_are_no_site(tmp_path):
    with pytest.raises(ValueError, match="expected notebooks, found none"):
        write_site([], tmp_path)
    assert not list(tmp_path.iterdir())
