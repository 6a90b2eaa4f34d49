"""The method of docs/add-a-method.md is complete and passes the tests that it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from harness.core.registry import ROOT


def test_the_example_is_a_method(tmp_path):
    text = (ROOT / "docs/add-a-method.md").read_text()
    for kind, name in (("python", "look.py"), ("yaml", "look.yaml")):
        block = re.search(rf"```{kind}\n# mine/{name}\n(.*?)```", text, re.DOTALL)
        assert block
        (tmp_path / name).write_text(block[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "look", "tests/methods/test_every_method.py"],
        cwd=ROOT,
        env=os.environ | {"HARNESS_PLUGINS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "13 passed" in done.stdout
