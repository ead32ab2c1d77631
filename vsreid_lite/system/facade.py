"""Lazy facades: a package offers names whose modules are imported when a name is first used.

As `lazy_loader` does; but `vsreid doctor` must run where no other package is installed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def attach_stub(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Make the names that a package's stub imports available, each imported when it is first used.

    Args:
        package: `__name__` of the package.
        file: `__file__` of the package; the stub is the `.pyi` file beside it, with lines `from .module import name`.

    Returns:
        The `__getattr__`, `__dir__` and `__all__` of the package.
    """
    tree = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: f"{package}.{node.module}" for node in imports for alias in node.names}

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*homes, *vars(sys.modules[package])}), sorted(homes)
