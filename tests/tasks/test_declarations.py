"""What task.yaml and the class declare of a task: each fact once, and true."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.core import Task, UsageError
from harness.plugins.build import build_task
from harness.plugins.registry import Registry
from harness.records import shown

TASKS = Registry().tasks
OPEN = {"in_context", "lm_eval", "lmms_eval", "vqa"}
"""Their settings or records choose the metrics."""
WITHOUT = OPEN | {"miniwob", "scenes", "increments"}
"""They have no records of their own, or none with pictures for people."""
PLUGIN = """_target_: tests.engine.toys.Sums
version: {version}
primary: {primary}
cluster: pair of numbers
default_model: oracle
defaults: {{n: 8}}
"""


def built(name: str) -> Task:
    return TASKS[name].build(**({"data": "embedded"} if "embedded" in TASKS[name].raw.get("variants", {}) else {}))


@pytest.mark.parametrize("name", sorted(TASKS))
def test_each_fact_is_stated_once(name):
    plugin = TASKS[name]
    module, _, cls = plugin.target.rpartition(".")
    task = getattr(importlib.import_module(module), cls)
    assert plugin.declared["version"] and plugin.declared["cluster"]
    assert not {"version", "primary", "cluster"} & vars(task).keys()
    assert ("primary" in plugin.declared) is (name not in OPEN)
    assert name in OPEN or sum(s.primary for s in task.scores) == 1


@pytest.mark.parametrize("name", sorted(set(TASKS) - WITHOUT))
def test_what_shows_the_same_pictures_is_one_cluster(name):
    clusters: dict[tuple[str, ...], set[str]] = {}
    for sample in built(name).samples():
        if pictures := tuple(p.digest for p in shown(sample.data)):
            clusters.setdefault(pictures, set()).add(sample.cluster)
    assert all(len(found) == 1 for found in clusters.values())


def plugin(folder: Path, version: str = "1", primary: str = "accuracy") -> str:
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "task.yaml").write_text(PLUGIN.format(version=version, primary=primary))
    return f"plugins=[{folder}]"


def record(folder: Path) -> dict:
    (path,) = (folder / "results" / "runs").glob("*/run.json")
    return json.loads(path.read_text())


def test_a_run_says_what_the_yaml_declares(workdir, capsys):
    assert main(["eval", "task=mine", plugin(workdir, version="7")]) == 0
    made = record(workdir)
    assert (made["task_version"], made["identity"]["task"]["version"], made["cluster"]) == ("7", "7", "pair of numbers")
    assert "clusters (pair of numbers)" in " ".join(capsys.readouterr().out.split())
    assert main(["eval", "task=mine", plugin(workdir, version="8")]) == 0
    assert len(list((workdir / "results" / "runs").iterdir())) == 2
    assert main(["show", "task=mine", "--plugins", str(workdir)]) == 0
    assert "version: 8" in capsys.readouterr().out


def test_a_primary_metric_that_the_task_does_not_have(workdir, capsys):
    assert main(["eval", "task=mine", plugin(workdir, primary="f1")]) == 1
    assert "its YAML has primary: f1, but `aggregate` marks accuracy" in capsys.readouterr().err


def test_two_versions_and_a_version_that_yaml_rounds(workdir, monkeypatch):
    from tests.engine.toys import Sums

    monkeypatch.setattr(Sums, "version", "3", raising=False)
    with pytest.raises(UsageError, match="its YAML states version 2, its class 3"):
        build_task({"_target_": "tests.engine.toys.Sums", "name": "mine", "n": 4, "_declared_": {"version": "2"}})
    with pytest.raises(UsageError, match="write version in quotes"):
        Registry([plugin(workdir, version="1.10").removeprefix("plugins=[").rstrip("]")]).get("task", "mine")
