"""Prompts that cannot be encoded cost their samples alone, wherever they stand, and are told in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from harness.cli import main
from harness.models.hf.model import _LOADED
from tests.models.test_hf import WEIGHTS


@pytest.fixture
def table(tmp_path):
    """Rows about a red picture, one of them about a file that is no picture."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"xx")

    def written(broken: int) -> Path:
        rows = [f"{'b' if i == broken else 'a'}.png,Is {i} red?,yes" for i in range(5)]
        (tmp_path / "q.csv").write_text("\n".join(["image,question,answer", *rows]) + "\n")
        return tmp_path

    return written


def results(folder: Path) -> list[dict]:
    (journal,) = folder.glob("runs/*/samples.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()]


@pytest.mark.parametrize("broken", [0, 2, 4])
@pytest.mark.parametrize("more", [[], ["model.dtype=bfloat16"], ["batch_size=2"]])
def test_a_broken_picture_costs_its_sample(table, broken, more, tmp_path, capsys):
    words = ["eval", "task=vqa", f"task.root={table(broken)}", "model=tiny-llava", "logger=quiet", *more]
    assert main([*words, f"results={tmp_path / 'r'}"]) == 3
    rows = results(tmp_path / "r")
    assert len(rows) == 5 and [row["error"]["type"] for row in rows if row["error"]] == ["Unusable"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("count", [0, 2])
def test_a_template_that_does_not_fit_is_named(count, tmp_path, capsys):
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "checkpoint"))
    text = "{% for m in messages %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}"
    (folder / "chat_template.jinja").write_text("<image>" * count + text)
    said = f"the chat template writes {count} of <image> for them"
    _LOADED.clear()
    words = ["eval", "task=pope", "task.data=embedded", "limit=6", "model=hf", f"model.path={folder}", "logger=quiet"]
    assert main([*words, f"results={tmp_path / 'r'}"]) != 0
    assert "Traceback" not in capsys.readouterr().err
    assert {said in row["error"]["message"] for row in results(tmp_path / "r")} == {True}
