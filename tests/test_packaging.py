"""What the packaging files say of one another: pyproject, lock, environment.yml, citation."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import vsreid_lite
from vsreid_lite.datasets.scenes import PHOTOS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DAVIS_COMMIT = "ac7c43fca936f9722837b7fbd337d284ba37004b"
EXTRAS = {  # of each folder with code: what it may import beside the dependencies
    "vsreid_lite": ("video", "gpus", "dask", "painter", "train"),
    "tools": ("pages",),
    "notebooks": ("pages",),
    "benchmarks": ("test",),
    "tests": ("video", "gpus", "dask", "painter", "train", "pages", "test", "browser"),
}
NOT_OURS = {"opencv-python", "davis2017"}  # in environment.yml beside what pyproject asks for


def direct_requirements(extras: Iterable[str] = PROJECT["optional-dependencies"]) -> dict[str, Requirement]:
    optional = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    found = [Requirement(line) for line in [*PROJECT["dependencies"], *optional]]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def locked_versions() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def conda_lines() -> tuple[list[str], list[str]]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    from_pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    return [entry for entry in dependencies if isinstance(entry, str)], from_pip


def conda_requirements() -> dict[str, Requirement]:
    found = [Requirement(line) for line in conda_lines()[1] if not line.startswith("-e ")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


NOT_ON_THE_INDEX = {"davis2017"}  # environment.yml installs it from its repository


def imported_modules(folder: str) -> set[str]:
    """The top-level modules that the code of a folder imports, but for Python's own and those of this repository."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    ours = {*EXTRAS, *(path.stem for path in (ROOT / "benchmarks").glob("*.py"))}
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - ours


@pytest.mark.parametrize("folder", EXTRAS)
def test_what_the_code_imports_is_declared(folder: str) -> None:
    declared, providers = set(direct_requirements(EXTRAS[folder])), packages_distributions()
    undeclared = {
        module
        for module in imported_modules(folder)
        if declared.isdisjoint(map(canonicalize_name, providers.get(module, [module])))
    }
    assert undeclared <= NOT_ON_THE_INDEX


@pytest.mark.parametrize("name", sorted(direct_requirements()))
def test_the_lock_satisfies_pyproject(name: str) -> None:
    assert direct_requirements()[name].specifier.contains(locked_versions()[name])


def test_the_lock_holds_pinned_versions_and_nothing_else() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in pins)
    assert list(locked_versions()) == sorted(locked_versions())
    assert [name for name in locked_versions() if name.startswith("opencv")] == ["opencv-python-headless"]


def test_the_lock_can_build_the_package_without_the_network() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for requirement in map(Requirement, build):
        assert requirement.specifier.contains(locked_versions()[canonicalize_name(requirement.name)])


def test_environment_yml_has_what_pyproject_asks_for() -> None:
    assert set(conda_requirements()) - NOT_OURS == set(direct_requirements())
    assert "-e ." in conda_lines()[1]


def test_environment_yml_has_the_versions_of_the_lock() -> None:
    locked = locked_versions()
    ours = {name: requirement for name, requirement in conda_requirements().items() if name not in NOT_OURS}
    assert {name: str(requirement.specifier) for name, requirement in ours.items()} == {
        name: f"=={locked[name]}" for name in ours
    }
    assert str(conda_requirements()["opencv-python"].specifier) == f"=={locked['opencv-python-headless']}"


def test_environment_yml_has_the_official_evaluation_at_its_commit_and_a_python_that_pyproject_allows() -> None:
    assert (conda_requirements()["davis2017"].url or "").endswith(f"davis2017-evaluation@{DAVIS_COMMIT}")
    (python,) = [entry for entry in conda_lines()[0] if entry.startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))


def test_the_workflow_tests_every_python_that_pyproject_names_last_and_first() -> None:
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    pythons = yaml.safe_load(text)["jobs"]["tests"]["strategy"]["matrix"]["python"]
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert pythons == [versions[0], versions[-1]]
    assert all((ROOT / path).is_file() for path in re.findall(r"tests/\w+\.py", text))


def test_one_version_everywhere_and_the_citation_asks_for_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert vsreid_lite.__version__ == PROJECT["version"] == str(citation["version"])
    assert citation["preferred-citation"]["title"] == "Video Object Segmentation with Re-identification"


def test_the_data_page_names_source_and_licence_of_every_photo() -> None:
    page = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `")]
    licences = {name.strip(" `"): licence.strip() for name, _, licence in rows}
    assert all(licences.get(photo, "").startswith(("CC0", "public domain")) for photo in PHOTOS)
