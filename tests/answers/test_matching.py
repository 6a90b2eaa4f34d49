"""Rows belong to the samples that ask what they ask; numbers alone are believed only as far as the rest agrees."""

from __future__ import annotations

import json
import random

import pytest

from harness.core import Sample, UsageError
from tests.answers.common import SPLITS, facts, jsonl, pope, read

POPE = [facts(s) for s in pope()]


def rows(make):
    return [make(i, question, label, image) for i, question, label, image in POPE]


def right(found, samples=None):
    """Answers that are the samples' labels, in any case."""
    targets = {s.id: s.target for s in samples or pope()}
    return sum(a.lower() == targets[id_] for id_, a in found.answers.items())


@pytest.mark.parametrize(
    ("make", "by"),
    [
        (lambda i, q, l, m: {"question_id": f"{i:04d}"}, "question_id"),
        (lambda i, q, l, m: {"question_id": float(i)}, "question_id"),
        (lambda i, q, l, m: {"id": f"random:{i}"}, "id"),
        (lambda i, q, l, m: {"id": 900 + i, "question_id": i}, "question_id"),
        (lambda i, q, l, m: {"pid": str(i), "image": f"val2014/{m}"}, "pid"),
        (lambda i, q, l, m: {"qid": i, "image": m.removesuffix(".jpg")}, "qid"),
        (lambda i, q, l, m: {"question_id": i, "image": m.removeprefix("COCO_val2014_")}, "question_id"),
        (lambda i, q, l, m: {"question_id": i, "image": m.removeprefix("COCO_val2014_").lstrip("0")}, "question_id"),
        (lambda i, q, l, m: {"question_id": i, "image_id": int(m[13:-4])}, "question_id"),
        (lambda i, q, l, m: {"question_id": i, "image": f"C:\\coco\\{m}".replace(".jpg", ".PNG")}, "question_id"),
        (lambda i, q, l, m: {"question_id": i, "image": "A" * 5000}, "question_id"),
        (lambda i, q, l, m: {"question": q, "image": m}, "question and image"),
        (lambda i, q, l, m: {"question": q, "image": "A" * 5000, "image_path": m}, "question and image_path"),
        (lambda i, q, l, m: {"question": q, "image": str(i), "img_path": m}, "question and img_path"),
        (
            lambda i, q, l, m: {"prompt": f"<image>\n{q}\nAnswer yes or no.", "image_source": m},
            "prompt and image_source",
        ),
        (lambda i, q, l, m: {"question_id": i - 1, "prompt": q}, "question_id, counted from 0"),
        (lambda i, q, l, m: {"index": i - 1, "question": q, "category": "random"}, "index, counted from 0"),
        (lambda i, q, l, m: {"doc_id": i - 1, "input": f"{q}\nYes or no?"}, "doc_id, counted from 0"),
        (lambda i, q, l, m: {"doc_id": i - 1, "doc": {"question_id": i, "question": q}}, "doc.question_id"),
        (
            lambda i, q, l, m: {"doc_id": i - 1, "input": q, "pope_f1_score": {"question_id": i}},
            "pope_f1_score.question_id",
        ),
        (lambda i, q, l, m: {"question": q}, "the order of the rows"),
    ],
)
def test_rows_find_their_samples(tmp_path, make, by):
    made = [make(*f) | {"text": f[2].capitalize()} for f in POPE]
    found = read(jsonl(tmp_path / "a.jsonl", made))
    assert right(found) == 24 and found.facts["samples_by"] == by


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda i, q, l, m: {"question_id": i, "prompt": q if i % 2 else "Is there a whatsit?"},
            "line 2 asks 'Is there a w",
        ),
        (
            lambda i, q, l, m: {"question_id": i, "image": f"{900 + i}.jpg"},
            r"line 1 names image 901\.jpg, but sample random:1",
        ),
        (lambda i, q, l, m: {"question_id": i % 24 + 1, "prompt": q}, "line 1 asks .* but sample random:2 asks"),
        (lambda i, q, l, m: {"question_id": i, "category": "popular"}, "all 24 rows .* of another split .*'popular'"),
        (lambda i, q, l, m: {"question_id": i, "task": "coco_pope_popular"}, "of another split"),
        (lambda i, q, l, m: {"question_id": i, "label": POPE[i % 24][2]}, "line 1 has label='no'.* 24 of 24 rows"),
        (lambda i, q, l, m: {"doc_id": i - 1}, "doc_id seems to count records from 0"),
        (lambda i, q, l, m: {"question_id": i - 1}, "question_id seems to count records from 0"),
        (lambda i, q, l, m: {"id": f"x{i}"}, r"none of the 24 rows .* id='x1'.*harness show task=NAME --ids"),
        (lambda i, q, l, m: {"key": i}, r"no field for the id \(fields: key, text\)"),
    ],
)
def test_rows_of_other_samples_are_refused(tmp_path, make, said):
    path = jsonl(tmp_path / "a.jsonl", [make(*f) | {"text": "No"} for f in POPE])
    with pytest.raises(UsageError, match=said) as e:
        read(path)
    assert "\n" not in str(e.value)


def test_rows_that_count_from_1_are_not_the_samples_that_count_from_0(tmp_path):
    samples = [Sample(f"random:{i}", "", "random", "yes", {"question_id": str(i)}) for i in range(8)]
    path = jsonl(tmp_path / "a.jsonl", [{"id": i + 1, "answer": "No"} for i in range(8)])
    with pytest.raises(UsageError, match=r"id seems to count records from 1, but .* by model\.match=id"):
        read(path, samples)
    assert len(read(path, samples, match="id").answers) == 7
    path = jsonl(tmp_path / "b.jsonl", [{"id": i, "answer": "No"} for i in range(1, 8)])
    assert len(read(path, samples).answers) == 7


def test_rows_in_another_order_are_not_matched_by_order(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"question": q, "answer": "no"} for _, q, _, _ in POPE[::-1]])
    with pytest.raises(UsageError, match="no field for the id"):
        read(path)


def test_ids_can_be_trusted(tmp_path):
    path = jsonl(
        tmp_path / "a.jsonl", rows(lambda i, q, l, m: {"question_id": i, "prompt": "Well?", "image": "x", "text": l})
    )
    with pytest.raises(UsageError, match=r"model\.match=id"):
        read(path)
    assert right(read(path, match="id")) == 24
    path = jsonl(tmp_path / "b.jsonl", rows(lambda i, q, l, m: {"doc_id": i - 1, "text": l}))
    assert right(read(path, match="order")) == 24
    with pytest.raises(UsageError, match=r"model\.match=order: no id .* it has 1 rows for 24 samples"):
        read(jsonl(tmp_path / "c.jsonl", [{"id": "x", "text": "No"}]), match="order")


def test_one_file_for_several_splits(tmp_path):
    samples = pope(splits=SPLITS)
    made = [{"question_id": s.data["question_id"], "category": s.group, "text": s.target} for s in samples]
    path = jsonl(tmp_path / "a.jsonl", made)
    assert right(read(path, samples), samples) == 72
    one = read(path)
    assert right(one) == 24 and one.facts["unused"] == {"are of another split": 48}
    with pytest.raises(UsageError, match=r"may mean 3 samples \(of adversarial, popular, random\).*task\.splits="):
        read(jsonl(tmp_path / "b.jsonl", [{"question_id": 2, "text": "No"}]), samples)
    for more in ({}, {"id": "x"}):
        shuffled = samples[::-1]
        same = [{"question": s.data["question"], "image": s.data["image"], "response": "no"} | more for s in shuffled]
        with pytest.raises(UsageError, match=r"line 2 may mean 3 samples .*add a field split to the rows") as e:
            read(jsonl(tmp_path / "c.jsonl", same), samples)
        assert "\n" not in str(e.value)
        split = [r | {"split": s.group} for r, s in zip(same, shuffled, strict=True)]
        assert len(read(jsonl(tmp_path / "d.jsonl", split), samples).answers) == 72
        with pytest.raises(UsageError, match=r"all 24 rows .* of another split \(split='popular'\)"):
            read(jsonl(tmp_path / "e.jsonl", split[24:48]))
    named = jsonl(
        tmp_path / "llava_popular.jsonl", [{"question_id": r["question_id"], "text": "No"} for r in made[:24]]
    )
    found = read(named, samples)
    assert {id_.split(":")[0] for id_ in found.answers} == {"popular"}
    assert found.facts["samples_by"] == "question_id (popular, by the name of the file)"


def test_one_row_for_several_splits(tmp_path):
    """As VLMEvalKit writes POPE: each question once, with all of its splits, under numbers of its own."""
    samples, once = pope(splits=SPLITS), {}
    for s in samples:
        once.setdefault((s.data["question"], s.data["image"]), []).append(s)
    made = [
        {"index": n, "question": q, "answer": found[0].target.capitalize(), "image_path": f"images/{m}"}
        | {"category": ",".join(s.group for s in found), "prediction": found[0].target}
        for n, ((q, m), found) in enumerate(once.items())
    ]
    found = read(jsonl(tmp_path / "a.jsonl", made), samples)
    assert right(found, samples) == 72 and found.facts["layout"] == "VLMEvalKit table"


def test_what_was_used_is_counted(tmp_path):
    made = [{"question_id": i, "text": "No"} for i in [*range(1, 21), None, "", *range(9001, 9006)]]
    found = read(jsonl(tmp_path / "a.jsonl", [*made, {"question_id": 24, "text": None}]))
    facts = found.facts
    assert (facts["rows"], facts["used"], facts["samples"], facts["missing"]) == (28, 21, 24, 4)
    assert facts["unused"] == {"match no sample": 7} and facts["first_unused"] == {"match no sample": "line 21"}
    assert found.lines == [
        "a.jsonl (JSON lines, no known layout): samples by question_id, answers from text",
        "a.jsonl: 21 of 28 rows used, 7 match no sample (the first: line 21), "
        "4 of the task's 24 samples have no answer",
    ]


def test_a_few_questions_of_another_revision_are_left_out(tmp_path):
    samples = pope(120)
    made = [{"question_id": s.data["question_id"], "prompt": s.data["question"], "text": "No"} for s in samples]
    made[7]["prompt"] = "Is there a whatsit in the image?"
    found = read(jsonl(tmp_path / "a.jsonl", made), samples)
    assert "random:8" not in found.answers and found.facts["unused"] == {"ask something else than their sample": 1}


CHAIR = [
    Sample(str(i), f"coco:{i}", "all", ["dog"], {"question_id": str(i), "image": f"COCO_val2014_{i:012d}.jpg"})
    for i in range(101, 113)
]


@pytest.mark.parametrize(
    "make",
    [
        lambda i: {"image_id": i},
        lambda i: {"image_id": f"{i:012d}"},
        lambda i: {"image_id": f"COCO_val2014_{i:012d}"},
        lambda i: {"image": f"val2014/COCO_val2014_{i:012d}.jpg"},
        lambda i: {"question_id": i, "image": f"COCO_val2014_{i:012d}.jpg"},
        lambda i: {"question_id": i - 101, "image": f"{i:012d}.jpg"},
        lambda i: {"file_name": f"{i}.jpg"},
    ],
)
def test_captions_find_their_pictures(tmp_path, make):
    path = jsonl(tmp_path / "a.jsonl", [make(s) | {"caption": f"dog {s}"} for s in range(112, 100, -1)])
    if "question_id" in make(101) and make(101)["question_id"] == 0:
        path = jsonl(tmp_path / "a.jsonl", [make(s) | {"caption": f"dog {s}"} for s in range(101, 113)])
    assert read(path, CHAIR).answers == {str(i): f"dog {i}" for i in range(101, 113)}


def test_pictures_of_equal_numbers_and_other_names_are_told_apart(tmp_path):
    path = jsonl(tmp_path / "a.json", [])
    path.write_text(json.dumps({f"COCO_val2014_{i:012d}.jpg": f"dog {i}" for i in range(101, 113)}))
    assert len(read(path, CHAIR).answers) == 12
    path = jsonl(
        tmp_path / "b.jsonl", [{"question_id": i, "image": f"{i + 1}.jpg", "text": "x"} for i in range(101, 113)]
    )
    with pytest.raises(UsageError, match="do not match"):
        read(path, CHAIR)


def test_the_order_of_the_rows_of_a_shuffled_file_is_never_believed(tmp_path):
    rng = random.Random(0)
    for n in range(20):
        made = [{"question": q, "answer": l} for _, q, l, _ in POPE]
        rng.shuffle(made)
        with pytest.raises(UsageError, match="no field for the id"):
            read(jsonl(tmp_path / f"{n}.jsonl", made))
