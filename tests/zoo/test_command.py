"""harness zoo train, and harness eval on what it wrote."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from harness.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "add-a-mixer.md"


def test_a_mixer_of_ones_own_is_trained_and_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (name, text), *_ = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    Path(f"{name}.py").write_text(text)
    small = ["shape.width=8", "steps=3", "batch=8", "mixer.bias=1", "as=faded", "seed=1", "examine=1"]
    assert main(["zoo", "train", f"mixer={name}", "task=recall", "task.data=copying", "plugins=[.]", *small]) == 0
    said = capsys.readouterr().out
    assert "faded on copying, seed 1: 3 steps of 8 examples" in said
    assert said.rstrip().endswith("harness eval model=zoo mixer=faded weights=results/zoo task=recall")
    words = ["eval", "model=zoo", "mixer=faded", "weights=results/zoo", "task=recall", "task.data=copying"]
    more = ["task.samples=5", "training_seed=1", "plugins=[.]", "logger=quiet"]
    assert main([*words, *more]) == 0
    assert [p.name.rsplit("-", 1)[0] for p in Path("results/runs").iterdir()] == ["recall-copying-vanilla-faded-1"]
    sys.modules.pop(name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mixer=softmax"], "name a task, for example task=recall"),
        (["mixer=sofmax", "task=recall"], "unknown mixer: sofmax: did you mean softmax"),
        (["mixer=softmax", "task=recall", "step=3"], "unknown setting step: did you mean steps"),
        (["mixer=softmax", "task=recall", "steps=0"], "steps, batch and examine must be at least 1"),
        (["mixer=softmax", "task=recall", "course=needl"], "course=needl is unknown"),
        (["mixer=softmax", "task=pope"], "task=pope trains no models"),
        (["mixer=rat", "task=recall", "mixer.chunk=x"], "mixer rat refuses its options"),
        (["mixer=softmax", "task=recall", "shape.widht=3"], "unknown setting shape.widht: did you mean width"),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, list) else "",
)
def test_wrong_words_are_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["zoo", "train", *words]) in (2, 3)
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1, error
