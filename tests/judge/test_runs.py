"""Whole runs with a judge behind HTTP, and with a real small model: what is stored, asked once, counted and refused."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.leaderboard.board import boards, entries
from harness.store import Store
from tests.judge.common import PLUGINS, between, grader, judged, metrics, play, record, rows, runs
from tests.models.openai.local import said, serving

pytest.importorskip("httpx")
pytest.importorskip("tenacity")


@pytest.fixture(autouse=True)
def place(workdir, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_a_run_with_a_judge(capsys):
    """Scores, reasons, agreement and cost; the same command is answered from the store."""
    with serving(grader) as served:
        assert play(48, *judged(served), wrong=12) == 0
        asked = len(served.bodies)
        assert play(48, *judged(served), wrong=12) == 0
        assert len(served.bodies) == asked
    (run,) = runs()
    facts = record(run)["judge"]
    name = facts["score"]
    assert name.startswith("judge:grader@")
    found = metrics(run)
    assert found[name]["value"] == 0.75 and found[name]["primary"] is False and found[name]["low"] is not None
    assert found["accuracy"]["primary"] is True and found["accuracy"]["value"] == 0.75
    for row in rows(run):
        assert row["scores"][name] == row["scores"]["correct"]
        told = row["details"]["judge"]
        assert told["reason"] in ("the same", "not the same") and told["raw"].startswith("Reason:")
        assert told["verdict"] == ("correct" if row["scores"]["correct"] else "incorrect")
        assert (told["prompt_tokens"], told["new_tokens"]) == (10, 1) and row["new_tokens"] == 0
    assert (facts["answers"], facts["judged"], facts["unparsed"], facts["failed"]) == (48, 48, 0, 0)
    assert facts["cost"]["prompt_tokens"] == 480 and facts["cost"]["asked"] == asked <= 48
    assert facts["agreement"]["score"] == "correct" and facts["agreement"]["kappa"]["value"] == 1
    assert facts["prompt"]["name"] == "correctness" and facts["warnings"] == []
    out = capsys.readouterr().out
    assert "48 of 48 answers judged" in out and "kappa 1.000" in out and "480 prompt tokens" in out


def test_nothing_is_asked_twice():
    """Not by another run with the same answers, by rescoring, nor by harness judge; the judge may be gone by then."""
    with serving(grader) as served:
        words = judged(served)
        assert play(24, wrong=3) == 0
        (plain,) = runs()
        assert main(["judge", plain.name, *words]) == 0
        asked = len(served.bodies)
    assert play(24, *words, wrong=3) == 0, "the same run, from the store"
    assert len(runs()) == 2 and asked > 0
    assert play(24, "seed=1", *words, wrong=3) == 0, "another run with the same answers"
    judged_run, other = runs()[1:]
    assert rows(other)[0]["details"]["judge"] == rows(judged_run)[0]["details"]["judge"]
    cost = record(other)["judge"]["cost"]
    assert cost["asked"] == 0 and cost["recalled"] == asked and cost["prompt_tokens"] == 240
    assert "judge" not in record(plain) and "judge" not in rows(plain)[0]["details"]
    assert f"judge.base_url={served.address}" in record(judged_run)["command"]


def test_rescoring_reads_the_verdicts_that_are_kept(capsys):
    with serving(grader) as served:
        assert play(24, *judged(served), wrong=3) == 0
    (run,) = runs()
    assert main(["rescore", run.name]) == 0 and "its scores are what its task gives now" in capsys.readouterr().out
    run = run.rename(run.with_name("sums-of-yesterday-0000000000"))
    facts = record(run) | {"run": run.name}
    facts["identity"]["task"]["code"] = "of yesterday"
    (run / "run.json").write_text(json.dumps(facts))
    assert main(["rescore", run.name]) == 0
    (new,) = [r for r in runs() if r != run]
    assert [r["scores"] for r in rows(new)] == [r["scores"] for r in rows(run)]
    assert metrics(new) == metrics(run) and record(new)["judge"]["cost"]["asked"] == 0
    shutil.rmtree(new)
    shutil.rmtree("results/judgments")
    assert main(["rescore", run.name]) == 3
    assert f"harness judge {run.name} judge=" in capsys.readouterr().err


def test_what_cannot_be_read_or_fails_is_counted_and_has_no_score(capsys):
    """A reply without a verdict is not asked again; a request that failed is, by retry=errors, and that alone."""
    fault = [True]

    def odd(body, number):
        if between("question", body).startswith("1+1"):
            return said("Well, it depends.")
        if between("question", body).startswith("2+2") and fault[0]:
            return 400, {"error": {"message": "flagged by moderation"}}
        return grader(body, number)

    with serving(odd) as served:
        assert play(16, *judged(served)) == 3
        (run,) = runs()
        name, facts = record(run)["judge"]["score"], record(run)["judge"]
        assert record(run)["status"] == "done", "the answers are there"
        assert (facts["judged"], facts["unparsed"], facts["failed"]) == (14, 1, 1)
        by = {r["id"]: r for r in rows(run)}
        assert all(name not in by[i]["scores"] for i in ("s1", "s2")) and name in by["s3"]["scores"]
        assert by["s1"]["details"]["judge"]["verdict"] is None
        assert by["s1"]["details"]["judge"]["raw"] == "Well, it depends."
        assert "flagged by moderation" in by["s2"]["details"]["judge"]["error"]
        assert metrics(run)[name]["n"] == 14 and "2 of 16 answers have no verdict" in metrics(run)[name]["note"]
        out = capsys.readouterr().out
        assert "14 of 16 answers judged, 1 unparsed, 1 failed" in out
        asked, fault[0] = len(served.bodies), False
        assert play(16, *judged(served)) == 3, "from the store"
        assert len(served.bodies) == asked
        assert play(16, *judged(served), "retry=errors") == 0
        assert len(served.bodies) == asked + 1
    assert record(run)["judge"]["failed"] == 0 and metrics(run)[name]["n"] == 15


def test_a_judge_that_is_not_there_loses_no_answer(capsys):
    words = judged("http://127.0.0.1:9/v1")
    assert play(12, *words) == 3
    (run,) = runs()
    assert record(run)["status"] == "interrupted" and len(rows(run)) == 12
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert not (run / "metrics.json").exists()


def test_a_killed_judging_asks_for_the_rest_alone():
    """Replies are on the disk as they come; a torn last line is asked again."""
    with serving(grader) as served:
        assert play(30, *judged(served)) == 0
        (run,) = runs()
        (kept,) = Path("results/judgments").glob("*.jsonl")
        lines = kept.read_bytes().splitlines(keepends=True)
        kept.write_bytes(b"".join(lines[:5]) + lines[5][:20])
        facts = record(run)
        (run / "run.json").write_text(json.dumps(facts | {"status": "running"}))
        asked = len(served.bodies)
        assert play(30, *judged(served)) == 0
        assert len(served.bodies) == asked + len(lines) - 5
    assert record(run)["status"] == "done" and record(run)["judge"]["cost"]["recalled"] == 5


def test_two_judges_and_no_judge_share_no_ranking():
    """Another prompt is another judge, too."""
    Path("kind.md").write_text(
        "---\nverdicts: {correct: 1, incorrect: 0}\n---\n<reference>\n{reference}\n</reference>\n<answer>\n{answer}\n"
        "</answer>\nBe kind."
    )
    with serving(grader) as served:
        for words in ([], judged(served), judged(served, "judge.prompt=kind.md")):
            assert play(24, *words, wrong=4) == 0
    names = {record(r).get("judge", {}).get("score") for r in runs()}
    assert len(names) == 3
    with Store("results") as store:
        found = boards(entries(store))
    assert len(found) == 3 and all(len(b.entries) == 1 for b in found)
    assert {b.mark for b in found} == {"" if n is None else n for n in names}
    shared = set.intersection(*({m["name"] for m in b.entries[0].metrics} for b in found))
    assert not any(n.startswith("judge:") for n in shared) and "accuracy" in shared


def test_a_task_without_an_exact_score_is_told_by_its_judge(capsys):
    Path("plug").mkdir()
    Path("plug/freely.py").write_text(
        "from harness.core import Metric, Outcome, Request, user\nfrom tests.engine.toys import Sums\n"
        "class Freely(Sums):\n"
        "    def episode(self, sample):\n"
        "        reply = yield Request(user(sample.data['text']), 4)\n"
        "        return Outcome(reply.text, {'length': float(len(reply.text))})\n"
        "    def aggregate(self, results):\n"
        "        return [Metric('length', 1.0, higher_is_better=None)]\n"
    )
    Path("plug/freely.yaml").write_text(
        "_target_: freely.Freely\nkind: task\nversion: 1\ndefault_model: oracle\nofficial: embedded\n"
        "variants: {embedded: x}\ncard: {title: Freely}\ndefaults: {n: 24}\n"
    )
    words = ["eval", "task=freely", "plugins=[plug]", "logger=quiet"]
    assert main(words) == 0
    assert "no score judges this run: judge=NAME has a model grade its answers" in capsys.readouterr().err
    with serving(grader) as served:
        assert main([*words, *judged(served)]) == 0
    assert "no score judges" not in capsys.readouterr().err
    run = runs()[-1]
    _, metric = metrics(run).values()
    assert metric["primary"] and metric["name"] == metric["score"] == record(run)["judge"]["score"]
    assert "agreement" not in record(run)["judge"]
    assert [s["name"] for s in record(run)["scores"] if s["primary"]] == [metric["name"]]
    assert main(["compare", run.name, run.name]) == 0


def test_a_small_model_of_ours_judges_its_own_kind(tmp_path):
    """tiny-llava looks at the pictures and answers yes or no; that it judges itself is said."""
    Path("yes.md").write_text("---\nverdicts: {yes: 1, no: 0}\n---\n{question}{answer}")
    words = ["judge=tiny-llava", "judge.prompt=yes.md", "judge.pictures=true", "judge.max_new_tokens=4"]
    assert main(["eval", "task=pope", "limit=6", "model=tiny-llava", "logger=quiet", *words]) == 0
    (run,) = runs()
    facts = record(run)["judge"]
    assert facts["judged"] == facts["answers"] == len(rows(run)) and facts["pictures"] is True
    assert "are of one family (tiny)" in facts["warnings"][0]
    assert record(run)["work"]["passes"] > 0 and record(run)["model_facts"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["judge=oracle"], "judge=oracle is unknown"),
        (["judge=tiny-lava"], "did you mean tiny-llava"),
        (["judge=openai"], "judge.name needs a value"),
        (["judge=tiny-llava", "judge.prompt=pairwise"], "compares two answers: harness judge RUN --against RUN"),
        (["judge=tiny-llava", "judge.promt=x"], "unknown setting judge.promt: did you mean judge.prompt"),
        (["judge=tiny-llava", "judge.dtype=float31"], "judge.dtype=float31 is unknown"),
        (["judge=tiny-llava", "judge.max_new_tokens=0"], "judge.max_new_tokens=0 leaves no room"),
        (["judge=tiny-llava", "judge.pictures=2"], "judge.pictures=2 must be true or false"),
        (["judge.prompt=x"], "unknown setting judge.prompt"),
    ],
)
def test_wrong_words_are_one_line(capsys, words, says):
    assert play(4, *words) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
    assert not Path("results/runs").exists()


def test_a_pairwise_judge_sees_both_orders(capsys):
    """One that always prefers what it sees first is found out."""

    def first(body, _number):
        return said("Reason: it stands first\nVerdict: A")

    def fair(body, _number):
        a, b = (between(f"answer_{x}", body) == between("reference", body) for x in "ab")
        return said(f"Reason: it is right\nVerdict: {'tie' if a == b else 'A' if a else 'B'}")

    assert play(48, wrong=0) == 0 and play(48, "seed=1", wrong=24) == 0
    good, bad = (r.name for r in runs())
    capsys.readouterr()
    with serving(fair) as served:
        assert main(["judge", good, "--against", bad, *judged(served), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["preferred"]["value"] == 0.75 and found["consistent"]["value"] == 1
        assert found["shown_first"]["value"] == 0.5 and found["warnings"] == []
        (path,) = Path("results/judgments").glob("*.json")
        (one, *_) = json.loads(path.read_text())["samples"]
        assert {one[k]["reason"] for k in ("first", "swapped")} == {"it is right"}
    with serving(first) as served:
        assert main(["judge", good, "--against", bad, *judged(served)]) == 0
        out = capsys.readouterr().out
        assert "position bias: the answer that is shown first is favoured (1.000)" in out
        assert "A is preferred: 0.500" in out and "same verdict in both orders: 0.000" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["judge=tiny-llava"], "name a run"),
        (["RUN"], "name a judge"),
        (["RUN", "judge=none"], "name a judge"),
        (["RUN", "judge=tiny-llava", "seed=1"], "seed=1 is not a setting of the judge"),
        (["RUN", "judge=tiny-llava", "--against", "RUN", "judge.prompt=correctness"], "grades one answer"),
        (["RUN", "judge=tiny-llava", "--against", "nothing"], "run=nothing is unknown"),
    ],
)
def test_wrong_words_of_the_command(capsys, words, says):
    assert play(4) == 0
    capsys.readouterr()
    assert main(["judge", *(runs()[0].name if w == "RUN" else w for w in words)]) == 2
    assert says in capsys.readouterr().err


def test_what_cannot_be_judged_names_the_command_that_judges_it(capsys):
    """Answers from the task's records are not kept to be judged: they are judged as the run plays."""
    assert main(["eval", "task=sums", "task.n=24", PLUGINS, "model=oracle", "logger=quiet"]) == 0
    (plain,) = runs()
    with serving(grader) as served:
        capsys.readouterr()
        assert main(["judge", plain.name, *judged(served)]) == 3
        said, _, command = capsys.readouterr().err.strip().partition(": play it again by harness ")
        assert "cannot be judged: model=oracle answers from the task's own records" in said
        assert main(shlex.split(command)) == 0
    (new,) = (r for r in runs() if r != plain)
    assert record(new)["judge"]["score"].startswith("judge:grader@")
