"""Imports run downwards only, and no ring ties two parts of the package: the order in which a reader may learn them."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vsreid_lite"
LAYERS = (  # from the ground up; those of one line do not import each other, unless in the order of the line
    ("__init__", "system", "config", "geometry"),
    ("video",),
    ("networks", "flow", "datasets"),
    ("propagation",),
    ("reidentification",),
    ("merge", "result", "engine", "reference", "release"),
    ("training",),
    ("vsreid",),
    ("evaluation",),
    ("plots",),
    ("figures", "widgets", "lessons"),
    ("commands", "__main__"),
)
ORDER = [part for layer in LAYERS for part in layer]


def part_of(module: str) -> str:
    """The part of the package that a module belongs to: its folder, or the file itself."""
    return module.split(".")[0] or "__init__"


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports, wherever in it, but for those that only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vsreid_lite":
            base = node.module.partition(".")[2]
            names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            found |= {name if _is_module(name) else base for name in names}
    return found


def _is_module(name: str) -> bool:
    path = PACKAGE / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_part_has_its_place():
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} == set(ORDER)


@pytest.mark.parametrize("part", ORDER)
def test_a_part_imports_only_what_lies_below_it(part):
    files = [path for path in FILES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") == part]
    upward = {
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in files
        for module in imported(path)
        if part_of(module) != part and ORDER.index(part_of(module)) > ORDER.index(part)
    }
    assert not upward
