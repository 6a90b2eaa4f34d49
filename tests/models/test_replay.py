from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.core import Call, Decoding, Missing, Sample, UsageError
from harness.models.replay import Replay
from tests.engine.test_schedule import play
from tests.engine.toys import Sums

ROWS = [{"id": f"s{i}", "answer": str(i % 7 + i % 5)} for i in range(8)]


def replay(path, **fields):
    return Replay(
        "replay", None, "official", str(path), fields.get("of"), fields.get("id_field"), fields.get("answer_field")
    )


def write(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_answers_are_found_by_id_in_any_order(tmp_path, suffix):
    model = replay(write(tmp_path / f"a.{suffix}", ROWS[::-1]))
    task = Sums(8)
    model.bind(task)
    results, _, _ = play(task, model)
    assert all(r.outcome.scores["correct"] == 1 for r in results)
    assert {r.finish for r in results} == {"given"}


def test_a_missing_or_non_text_answer_is_one_error_row(tmp_path):
    rows = [*ROWS[:6], {"id": "s6", "answer": None}]
    model, task = replay(write(tmp_path / "a.jsonl", rows)), Sums(8)
    model.bind(task)
    results, _, _ = play(task, model)
    assert sorted(r.id for r in results if r.error) == ["s6", "s7"]
    assert "no text answer for sample s6" in next(r for r in results if r.id == "s6").error["message"]


def test_missing_answers_are_reported_with_their_batch(tmp_path):
    model, task = replay(write(tmp_path / "a.jsonl", ROWS)), Sums(600)
    model.bind(task)
    results, _, batches = play(task, model)
    assert sum(r.error is not None for r in results) == 592 and len(batches) <= 6


def test_what_was_read_is_said_and_recorded(tmp_path):
    model = replay(write(tmp_path / "a.jsonl", [*ROWS, {"id": "x9", "answer": "1"}]))
    assert model.remarks() == []
    model.bind(Sums(8))
    assert model.remarks() == [
        "a.jsonl (JSON lines, no known layout): samples by id, answers from answer",
        "a.jsonl: 8 of 9 rows used, 1 match no sample (the first: line 9, id=x9), "
        "0 of the task's 8 samples have no answer",
    ]
    facts = model.describe()["answers"]
    assert (facts["used"], facts["missing"], facts["answer_field"]) == (8, 0, "answer")


@pytest.mark.parametrize("wrong", [{"labels": "yes"}, {"match": "ids"}])
def test_unknown_settings(tmp_path, wrong):
    write(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(UsageError, match="is unknown: choose"):
        Replay("replay", None, "official", str(tmp_path / "a.jsonl"), None, None, None, **wrong)


def test_settings_are_part_of_the_identity(tmp_path):
    path = str(write(tmp_path / "a.jsonl", ROWS))
    made = [{}, {"labels": "allow"}, {"match": "id"}, {"match": "order"}]
    marks = {Replay("replay", None, "official", path, None, None, None, **m).fingerprint() for m in made}
    assert len(marks) == 4


def test_fields_can_be_named(tmp_path):
    rows = [{"key": r["id"], "said": r["answer"]} for r in ROWS]
    with pytest.raises(UsageError, match="no field for the id"):
        replay(write(tmp_path / "a.jsonl", rows)).bind(Sums(8))
    model = replay(tmp_path / "a.jsonl", id_field="key", answer_field="said", of="somebody")
    model.bind(Sums(8))
    assert model.name == "somebody"
    assert model.answer([Call(None, Sample("s1", "c", "g", None), 0)], Decoding())[0].text == "2"


class Split(Sums):
    """Two splits whose records have the same question ids."""

    def samples(self):
        for split in ("random", "popular"):
            for i in range(4):
                data = {"text": "1+1", "question_id": i, "image": f"{i}.jpg"}
                yield Sample(f"{split}:{i}", f"c{i}", split, "2", data)


def test_a_bare_question_id_must_not_be_ambiguous(tmp_path):
    rows = [{"question_id": i, "text": "2"} for i in range(4)]
    with pytest.raises(UsageError, match=r"may mean 2 samples .* task.splits"):
        replay(write(tmp_path / "a.jsonl", rows)).bind(Split())
    model = replay(write(tmp_path / "b.jsonl", [{**r, "category": "popular"} for r in rows]))
    model.bind(Split())
    assert sorted(model._given.answers) == [f"popular:{i}" for i in range(4)]


def test_answers_to_other_images_are_refused(tmp_path):
    rows = [{"question_id": i, "text": "2", "split": "random", "image": f"{i + 1}.jpg"} for i in range(3)]
    with pytest.raises(UsageError, match=r"names image 1\.jpg, but sample random:0 shows 0\.jpg"):
        replay(write(tmp_path / "a.jsonl", rows)).bind(Split())


def test_contradicting_and_foreign_answers(tmp_path):
    with pytest.raises(UsageError, match="again, with a different answer"):
        replay(write(tmp_path / "a.jsonl", [*ROWS, {"id": "s0", "answer": "x"}])).bind(Sums(8))
    with pytest.raises(UsageError, match=r"none of the 1 rows .* matches a sample"):
        replay(write(tmp_path / "b.jsonl", [{"id": "nobody", "answer": "x"}])).bind(Sums(8))
    with pytest.raises(UsageError, match=r"c\.jsonl, line 1: broken JSON"):
        (tmp_path / "c.jsonl").write_text("{oops")
        replay(tmp_path / "c.jsonl").bind(Sums(8))
    with pytest.raises(UsageError, match="no rows"):
        (tmp_path / "d.jsonl").write_text("")
        replay(tmp_path / "d.jsonl").bind(Sums(8))
    with pytest.raises(Missing, match="is not a file"):
        replay(tmp_path / "gone.jsonl")
