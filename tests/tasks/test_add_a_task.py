"""docs/add-a-task.md does what it says."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

from harness.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "add-a-task.md"


def test_the_example(workdir):
    files = re.findall(r"^`(\S+)`\n\n((?:(?:    .*)?\n)+)", PAGE.read_text(encoding="utf-8"), re.M)
    assert [name for name, _ in files] == ["colours/task.yaml", "colours/task.py"]
    for name, text in files:
        path = workdir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).strip() + "\n")
    assert len((workdir / "colours" / "task.py").read_text().splitlines()) <= 40
    assert main(["eval", "task=colours", "model=oracle", "plugins=[.]"]) == 0
    (run,) = (workdir / "results" / "runs").iterdir()
    (accuracy,) = json.loads((run / "metrics.json").read_text())
    assert accuracy["value"] == 1 and accuracy["clusters"] == 30
