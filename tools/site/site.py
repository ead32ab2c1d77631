"""All notebooks as a folder of pages with an index, each page one file that needs no other."""

from __future__ import annotations

import base64
import html
from functools import partial
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image
from tqdm.auto import tqdm

from tools.site.execution import execute, shows_films, with_films
from tools.site.page import Page, make_document, make_page, wrap
from tools.site.painter import NAME, painter_page
from tools.site.painter import TITLE as PAINTER
from vsreid_lite.system.files import write_text
from vsreid_lite.system.workers import run_jobs

TITLE = "VS-ReID, notebook by notebook"
INTRODUCTION = """<p><em>Video Object Segmentation with Re-identification</em>, rebuilt step by step. These are the
executed notebooks; nothing needs to be installed to read them. Pictures with a slider move here too, everything else in
JupyterLab (<code>make lab</code>). To paint the masks of your own video: <a href="painter.html">the painter</a>.</p>"""
ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ROOT / "docs"
SOURCES = ("vsreid_lite", "tools", "data", "notebooks")  # a run that is newer than their files can be kept
RESULTS = {
    "00_start_here": ("global-mean before", "global-mean after"),
    "01_data_and_metrics": ("J of the coarse mask", "J after re-appearance, coarse masks"),
    "02_flow_and_warping": ("J, exact flow, checked at 4 px", "J, exact flow, checked at 100 px"),
    "03_boxes_and_patches": ("J, full image, 16 cells", "J, full image, 128 cells"),
    "04_mask_propagation_network": ("J in frame 19, flow alone", "J in frame 19, and the network, once"),
    "05_mask_propagation": ("J of a step from the truth", "J in the chain"),
    "06_reidentification": ("precision", "recall"),
    "07_vsreid": ("rounds", "J after re-appearance after"),
    "08_training": ("J of a guide, deformed", "J of a guide, corrupted hard"),
    "09_ablation": ("boost of ReID, exit-and-return", "boost of ReID, scale-change"),
    "10_benchmark_and_your_video": ("J of the clip", "F of the clip"),
    "11_change_a_part": ("global-mean, detector", "global-mean, colours"),
}  # what a card shows of the recorded numbers
THUMBNAIL = (640, 360)  # pixels, at most


def write_site(
    notebooks: list[Path], folder: Path, figures: Path | None = None, workers: int = 1, keep: bool = False
) -> None:
    """Run the notebooks, in this order, and write `folder`/index.html, a page for each, the painter and the documents.

    The runs themselves are left in `folder`/runs.

    Args:
        notebooks: their files.
        folder: where the site is written.
        figures: where notebooks put pictures for elsewhere.
        workers: how many notebooks run side by side.
        keep: make the page of a notebook from the run in `folder`/runs, where that is newer than all code.

    Raises:
        ValueError: there are no notebooks, or `execute` or `make_page` refuses one.
        OSError: a folder cannot be written.
    """
    if not notebooks:
        raise ValueError("expected notebooks, found none")
    run = partial(_run, folder=folder / "runs", figures=figures, newer_than=_last_change() if keep else float("inf"))
    runs = run_jobs(run, notebooks, workers)
    pages = dict(tqdm(runs, "notebooks, about 40 s each", len(notebooks), unit="notebook"))
    write_pages([pages[path] for path in notebooks], folder)
    write_documents(folder)


def _run(path: Path, folder: Path, figures: Path | None, newer_than: float) -> Page:
    before = folder / path.name
    if before.is_file() and before.stat().st_mtime > newer_than:
        kept = nbformat.read(before, as_version=4)
        if shows_films(kept):  # it has run to its end
            return make_page(path.stem, *with_films(kept))
    return make_page(path.stem, *execute(path, folder, figures))


def _last_change() -> float:
    """When a file that the pages are made from was last written, in seconds since 1970."""
    files = (file for name in SOURCES for file in (ROOT / name).rglob("*") if "__pycache__" not in file.parts)
    return max(file.stat().st_mtime for file in files if file.is_file())


def write_pages(pages: list[Page], folder: Path) -> None:
    """Write `folder`/index.html, a file for each page, with links between neighbours, and the painter."""
    for before, page, after in zip([None, *pages], pages, [*pages[1:], None], strict=False):
        links = [_link("index", "All notebooks")]
        links += [_link(before.name, f"← {before.title}")] if before else []
        links += [_link(after.name, f"{after.title} →")] if after else []
        write_text(folder / f"{page.name}.html", wrap(page.title, page.body, "\n".join(links)))
    write_text(folder / f"{NAME}.html", wrap(PAINTER, painter_page(), _link("index", "All notebooks")))
    cards = "\n".join(_card(page) for page in pages)
    index = f'<h1>{TITLE}</h1>\n{INTRODUCTION}\n<ul class="cards">\n{cards}\n</ul>'
    write_text(folder / "index.html", wrap(TITLE, index))


def write_documents(folder: Path) -> None:
    """Write the documents of docs/, to which the notebooks link, as pages of `folder`."""
    for path in sorted(DOCUMENTS.glob("*.md")):
        title, body = make_document(path)
        write_text(folder / f"{path.stem}.html", wrap(title, body, _link("index", "All notebooks")))


def _link(name: str, words: str) -> str:
    return f'<a href="{name}.html">{words}</a>'


def _card(page: Page) -> str:
    address = _thumbnail(page.picture) if page.picture else ""
    picture = f'<img alt="{html.escape(page.words)}" src="{address}">' if address else ""
    title = _link(page.name, f"{page.name[:2]} · {page.title}")
    found = [(name, page.numbers[name]) for name in RESULTS.get(page.name, ()) if name in page.numbers]
    numbers = "; ".join(f"{name}: {f'{x:.3f}' if isinstance(x, float) else x}" for name, x in found)
    result = f'<p class="result">{html.escape(numbers)}</p>' if numbers else ""
    return f"<li><h2>{title}</h2>{picture}{result}<p>{page.summary}</p></li>"


def _thumbnail(address: str) -> str:
    """A picture made small, both as data addresses."""
    image, small = Image.open(BytesIO(base64.b64decode(address.split("base64,")[1]))).convert("RGB"), BytesIO()
    image.thumbnail(THUMBNAIL)
    image.save(small, format="WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode('ascii')}"
