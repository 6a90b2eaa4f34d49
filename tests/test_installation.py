"""What is installed: the lock, the ranges of pyproject.toml and what the code says of versions are one story."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.steering import compat

REPO = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]


def lines(path):
    text = (REPO / path).read_text().splitlines()
    return [line.split(" #")[0].strip() for line in text if line.strip() and not line.startswith("#")]


LOCK = {
    canonicalize_name(name): Version(version)
    for name, version in (x.split("==") for x in lines("requirements/lock.txt"))
}
OLDEST = importlib.util.spec_from_file_location("oldest", REPO / "requirements" / "oldest.py")


@pytest.fixture(scope="module")
def oldest():
    module = importlib.util.module_from_spec(OLDEST)
    OLDEST.loader.exec_module(module)
    return module.oldest


def test_the_lock_names_each_package_once_and_no_build_of_one_machine():
    assert len(LOCK) == len(lines("requirements/lock.txt"))
    assert not [name for name, version in LOCK.items() if version.local]


@pytest.mark.parametrize(
    "wanted",
    [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["dev"],
        *PROJECT["optional-dependencies"]["smollm2"],
        *PROJECT["optional-dependencies"]["lmms-eval"],
        *lines("benchmarks/lmms/requirements.txt"),
        *("hatchling>=1.27", "setuptools>=70.1", "editables"),
    ],
)
def test_the_lock_holds_what_the_makefile_installs(wanted):
    requirement = Requirement(wanted)
    assert LOCK[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_lower_bound_can_be_tried(oldest):
    bounds = oldest(PROJECT["dependencies"])
    assert len(bounds) == len(PROJECT["dependencies"])
    assert all(Version(bound) <= LOCK[canonicalize_name(name)] for name, bound in bounds.items())
    with pytest.raises(ValueError, match=r"'numpy' in pyproject.toml has no lower bound"):
        oldest(["numpy"])


def test_the_tested_versions_of_transformers_are_those_that_are_said(oldest):
    assert Version(compat.OLDEST) == Version(oldest(PROJECT["dependencies"])["transformers"])
    assert Version(compat.NEWEST) == LOCK["transformers"]


def test_users_with_a_newer_torch_keep_it():
    (torch,) = (Requirement(line) for line in PROJECT["dependencies"] if line.startswith("torch"))
    assert "2.99" in torch.specifier
