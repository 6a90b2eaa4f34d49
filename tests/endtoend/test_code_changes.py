"""A change of code that a finished run would hide: the gate must ask again. On a copy of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]
EVAL = ("eval", "task=pope", "method=vcd", "limit=18", "logger=quiet")

LOADED = """
import json, pathlib
here = pathlib.Path("project").resolve()
code = json.loads(next(pathlib.Path("results/runs").glob("*/run.json")).read_text())["code"]
known = {*code["answers"], *code["scores"]}
files = {str(pathlib.Path(m.__file__).relative_to(here)) for m in sys.modules.values() if getattr(m, "__file__", None)
         and pathlib.Path(m.__file__).is_relative_to(here)}
outside = ("api/", "cli", "commands/", "comparison/", "config/", "engine/", "gate/", "judge/", "loggers/", "runs/",
           "store/", "stats/", "core/files", "core/sinks", "core/width", "plugins/", "core/secrets", "core/telling",
           "core/verified", "core/yaml_loader")
outside = tuple(f"harness/{name}" for name in outside)
left = [f for f in files - known if not f.endswith("__init__.py") and not f.startswith(outside)]
assert not left and "harness/methods/_shared/contrast.py" in known, left
"""
"""Whatever a run loads of methods, tasks, models, steering, records and core is known to its identity."""


def harness(folder: Path, *commands: tuple[str, ...], then: str = "") -> tuple[int, str]:
    """Run commands in one process on the copy in `folder`: the last exit code, and all that was said."""
    play = f"import sys; from harness.cli import main; codes = [main(list(c)) for c in {commands!r}]"
    code = f"{play}\n{then}\nsys.exit(codes[-1])"
    environment = os.environ | {"PYTHONPATH": str(folder / "project"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_asks_again_after_a_change_in_a_helper(tmp_path):
    """Measured before: "identical: all 180 answers equal", exit 0, from the store, whatever was broken."""
    for name in ("harness", "methods", "tasks"):
        unfinished = shutil.ignore_patterns("*.pyc.*")  # which other tests may be writing
        shutil.copytree(REPO / name, tmp_path / "project" / name, symlinks=True, ignore=unfinished)
    code, said = harness(tmp_path, EVAL, ("baseline", "update", "pope", "--reason", "as it should be"), then=LOADED)
    assert code == 0, said
    (first,) = (tmp_path / "results" / "runs").iterdir()
    code, said = harness(tmp_path, EVAL, ("gate", "--run"), then="assert 'torch' not in sys.modules")
    assert code == 0 and "from the store" in said and "identical" in said, said
    common = tmp_path / "project" / "methods" / "_shared" / "contrast.py"
    text = common.read_text()
    common.write_text(text.replace('"""', '"""Well, ', 1))
    assert "identical" in harness(tmp_path, ("gate",))[1], "prose asks nothing again"
    assert "return z.masked_fill(" in text
    common.write_text(text.replace("return z.masked_fill(", "return (-z).masked_fill("))
    code, said = harness(tmp_path, ("gate",), ("gate", "--run"), then="print('without --run:', codes[0])")
    assert code not in (0, 3) and "identical" not in said and "without --run: 3" in said, said
    assert "harness/methods/_shared/contrast.py changed since" in said, said
    assert f"asking again: harness/methods/_shared/contrast.py changed since {first.name}" in said
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 2
    common.write_text(text)
    assert "identical" in harness(tmp_path, ("gate",))[1], "the run of the code that is back, not the newest one"
