"""The label and the prompt stand beside the answer, and neither is scored."""

from __future__ import annotations

from decimal import Decimal

import pytest

from harness.answers.fields import said
from harness.core import Sample, UsageError
from tests.answers.common import facts, jsonl, pope, read

POPE = [facts(s) for s in pope()]


def rows(make):
    return [make(i, question, label, image) for i, question, label, image in POPE]


@pytest.mark.parametrize(
    "make",
    [
        lambda i, q, l, m: {"question_id": i, "question": q, "answer": l, "category": "random", "response": "No."},
        lambda i, q, l, m: {"question_id": i, "answer": l.upper(), "model_output": "No."},
        lambda i, q, l, m: {"question_id": i, "outputs": [l], "pred": "No."},
        lambda i, q, l, m: {"question_id": i, "text": q, "answer": "No."},
        lambda i, q, l, m: {"question_id": i, "text": q, "answer": l, "prediction": "No."},
        lambda i, q, l, m: {"question_id": i, "label": l, "answer": "No."},
        lambda i, q, l, m: {"question_id": i, "ground_truth": l, "gt": l, "generated_text": "No."},
        lambda i, q, l, m: {"question_id": i, "answer": "No.", "response": "No."},
        lambda i, q, l, m: {"question_id": i, "response": ["No."]},
        lambda i, q, l, m: {"question_id": i, "resps": [["No."]]},
    ],
)
def test_what_the_model_said_is_found(tmp_path, make):
    assert set(read(jsonl(tmp_path / "a.jsonl", rows(make))).answers.values()) == {"No."}


def test_two_fields_that_may_be_the_answer_are_refused_by_name(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", rows(lambda i, q, l, m: {"question_id": i, "answer": f"({i})", "response": "B"}))
    with pytest.raises(UsageError, match=r"2 fields that may be the answer \(answer, response\).*model\.answer_field="):
        read(path)
    assert set(read(path, answer_field="response").answers.values()) == {"B"}


def test_a_perfect_model_beside_the_label_is_read(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", rows(lambda i, q, l, m: {"question_id": i, "answer": l, "response": l}))
    assert read(path).facts["answer_field"] == "response"
    path = jsonl(tmp_path / "b.jsonl", rows(lambda i, q, l, m: {"question_id": i, "text": l}))
    assert read(path).answers["random:1"] == "yes"


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (lambda i, q, l, m: {"question_id": i, "question": q, "answer": l, "category": "random"}, {}),
        (lambda i, q, l, m: {"question_id": i, "outputs": [l]}, {}),
        (lambda i, q, l, m: {"question_id": i, "answer": l.upper(), "my-7b": "No"}, {}),
        (lambda i, q, l, m: {"question_id": i, "output": l, "my-7b": "No, there is none."}, {}),
        (lambda i, q, l, m: {"question_id": i, "answer": l, "response": "No"}, {"answer_field": "answer"}),
        (lambda i, q, l, m: {"question_id": i, "label": l, "response": "No"}, {"answer_field": "label"}),
    ],
)
def test_labels_are_refused_unless_allowed(tmp_path, make, settings):
    path = jsonl(tmp_path / "a.jsonl", rows(make))
    with pytest.raises(UsageError, match=r"equals the label in every row.*model\.labels=allow"):
        read(path, **settings)
    assert read(path, **settings, labels=True).answers["random:1"].lower() == "yes"


def test_many_bare_labels_are_refused(tmp_path):
    samples = pope(120)
    path = jsonl(tmp_path / "a.jsonl", [{"question_id": s.data["question_id"], "answer": s.target} for s in samples])
    with pytest.raises(UsageError, match="equals the label"):
        read(path, samples)


def test_questions_are_no_answers(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", rows(lambda i, q, l, m: {"question_id": i, "image": m, "text": q, "label": l}))
    with pytest.raises(UsageError, match=r"no field for the answer .*; text repeats the question"):
        read(path)


def test_few_rows_prove_nothing(tmp_path):
    few = rows(lambda i, q, l, m: {"question_id": i, "answer": l, "response": "Yes"})[:4]
    with pytest.raises(UsageError, match=r"2 fields that may be the answer \(answer, response\)"):
        read(jsonl(tmp_path / "a.jsonl", few))

    few = rows(lambda i, q, l, m: {"question_id": i, "answer": l, "my-7b": "Yes"})
    with pytest.raises(UsageError, match="equals the label in every row"):
        read(jsonl(tmp_path / "b.jsonl", few[:8]))


@pytest.mark.parametrize("name", ["Response", "generated_caption", "llava_pred", "Model Prediction", "hypothesis"])
def test_a_field_that_says_that_a_model_wrote_it_is_not_passed_over(tmp_path, name):
    path = jsonl(tmp_path / "a.jsonl", [{"question_id": i, "caption": "Yes", name: "No"} for i in (1, 2)])
    with pytest.raises(UsageError, match=rf"2 fields that may be the answer \(caption, {name}\)"):
        read(path)
    assert set(read(path, answer_field=name).answers.values()) == {"No"}


def test_two_captions_of_a_picture_are_refused_by_name(tmp_path):
    samples = [Sample("7", "", "all", ["dog"], {"image": "7.jpg"})]
    row = {"image_id": 7, "caption": "A dog.", "llava-7b": "A dog and a red ball.", "source": "coco"}
    path = jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(UsageError, match=r"2 fields that may be the answer \(caption, llava-7b\)"):
        read(path, samples)
    assert read(path, samples, answer_field="llava-7b").answers == {"7": row["llava-7b"]}


def test_a_field_that_is_not_there(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", rows(lambda i, q, l, m: {"question_id": i, "said": "No"}))
    with pytest.raises(UsageError, match=r"no field for the answer \(fields: question_id, said\)"):
        read(path)
    with pytest.raises(UsageError, match=r"no field sad \(fields: question_id, said\)"):
        read(path, answer_field="sad")
    assert len(read(path, answer_field="said").answers) == 24


def test_answers_that_are_no_text(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", rows(lambda i, q, l, m: {"question_id": i, "answer": {"content": "No"}}))
    with pytest.raises(
        UsageError, match=r"line 1: field answer holds an object \(content\), .* model\.answer_field=answer\.content"
    ):
        read(path)
    assert set(read(path, answer_field="answer.content").answers.values()) == {"No"}
    for value, what in ((True, "true or false"), (["a", "b"], "a list of 2")):
        path = jsonl(tmp_path / "a.jsonl", [{"question_id": 1, "text": value}])
        with pytest.raises(UsageError, match=f"field text holds {what}, not the text of an answer"):
            read(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (5, "5"),
        (Decimal("5.10"), "5.10"),
        (["a"], "a"),
        ([["a"]], "a"),
        ("", ""),
        (None, None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_an_answer_as_text(value, text):
    assert said(value) == text


def test_numbers_are_answers(tmp_path):
    samples = [Sample(f"single_1:{i}", f"h{i}", "single_1", [str(900 + i)], {"prompt": "?"}) for i in range(1, 9)]
    path = jsonl(tmp_path / "a.jsonl", [{"id": s.id, "answer": int(s.target[0])} for s in samples])
    assert read(path, samples).answers == {s.id: s.target[0] for s in samples}


def test_an_answer_given_twice(tmp_path):
    same = [{"question_id": 1, "text": "No"}, {"question_id": 1, "text": "No"}, {"question_id": 1, "text": None}]
    assert read(jsonl(tmp_path / "a.jsonl", same)).answers == {"random:1": "No"}
    path = jsonl(tmp_path / "a.jsonl", [*same, {"question_id": 1, "text": "Yes"}])
    with pytest.raises(UsageError, match=r"line 4 answers random:1 again, with a different answer \(first line 1\)"):
        read(path)
