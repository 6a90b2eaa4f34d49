"""Interpreters that have real servers installed, and what runs on them wrote.

`HARNESS_TEST_PYTHONS` names further interpreters to look in, separated by colons.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main


def python(*modules: str) -> str:
    """The first interpreter that has these modules; the test is skipped where none has."""
    wanted = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in {modules!r}))"
    named = os.environ.get("HARNESS_TEST_PYTHONS", "")
    for each in (sys.executable, *filter(None, named.split(os.pathsep))):
        if subprocess.run([each, "-c", wanted], capture_output=True).returncode == 0:
            return each
    pytest.skip(f"{', '.join(modules)}: in no interpreter here or in HARNESS_TEST_PYTHONS (docs/servers.md)")


def evaluated(results: str, *words: str) -> dict[str, dict[str, Any]]:
    """The journal of a run, by sample."""
    assert main(["eval", "logger=quiet", f"results={results}", *words]) == 0
    (path,) = Path(results, "runs").glob("*/samples.jsonl")
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}


def differing(
    one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]], fields: Sequence[str]
) -> dict[str, tuple[Any, Any]]:
    """Samples whose rows differ in one of these fields, with both."""
    assert one.keys() == other.keys()
    told = {i: tuple([row[f] for f in fields] for row in (one[i], other[i])) for i in one}
    return {i: (a, b) for i, (a, b) in told.items() if a != b}
