"""Names and answers that others wrote reach terminals, pages of Markdown, CI and spreadsheets without harm."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from harness.cli import main

EVIL = "\n::error title=x::y\x1b[31m|<img src=x onerror=a>`\u202e##[group]"
FORMULA = '=HYPERLINK("http://x")'
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def runs(workdir, capsys):
    """Two imported runs, the second of them worse, whose every name is hostile."""
    for name, wrong in (("a", ()), ("b", range(0, 240, 2))):
        head = {
            "results": {EVIL: {"acc|<b>,none": 0.5}},
            "configs": {EVIL: {"task": EVIL}},
            "config": {"model": "hf", "model_args": f"pretrained={EVIL}"},
        }
        rows = [
            {"doc_id": f"{EVIL}{i}", "target": EVIL, "arguments": [[EVIL, ""]], "acc|<b>": float(i not in wrong),
             "resps": [[FORMULA if i in wrong else EVIL]], "filtered_resps": [EVIL]}
            for i in range(240)
        ]  # fmt: skip
        folder = Path("log", name)
        folder.mkdir(parents=True)
        (folder / "results_1.json").write_text(json.dumps(head))
        (folder / f"samples_{EVIL}_1.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert main(["import", "log"]) == 0
    made = capsys.readouterr().out.splitlines()[:-1]
    assert len(made) == 2
    return sorted(made, key=lambda m: FORMULA in Path("results/runs", m, "samples.jsonl").read_text())


def clean(capsys) -> str:
    """What was printed: no control character, and no line that is a workflow command."""
    printed = "".join(capsys.readouterr())
    assert not CONTROL.search(printed), CONTROL.search(printed)
    assert not [one for one in printed.splitlines() if one.lstrip().startswith("::") or "##[" in one]
    return printed


def test_the_terminal(runs, capsys):
    for words in (["ls"], ["show", runs[1], "--samples", "3"], ["compare", *runs, "--flips", "3"]):
        assert main(words) == 0
        clean(capsys)
    assert main(["gate", "--baseline", runs[0], "--candidate", runs[1]]) == 1
    assert "regressed" in clean(capsys)
    assert main(["show", EVIL]) == 2 and main([EVIL]) == 2 and main(["import", EVIL]) == 3
    clean(capsys)


def test_a_workflow(runs, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    assert main(["gate", "--baseline", runs[0], "--candidate", runs[1], "--junit", "g.xml", "--sarif", "g.sarif"]) == 1
    printed = capsys.readouterr().out
    assert not CONTROL.search(printed)
    (command,) = [one for one in printed.splitlines() if one.lstrip().startswith("::")]
    assert command.startswith("::error title=gate ") and "##[" not in printed
    assert ElementTree.parse("g.xml").getroot().get("failures") == "1"
    page = Path("summary.md").read_text()
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page)
    html = [t.content for t in tokens if t.type == "html_block"]
    html += [c.content for t in tokens for c in t.children or () if c.type in ("html_inline", "image", "link_open")]
    assert [re.findall(r"</?\w+", h) for h in html] == [["<details", "<summary", "</summary"], ["</details"]]
    assert sum(t.type == "td_open" for t in tokens) == 4


def test_markdown_and_csv(runs, capsys):
    assert main(["compare", *runs, "--markdown"]) == 0
    page = capsys.readouterr().out
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page)
    assert sum(t.type == "td_open" for t in tokens) % 8 == 0 and "<img" not in page
    assert main(["export"]) == 0
    with Path("export/samples.csv").open(newline="") as file:
        answers = {row["answer"] for row in csv.DictReader(file)}
    assert f"'{FORMULA}" in answers and FORMULA not in answers
