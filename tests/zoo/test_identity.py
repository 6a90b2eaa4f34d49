"""What belongs to the identity of a run of the zoo: its own mixers and weights, and no other mixer."""

from __future__ import annotations

from harness.config.compose import run
from harness.engine.plan import compose


def test_a_run_knows_its_own_mixers_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plans = []
    for mixer in ("window", "softmax"):
        words = ["task=recall", "task.samples=2", "model=zoo", f"mixer={mixer}", "logger=quiet"]
        assert run(words, lambda config: plans.append(compose(config)) or 0) == 0
    window, softmax = plans
    assert (window.model.name, softmax.model.name) == ("window", "softmax")
    files = {f for f in window.code["answers"] if f.startswith("harness/zoo/")}
    assert {"harness/zoo/mixers/window.py", "harness/zoo/network.py", "harness/zoo/attention.py"} <= files
    assert not files & {"harness/zoo/mixers/softmax.py", "harness/zoo/train.py", "harness/zoo/recipe.py"}
    assert window.identity["answers"] != softmax.identity["answers"]
    assert window.model.fingerprint() != softmax.model.fingerprint()
