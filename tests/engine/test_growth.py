"""Large runs: samples are made anew when they are needed, and results kept in columns. Nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.core import HarnessError, Sample
from harness.engine import evaluate, streamed
from harness.engine.play import planned
from harness.engine.schedule import windows
from harness.engine.streamed import Streamed, whole
from tests.engine.toys import Sums

EVERYTHING = {"limit": None, "seed": 0}


@pytest.fixture
def few(monkeypatch):
    """What counts as many."""
    monkeypatch.setattr(streamed, "HELD", 5)
    monkeypatch.setattr(evaluate, "HELD", 5)


def stored(results: str, *words: str) -> tuple[bytes, list[bytes], dict]:
    """Metrics, the journal without times, and the record's counts of a run."""
    assert main(["eval", f"results={results}", "logger=quiet", *words]) in (0, 3)
    (path,) = Path(results, "runs").iterdir()
    rows = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
    told = [json.dumps({k: v for k, v in row.items() if k not in ("latency", "crc32")}).encode() for row in rows]
    return (path / "metrics.json").read_bytes(), told, json.loads((path / "run.json").read_text())["counts"]


@pytest.mark.parametrize(
    "words",
    [
        ["task=pope", "task.data=embedded", "limit=90", "model=chance"],
        ["task=chair", "task.data=embedded", "limit=20", "model=oracle"],
    ],
    ids=lambda words: words[0],
)
def test_metrics_are_the_same_from_columns(words, workdir, monkeypatch):
    plain = stored("plain", *words)
    monkeypatch.setattr(evaluate, "HELD", 5)
    assert stored("columns", *words) == plain


PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"


def test_a_streamed_run_resumes(few, workdir):
    """Half of the journal is lost on the way: the other half is asked, and the run is the same."""
    words = ["task=sums", "task.n=60", PLUGINS, "model=chance"]
    whole_run = stored("one", *words)
    (path,) = Path("one/runs").iterdir()
    journal = path / "samples.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:30]))
    (path / "metrics.json").unlink()
    metrics, rows, counts = stored("one", *words)
    assert (metrics, sorted(rows)) == (whole_run[0], sorted(whole_run[1])) and counts["done"] == 60


def test_all_of_many_samples_are_streamed_in_the_same_windows(few):
    task = Sums(43)
    made = planned(task, EVERYTHING)
    assert isinstance(made, Streamed) and len(made) == 43 and list(made) == list(task.samples())
    assert made[7] == list(made)[7] and made[3:5] == list(made)[3:5] and made[-1] == list(made)[-1]
    assert list(windows(made, 6)) == list(windows(list(made), 6))
    assert isinstance(planned(task, {"limit": 30, "seed": 0}), list)


class Odd(Sums):
    """Its ids repeat, or its clusters are apart."""

    def __init__(self, ids: int, clusters: int):
        super().__init__(20)
        self.ids, self.clusters = ids, clusters

    def samples(self):
        for i in range(20):
            yield Sample(f"s{i % self.ids}", f"c{i % self.clusters}", "all", "")


def test_many_samples_that_are_not_in_order(few):
    with pytest.raises(HarnessError, match="sample id 's0' occurs twice"):
        planned(Odd(19, 20), EVERYTHING)
    made = planned(Odd(20, 4), EVERYTHING)
    assert isinstance(made, list) and [s.cluster for s in made[:5]] == ["c0"] * 5
    assert isinstance(whole(Odd(20, 20)), Streamed)
