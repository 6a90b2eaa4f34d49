"""MM-NIAH: the official verdicts, solvable documents, whole runs."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.embedded.scenes import EVALUATION
from harness.records import rows
from harness.tasks.mm_niah import documents
from harness.tasks.mm_niah.documents import make, named
from harness.tasks.mm_niah.normalise import CONTRACTIONS, normalised
from harness.tasks.mm_niah.scoring import SUBTASKS, column, depth_bin, score
from harness.tasks.niah import haystack
from tests.tasks.measured import stored

FOLDER = Path(documents.__file__).parent / "embedded"


@pytest.mark.parametrize(
    ("answer", "said", "expected"),
    [
        (0, "a.", 1),
        (1, "The answer is B.", 1),
        (2, "**C**", 1),
        (3, "option d", 0),
        (2, "2", 1),
        (0, "None", 0),
        (0, "The camera is moving left.", 1),
        (1, "the camera is moving right, I think", 1),
        (0, "", 0),
        (1, "²", 0),
        ([1, 2, 0], "```json\n[1,2]\n```", 2 / 3),
        ([1, 2], "1, 2", 0),
        ([1, 2], '{"a":[1],"b":[2]}', 1),
        ([1, 2], '["1", "2"]', 0),
        ([1, 2], "null", 0),
        ([1, 2], '{"a": 1}', 0),
        ("oak", "an oak", 1),
        ("oak", "It is the oak tree.", 1),
        ("oak", "oaks", 0),
        ("two", "2", 1),
        ("2", "There are two of them", 1),
        ("don't", "dont", 1),
        ("New-York", "new york", 1),
        ("1,000", "1000", 1),
        ("book", "a note-book", 1),
        ("oak", "", 0),
    ],
)
def test_official_verdicts(answer, said, expected):
    assert score(answer, said) == pytest.approx(expected)


def test_published_answers_score_one():
    """Three records of the official example file; the one of 650 tokens falls out of the table."""
    given = [("oak", 1023, [0.062]), ("book", 650, [0.0186]), ("vase", 1011, [0.0189])]
    assert [score(a, a) for a, _, _ in given] == [1, 1, 1]
    assert [column(n) for _, n, _ in given] == ["1k", None, "1k"]
    assert [depth_bin(d) for _, _, d in given] == [0, 0, 0]


def test_columns_and_depths():
    assert [column(n) for n in (999, 1000, 1999, 2000, 64000, 99999)] == [None, "1k", "1k", "2k", "64k", "64k"]
    assert [depth_bin(d) for d in (0, 0.2, 0.999, 1.0, [0.0, 1.0])] == [0, 1, 4, 4, 2]


@given(st.one_of(st.integers(0, 5), st.text(min_size=1), st.lists(st.integers(), min_size=1)), st.text())
def test_verdicts_never_raise(answer, said):
    assert 0 <= score(answer, said) <= 1


@given(st.text(alphabet="ab c.,;-'1", max_size=20).map(lambda text: text.strip(".")))
def test_an_answer_contains_itself(text):
    """Dots at the ends are taken off the reply alone, as in the official scorer: an answer must have none."""
    if re.fullmatch(r"\w.*\w|\w", normalised(text)):
        assert score(text, text) == score(text, f".{text}.") == 1


def test_contractions():
    """Forms of the official table."""
    assert CONTRACTIONS["couldnt've"] == CONTRACTIONS["couldn'tve"] == "couldn't've"
    assert CONTRACTIONS["y'alld've"] == "y'all'd've" and CONTRACTIONS["ow's'at"] == "'ow's'at"
    assert CONTRACTIONS["twas"] == "'twas" and len(CONTRACTIONS) >= 110


def count(text: str) -> int:
    """A stand-in for a tokenizer: words and signs."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def solve(made: documents.Document):
    """The answer, read from the document alone; None where it lies in pixels."""
    text, question = made.context, made.question
    if m := re.match(r"What does (\w+) keep in the (\w+)\?", question):
        return re.findall(rf"The only thing that {m[1]} keeps in the {m[2]} is a (\w+)\.", text)[0]
    if m := re.match(r"How many (\w+)s did (\w+) count", question):
        return [int(n) for n in re.findall(rf"Then {m[2]} counted (\d) {m[1]}s\.", text)]
    if m := re.match(r"In which room is the (\w+)\?", question):
        (box,) = re.findall(rf"The {m[1]} was put into the (\w+) box\.", text)
        return re.findall(rf"The {box} box stands in the (\w+)\.", text)[0]
    return None


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_many_seeds_solve(subtask):
    """Documents of each kind: keys re-solved, answers nowhere else, lengths and depths kept, every place filled."""
    number = 340 if subtask.endswith("text") else 12
    for seed in range(number):
        depth = (0.1, 0.3, 0.5, 0.7, 0.9)[seed % 5]
        made = make(subtask, 700, depth, random.Random(f"{subtask}{seed}"), count, 30, EVALUATION)
        answer = solve(made)
        if subtask.endswith("text"):
            assert answer == made.answer
            if isinstance(made.answer, str):
                assert len(re.findall(rf"\b{made.answer}\b", made.context)) == 1
        assert 0.9 * 700 <= made.tokens <= 700 and depth_bin(made.depths) == int(depth * 5)
        assert made.context.count("<image>") == len(made.images)
        for options in (made.choices, made.choice_images):
            assert not options or (len(set(options)) == len(options) and made.answer in range(len(options)))


def test_signs_differ_and_are_seen():
    """Four options are four pictures; the pasted tile shows white."""
    made = make("retrieval-image", 700, 0.5, random.Random(3), count, 30, EVALUATION)
    made, pictures = named(made, "x")
    assert made.choice_images and len({pictures[n].tobytes() for n in made.choice_images}) == 4
    (needle,) = made.needles
    white = sum(min(p) > 240 for p in pictures[needle].getdata())
    assert white > 40


def test_answers_are_no_haystack_words():
    text = " ".join(
        [*haystack.PEOPLE, *haystack.PLACES, *haystack.THINGS, *haystack.TIMES, *haystack.VERBS, *haystack.SHAPES]
    ).lower()
    words = (*documents.KEPT, *documents.PLACES, *documents.BOXES, *documents.NAMES)
    assert not [w for w in words if w.lower() in text]


def test_letters_are_spread():
    """Each letter is right about equally often among the embedded options, and names give nothing away."""
    records = [json.loads(r["record"]) for r in rows(FOLDER / "records.parquet")]
    right = [r["answer"] for r in records if r["meta"]["choices_image_path"]]
    assert len(right) == 30 and all(3 <= right.count(i) <= 13 for i in range(4))
    for r in records:
        for name in r["images_list"]:
            assert re.fullmatch(r"scene_\d\d\.webp|\w+-\w+-\d\d_\d\.webp", name)


def test_oracle_and_chance(workdir, capsys):
    assert main(["eval", "-m", "task=mm_niah", "model=oracle,chance"]) == 0
    best, blind = stored("*oracle*"), stored("*chance*")
    assert best["score", "all"]["value"] == 1 and best["official", "4k"]["value"] == 1
    assert best["failed", "all"]["value"] == 0 and best["chance", "all"]["value"] == pytest.approx(0.125)
    for subtask, level in (("retrieval-image", 0.25), ("reasoning-image", 0.5)):
        assert blind["score", subtask]["low"] <= level <= blind["score", subtask]["high"]
    assert main(["eval", "task=mm_niah", "model=oracle"]) == 0
    assert "score by length (across) and depth (down)" in capsys.readouterr().out


def test_the_embedded_model_reads_many_pictures(workdir):
    assert main(["eval", "task=mm_niah", "task.subtasks=retrieval-image", "limit=3", "logger=quiet"]) == 0
    assert stored()["failed", "all"]["value"] == 0


def test_official_files(workdir):
    """The official folder's layout; a bad record is one error row."""
    folder = Path("mm/mm_niah_val/annotations")
    folder.mkdir(parents=True)
    meta = {"placed_depth": 0.5, "context_length": 1500, "choices": None, "choices_image_path": None}
    good = {
        "id": 0,
        "images_list": ["a.jpg"],
        "context": "x <image> y",
        "question": "q?",
        "answer": "oak",
        "meta": meta,
    }
    bad = [
        {**good, "images_list": []},
        {**good, "answer": None},
        {**good, "meta": {**meta, "placed_depth": 2}},
        {**good, "context": 3},
        [],
    ]
    text = "\n".join(json.dumps(r) for r in [good, *bad]) + "\n{broken\n"
    (folder / "retrieval-text.jsonl").write_text(text)
    (folder / "other.jsonl").write_text("{}\n")
    assert main(["eval", "task=mm_niah", "task.data=val", "task.root=mm", "model=oracle", "logger=quiet"]) == 3
    found = stored()
    assert found["failed", "all"]["value"] == pytest.approx(6 / 7) and found["score", "all"]["n"] == 1
    (folder / "all.jsonl").write_text(json.dumps(good))
    words = ["task=mm_niah", "task.data=val", f"task.root={folder / 'all.jsonl'}", "model=oracle", "logger=quiet"]
    assert main(["eval", *words, "results=alone"]) == 0
    assert "group all" in next(Path("alone/runs").glob("*/metrics.json")).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.data=nope"], "choose one of embedded"),
        (["task.subtasks=[nope]"], "choose from retrieval-text"),
        (["task.data=local"], "task.root=PATH"),
        (["task.root=x"], "task.data=val"),
        (["task.data=val", "task.root=nowhere"], "does not exist"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, said):
    assert main(["eval", "task=mm_niah", "model=oracle", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1
