"""Runs as they lie in a results folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import harness
from harness.cli import main
from harness.core import Outcome, Result
from harness.runs.journal import encode
from harness.runs.stored import stored

LEAST = {"status": "done", "task": "pope", "model": "m", "method": "vanilla"}


def test_newest_first_also_within_a_second(tmp_path):
    order = ["c", "a", "b"]
    for n, name in enumerate(order):
        path = tmp_path / "runs" / name / "run.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**LEAST, "run": name, "started": "2026-01-01T00:00:00+00:00"}))
        os.utime(path, ns=(n, n))
    late = tmp_path / "runs" / "0" / "run.json"
    late.parent.mkdir()
    late.write_text(json.dumps({**LEAST, "run": "0", "started": "2026-01-01T00:00:01+00:00"}))
    os.utime(late, ns=(0, 0))
    assert [r.name for r in stored(tmp_path)] == ["0", *reversed(order)]


def test_thinking_is_counted_apart(tmp_path):
    """By tokens: a quarter of 4 s and half of 2 s, over two samples."""
    path = tmp_path / "runs" / "a" / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**LEAST, "run": "a"}))
    cost = {"calls": 1, "outcome": Outcome("yes", {"correct": 1.0}), "error": None}
    rows = [
        Result("0", "0", "all", "yes", **cost, latency=4.0, new_tokens=40, thinking_tokens=10),
        Result("1", "1", "all", "yes", **cost, latency=2.0, new_tokens=20, thinking_tokens=10),
    ]
    (path.parent / "samples.jsonl").write_text("".join(encode(r) + "\n" for r in rows))
    (run,) = stored(tmp_path)
    found = run.cost()
    assert (found["thinking_tokens"], found["thinking_seconds"], found["seconds"]) == (10.0, 1.0, 3.0)


@pytest.fixture
def copied(workdir):
    """A run, and a copy of its folder by another name."""
    assert main(["eval", "task=pope", "model=chance", "limit=180"]) == 0
    (run,) = Path("results/runs").iterdir()
    shutil.copytree(run, run.with_name("renamed"))
    return run.name


def test_a_copy_by_another_name_is_no_run_anywhere(copied, capsys):
    line = f"its run.json is of run {copied}: rename the folder to match, or delete the copy"
    capsys.readouterr()
    for words in (["ls", "--json"], ["export", "--out", "e"], ["ingest"], ["site", "build"]):
        assert main(words) == 0, words
        said = capsys.readouterr()
        assert f"left out: results/runs/renamed: {line}" in said.out + said.err, words
        if words[0] == "ls":
            assert [r["run"] for r in json.loads(said.out)] == [copied]
    for words in (
        ["show", "renamed"],
        ["compare", copied, "renamed"],
        ["rescore", "renamed"],
        ["compare", "ren", "pope"],
    ):
        assert main(words) == 3, words
        assert capsys.readouterr().err == f"harness: results/runs/renamed: {line}\n", words
    with pytest.warns(UserWarning, match=line):
        assert [r.name for r in harness.runs()] == [copied]


def test_a_comparison_by_methods_names_what_it_leaves_out(copied, capsys):
    """It may be the newest run of a method: an older one must not stand for it without a word."""
    assert main(["eval", "task=pope", "model=oracle", "limit=180"]) == 0
    capsys.readouterr()
    assert main(["compare", "method=vanilla", "method=vanilla"]) in (0, 2)
    assert capsys.readouterr().err.count("left out: results/runs/renamed") == 1


def test_an_evaluation_takes_no_other_run_for_its_own(copied, capsys):
    """Not even where that run was given its name."""
    assert main(["eval", "task=pope", "model=oracle", "limit=180"]) == 0
    (own,) = (p for p in Path("results/runs").iterdir() if "oracle" in p.name)
    shutil.rmtree(own)
    Path("results/runs/renamed").rename(own)
    capsys.readouterr()
    assert main(["eval", "task=pope", "model=oracle", "limit=180"]) == 3
    assert f"its run.json is of run {copied}" in capsys.readouterr().err


def test_a_moved_results_folder_is_whole(copied, capsys):
    shutil.rmtree("results/runs/renamed")
    shutil.move("results", "elsewhere")
    link = Path("linked/runs") / copied
    link.parent.mkdir(parents=True)
    shutil.copytree(Path("elsewhere/runs") / copied, "kept")
    link.symlink_to(Path("kept").absolute())
    for folder in ("elsewhere", "linked"):
        capsys.readouterr()
        assert main(["ls", "--json", f"results={folder}"]) == 0
        assert [r["run"] for r in json.loads(capsys.readouterr().out)] == [copied]
        assert main(["ingest", f"results={folder}"]) == 0 and "1 runs, 180 samples" in capsys.readouterr().out
