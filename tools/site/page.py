"""One executed notebook as one HTML file: pictures, films, style and script inside, mathematics as MathML."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from jinja2 import pass_context
from jinja2.runtime import Context
from latex2mathml.converter import convert
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_output
from pygments.formatters import HtmlFormatter

from tools.site.films import NEEDS_KERNEL
from vsreid_lite.lessons.notebooks import recorded

KERNEL = r"\s*\(The\s+controls\s+need\s+a\s+running\s+kernel[^)]*\)"  # here they move without
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Page:
    """A notebook's page: its file name, its title and first paragraph, as HTML, its body, and its last picture.

    picture: a data address, with what it shows in words; empty where the notebook has none. numbers: what it recorded.
    """

    name: str
    title: str
    summary: str
    body: str
    picture: str
    words: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Slide:
    """A picture for a lecture: the name of its notebook, the heading above it as HTML, its data address and words."""

    notebook: str
    heading: str
    picture: str
    words: str


def slides_of(notebook: NotebookNode, name: str) -> list[Slide]:
    """A slide for each cell of an executed notebook that has the tag `slide` and a picture."""
    found, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (?:\d+\. )?(.+)$", cell.source, re.MULTILINE)
            heading = headings[-1] if headings else heading
        elif "slide" in cell.metadata.get("tags", []) and any(_last_picture([cell])):
            found.append(Slide(name, _inline(heading), *_last_picture([cell])))
    return found


def make_page(name: str, notebook: NotebookNode, films: Mapping[str, str]) -> Page:
    """The page of an executed notebook.

    Args:
        name: of the page's file, without its ending.
        notebook: as it was executed.
        films: the HTML of widgets by their model ids.

    Raises:
        ValueError: a cell failed, or MathML has no form for some mathematics.
    """
    shown = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in shown:
        if cell.cell_type == "code":
            cell.outputs = [new for output in cell.outputs for new in _without_kernel(name, output, films)]
    exporter = _Exporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    language = NotebookNode({key: notebook.metadata[key] for key in {"language_info"} & set(notebook.metadata)})
    body, _ = exporter.from_notebook_node(NotebookNode(notebook, cells=shown, metadata=language))
    title, summary = (_inline(text) for text in _opening(name, shown))
    body = _with_contents(_links_to_pages(body))
    return Page(name, title, _links_to_pages(summary), body, *_last_picture(shown), recorded(notebook))


def _with_contents(body: str) -> str:
    """The body with links to its sections below the title, unless the notebook has such links of its own."""
    names = [(re.sub(r"<[^>]+>", "", text).replace(" ", "-"), text) for text in re.findall(r"<h2>(.*?)</h2>", body)]
    for name, text in names:
        body = body.replace(f"<h2>{text}</h2>", f'<h2 id="{name}">{text}</h2>', 1)
    if len(names) < 2 or body.count('href="#') >= len(names):
        return body
    links = "".join(f'<a href="#{name}">{text}</a>' for name, text in names)
    return body.replace("</h1>", f'</h1>\n<nav class="contents" aria-label="contents">{links}</nav>', 1)


def _without_kernel(name: str, output: NotebookNode, films: Mapping[str, str]) -> list[NotebookNode]:
    """An output as it can be shown without a kernel: a widget as its film, a progress bar not at all."""
    if output.output_type == "error":
        raise ValueError(f"{name}: a cell ended with {output.ename}: {output.evalue}")
    view = output.get("data", {}).get(WIDGET_VIEW)
    if view is None:
        return [output]
    bar = re.search(r"\d+%\||\d+it \[", output.data.get("text/plain", ""))
    shown = films.get(view["model_id"], "" if bar else NEEDS_KERNEL)
    return [new_output("display_data", {"text/html": shown})] if shown else []


def _opening(name: str, cells: list[NotebookNode]) -> tuple[str, str]:
    """Title and first paragraph, in Markdown."""
    parts = cells[0].source.split("\n\n") if cells and cells[0].cell_type == "markdown" else [""]
    if not parts[0].startswith("# "):
        raise ValueError(f"{name}: expected the first cell to start with a title, `# …`")
    return parts[0][2:], parts[1] if len(parts) > 1 else ""


def _last_picture(cells: list[NotebookNode]) -> tuple[str, str]:
    """Where results are; a notebook begins with what is given."""
    for output in reversed([output for cell in cells for output in cell.get("outputs", [])]):
        for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
            data = output.data[kind].replace("\n", "")
            return f"data:{kind};base64,{data}", output.metadata.get(kind, {}).get("alt", "")
    return "", ""


def make_document(path: Path) -> tuple[str, str]:
    """Title and body of a document of docs/: its pictures inside, its headings with the ids that GitHub gives them."""
    text = path.read_text(encoding="utf-8")
    body = re.sub(r"<h(\d)>(.*?)</h\1>", _with_id, _markdown(text))
    body = re.sub(r'src="(.*?\.png)"', lambda m: f'src="{_png_address(path.parent / m[1])}"', body)
    return _inline(text.splitlines()[0][2:]), _links_to_pages(body)


def _with_id(heading: re.Match[str]) -> str:
    words = re.sub(r"<[^>]+>", "", heading[2]).lower().replace(" ", "-")
    name = re.sub(r"[^\w-]", "", words)
    return f'<h{heading[1]} id="{name}">{heading[2]}</h{heading[1]}>'


def _png_address(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _links_to_pages(body: str) -> str:
    """Links to notebooks and documents lead to their pages; those to other files, which have none, are plain words."""
    body = re.sub(r'href="(?:\.\./(?:docs|notebooks)/)?([\w-]+)\.(?:ipynb|md)(#[^"]*)?"', r'href="\1.html\2"', body)
    return re.sub(r'<a href="\.\./[^"]*">(.*?)</a>', r"\1", body)


def to_mathml(latex: str, display: str = "inline") -> str:
    """LaTeX as MathML, which browsers draw without a script or a font from elsewhere.

    Raises ValueError for a command that is not known, and for what is no LaTeX.
    """
    try:
        found: str = convert(re.sub(r"\\arg(?![a-zA-Z])", r"\\operatorname{arg}", latex), display=display)
    except Exception as error:  # it has a kind of its own for each mistake, and none for all
        raise ValueError(f"mathematics {latex!r} cannot be read: {type(error).__name__}") from error
    if unknown := re.search(r"\\\w+", found):
        raise ValueError(f"mathematics {latex!r}: {unknown[0]} has no MathML; write it in other words")
    return found


class _Renderer(IPythonRenderer):
    """Markdown to HTML, mathematics to MathML."""

    def block_math(self, body: str) -> str:
        return to_mathml(body, "block")

    def inline_math(self, body: str) -> str:
        return to_mathml(body)


class _Exporter(HTMLExporter):
    """Notebook to the body of a page."""

    @pass_context
    def markdown2html(self, context: Context, source: str) -> str:
        return _markdown(re.sub(KERNEL, "", source))


def _markdown(source: str) -> str:
    return str(MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source))


def _inline(source: str) -> str:
    """Markdown of one paragraph, without the paragraph."""
    return re.sub(r"^<p>|</p>$", "", _markdown(source).strip())


def wrap(title: str, content: str, links: str = "") -> str:
    """A whole file: content below links to other pages, with the style and the script of all; everything is HTML."""
    folder = files("tools.site")
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("pages.css", "pages.js"))
    code = HtmlFormatter(style="default").get_style_defs(".highlight")
    navigation = f'<header><nav aria-label="pages">{links}</nav></header>\n' if links else ""
    plain = re.sub(r"<[^>]+>", "", title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{plain}</title>
<style>
{style}
{code}
</style>
</head>
<body>
{navigation}<main>
{content}
</main>
<script>
{script}
</script>
</body>
</html>
"""
