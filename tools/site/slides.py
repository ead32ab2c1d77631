"""`python -m tools.site.slides`: the pictures of cells tagged `slide`, a page each, to project or to print as PDF."""

from __future__ import annotations

import argparse
import html
import sys
from pathlib import Path

import nbformat

from tools.site.page import Slide, slides_of
from vsreid_lite.system.files import write_text
from vsreid_lite.system.wording import counted

TITLE = "VS-ReID, picture by picture"
KEYS = "Page Down and Page Up turn the pages; printed, each is a page of a PDF."
STYLE = """
@page { size: 320mm 180mm; margin: 0; }
html { scroll-snap-type: y mandatory; }
body { margin: 0; background: #fff; color: #1a1a1a; font: 1.4rem/1.4 system-ui, sans-serif; }
section { box-sizing: border-box; display: flex; flex-direction: column; gap: 1.5vh; height: 100vh; padding: 4vh 4vw;
  scroll-snap-align: start; break-after: page; }
h1, h2, p { margin: 0; }
img { flex: 1; min-height: 0; width: 100%; object-fit: contain; }
p { font-size: 1rem; color: #444; }
.first { justify-content: center; }
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the slides; returns 0, or 2 after one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.slides", description=__doc__)
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="their folder")
    parser.add_argument("--output", type=Path, default=Path("build/slides.html"))
    options = parser.parse_args(arguments)
    try:
        found = [s for path in sorted(options.notebooks.glob("*.ipynb")) for s in slides_of(_read(path), path.stem)]
        if not found:
            raise ValueError(f"{options.notebooks}: expected cells with the tag `slide` and a picture, found none")
        write_text(options.output, deck(found))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{counted(len(found) + 1, 'slide')}: {options.output}")
    return 0


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def deck(slides: list[Slide]) -> str:
    """The whole file: a title page, then a page for each slide."""
    pages = "\n".join(
        f'<section><h2>{slide.heading}</h2><img alt="{html.escape(slide.words)}" src="{slide.picture}">'
        f"<p>{html.escape(slide.words)} <em>Notebook {slide.notebook}</em></p></section>"
        for slide in slides
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{TITLE}</title>
<style>{STYLE}</style>
</head>
<body>
<section class="first"><h1>{TITLE}</h1><p>{KEYS}</p></section>
{pages}
</body>
</html>
"""


if __name__ == "__main__":
    sys.exit(main())
