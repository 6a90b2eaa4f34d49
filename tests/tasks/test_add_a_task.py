"""docs/add-a-task.md does what it says."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

from PIL import Image

from harness.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "add-a-task.md"
FILES = re.findall(r"^`(\S+)`\n\n((?:(?:    .*)?\n)+)", PAGE.read_text(encoding="utf-8"), re.M)
COLOURS = ("red", "green", "blue")


def written(name: str, folder: Path) -> int:
    """The files of one example; how many lines they have."""
    lines = 0
    for file, text in FILES:
        if file.startswith(f"{name}/"):
            made = textwrap.dedent(text).strip() + "\n"
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(made)
            lines += made.count("\n")
    return lines


def accuracy(folder: Path, *words: str) -> dict:
    assert main(["eval", *words, "plugins=[.]", f"results={folder}", "logger=quiet"]) == 0
    (path,) = folder.glob("runs/*/metrics.json")
    return next(m for m in json.loads(path.read_text()) if m["primary"])


def test_every_file_is_shown_once():
    assert [name for name, _ in FILES] == ["shades/task.yaml", "shades/task.py", "colours/task.yaml", "colours/task.py"]


def test_rows_and_pictures(workdir):
    assert written("shades", workdir) <= 30
    rows = [{"image": f"{i}.png", "question": "Which colour?", "answer": COLOURS[i % 3]} for i in range(60)]
    (workdir / "data").mkdir()
    (workdir / "data" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for i in range(60):
        Image.new("RGB", (24, 24), COLOURS[i % 3]).save(workdir / "data" / f"{i}.png")
    words = ["task=shades", "task.root=data"]
    best = accuracy(workdir / "best", *words, "model=oracle")
    assert (best["name"], best["value"], best["clusters"], best["score"]) == ("accuracy", 1, 60, "correct")
    blind = accuracy(workdir / "blind", *words, "model=chance")
    assert 0.15 < blind["value"] < 0.55 and blind["low"] < 1 / 3 < blind["high"]
    assert 0 <= accuracy(workdir / "seen", *words, "model=tiny-llava", "limit=6")["value"] <= 1


def test_what_it_says_of_settings(workdir, capsys):
    """The dataclass of the page is read as it stands."""
    written("shades", workdir)
    own = textwrap.dedent(re.search(r"\n(    @dataclass.*?)\nSettings are part", PAGE.read_text(), re.S)[1]).rstrip()
    code, rest = (workdir / "shades" / "task.py").read_text().split("class Shades(QuestionTask):\n")
    code += "from dataclasses import dataclass\nfrom typing import Annotated\nimport harness.records\n"
    code += f"from harness.records.settings import OneOf\n{own}\n{rest}"
    yaml = (workdir / "shades" / "task.yaml").read_text().replace("root: null", "root: null, parser: strict")
    (workdir / "tints").mkdir()
    (workdir / "tints" / "task.py").write_text(code)
    (workdir / "tints" / "task.yaml").write_text(yaml.replace("shades.task", "tints.task"))
    (workdir / "rows.jsonl").write_text('{"question": "Which?", "answer": "red"}')
    words = ["eval", "task=tints", "task.root=rows.jsonl", "model=oracle", "plugins=[.]", "logger=quiet"]
    assert main(words) == 0
    assert main([*words, "task.parser=odd"]) == 2
    assert "task.parser=odd is unknown: choose one of strict, lenient" in capsys.readouterr().err


def test_samples_of_its_own(workdir):
    assert written("colours", workdir) <= 50
    made = accuracy(workdir / "results", "task=colours", "model=oracle")
    assert (made["name"], made["value"], made["clusters"]) == ("accuracy", 1, 30)
