"""Packages, Python, memory and GPU as `vsreid doctor` finds them."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from vsreid_lite.system import machine

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(lines):
    return [Requirement(line).name for line in lines]


def test_it_knows_the_packages_that_pyproject_asks_for():
    assert list(machine.NEEDED) == names(PROJECT["dependencies"])
    extras = {extra: names(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
    of_users = [name for extra, found in extras.items() if extra not in ("test", "browser") for name in found]
    assert set(of_users) <= set(machine.OPTIONAL)
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, machine.LEAST_PYTHON))


def test_the_official_program_is_installed_as_environment_yml_does():
    requirement = machine.OPTIONAL["davis2017"].split("'")[1]
    assert requirement in (ROOT / "environment.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("requirement", "said"), [("numpy>=99.1", "99.1 or newer"), ("numpy<1,>=0.5", "a version below 1")]
)
def test_an_old_package_and_one_that_is_too_new_are_missing(monkeypatch, requirement, said):
    monkeypatch.setattr(metadata, "requires", lambda name: [requirement])
    finding = machine.package("numpy")
    assert not finding.ok and f"expected {said}, found " in finding.text and "make setup" in finding.text


def test_a_package_that_breaks_on_import_is_missing(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms\ndoes not exist")

    monkeypatch.setattr(machine.importlib, "import_module", broken)
    assert str(machine.package("torchvision")).startswith(
        "missing torchvision: RuntimeError: operator torchvision::nms does not exist; run `make setup`"
    )
    assert "torch cannot look for one (RuntimeError" in str(machine.gpu())


def test_packages_that_are_not_installed_are_missing_and_this_one_need_not_be(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setattr(metadata, "requires", absent)
    assert not machine.package("jupyterlab").ok and machine.package("torch").ok
    assert str(machine.optional_package("av")) == "missing av (optional): video files: python -m pip install av"
    assert machine.package("torch").text == torch.__version__


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10"), ("2.11.0", "2.14.1+cu130"), ("", "0.1"), ("0.1.0", "v1.0"), ("1.9.9", "2.0rc1")],
)
def test_versions_are_compared_as_numbers(older, newer):
    assert machine.release(older) < machine.release(newer)


@pytest.mark.parametrize(
    ("gigabytes", "ok", "text"), [(1.0, False, "1.0 GB, expected 2"), (8.0, True, "8.0 GB"), (None, True, "unknown")]
)
def test_little_memory_is_said_with_what_to_do(gigabytes, ok, text, monkeypatch):
    monkeypatch.setattr(machine, "gigabytes", lambda: gigabytes)
    finding = machine.memory()
    assert finding.ok is ok and finding.text.startswith(text) and not finding.needed


def test_gpus_are_counted_and_named(monkeypatch):
    class Properties:
        name, total_memory = "H200", 141e9

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: Properties)
    assert str(machine.gpu()) == "ok      GPU: H200 with 141 GB, H200 with 141 GB"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert str(machine.gpu()).startswith("missing GPU (optional): none; ")


def test_an_old_python_is_said(monkeypatch):
    monkeypatch.setattr(machine, "LEAST_PYTHON", (99, 1))
    assert str(machine.python()).startswith("missing python: expected 99.1 or newer, found ")


@pytest.mark.parametrize(
    ("asked", "free", "share"),
    [(None, 8 * 2**30, 2**31 // 3), (None, 3 * 2**20, 2**18), (None, 0, 0), (300, None, 100), (0, None, 0)],
)
def test_a_kind_of_cache_has_a_third_of_what_is_asked_for_else_of_a_quarter_of_the_free_memory(asked, free, share):
    assert machine.cache_share(asked, free) == share


def test_of_a_machines_memory_caches_hold_a_gibibyte_at_most(monkeypatch):
    for free, held in ((None, 2**30), (8 * 2**30, 2**30), (3 * 2**20, 3 * 2**18)):
        monkeypatch.setattr(machine, "free_bytes", lambda free=free: free)
        assert machine.cache_share(None) == held // 3
    monkeypatch.undo()
    assert 0 < machine.free_bytes() < 2**50
