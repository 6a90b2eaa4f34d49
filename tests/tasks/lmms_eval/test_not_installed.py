"""task=lmms_eval without the package lmms-eval."""

from __future__ import annotations

import pytest

from harness.cli import main
from harness.tasks.lmms_eval import loading


@pytest.mark.parametrize("model", ["oracle", "tiny-llava"])
def test_it_is_one_line(workdir, capsys, monkeypatch, model):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    assert main(["eval", "task=lmms_eval", "task.name=mme", f"model={model}"]) == 3
    err = capsys.readouterr().err
    assert "pip install 'harness[lmms-eval]'" in err and len(err.strip().splitlines()) == 1
