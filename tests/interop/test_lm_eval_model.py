"""`--model harness` in lm-eval: its own scores of our model and methods."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("lm_eval")

from harness.cli import main
from harness.core import UsageError
from tests.tasks.lm_eval import peers

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return peers.write(tmp_path_factory.mktemp("peers"))


def evaluated(folder, names, **arguments):
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    import harness.interop.lm_eval  # noqa: F401

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = simple_evaluate("harness", model_args=arguments, tasks=names, task_manager=manager, bootstrap_iters=0)
    return {n: {k: v for k, v in r.items() if "," in k and "stderr" not in k} for n, r in found["results"].items()}


def test_without_a_method_it_is_its_own_model(workdir, folder):
    names = list(peers.TASKS)
    ours = evaluated(folder, names, pretrained="tiny-llava")
    theirs = peers.own_run(folder, names)["results"]
    for name in names:
        for key, value in ours[name].items():
            assert value == pytest.approx(theirs[name][key], rel=1e-4, abs=1e-12), (name, key)


def test_a_method_scores_as_it_does_here(workdir, folder):
    arguments = {"pretrained": "tiny-llava", "method": "dola", "dola.strength": 1.0, "batch_size": 8}
    ours = evaluated(folder, ["local_choice", "local_words"], **arguments)
    for name, found in ours.items():
        words = ["task=lm_eval", f"task.name={name}", f"task.include={folder}", "model=tiny-llava", "method=dola"]
        assert main(["eval", *words, "method.dola.strength=1.0"]) == 0
        run = max((workdir / "results" / "runs").iterdir(), key=lambda p: p.stat().st_mtime)
        here = {m["name"]: m["value"] for m in json.loads((run / "metrics.json").read_text())}
        for key, value in found.items():
            assert here[key.removesuffix(",none")] == pytest.approx(value, rel=1e-6), (name, key)


def test_the_command_line(workdir, folder):
    words = ["--model", "harness", "--model_args", "pretrained=tiny-llava,method=vista", "--include_path", str(folder)]
    words += ["--tasks", "local_last", "--limit", "5", "--output_path", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.interop.lm_eval", *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(workdir.glob("out/**/results_*.json"))


def test_arguments_that_are_not_known(workdir, folder):
    with pytest.raises(UsageError, match="vistas is unknown: did you mean vista"):
        evaluated(folder, ["local_last"], pretrained="tiny-llava", method="vistas")
    with pytest.raises(UsageError, match="unknown argument lambda"):
        evaluated(folder, ["local_last"], pretrained="tiny-llava", **{"lambda": 1})
