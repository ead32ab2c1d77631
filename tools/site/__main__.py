"""`python -m tools.site [NAME …]`: the notebooks, or those named, as pages in build/site."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from vsreid_lite.system.wording import counted
from vsreid_lite.system.workers import default_workers

EXTRA = ("nbconvert", "latex2mathml")  # what pages need beyond the package


def main(arguments: list[str] | None = None) -> int:
    """Write the pages; returns 0, or 2 after one line that says why not."""
    options = _parser().parse_args(arguments)
    paths = [options.notebooks / f"{name}.ipynb" for name in options.names] or sorted(options.notebooks.glob("*.ipynb"))
    try:
        if missing := [name for name in EXTRA if find_spec(name) is None]:
            raise ValueError(f"pages need {' and '.join(missing)}: python -m pip install {' '.join(missing)}")
        from tools.site.site import write_site

        figures = options.figures and options.figures.resolve()
        write_site(paths, options.output.resolve(), figures, options.workers, options.keep)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{counted(len(paths), 'notebook')}: {options.output / 'index.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("names", nargs="*", help="such as 00_start_here; by default all")
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="their folder")
    parser.add_argument("--output", type=Path, default=Path("build/site"))
    parser.add_argument("--figures", type=Path, help="where notebooks put pictures for elsewhere")
    parser.add_argument("--workers", type=int, default=default_workers(), help="notebooks run side by side")
    parser.add_argument("--keep", action="store_true", help="do not repeat a run in OUTPUT/runs newer than all code")
    return parser


if __name__ == "__main__":
    sys.exit(main())
