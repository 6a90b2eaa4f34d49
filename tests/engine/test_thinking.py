"""Thinking is taken off once, before any task or pipeline reads an answer; the journal keeps what the model gave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.core import Decoding, Pipeline, Reply
from harness.engine.rescoring import again
from harness.engine.schedule import Scheduler
from harness.runs.journal import decode, encode
from tests.engine.toys import Adder, Ask2, Sums


class Thinker(Adder):
    """Thinks aloud, of other numbers."""

    def answer(self, calls, decoding):
        replies = super().answer(calls, decoding)
        return [Reply(f"<think>{r.text}9?</think>\n{r.text}", 3, 5, thinking_tokens=4) for r in replies]


class Shout(Pipeline):
    """Makes a reply of its own from what it reads."""

    name = "shout"

    def respond(self, request):
        reply = yield request
        assert "think" not in reply.text
        return Reply(f"{reply.text}!", reply.prompt_tokens, reply.new_tokens, reply.latency, reply.finish)


def played(task, *pipelines, reasoning="strip"):
    model, results = Thinker(), []
    model.reasoning = reasoning
    Scheduler(task, model, pipelines, Decoding(), seed=0, rows=None, report=results.extend).run(list(task.samples()))
    return [decode(json.loads(encode(r))) for r in results]


@pytest.mark.parametrize(("turns", "pipelines"), [(1, ()), (2, ()), (1, (Ask2(),))])
def test_every_reply_is_read_without_its_thinking(turns, pipelines):
    task = Sums(4, turns)
    rows = played(task, *pipelines)
    for sample, row in zip(task.samples(), rows, strict=True):
        assert row.outcome.answer == sample.target and row.outcome.scores["correct"] == 1
        assert [r.text for r in row.replies] == [f"<think>{sample.target}9?</think>\n{sample.target}"] * turns
        assert row.thinking_tokens == 4 * row.calls
        assert again(task, sample, row) == row, "stored answers are scored as they were"


def test_what_a_pipeline_makes_is_kept_as_it_is():
    task = Sums(2)
    assert [[r.text for r in row.replies or ()] for row in played(task, Shout())] == [[], []]
    assert [row.outcome.answer for row in played(task, Shout())] == [f"{s.target}!" for s in task.samples()]


def test_thinking_is_scored_where_that_is_asked_for():
    task = Sums(4)
    for sample, row in zip(task.samples(), played(task, reasoning="keep"), strict=True):
        assert row.outcome.answer.startswith("<think>") and not row.outcome.scores["correct"]
        assert again(task, sample, row, reasoning="keep") == row
        assert again(task, sample, row).outcome.answer == sample.target


def test_answers_from_a_file_in_every_place(workdir, capsys):
    """Read, scored, shown with their thinking, rescored; and as they are with model.reasoning=keep."""
    said = {"yes": "<think>I see no dog, no.</think>\n\nYes", "no": "I see it: yes!</think>No"}
    with Path("random.jsonl").open("w") as questions, Path("a.jsonl").open("w") as answers:
        for i in range(24):
            label = "yes" if i % 2 else "no"
            row = {"question_id": i, "image": f"{i // 2}.jpg", "text": f"Is there a thing{i}?", "label": label}
            questions.write(json.dumps(row) + "\n")
            answers.write(json.dumps({"question_id": i, "answer": said[label]}) + "\n")
    words = ["eval", "task=pope", "task.data=local", "task.root=random.jsonl", "task.splits=[random]", "logger=quiet"]
    words += ["model=replay", "model.path=a.jsonl"]
    assert main(words) == 0
    (run,) = Path("results/runs").iterdir()
    metrics = {(m["name"], m["group"]): m["value"] for m in json.loads((run / "metrics.json").read_text())}
    assert metrics["accuracy", "mean"] == 1 and metrics["unparsed", "mean"] == 0
    capsys.readouterr()
    assert main(["show", run.name, "--samples", "1"]) == 0
    assert "with thinking: 'I see it: yes!</think>No'" in " ".join(capsys.readouterr().out.split())
    assert main(["rescore", run.name]) == 0
    assert main([*words, "model.reasoning=keep"]) == 0
    (kept,) = set(Path("results/runs").iterdir()) - {run}
    lines = (kept / "samples.jsonl").read_text().splitlines()
    assert {json.loads(line)["answer"] for line in lines} == set(said.values())
