"""What a user is told where a peer cannot be imported. The peers themselves are not needed."""

from __future__ import annotations

import pytest

from harness.interop.task_files import lacking


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (
            "decord_x",
            "that is not installed (ModuleNotFoundError: No module named 'decord_x'): pip install decord_x",
        ),
        ("decord_x.part", "(ModuleNotFoundError: No module named 'decord_x'): pip install decord_x"),
        (
            "filelock._gone",
            "lmms-eval imports filelock._gone, which the filelock that is installed does not have: "
            "pip install 'filelock<4.3'",
        ),
        (
            "yaml._gone",
            "lmms-eval imports yaml._gone, which the yaml that is installed does not have: install an older yaml",
        ),
    ],
)
def test_a_failed_import_names_its_fix(module, says):
    with pytest.raises(ImportError) as e:
        __import__(module)
    said = lacking("lmms-eval", e.value)
    assert says in said and "\n" not in said


def test_an_import_error_without_a_name():
    assert lacking("lmms-eval", ImportError("libx.so is gone\nmore")) == (
        "lmms-eval needs a package that is not installed (ImportError: libx.so is gone): see docs/bridges.md"
    )
