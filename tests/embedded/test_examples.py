"""Training examples: requests as the tasks make them, with answers that score."""

import json

import numpy as np
import pytest

from harness.embedded.examples import main


@pytest.mark.parametrize(("task", "many"), [("stare", 14), ("vic_bench", 20)])
def test_examples(task, many, tmp_path, capsys):
    assert main([task, "--out", str(tmp_path), "--each", "1"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    pictures = np.load(tmp_path / "pictures.npy")
    assert len(rows) >= many and f"{len(rows)} examples" in capsys.readouterr().out
    assert pictures.shape[1:] == (96, 96, 3)
    for row in rows:
        assert row["answer"] and row["kind"].startswith(task)
        assert row["prompt"].count("<image>") == len(row["pictures"])
        assert all(p < len(pictures) for p in row["pictures"])


def test_a_task_without_examples(tmp_path, capsys):
    assert main(["pope", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "harness: task=pope makes no training examples: choose another task\n"
