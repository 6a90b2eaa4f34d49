"""`lmms-eval --model harness`: found by its entry point, answering with our models and methods."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("lmms_eval")

from harness.cli import main
from harness.core import Missing
from tests.tasks.lmms_eval import peers

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def test_the_command_line(workdir, tmp_path_factory):
    """Its scores and answers under a method are those that `harness eval task=lmms_eval` finds."""
    folder, stub = peers.write(tmp_path_factory.mktemp("peers"), pictures=3), tmp_path_factory.mktemp("stub")
    (stub / "decord.py").write_text("class VideoReader: ...\n\n\ndef cpu(index=0):\n    return index\n")
    words = ["--model", "harness", "--model_args", "method=vcd,pretrained=tiny-llava,vcd.alpha=1.0"]
    words += ["--tasks", "local_pope", "--include_path", str(folder), "--output_path", "out", "--log_samples"]
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", *words, "--batch_size", "8"],
        env={**os.environ, "PYTHONPATH": str(stub)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    (results,) = workdir.glob("out/**/*results.json")
    theirs = json.loads(results.read_text())["results"]["local_pope"]
    words = ["task=lmms_eval", "task.name=local_pope", f"task.include={folder}", "method=vcd", "method.vcd.alpha=1.0"]
    assert main(["eval", *words]) == 0, done.stderr[-2000:]
    (run,) = (workdir / "results" / "runs").iterdir()
    ours = {m["name"]: m["value"] for m in json.loads((run / "metrics.json").read_text())}
    assert theirs["local_accuracy,none"] == pytest.approx(ours["local_accuracy"], abs=1e-12)
    assert theirs["local_f1,none"] == pytest.approx(ours["local_f1"], abs=1e-12)
    (samples,) = workdir.glob("out/**/*samples_local_pope.jsonl")
    logged = [json.loads(line) for line in samples.read_text().splitlines()]
    said = {r["doc_id"]: r["filtered_resps"] for r in logged}
    rows = {r["id"]: r["answer"] for r in map(json.loads, (run / "samples.jsonl").read_text().splitlines())}
    assert {f"local_pope.{k}": v if isinstance(v, str) else v[0] for k, v in said.items()} == rows


def test_a_filelock_that_lmms_eval_cannot_work_with_is_one_line(monkeypatch):
    from harness.interop.lmms_eval import HarnessLMM

    monkeypatch.setitem(sys.modules, "filelock._api", None)
    with pytest.raises(Missing, match=r"^lmms-eval imports filelock\._api, which .* pip install 'filelock<4\.3'$"):
        HarnessLMM()
