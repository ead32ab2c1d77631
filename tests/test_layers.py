"""Imports run downwards only, and no ring ties two parts of the package: the order in which a reader may learn them."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vsreid_lite"
LAYERS = (  # from the ground up; those of one line do not import each other, unless in the order of the line
    ("system", "__init__", "config", "geometry"),
    ("video",),
    ("networks", "flow", "datasets"),
    ("propagation",),
    ("reidentification",),
    ("merging", "result", "journal", "engine", "reference", "release"),
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


def facade(stub: Path) -> dict[str, str]:
    """The names that a package's stub offers, each with the module of the package that holds it."""
    package = ".".join(stub.parent.relative_to(PACKAGE).parts)
    imports = [node for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    assert {node.level for node in imports} == {1}, "a facade offers what lies in its own package"
    return {alias.name: f"{package}.{node.module}".strip(".") for node in imports for alias in node.names}


STUBS = sorted(PACKAGE.rglob("__init__.pyi"))
FACADES = {".".join(stub.parent.relative_to(PACKAGE).parts): facade(stub) for stub in STUBS}


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
            found |= {_home(base, alias.name) for alias in node.names}
    return found


def _home(base: str, name: str) -> str:
    """The module that a name comes from: the name itself, what its facade says, or `base`."""
    module = f"{base}.{name}".strip(".")
    return module if _is_module(module) else FACADES.get(base, {}).get(name, base)


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


@pytest.mark.parametrize("package", FACADES)
def test_a_facade_offers_all_its_names_and_none_is_that_of_a_module(package):
    module = import_module(f"vsreid_lite.{package}".strip("."))
    names = FACADES[package]
    assert set(module.__all__) == set(names) and not any(_is_module(f"{package}.{name}".strip(".")) for name in names)
    for name, home in names.items():
        assert getattr(module, name) is getattr(import_module(f"vsreid_lite.{home}"), name)


def test_an_import_through_a_facade_counts_as_one_of_the_module_behind_it(tmp_path):
    (tmp_path / "some.py").write_text("from vsreid_lite import segment\nfrom vsreid_lite.evaluation import Scores\n")
    assert imported(tmp_path / "some.py") == {"vsreid", "evaluation.metrics"}


def test_the_facade_needs_no_torch_until_a_name_that_does_is_used():
    code = "import sys; from vsreid_lite import Config, Video, load_video; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=False).returncode == 0
