"""harness history over real commits."""

from __future__ import annotations

import json
import math
import os
import subprocess
from datetime import datetime

import pytest

from harness.cli import main
from harness.gate.history import _speed, history
from harness.runs.environment import environment
from harness.stats import paired_jackknife, totals
from harness.store import Store, ingest
from tests.gate.common import answers, play
from tests.leaderboard.made import run


def commit(number: int) -> str:
    moment = f"2026-01-{number:02d}T12:00:00+02:00"
    env = os.environ | {"GIT_COMMITTER_DATE": moment, "GIT_AUTHOR_DATE": moment}
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", str(number)], check=True, env=env)
    environment.cache_clear()
    return subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def commits(workdir):
    """Nine commits with a run each: 80 % right, from the sixth on 75 %. Played in no order."""
    subprocess.run(["git", "init", "--quiet"], check=True)
    hashes = {}
    for n in range(1, 10):
        hashes[n] = commit(n)
    for n in (4, 1, 9, 2, 3, 6, 5, 8, 7):
        subprocess.run(["git", "checkout", "--quiet", hashes[n]], check=True)
        environment.cache_clear()
        play(answers(0.2, flip=0.0 if n < 6 else 0.06, odd=n))  # another sample is wrong each time
    yield hashes
    environment.cache_clear()


def test_the_step_is_found_marked_and_plotted(commits, capsys):
    assert main(["history", "sums", "--json"]) == 0
    quality = next(s for s in json.loads(capsys.readouterr().out) if s["kind"] == "accuracy")
    assert [p["commit"] for p in quality["points"]] == list(commits.values())
    (change,) = quality["changes"]
    assert change["last_good"]["commit"] == commits[5] and change["first_bad"]["commit"] == commits[6]
    assert change["better"] is False and len(change["flipped"]) == 10 and change["state"] == "open"
    assert -0.07 < change["step"]["after"] - change["step"]["before"] < -0.03
    assert main(["history", "sums", "--plot"]) == 0
    out = capsys.readouterr().out
    assert f"worse after {commits[5][:9]}, since {commits[6][:9]}" in out
    assert "o" in out and "^" in out and "█" in out
    assert main(["history", "sums", "--mark", f"{change['id']}=accepted", "--reason", "new parser"]) == 0
    assert main(["history", "sums"]) == 0
    assert "(accepted: new parser)" in capsys.readouterr().out
    assert main(["history", "sums", "--delta", "0.2"]) == 0
    assert "step" not in capsys.readouterr().out


def test_words_that_make_no_sense(workdir, capsys):
    play(answers(0.2))
    capsys.readouterr()
    for words, says in (
        (["nothing"], "no finished run of task=nothing"),
        (["sums", "--mark", "abc=good", "--reason", "x"], "unknown state: good: choose one of open"),
        (["sums", "--mark", "abc=noise"], "needs --reason"),
        (["sums", "--delta", "nan"], "--delta: 'nan' must be a number, 0 or more"),
    ):
        assert main(["history", *words]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 5}'])
def test_damaged_marks_are_one_line(workdir, capsys, text):
    (workdir / "results" / "runs").mkdir(parents=True)
    (workdir / "marks.json").write_text(text)
    assert main(["history", "sums", "--marks", "marks.json"]) == 2
    assert "name another by --marks" in capsys.readouterr().err


def test_a_ratio_of_which_less_is_better(workdir):
    """Judged by the ratio, not by the first score; what is listed as flipped moved with the step."""
    names = [
        run(workdir, "vanilla", rate, ratio=True, day=day, commit=f"{day:040x}")
        for day, rate in enumerate((0.9, 0.9, 0.9, 0.6, 0.6, 0.6), 1)
    ]
    ingest(workdir)
    (series,) = (s for s in history(workdir, "quiz") if s.kind == "bad_i")
    change = next(c for c in series.changes if c.first_bad.run == names[3])
    assert change.better is False
    with Store(workdir) as store:
        rows = store.paired(names[2], names[3])
    sides = [totals([[r[k]["wrong"], r[k]["named"]] for r in rows], [r["cluster"] for r in rows]) for k in "ab"]
    expected = paired_jackknife(*sides, lambda c: c[..., 0] / c[..., 1]).stderr
    assert change.first_bad.error == pytest.approx(expected / math.sqrt(2))
    moved = {r["id"] for r in rows if r["b"]["wrong"] > r["a"]["wrong"]}
    assert len(change.flipped) == 10 and set(change.flipped) <= moved


@pytest.mark.parametrize(("before", "after", "found"), [(6, 6, True), (6, 2, False), (2, 6, False)])
def test_a_step_of_the_speed_rests_on_repeated_timings(before, after, found):
    """Twice as slow, over so many runs on each side."""
    seconds = [1.0 + 0.01 * (i % 3) for i in range(before)] + [2.0 + 0.01 * (i % 4) for i in range(after)]
    rows = [
        {"run": f"r{i}", "commit": f"{i:040x}", "moment": datetime(2026, 1, 1 + i), "seconds": s}
        for i, s in enumerate(seconds)
    ]
    series = _speed({"model": "m"}, rows, {})
    assert [c.first_bad.run for c in series.changes] == ([f"r{before}"] if found else [])
