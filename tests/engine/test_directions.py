"""A score of which less is better: every comparison and list goes by the judged score and its direction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.interop.every_eval_ever import instances
from harness.leaderboard.build import build
from harness.runs.stored import StoredRun, select

N = 60


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """CHAIR by the key, which names nothing that is not there, and by blind draws, which do nothing else."""
    place = tmp_path_factory.mktemp("chair") / "results"
    for model in ("oracle", "chance"):
        assert main(["eval", "task=chair", f"model={model}", f"limit={N}", "logger=quiet", f"results={place}"]) == 0
    return place


@pytest.fixture
def runs(results) -> dict[str, StoredRun]:
    return {r.record.model: r for r in select(results, ["limit=60"]) if not r.record.sequential}


@pytest.fixture(params=["new", "old"])
def stored(request, results, runs, tmp_path) -> Path:
    """The results, as they are written now and as they were before runs stored what their scores mean."""
    if request.param == "new":
        return results
    for run in runs.values():
        folder = tmp_path / "runs" / run.name
        folder.mkdir(parents=True)
        for name in ("metrics.json", "samples.jsonl"):
            (folder / name).write_bytes((run.directory.path / name).read_bytes())
        record = {k: v for k, v in run.record.as_json().items() if k not in ("scores", "cluster")}
        (folder / "run.json").write_text(json.dumps(record))
    assert main(["ingest", "--results", str(tmp_path)]) == 0
    return tmp_path


def test_a_run_stores_what_its_scores_mean(runs):
    declared = {s.name: (s.higher_is_better, s.primary) for s in runs["oracle"].record.scores}
    assert declared["hallucinated/mentioned"] == (False, True) and declared["tokens"] == (None, False)


def test_flips_go_by_the_direction(stored, results, runs, capsys):
    words = ["compare", "--results", str(stored), runs["oracle"].name, runs["chance"].name]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    rows = {r["score"]: r["difference"] for r in found["rows"]}
    assert found["rows"][0]["score"] == "hallucinated/mentioned" and found["rows"][0]["higher_is_better"] is False
    declared = ("hallucinates", "hallucinated", "recalled") if stored == results else ()
    for name in ("hallucinated/mentioned", *declared):
        assert (rows[name]["right_to_wrong"], rows[name]["wrong_to_right"]) == (N, 0)
    assert rows["objects"]["right_to_wrong"] is None
    assert len(found["worse"]) == N and not found["better"]
    assert main(words) == 0
    row = next(x for x in capsys.readouterr().out.splitlines() if "hallucinated/mentioned" in x)
    assert f" {N}/0 " in row


def test_wrong_lists_what_the_judged_score_calls_wrong(stored, runs, capsys):
    for model, listed in (("oracle", 0), ("chance", N)):
        capsys.readouterr()
        assert main(["show", "--results", str(stored), runs[model].name, "--samples", str(N), "--wrong"]) == 0
        assert capsys.readouterr().out.count("hallucinates=") == listed


def test_a_run_that_hallucinates_more_ends_early_as_worse(results, runs):
    words = ["eval", "task=chair", "model=chance", f"limit={N}", "logger=quiet", f"results={results}"]
    assert main([*words, f"stop_early={runs['oracle'].name}"]) == 0
    (run,) = (r for r in select(results, ["model=chance"]) if r.record.sequential)
    found = run.record.sequential
    assert found["state"] == "worse" and found["score"] == "hallucinated/mentioned"
    assert found["low"] > 0.5 and found["clusters"] < N
    (metric,) = (m for m in run.metrics if m.primary)
    assert found["difference"] == pytest.approx(metric.value)  # the oracle's is 0


def test_the_gate_counts_and_lists_what_got_worse(results, runs, workdir, capsys):
    Path("gate.yaml").write_text("checks:\n  - {flips: 3}\n  - {score: hallucinates, flips: 3}\n")
    words = ["--results", str(results), "--baseline", runs["oracle"].name, "--candidate", runs["chance"].name]
    assert main(["gate", *words]) == 1
    out = capsys.readouterr().out
    assert out.count(f"{N} samples worse, 0 better") == 2 and out.count(", target ") == 40
    words = ["--results", str(results), "--baseline", runs["chance"].name, "--candidate", runs["oracle"].name]
    assert main(["gate", *words]) == 0
    Path("gate.yaml").write_text("checks:\n  - {score: tokens}\n")
    capsys.readouterr()
    assert main(["gate", *words]) == 2
    assert "unknown whether more tokens is better" in capsys.readouterr().err


def test_the_site_counts_flips_and_right_samples(stored, runs, workdir):
    build(stored, workdir / "site", with_pictures=False)
    data = workdir / "site" / "data"
    states = {m: json.loads((data / "runs" / r.name / "index.json").read_text())["state"] for m, r in runs.items()}
    assert set(states["oracle"]) == {"1"} and set(states["chance"]) == {"0"}


def test_exports_say_which_samples_are_correct(runs):
    assert {i["evaluation"]["is_correct"] for i in instances(runs["oracle"])} == {True}
    wrong = [i["evaluation"] for i in instances(runs["chance"])]
    assert {w["is_correct"] for w in wrong} == {False} and all(0 < w["score"] <= 1 for w in wrong)
