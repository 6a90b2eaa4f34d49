"""Random faults over the embedded tasks: `pytest -m slow tests/endtoend/test_soak.py`, HARNESS_SOAK=SECONDS long.

Commands are killed, run into a limit of file sizes, write side by side; readers hold the database; files are cut and
bytes of them flipped. In the end every run has the rows and metrics of a run that nothing happened to.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from harness.browser import chromium
from harness.cli import main
from harness.core.errors import Missing
from harness.runs import journal
from harness.runs.stored import StoredRun, stored
from harness.store import Store

SECONDS = float(os.environ.get("HARNESS_SOAK", "30"))
JOBS = [
    *(f"task={task} model=chance limit=40" for task in ("pope", "chair", "vic_bench", "niah", "mm_niah", "mmneedle")),
    *(f"task={task} model=oracle limit=40 seed=1" for task in ("stare", "screenspot", "pope")),
    "task=pope limit=60 model=tiny-llava",
]
try:
    chromium()
    BROWSER = ["task=miniwob model=oracle limit=10"]
except Missing:
    BROWSER = []
"""Not with a limit of file sizes, which is Chromium's as well and would make its pages fail."""
QUIET = 0.15
"""Seconds from a command's start after which it may be killed."""


class Soak:
    """A results folder in which things go wrong. `faults` counts them."""

    def __init__(self, results: Path, seed: int):
        self.results, self.random, self.faults = results, random.Random(seed), Counter[str]()
        self.took = 3.0
        """Seconds of the last command that ended by itself."""

    def start(self, words: str, size: int | None = None) -> subprocess.Popen[str]:
        def limit() -> None:
            if size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        command = [sys.executable, "-m", "harness", *words.split(), f"results={self.results}"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit)

    def end(self, process: subprocess.Popen[str], *codes: int) -> None:
        began = time.monotonic()
        out, err = process.communicate(timeout=300)
        self.took = time.monotonic() - began
        assert "Traceback" not in err, err
        assert process.returncode in codes, (process.args, process.returncode, out[-500:], err[-2000:])

    def play(self, job: str) -> None:
        self.end(self.start(f"eval {job} logger=quiet"), 0)

    def kill(self, job: str) -> None:
        process = self.start(f"eval {job} logger=quiet")
        time.sleep(self.random.uniform(QUIET, 1.2 * self.took + QUIET))
        process.send_signal(signal.SIGKILL)
        self.end(process, 0, -signal.SIGKILL)

    def fill(self, job: str) -> None:
        """A disk without room for all of it."""
        self.end(self.start(f"eval {job} logger=quiet", size=int(10 ** self.random.uniform(2, 6))), 0, 3)

    def two_writers(self, job: str) -> None:
        both = [self.start(f"eval {job} logger=quiet") for _ in range(2)]
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(QUIET, self.took))
            both[0].send_signal(signal.SIGKILL)
        self.end(both[0], 0, -signal.SIGKILL)
        self.end(both[1], 0)

    def reader(self, job: str) -> None:
        """Holds the database while a run wants to be indexed."""
        if not (self.results / "harness.duckdb").exists():
            return
        with Store(self.results) as store:
            process = self.start(f"eval {job} logger=quiet")
            assert store.query("SELECT count(*) AS n FROM samples")[0]["n"] >= 0
            time.sleep(self.random.uniform(0, 2))
        self.end(process, 0)

    def flip(self, _job: str) -> None:
        """Bytes of some journals."""
        for path in (self.results / "runs").glob("*/samples.jsonl"):
            data = bytearray(path.read_bytes())
            for _ in range(self.random.randint(0, 3) if data else 0):
                data[self.random.randrange(len(data))] ^= self.random.randint(1, 255)
            path.write_bytes(data)

    def cut(self, _job: str) -> None:
        """A file as a power cut leaves it."""
        files = [p for p in (self.results / "runs").glob("*/*.json*") if p.stat().st_size]
        if files:
            path = self.random.choice(sorted(files))
            path.write_bytes(path.read_bytes()[: self.random.randrange(path.stat().st_size)])

    def lose_index(self, _job: str) -> None:
        (self.results / "harness.duckdb").unlink(missing_ok=True)

    def look(self, _job: str) -> None:
        for words in ("ls", "site build --no-pictures", "ingest"):
            process = self.start(words)
            if words != "ls" and self.random.random() < 0.5:
                time.sleep(self.random.uniform(QUIET, self.took))
                process.send_signal(signal.SIGKILL)
            self.end(process, 0, 3, -signal.SIGKILL)

    def once(self) -> None:
        weights = {self.kill: 6, self.fill: 2, self.two_writers: 2, self.reader: 1, self.flip: 3, self.cut: 3}
        weights |= {self.lose_index: 1, self.look: 1, self.play: 2}
        (fault,) = self.random.choices(list(weights), list(weights.values()))
        fault(self.random.choice(JOBS if fault == self.fill else [*JOBS, *BROWSER]))
        self.faults[fault.__name__] += 1


def rows(run: StoredRun) -> dict[str, object]:
    """What must be equal whatever happened on the way: all but how long it took."""
    found = {}
    for r in run.results():
        said = r.outcome and (r.outcome.answer, r.outcome.verdict, r.outcome.scores)
        # MiniWoB's own reward falls with the time that an episode takes.
        details = {k: v for k, v in r.outcome.details.items() if k != "env_reward"} if r.outcome else {}
        found[r.id] = (said, details, r.error, r.target, r.group, r.cluster, r.prompt, r.calls)
    return found


def scored(results: Path) -> list[tuple[object, ...]]:
    with Store(results) as store:
        text = 'SELECT run, id, answer, verdict, scores, target, "group", cluster, prompt FROM samples ORDER BY ALL'
        return [tuple(map(str, row.values())) for row in store.query(text)]


@pytest.mark.slow
def test_whatever_happens_the_rows_are_those_of_an_undisturbed_run(tmp_path, capsys):
    seed = int(os.environ.get("HARNESS_SOAK_SEED", time.time_ns() % 10**6))
    soak = Soak(tmp_path / "disturbed", seed)
    calm = Soak(tmp_path / "calm", seed)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        soak.once()
    for job in [*JOBS, *BROWSER]:
        calm.play(job)
        soak.play(job)
    expected, found = ({r.name: r for r in stored(s.results)} for s in (calm, soak))
    assert found.keys() == expected.keys()
    for name, run in found.items():
        assert rows(run) == rows(expected[name]) and run.metrics == expected[name].metrics, (name, seed)
        assert run.record.status == "done" and not run.faults(), (name, seed)
        assert len(journal.read(run.directory.journal)) == run.record.counts.done
    assert main(["site", "build", "--no-pictures", "--results", str(soak.results)]) == 0
    assert scored(soak.results) == scored(calm.results), seed
    left = [p.name for p in soak.results.rglob(".*") if p.name not in (".lock", ".harness-site")]
    assert left == [], (left, seed)
    with capsys.disabled():
        sys.stdout.write(
            json.dumps({"seed": seed, "seconds": SECONDS, "runs": len(found), "faults": soak.faults}) + "\n"
        )
