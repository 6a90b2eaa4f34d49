"""Settings by their bare name."""

from __future__ import annotations

import pytest

from harness.config.compose import GROUPS, KEYS
from harness.config.short import lengthened
from harness.core import UsageError
from harness.plugins.registry import Registry

KNOWN = (*GROUPS, *KEYS)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("task=pope model=openai base_url=http://h/v1?a=b name=x", "model.base_url=http://h/v1?a=b model.name=x"),
        ("task=pope method=vista lam=0.1 limit=18", "method.vista.lam=0.1 limit=18"),
        ("task=pope method=[vista,vcd] lam=0.1", "method.vista.lam=0.1"),
        ("task=pope dtype=float32", "model.dtype=float32"),
        ("task=pope,chair root=d seed=3", "task.root=d seed=3"),
        ("task=pope model.dtype=float32 nothing=1", "model.dtype=float32 nothing=1"),
        ("hydra/launcher=joblib task=pope hydra.launcher.n_jobs=2", "hydra/launcher=joblib"),
    ],
)
def test_a_bare_name_is_the_setting_of_the_plugin_that_has_it(words, wanted):
    got = lengthened(words.split(), Registry(), KNOWN)
    assert len(got) == len(words.split()) and set(wanted.split()) <= set(got)


def test_a_name_that_several_have_is_refused():
    with pytest.raises(UsageError, match=r"task\.name=hellaswag or model\.name=hellaswag"):
        lengthened(["task=lm_eval", "model=hf", "name=hellaswag"], Registry(), KNOWN)


def test_a_model_with_a_name_of_its_own_leaves_the_bare_name_to_the_task():
    words = lengthened(["task=lm_eval", "name=hellaswag"], Registry(), KNOWN)
    assert words == ["task=lm_eval", "task.name=hellaswag"]


def test_eval_takes_bare_names(tmp_path, capsys):
    import json

    from harness.cli import main

    words = [
        "eval",
        "task=pope",
        "model=chance",
        "suffix=Really?",
        "limit=18",
        f"results={tmp_path}",
        "logger=quiet",
    ]
    assert main(words) == 0
    (file,) = tmp_path.glob("runs/*/run.json")
    assert json.loads(file.read_text())["config"]["task"]["suffix"] == "Really?"
    assert main(["eval", "task=pope", "sufix=x"]) != 0
    assert "unknown setting sufix" in capsys.readouterr().err
