"""Files as published programs write them: the layout is named, and the model's words are read."""

from __future__ import annotations

import csv
import json

import pytest

from harness.answers import Settings, given
from harness.core import Sample, UsageError
from tests.answers.common import SPLITS, facts, jsonl, pope

POPE = [facts(s) for s in pope()]


def lmms(i, q, l, m):
    metric = {"question_id": str(i), "score": 1.0, "prediction": "no", "ground_truth": l, "category": "random"}
    return {"doc_id": i - 1, "input": q, "target": l, "resps": [["No"]], "filtered_resps": ["No"], "doc_hash": "h"} | {
        "pope_accuracy": metric
    }


def lm(i, q, l, m):
    doc = {"question_id": str(i), "question": q, "answer": l}
    return {"doc_id": i - 1, "doc": doc, "target": l, "arguments": {"gen_args_0": {"arg_0": q}}, "filter": "none"} | {
        "resps": [["No"]],
        "filtered_resps": ["No"],
        "metrics": ["exact_match"],
    }


def llava(i, q, l, m):
    prompt = f"{q}\nAnswer the question using a single word or phrase."
    return {"question_id": i, "prompt": prompt, "text": "No", "answer_id": "x", "model_id": "m", "metadata": {}}


@pytest.mark.parametrize(
    ("make", "name", "field"),
    [
        (llava, "LLaVA answers", "text"),
        (lmms, "lmms-eval samples", "filtered_resps"),
        (lm, "lm-eval or lmms-eval samples", "filtered_resps"),
    ],
)
def test_answers_to_pope(tmp_path, make, name, field):
    found = given(jsonl(tmp_path / "a.jsonl", [make(*f) for f in POPE]), pope(), SPLITS, Settings())
    assert found.facts["layout"] == name and found.facts["answer_field"] == field
    assert found.answers == {s.id: "No" for s in pope()}


@pytest.mark.parametrize("splits", [SPLITS, ("popular",)])
@pytest.mark.parametrize("first", [0, 1])
def test_llavas_file_of_all_of_pope(tmp_path, splits, first):
    """One file for the three splits in LLaVA's order, numbered on and on; rows name neither split nor picture."""
    rows = [s for split in ("adversarial", "popular", "random") for s in pope(splits=[split])]
    made = [llava(n, *facts(s)[1:]) | {"text": s.id} for n, s in enumerate(rows, first)]
    found = given(jsonl(tmp_path / "a.jsonl", made[::-1]), pope(splits=splits), SPLITS, Settings())
    assert found.answers == {s.id: s.id for s in pope(splits=splits)}
    assert found.facts["samples_by"] == "the order of question_id"
    bare = jsonl(tmp_path / "b.jsonl", [{"question_id": r["question_id"], "text": "No"} for r in made])
    if splits == SPLITS:
        for match in ("content", "order"):
            with pytest.raises(UsageError, match=r"choose one split|task\.splits="):
                given(bare, pope(splits=splits), SPLITS, Settings(match=match))


def test_lmms_eval_with_all_splits_in_one_file(tmp_path):
    """The split stands in the metric's record alone."""
    rows = []
    for n, s in enumerate(pope(splits=SPLITS[::-1])):
        row = lmms(*facts(s)) | {"doc_id": n, "filtered_resps": [s.id]}
        row["pope_accuracy"]["category"] = s.group
        rows.append(row)
    path = jsonl(tmp_path / "a.jsonl", rows)
    for splits in (SPLITS, ("random",)):
        assert given(path, pope(splits=splits), SPLITS, Settings()).answers == {s.id: s.id for s in pope(splits=splits)}


def test_samples_of_a_run(tmp_path):
    """As the journal has them: prompts by digest, questions cut anywhere, a comma in a group's name."""
    question = "Which of these words was named first? " * 12
    samples = [Sample(f"s{i}", f"c{i}", "2 x 2, two", f"w{i}", {"prompt": f"{question}{i} now"}) for i in range(12)]
    rows = [
        {
            "id": s.id,
            "group": s.group,
            "cluster": s.cluster,
            "target": s.target,
            "answer": "w3",
            "verdict": "w3",
            "scores": {},
        }
        | {"details": {"question": s.data["prompt"][-300:]}, "error": None, "prompt": f"{i:064x}", "calls": 1}
        for i, s in enumerate(samples)
    ]
    found = given(jsonl(tmp_path / "a.jsonl", rows), samples, ("2 x 2", "2 x 2, two"), Settings())
    assert found.facts["layout"] == "samples of a run" and len(found.answers) == 12
    rows[0]["calls"] = 4
    with pytest.raises(UsageError, match=r"line 1 belongs to an episode of 4 turns .*harness rescore RUN"):
        given(jsonl(tmp_path / "a.jsonl", rows), samples, (), Settings())


def test_two_filters_of_lm_eval(tmp_path):
    rows = [lm(*f) | {"filter": name, "filtered_resps": [name]} for f in POPE for name in ("strict", "flexible")]
    path = jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(
        UsageError, match=r"keep the rows of one filter \(flexible, strict\).*model\.answer_field=resps"
    ):
        given(path, pope(), SPLITS, Settings())
    assert set(given(path, pope(), SPLITS, Settings(answer_field="resps")).answers.values()) == {"No"}


def test_vlmevalkit(tmp_path):
    with (tmp_path / "a.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["index", "question", "answer", "prediction"])
        writer.writerows([i + 70, q, l.capitalize(), "No"] for i, q, l, m in POPE)
    found = given(tmp_path / "a.tsv", pope(), SPLITS, Settings())
    assert found.facts["layout"] == "VLMEvalKit table" and found.facts["not_read"] == ["answer"]
    assert found.facts["samples_by"] == "the order of index" and set(found.answers.values()) == {"No"}


RULER = [
    Sample(
        f"{v}:{i + 1}",
        f"{v}:{i + 1}",
        v,
        [str(7654321 - i * k)],
        {"question_id": f"{v}:{i + 1}", "prompt": f"{v} {i}?"},
    )
    for v, k in (("single_1", 3), ("single_2", 7))
    for i in range(12)
]


@pytest.mark.parametrize("name", ["niah_single_2.jsonl", "predictions.jsonl"])
@pytest.mark.parametrize("with_input", [True, False])
def test_ruler(tmp_path, name, with_input):
    """`index` counts a task's records from 0; `outputs` (the key) and `input` tell which records."""
    rows = [
        {"index": i, "pred": f"It is {i}.", "outputs": s.target, "others": {}, "truncation": -1, "length": 512}
        | ({"input": f"{s.data['prompt']} The answer is"} if with_input else {})
        for i, s in enumerate(RULER[12:])
    ]
    found = given(jsonl(tmp_path / name, rows), RULER, ("single_1", "single_2"), Settings())
    assert found.answers == {f"single_2:{i + 1}": f"It is {i}." for i in range(12)}
    assert found.facts["layout"] == "RULER predictions" and found.facts["not_read"] == ["outputs"]


TARGETS = {
    "retrieval-text": lambda i: f"word{i * 7 % 20}",
    "counting-text": lambda i: [i % 4, 2, i % 3],
    "retrieval-image": lambda i: i * 3 % 4,
}
MM_NIAH = [
    Sample(f"{g}:{i + 1}", f"{g}:{i}", g, target(i), {"question_id": f"{g}:{i + 1}"})
    for g, target in TARGETS.items()
    for i in range(20)
]


def test_ruler_where_all_ask_the_same(tmp_path):
    samples = [
        Sample(f"s1:{i + 1}", f"s{i}", "s1", [str(900 + i)], {"prompt": "What is the number?"}) for i in range(9)
    ]
    rows = [
        {"index": i, "pred": f"{i}", "input": "What is the number?", "outputs": s.target} for i, s in enumerate(samples)
    ]
    found = given(jsonl(tmp_path / "a.jsonl", rows), samples, (), Settings())
    assert found.answers == {f"s1:{i + 1}": f"{i}" for i in range(9)}


@pytest.mark.parametrize("subtask", list(TARGETS))
def test_mm_niah(tmp_path, subtask):
    rows = [
        {
            "question_id": i,
            "answer": TARGETS[subtask](i),
            "response": f"({i})",
            "context_length": 900,
            "placed_depth": [0.1],
        }
        for i in range(20)
    ]
    for name in (f"InternVL_{subtask}.jsonl", "outputs.jsonl"):
        if subtask == "counting-text":
            rows = [r | {"answer": str(r["answer"]).replace(" ", "")} for r in rows]  # as the annotations write it
        found = given(jsonl(tmp_path / name, rows), MM_NIAH, list(TARGETS), Settings())
        assert found.answers == {f"{subtask}:{i + 1}": f"({i})" for i in range(20)}
        assert found.facts["layout"] == "MM-NIAH outputs"


def test_stare(tmp_path):
    """A map of records by qid, with the key in `answer`; a record that failed has `error` instead of `response`."""
    samples = [
        Sample(
            f"temporal_{i:03d}",
            f"t{i}",
            "temporal",
            "ABC"[i % 3],
            {"question_id": f"temporal_{i:03d}", "question": "<image>"},
        )
        for i in range(12)
    ]
    made = {
        s.id: {
            "query": "<image>\n\nAnswer",
            "gt_content": s.target,
            "qid": s.id,
            "question": "<image>",
            "images": ["a.png"],
        }
        | {"answer": s.target, "category": "Temporal", "response": "B", "extraction": "B", "true_false": False}
        for s in samples
    }
    del made["temporal_003"]["response"]
    made["temporal_003"]["error"] = "timeout"
    (tmp_path / "a.json").write_text(json.dumps(made, indent=2))
    found = given(tmp_path / "a.json", samples, ("temporal",), Settings())
    assert set(found.answers.values()) == {"B"} and len(found.answers) == 11 and "temporal_003" in found.absent
    assert found.facts["layout"] == "STARE results" and found.facts["samples_by"] == "qid"


def test_screenspot_pro(tmp_path):
    samples = [
        Sample(
            f"web:{i}", f"s{i // 2}", "web_text", [1, 2, 3, 4], {"image": f"p{i // 2}.png", "instruction": f"press {i}"}
        )
        for i in range(10)
    ]
    rows = [
        {
            "id": f"x{i}",
            "img_path": f"images/{s.data['image']}",
            "prompt_to_evaluate": s.data["instruction"],
            "pred": [1, 2],
        }
        | {"raw_response": f"[[{i}]]", "bbox": [1, 2, 3, 4], "correctness": "wrong"}
        for i, s in enumerate(samples)
    ]
    (tmp_path / "a.json").write_text(json.dumps({"details": rows, "metrics": {"overall": {"n": 1}}}))
    found = given(tmp_path / "a.json", samples, (), Settings())
    assert found.answers == {f"web:{i}": f"[[{i}]]" for i in range(10)}
    assert found.facts["layout"] == "ScreenSpot-Pro results" and found.facts["form"] == "JSON list under details"


def test_captions(tmp_path):
    samples = [
        Sample(str(i), f"coco:{i}", "all", ["dog"], {"question_id": str(i), "image": f"{i}.jpg"}) for i in range(12)
    ]
    rows = [{"image_id": i, "text": "Please describe this image.", "caption": "A dog."} for i in range(12)]
    for path in (jsonl(tmp_path / "a.jsonl", rows), tmp_path / "b.json"):
        if path.suffix == ".json":
            path.write_text(json.dumps({"overall_metrics": {"CHAIRi": 0.1}, "sentences": rows}))
        found = given(path, samples, (), Settings())
        assert set(found.answers.values()) == {"A dog."} and found.facts["layout"] == "COCO captions"
