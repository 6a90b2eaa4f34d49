"""harness doctor on installations that lack something: it must say so, not die of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from harness.commands.doctor import EXTRAS, _requirements
from harness.plugins.registry import ROOT

DOCTOR = (
    "import sys; sys.path[:0] = sys.argv[1:]; from harness.cli import main; sys.exit(main(['doctor', '--offline']))"
)


def installed(folder: Path, *packages: tuple[str, str]) -> Path:
    """A site folder that holds metadata alone: harness with its real requirements, and these packages."""
    needs = "".join(f"Requires-Dist: {line}\n" for line in metadata.requires("harness") or ())
    for name, version, more in [("harness", "0", needs), *((n, v, "") for n, v in packages)]:
        place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")
    return folder


def doctor(*folders: Path) -> tuple[int, dict[str, str]]:
    """(exit code, what -> its line) of a Python that sees these folders and the checkout."""
    words = [sys.executable, "-I", "-S", "-c", DOCTOR, str(ROOT), *map(str, folders)]
    wide = {**os.environ, "COLUMNS": "250"}  # one line each
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=wide)
    assert not done.stderr
    return done.returncode, {line.split()[1]: line.strip() for line in done.stdout.splitlines()}


def test_a_core_installation_is_fine(tmp_path, workdir):
    core = [(name, metadata.version(name)) for name, _ in _requirements()]
    code, said = doctor(installed(tmp_path / "site", *core))
    assert code == 0 and said["torch"].startswith("ok")
    for extra in EXTRAS:
        assert said[extra].startswith("-") and f"pip install 'harness[{extra}]'" in said[extra]
    assert "hydra-joblib-launcher is not installed" in said["sweep"]


def test_an_installation_without_its_packages_names_each(tmp_path, workdir):
    code, said = doctor(installed(tmp_path / "site"))
    assert code == 1
    assert all(said[name].startswith(f"MISSING  {name}") for name, _ in _requirements())
    code, said = doctor()
    assert code == 1 and "only its files are here" in said["harness"] and said["wandb"].startswith("-")


def test_a_package_of_another_version_is_named(monkeypatch, workdir, capsys):
    from harness.cli import main

    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == "duckdb" else real(name))
    assert main(["doctor", "--offline"]) == 1
    assert re.search(r"MISSING +duckdb +duckdb is 0\.1, not >=", capsys.readouterr().out)


def test_every_extra_is_known():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == stated.keys() - {"all", "dev"}


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_every_extra_has_packages(extra):
    assert _requirements(extra)
