"""What tasks over records have in common: faults, oracle, chance, metrics."""

from __future__ import annotations

import json
import random

import pytest
from PIL import Image

from harness.core import Outcome, Reply, Request, Result, Score, Unusable, UsageError, user
from harness.records import QuestionTask, Settings
from harness.records.means import means


class Asked(QuestionTask):
    name = "asked"
    primary = "accuracy"
    scores = (Score("correct", primary=True), Score("length", higher_is_better=None), Score("wrong/words", False))

    def score(self, record, answer):
        right = float(answer == str(record.target))
        values = {"correct": right, "length": float(len(answer)), "wrong": 1 - right, "words": 2.0}
        return Outcome(answer, values)


def asked(root, rows) -> Asked:
    (root / "rows.jsonl").write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return Asked(Settings(data="local", root=str(root), max_new_tokens=8))


def play(task, sample, answer) -> Result:
    episode = task.episode(sample)
    request = next(episode)
    with pytest.raises(StopIteration) as end:
        episode.send(Reply(answer))
    return Result(sample.id, sample.cluster, sample.group, sample.target, end.value.value, prompt=request.key)


def test_rows_become_samples(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    rows = [{"id": 7, "image": "a.png", "question": "Which?", "answer": "red", "split": "plain"}]
    rows += [{"prompt": "Which?", "label": 3}, "{broken", {"question": "Which?"}, {"text": "", "answer": "x"}, rows[0]]
    task = asked(tmp_path, rows)
    samples = list(task.samples())
    assert [s.id for s in samples] == ["7", *(f"rows:{n}" for n in range(2, 6)), "7#6"]
    assert (samples[0].cluster, samples[0].group, samples[0].target) == ("a", "plain", "red")
    (message,) = next(task.episode(samples[0])).messages
    assert message.content[0].size == (8, 8) and message.content[1] == "Which?"
    assert next(task.episode(samples[1])).messages == user("Which?")
    faults = [s.data.get("fault", "") for s in samples]
    wanted = [
        "",
        "",
        "rows.jsonl, row 3: is not JSON",
        "rows.jsonl, row 4: has no field answer or label or target",
    ]
    assert [f.startswith(w) for f, w in zip(faults, wanted, strict=False)] == [True] * 4
    assert faults[2].endswith("double quotes: line 3, column 2)")
    assert "has no field question" in faults[4] and "id 7 occurs twice" in faults[5]
    with pytest.raises(Unusable, match="occurs twice"):
        next(task.episode(samples[5]))
    assert task.describe()["faulty_rows"] == 4


def test_nothing_to_ask(tmp_path):
    with pytest.raises(UsageError, match="holds no question: its rows need question or prompt or text and answer"):
        list(asked(tmp_path, [{"a": 1}]).samples())


def test_oracle_and_chance_come_from_the_targets(tmp_path):
    rows = [{"question": f"{i}?", "answer": "abc"[i % 3]} for i in range(30)]
    task = asked(tmp_path, rows)
    samples, rng = list(task.samples()), random.Random(0)
    request = Request(user("?"), 1)
    assert [task.oracle(s, request) for s in samples] == [r["answer"] for r in rows]
    assert {task.chance(s, request, rng) for s in samples} == set("abc")
    task.answers = ("x",)
    del vars(task)["_answers"]
    assert task.chance(samples[0], request, rng) == "x"
    lists = asked(tmp_path, [{"question": "?", "answer": ["a"]}])
    (sample,) = lists.samples()
    for call in (lambda: lists.oracle(sample, request), lambda: lists.chance(sample, request, rng)):
        with pytest.raises(UsageError, match="asked has no"):
            call()


def test_metrics_without_a_line_of_code(tmp_path):
    task = asked(tmp_path, [{"question": f"{i}?", "answer": "a"} for i in range(40)])
    results = [play(task, s, "a" if i % 4 else "bbb") for i, s in enumerate(task.samples())]
    results.append(Result("x", "x", "all", "a", None, {"type": "Unusable", "message": "", "traceback": ""}))
    accuracy, length, wrong, failed = task.metrics(results)
    assert (accuracy.name, accuracy.value, accuracy.score, accuracy.primary) == ("accuracy", 0.75, "correct", True)
    assert accuracy.low < 0.75 < accuracy.high and accuracy.n == 40
    assert (length.value, length.higher_is_better, length.primary) == (1.5, None, False)
    assert (wrong.name, wrong.value, wrong.higher_is_better) == ("wrong/words", 0.125, False)
    assert failed.name == "failed" and failed.value == pytest.approx(1 / 41)
    assert [m.name for m in means([results[-1]], task.scores)] == ["failed"]


def test_the_fingerprint_covers_records_and_settings(tmp_path):
    task = asked(tmp_path, [{"question": "?", "answer": "a"}])
    longer = Asked(Settings(data="local", root=str(tmp_path), max_new_tokens=9))
    assert task.fingerprint() != longer.fingerprint()
    first = task.fingerprint()
    assert asked(tmp_path, [{"question": "?", "answer": "b"}]).fingerprint() != first
    assert asked(tmp_path, [{"question": "?", "answer": "a"}]).fingerprint() == first
