"""Sweeps whose runs are processes of their own: Hydra's joblib launcher, and submitit on this machine."""

from __future__ import annotations

import json

import pytest

from harness.cli import main

LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", ["hydra.launcher.n_jobs=2"]),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", ["hydra.launcher.timeout_min=5"]),
}
PLUGIN = """
from harness.core import Metric, Outcome, Request, Sample, Task, user


class Count(Task):
    def __init__(self, count: int):
        self.count = count

    def samples(self):
        if self.count > 100:
            raise ValueError("too many")
        for i in range(self.count):
            yield Sample(str(i), str(i), "all", "yes")

    def episode(self, sample):
        reply = yield Request(user("?"), 1)
        return Outcome(reply.text, {"correct": 1.0})

    def aggregate(self, results):
        return [Metric("accuracy", 1.0, n=len(results), primary=True)]

    def fingerprint(self):
        return str(self.count)

    def chance(self, sample, request, rng):
        return "yes"
"""


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_runs_in_processes_of_their_own(workdir, capsys, launcher):
    """Plug-ins and presets also work there; a run that fails gives the sweep its exit code and stops no other."""
    package, words = LAUNCHERS[launcher]
    pytest.importorskip(package)
    folder = workdir / "plugins" / "count"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "task.py").write_text(PLUGIN)
    (folder / "task.yaml").write_text("_target_: count.task.Count\ndefault_model: chance\ndefaults: {count: 5}\n")
    words = ["eval", "-m", "task=count", "plugins=[plugins]", f"hydra/launcher={launcher}", *words, "logger=quiet"]
    assert main([*words, "task.count=5,6"]) == 0
    *_, title, _, one, two = capsys.readouterr().out.splitlines()  # the table that ends a sweep
    assert title == "2 runs of this sweep"
    assert sorted(line.split()[1:] for line in (one, two)) == [
        [f"count={n}", "accuracy", "1.000", f"{n}/{n}", "done"] for n in (5, 6)
    ]
    assert not [p for p in (workdir / "results" / ".sweep").iterdir() if p.is_dir() and p.name[0] != "."]
    assert main([*words, "task.count=-1,7"]) != 0
    runs = [json.loads(p.read_text()) for p in (workdir / "results" / "runs").glob("*/run.json")]
    assert sorted(r["counts"]["done"] for r in runs if r["status"] == "done") == [5, 6, 7]
