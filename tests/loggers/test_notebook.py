"""A notebook's cell, with a stand-in for IPython: progress is drawn in place, and DuckDB's own bar ends no run."""

from __future__ import annotations

import os
import subprocess
import sys

IPYTHON = """
import sys, types

SHOWN = []


class Shell:
    kernel = object()
    config = {"IPKernelApp": {}}


class Handle:
    def update(self, shown):
        SHOWN[-1].append(shown)


def display(shown, display_id):
    SHOWN.append([shown])
    return Handle()


get_ipython = Shell
sys.modules["IPython.display"] = types.SimpleNamespace(HTML=str, display=display)
"""
CELL = """
import IPython, harness
from harness.store import Store

first = harness.evaluate("pope", model="oracle", limit=18)
(drawn,) = IPython.SHOWN
assert drawn[0].startswith('<progress value="0" max="18"></progress> 0/18'), drawn
assert drawn[-1].startswith('<progress value="18" max="18"></progress> 18/18'), drawn
again = harness.evaluate("pope", model="oracle", limit=18)
quiet = harness.evaluate("pope", model="oracle", limit=18, seed=1, logger="quiet")
assert again.name == first.name and len(IPython.SHOWN) == 1
with Store("results") as store:
    assert len(store.query("SELECT run FROM runs")) == 2
"""


def test_a_cell(workdir):
    (workdir / "IPython.py").write_text(IPYTHON)
    environment = os.environ | {"PYTHONPATH": str(workdir)}
    done = subprocess.run([sys.executable, "-c", CELL], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "pope (embedded), method vanilla, model oracle: 18 samples" in done.stderr
    assert "not yet in harness.duckdb" not in done.stderr
