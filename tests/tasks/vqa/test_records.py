"""A user's tables of every form: columns and kinds found, bad rows and doubtful tables named in one line."""

from __future__ import annotations

import base64
import contextlib
import csv
import json
import random
import re

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import HarnessError, Missing, UsageError
from harness.records import shown
from harness.stats.composites import noting
from harness.tasks.vqa.kinds import KINDS
from tests.tasks.vqa.made import faults, outcome, picture, played, row, vqa, written


def kind(task) -> tuple[str, str]:
    found = task.describe()
    return found["kind"], found["parser"]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([row("yes"), row("No")], ("yesno", "word")),
        ([row(True), row(False)], ("yesno", "word")),
        ([row(3), row("4,000"), row("12%")], ("number", "last")),
        ([row("B", options=["red", "blue"]), row("red", options=["red", "blue"])], ("choice", "vlmevalkit")),
        ([row("B", A="red", B="blue"), row("A", A="red", B="blue", C="green")], ("choice", "vlmevalkit")),
        ([row("B", question="Which?\n(A) red\n(B) blue")], ("choice", "vlmevalkit")),
        ([row("red"), row("a big dog")], ("short", "")),
        ([row(["red", "crimson"]), row(["blue"])], ("short", "")),
    ],
)
def test_kinds_are_found(tmp_path, rows, found):
    written(tmp_path / "rows.jsonl", rows)
    task = vqa(tmp_path)
    assert kind(task) == found and faults(task) == [""] * len(rows)
    samples = list(task.samples())
    assert all(task.score(s.data["record"], task.oracle(s, None)).scores for s in samples)  # pyright: ignore
    assert task.chance(samples[0], None, random.Random(0))


@pytest.mark.parametrize(
    ("rows", "more", "says"),
    [
        ([row("yes")] * 9 + [row("maybe")], {}, "9 of 10 rows of rows.jsonl are answered by yes or no, but not"),
        ([row("A"), row("B")], {}, "are letters, but no row has options: name their column by task.columns.options="),
        ([row(" ".join("abcdefgh"))], {}, "an answer of 8 words: choose task.kind=short"),
        ([row([1, 2, 3, 4])], {}, "are boxes: choose task.kind=box"),
        ([{"image": "a.png", "question": "Where?", "bbox": [1, 2, 3, 4]}], {}, "gives boxes: choose task.kind=box"),
        ([{"image": "a.png", "question": "Which?"}], {}, "no column for the answer (answer, answers"),
        ([{"image": "a.png", "asked": "Which?", "answer": "red"}], {}, "no column for the question (question, prompt"),
        ([{"question": "Which?", "answer": "red"}], {}, "or ask without pictures by task.columns.image=none"),
        ([row("red", label="blue")], {}, "has columns answer and label, and both could hold the answer: choose by"),
        ([row("red", prompt="Why?")], {}, "has columns question and prompt, and both could hold the question"),
        ([row("red", options=["red", "b"])] * 5 + [row("x")] * 5, {}, "5 of 10 rows of rows.jsonl have options"),
        ([row(0), row(1)], {}, "are 0 and 1: say task.kind=yesno if they mean no and yes, or task.kind=number"),
        ([row("TRUE"), row("FALSE")], {}, "are false and true: say task.kind=yesno if they mean no and yes"),
        ([row([12, 34])], {}, "has a list of numbers: say task.kind=number where any of them is right"),
        ([row("B", A="x", B="", C="y")], {"kind": "choice"}, "column B is empty between options"),
        ([row(1, options=["a", "b", "c"]), row(2, options=["a", "b", "c"])], {}, "counted from 0 or from 1: say"),
        ([row("1", options=["1", "2"])], {}, "could be options or numbers of options"),
        ([row("red")], {"columns": {"answer": "anser"}}, "answer=anser is not a column of rows.jsonl: did"),
        ([row("red")], {"columns": {"anser": "answer"}}, "unknown setting task.columns.anser: did you mean answer"),
        ([row("red")], {"prompt": "What?"}, "asks the same of every record: write {question}"),
        ([row("red")], {"prompt": "{qestion}"}, "task.prompt: {qestion} is not in rows.jsonl: did you"),
        ([row("red")], {"parser": "mmmu"}, "task.parser=mmmu does not read answers of kind short: leave it out"),
        ([row("yes")], {"parser": "mmmu"}, "not read answers of kind yesno: choose one of word, official, opera"),
        ([row("yes")], {"metric": "anls"}, "task.metric=anls is for kind short, and these questions are of kind yesno"),
        ([row("red")], {"tolerance": 0.05}, "task.tolerance=0.05 is for kind number, and these questions are"),
        ([row(5)], {"parser": "relaxed", "absolute": 1.0}, "task.parser=relaxed is ChartQA's rule, which has"),
        ([row("red")], {"metric": "vqa"}, "has 1 of the 4 answers or more that VQA accuracy counts"),
        ([row("red")], {"kind": "number"}, "no row of rows.jsonl can be asked; the first: rows.jsonl, row 1"),
        ([row("red")], {"data": "calibration"}, "give task.calibration=0.2 here and in every run"),
        ([row("red")], {"hub": "a/b"}, "both bring questions: give one of them"),
        ([row(box=[5, 5, 20, 20])], {"kind": "box"}, "say task.bbox=xyxy_pixels or task.bbox=xywh_pixels"),
        (["[1, 2"], {}, "is not"),
        ([""], {}, "has no rows"),
    ],
)  # fmt: skip
def test_what_is_open_is_refused_in_one_line(tmp_path, rows, more, says):
    written(tmp_path / "rows.jsonl", rows)
    with pytest.raises(UsageError) as e:
        vqa(tmp_path, **more).source
    assert says in str(e.value) and "\n" not in str(e.value)


def test_nothing_and_too_much_to_read(tmp_path):
    with pytest.raises(UsageError, match=r"name their folder or file by task.root=PATH, or a dataset"):
        vqa(None)
    with pytest.raises(Missing, match="holds no table: it needs"):
        vqa(tmp_path).source
    for name in ("train", "test"):
        written(tmp_path / f"{name}.jsonl", [row(name)])
    with pytest.raises(
        UsageError, match=r"2 tables \(test.jsonl, train.jsonl\): name one by task.root=.*test.jsonl, or"
    ):
        vqa(tmp_path).source
    assert [len(vqa(tmp_path, files=f).source.records) for f in ("test.*", ["*.jsonl"])] == [1, 2]
    for site in ("x", "y"):
        written(tmp_path / "sites" / site / "rows.jsonl", [row("red")])
    (tmp_path / "sites" / "results" / "runs" / "r").mkdir(parents=True)
    (tmp_path / "sites" / "results" / "harness.duckdb").touch()
    written(tmp_path / "sites" / "results" / "runs" / "r" / "samples.jsonl", [row("red")])
    sites = vqa(tmp_path / "sites")
    assert [s.id for s in sites.samples()] == ["x/rows:1", "y/rows:1"]
    assert [s.cluster for s in sites.samples()] == ["local:x/a", "local:y/a"]
    for split in ("train", "test"):
        written(tmp_path / "both" / split / "data.jsonl", [row("red")])
    with pytest.raises(UsageError, match=r"holds 2 tables \(test/data.jsonl, train/data.jsonl\)"):
        vqa(tmp_path / "both").source


def test_what_pandas_and_others_write(tmp_path):
    """NaN is nothing, a picture's id is no row's, a written list of numbers is one answer, a blank line stays."""
    rows = [row(float("nan"), id="a"), row("[12, 34]", id="a", question="One.\n\nTwo?"), *[row("red", id="a")] * 8]
    written(tmp_path / "rows.jsonl", ["", "  ", *rows])
    task = vqa(tmp_path, kind="short")
    assert faults(task)[0].startswith("rows.jsonl, row 1 (line 3): ")
    assert [s.id for s in task.samples()] == [f"rows:{n}" for n in range(1, 11)]
    assert faults(task)[0].endswith("the answer is empty") and task.source.records[1].answers == ("[12, 34]",)
    assert task.source.records[1].asked.startswith("One.\n\nTwo?\nAnswer the question")


def test_bad_rows_cost_themselves(tmp_path):
    rows = [
        row("red", id=1), row("", id=2), row(None, id=3), {"id": 4, "image": "a.png", "answer": "red"},
        row("red", id=5, image=""), row("red", id=1), "{broken", row({"x": 1}, id=8),
        row("red", id=9, image="gone.png"),
        row("red", id=10, question="Which <image 2>?"), row("red", id=11, image="data:image/png;base64,@@"),
        row("red", id=12, image="https://x.y/a.png"),
    ]  # fmt: skip
    written(tmp_path / "rows.jsonl", rows)
    task = vqa(tmp_path, kind="short")
    found = faults(task)
    assert not found[0] and not found[8], "a missing picture is a fault of its sample alone, when it is looked at"
    wanted = {
        1: "rows.jsonl, row 2 (line 2): the answer is empty", 2: "the answer is empty", 3: "the question is empty",
        4: "column image is empty", 5: "id 1 occurs twice", 6: "rows.jsonl, row 7 (line 7): is not JSON",
        7: "the answer is empty", 9: "shows picture 2, and the row has 1", 10: "holds a picture that is not base64",
        11: "holds a web address (https://x.y/a.png): download",
    }  # fmt: skip
    assert all(says in found[i] for i, says in wanted.items()), found
    assert task.describe()["images_not_found"] == 1 and task.describe()["faulty_rows"] == len(wanted)
    with pytest.raises(HarnessError, match=rf"image gone.png is not in {re.escape(str(tmp_path))}: put"):
        next(task.episode(list(task.samples())[8])).pictures[0].load()


def test_csv_of_other_programs(tmp_path):
    written(tmp_path / "none.jsonl", [])
    (tmp_path / "none.jsonl").unlink()
    table = tmp_path / "Fragen.csv"
    table.write_bytes("Image;Question;Answer\r\na.png;Größe?;7\r\n\r\nb.png;Größe?;\r\n".encode("utf-8-sig"))
    task = vqa(tmp_path)
    assert kind(task)[0] == "number" and faults(task) == ["", "Fragen.csv, row 2 (line 4): the answer is empty"]
    for data, says in (
        ("Image,Question,Answer\na.png,Größe?,7\n".encode("latin-1"), "line 2: byte 0xf6 is not UTF-8: save the file"),
        (b"image,question,answer\na.png,How, many?,7\n", r"row 1 \(line 2\): 4 of the header's 3 cells: put a cell"),
        (b'image,question,answer\na.png,"How,7\n', "not a row of a table"),
        (b"image,question,answer,answer\na.png,x,1,2\n", "two columns 'answer'"),
        (b"image,question,answer\n", "has no rows"),
    ):
        table.write_bytes(data)
        with pytest.raises(UsageError, match=says):
            vqa(tmp_path).source


def test_a_table_of_vlmevalkit(tmp_path):
    """Base64 longer than any limit of the csv module, references to another row, names, lists, circular options."""
    noise = picture(size=(300, 300)) + random.Random(0).randbytes(150_000)
    big, small = (base64.b64encode(b).decode() for b in (noise, picture("blue")))
    header = [
        "index",
        "question",
        "A",
        "B",
        "C",
        "answer",
        "category",
        "l2-category",
        "split",
        "image",
        "image_path",
        "hint",
    ]
    rows = [
        [0, "Which?", "red", "blue", "", "A", "colour", "x", "dev", big, "one.png", "Look."],
        [1, "Which?", "red", "blue", "green", "B", "colour", "x", "dev", "0", "one.png", ""],
        [2, "Which?", "red", "blue", "", "B", "shape", "x", "dev", f"['{small}', '{small}']", "['p.png', 'q.png']", ""],
    ]
    with (tmp_path / "bench.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([header, *rows])
    task = vqa(tmp_path)
    first, second, third = task.samples()
    assert faults(task) == [""] * 3 and len(big) > 131072
    assert (first.id, first.group, first.target, third.group) == ("0", "colour", "A", "shape")
    assert first.cluster == second.cluster != third.cluster
    asked = next(task.episode(first)).messages[0].content
    assert asked[0].size == (300, 300) and asked[1].startswith("Look.\nWhich?\nA. red\nB. blue\nAnswer with")
    assert len(next(task.episode(third)).pictures) == 2 and task.source.records[2].images == ("p.png", "p.png")


def test_pictures_in_parquet_and_in_columns(tmp_path):
    def asked(question: str, answer: str, *cells: tuple[str, str | None]) -> dict:
        pictures = {f"image_{i}": {"bytes": picture(colour), "path": p} for i, (colour, p) in enumerate(cells, 1)}
        return {"question": question, "answers": [answer] * 10, "image_1": None, "image_2": None, **pictures}

    rows = [
        asked("Same?", "no", ("red", "1"), ("blue", "2")),
        asked("<image 2> or <image 1>?", "x", ("red", "7"), ("blue", None)),
        asked("Alone?", "x", ("red", "9")),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "part-0.parquet")
    pq.write_table(pa.Table.from_pylist(rows[2:]), tmp_path / "part-1.parquet")
    task = vqa(tmp_path)
    samples = list(task.samples())
    assert [s.id for s in samples] == ["part-0:1", "part-0:2", "part-0:3", "part-1:1"]
    assert samples[0].cluster == samples[1].cluster != samples[2].cluster == samples[3].cluster
    content = next(task.episode(samples[1])).messages[0].content
    assert [p if isinstance(p, str) else p.load().getpixel((0, 0)) for p in content[:3]] == [
        (0, 0, 255),
        " or ",
        (255, 0, 0),
    ]
    assert task.kind.primary == "vqa_accuracy" and outcome(task, "No.").scores["vqa_accuracy"] == 1
    assert len(shown(samples[0].data)) == 2


def test_data_urls_and_annotations_as_objects(tmp_path):
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    answers = [{"answer": "red", "answer_id": i} for i in range(10)]
    written(tmp_path / "rows.jsonl", [row(answers, image=url), row(answers, image=url, question="Again?")])
    task = vqa(tmp_path)
    assert len({s.cluster for s in task.samples()}) == 1 and task.kind.primary == "vqa_accuracy"
    assert task.source.records[0].images == ("rows:1",)


def test_options_of_other_suites(tmp_path):
    """With their letters, as a map from letters, and as ARC's two lists."""
    forms = [["A. red", "B. blue"], {"A": "red", "B": "blue"}, {"label": ["A", "B"], "text": ["red", "blue"]}]
    written(tmp_path / "rows.jsonl", [row("B", choices=options) for options in forms])
    assert [r.options for r in vqa(tmp_path).source.records] == [("red", "blue")] * 3


def test_a_map_from_ids_to_questions(tmp_path):
    written(tmp_path / "rows.json", [json.dumps({"07": row("red"), "8": row("blue")})])
    assert [s.id for s in vqa(tmp_path).samples()] == ["07", "8"]


def test_chartqa_takes_words_too(tmp_path):
    written(tmp_path / "rows.jsonl", [row("14"), row("Blue")])
    task = vqa(tmp_path, kind="number", parser="relaxed", tolerance=0.05)
    scores = [outcome(task, said, at).scores for said, at in (("14.5", 0), ("about 14", 0), ("blue", 1), ("red", 1))]
    assert [(s["correct"], s["exact"], s["unparsed"]) for s in scores] == [(1, 0, 0), (0, 0, 1), (1, 1, 0), (0, 0, 0)]


def test_zeros_and_ones_that_mean_no_and_yes(tmp_path):
    written(tmp_path / "rows.jsonl", [row(0), row("TRUE"), row("No."), row(2)])
    task = vqa(tmp_path, kind="yesno")
    assert [s.target for s in task.samples()] == ["no", "yes", "no", None]


def test_classes_are_their_names(tmp_path):
    """A label that `datasets` stores as 0 or 1 is no number."""
    features = {"question": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    table = datasets.Dataset.from_dict({"question": ["a?", "b?"], "label": [1, 0]}, datasets.Features(features))
    table.to_parquet(tmp_path / "rows.parquet")
    task = vqa(tmp_path, columns={"image": "none"})
    assert kind(task)[0] == "yesno" and [s.target for s in task.samples()] == ["yes", "no"]


def test_options_by_number(tmp_path):
    rows = [row(n, choices=["red", "blue", "green"]) for n in (0, 2)]
    written(tmp_path / "rows.jsonl", rows)
    assert [s.target for s in vqa(tmp_path).samples()] == ["A", "C"]
    assert [bool(f) for f in faults(vqa(tmp_path, counted_from=1))] == [True, False]
    written(tmp_path / "rows.jsonl", [row(n, choices="['red', 'blue']") for n in (1, 2)])
    assert [s.target for s in vqa(tmp_path).samples()] == ["A", "B"]


@pytest.mark.parametrize("form", ["box", "point"])
def test_places(tmp_path, form):
    rows = [
        {"image": "a.png", "question": "Where?", "bbox": [10, 5, 10, 5]},
        {"image": "a.png", "question": "Where?", "bbox": [10, 5]},
    ]
    written(tmp_path / "rows.jsonl", rows)
    task = vqa(tmp_path, kind=form)
    assert [bool(f) for f in faults(task)] == [False, True] and task.describe()["faulty_rows"] == 1
    (sample, _) = task.samples()
    assert sample.target == [10, 5, 20, 10]
    for parser in type(task.kind).parsers:
        own = vqa(tmp_path, kind=form, parser=parser)
        best = outcome(own, own.oracle(sample, None)).scores
        assert best["acc@0.5" if form == "box" else "correct"] == 1, parser
        assert outcome(own, "nothing").scores["unparsed"] == 1 or parser == "lmms_v1"
    said = outcome(task, "[0.25, 0.25, 0.5, 0.5]")
    target, answer = task.marks(sample, said)
    assert (target.box, target.role, answer.role) == ((0.25, 0.25, 0.5, 0.5), "target", "right")
    assert answer.box == target.box if form == "box" else answer.point == (0.375, 0.375)
    assert task.marks(sample) == [target] and said.scores["acc@0.5" if form == "box" else "correct"] == 1


def test_free_text_is_stored_and_measured(tmp_path):
    written(
        tmp_path / "rows.jsonl",
        [row("A long reference.", question="Describe."), {"image": "a.png", "question": "Why?"}],
    )
    task = vqa(tmp_path, kind="free")
    results = played(task, ["three words here", ""])
    assert [r.outcome.scores for r in results] == [{"length": 3}, {"length": 0}]
    assert results[0].outcome.details["answers"] == ["A long reference."]
    assert [(m.name, m.primary, m.value) for m in task.metrics(results)] == [
        ("length", False, 1.5),
        ("failed", False, 0),
    ]


def test_groups_clusters_and_prompts_by_any_column(tmp_path):
    rows = [
        row("yes", patient=p, ward=w, image=f"{i}.png") for p, w, i in (("p1", 1, "a"), ("p1", 1, "b"), ("p2", 2, "a"))
    ]
    written(tmp_path / "rows.jsonl", rows)
    task = vqa(tmp_path, columns={"cluster": "patient", "group": "ward"}, prompt="Ward {ward}: {question}\\nYes or no?")
    assert [(s.cluster, s.group) for s in task.samples()] == [("local:p1", "1"), ("local:p1", "1"), ("local:p2", "2")]
    plain = vqa(tmp_path, columns={"id": "none", "group": "none", "answer": ["none"]}, kind="free")
    assert {s.group for s in plain.samples()} == {"all"} and not any(s.target for s in plain.samples())
    assert next(task.episode(list(task.samples())[2])).messages[0].content[1] == "Ward 2: Which colour?\nYes or no?"
    with noting() as noted:
        found = task.metrics(played(task, ["yes", "no", "Yes."]))
    assert {("f1", g) for g in ("all", "1", "2")} <= noted.made.keys(), "comparisons know each group's own"
    accuracy = {m.group: (m.value, m.primary) for m in found if m.name == "accuracy"}
    assert accuracy == {"all": (pytest.approx(2 / 3), True), "1": (0.5, False), "2": (1, False)}


@pytest.mark.parametrize(
    ("name", "answers"),
    [("yesno", ["yes", "no", "yes"]), ("short", "red"), ("number", 3), ("choice", "A"), ("free", "red")],
)
@pytest.mark.parametrize("categories", [("", "x", "x"), (None, "x", "y"), ("all", "x", "x"), ("all", None, "x")])
def test_no_group_is_taken_for_all(tmp_path, name, answers, categories):
    answers = answers if isinstance(answers, list) else [answers] * 3
    options = {"options": ["red", "blue"]} if name == "choice" else {}
    written(tmp_path / "rows.jsonl", [row(a, category=c, **options) for a, c in zip(answers, categories, strict=True)])
    task = vqa(tmp_path, kind=name)
    called = {"": "no group", None: "no group", "all": "group all"}
    assert [s.group for s in task.samples()] == [called.get(c, c) for c in categories]
    found = task.metrics(played(task, [str(a) for a in answers]))
    assert {m.group for m in found} == {"all", *(called.get(c, c) for c in categories)}
    assert len({(m.name, m.group) for m in found}) == len(found)


def test_a_table_beside_one_with_groups(tmp_path):
    written(tmp_path / "a" / "rows.jsonl", [row("yes", category="x"), row("no", category="y"), "{broken"])
    written(tmp_path / "b" / "rows.jsonl", [row("no")])
    assert [s.group for s in vqa(tmp_path).samples()] == ["x", "y", "no group", "no group"]


def test_questions_without_pictures(tmp_path):
    written(tmp_path / "rows.jsonl", [{"question": "2 + 3?", "answer": 5}, {"question": "1 + 1?", "answer": 2}])
    task = vqa(tmp_path, columns={"image": "none"})
    requests = [next(task.episode(s)) for s in task.samples()]
    assert [r.pictures for r in requests] == [(), ()] and task.describe()["pictures"] == 0
    assert len({s.cluster for s in task.samples()}) == 2


@settings(max_examples=25)
@given(st.integers(0, 99), st.floats(0.1, 0.6))
def test_the_calibration_share_is_disjoint_and_stays(tmp_path_factory, seed, share):
    root = tmp_path_factory.mktemp("drawn")
    rows = [row("yes", image=f"{i % 40}.png", question=f"{i}?") for i in range(80)]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    how = {"calibration": share, "calibration_seed": seed}
    local, own = (vqa(root, data=d, **how) for d in ("local", "calibration"))
    asked, kept = ([s.id for s in t.samples()] for t in (local, own))
    assert sorted(asked + kept) == sorted(f"rows:{n}" for n in range(1, 81))
    assert not {s.cluster for s in local.samples()} & {s.cluster for s in own.samples()}
    assert local.describe()["set_aside"] == len(kept)
    rows += [row("yes", image="new.png")]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert set(kept) <= {s.id for s in vqa(root, data="calibration", **how).samples()}


def test_a_dataset_of_the_hub(tmp_path, monkeypatch):
    """Pictures stay where they are until they are looked at; equal ones are one cluster, whatever they are called."""
    cells = [{"bytes": picture(c), "path": f"{i}.png"} for i, c in enumerate(("red", "red", "blue"))]
    table = datasets.Dataset.from_dict(
        {
            "question": ["Which?"] * 3,
            "answer": ["red", "crimson", "blue"],
            "photo": cells,
            "more": [[c, c] for c in cells],
        },
        features=datasets.Features(
            {
                "question": datasets.Value("string"),
                "answer": datasets.Value("string"),
                "photo": datasets.Image(),
                "more": datasets.Sequence(datasets.Image()),
            }
        ),
    )
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: asked.append((a, k)) or table)
    task = vqa(None, hub="some/bench", config="en", split="val", revision="abc", columns={"image": ["photo"]})
    first, second, third = task.samples()
    assert first.cluster == second.cluster != third.cluster
    assert task.source.records[2].images == ("2.png",)
    assert asked == [(("some/bench", "en"), {"split": "val", "revision": "abc"})]
    assert next(task.episode(third)).pictures[0].load().getpixel((0, 0)) == (0, 0, 255)
    both = vqa(None, hub="some/bench", columns={"image": "more"})
    assert len(next(both.episode(next(iter(both.samples())))).pictures) == 2
    assert task.describe()["revision"] == "abc" and task.describe()["source"] == "some/bench"

    def gone(*_, **__):
        raise ValueError("Unknown split \"test\". Should be one of ['train'].")

    monkeypatch.setattr(datasets, "load_dataset", gone)
    with pytest.raises(Missing, match=r"Unknown split .*check its name, task.config and task.split"):
        vqa(None, hub="some/bench").source


TEXTS = ["a.png", "yes", "No", "A", "B", "1,5", "[1, 2, 3, 4]", "['a', 'b']", "", " ", "<image 3>", "data:x", "\0", "/"]
PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.sampled_from(TEXTS)
CELLS = PLAIN | st.lists(PLAIN, max_size=4) | st.dictionaries(st.sampled_from(["answer", "A", "text"]), PLAIN)
NAMES = ["A", "B", "id", "category", "bbox", "label", "hint", "cluster", "options"]
ROW = st.fixed_dictionaries(
    {"question": st.just("Which?") | CELLS, "image": st.just("a.png") | CELLS, "answer": CELLS},
    optional=dict.fromkeys(NAMES, CELLS),
)


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=4), st.sampled_from(["auto", *KINDS]))
def test_any_table_is_read_or_refused_in_one_line(tmp_path_factory, rows, wanted):
    root = tmp_path_factory.mktemp("any")
    written(root / "rows.jsonl", rows)
    task = vqa(root, kind=wanted, bbox="xyxy_pixels" if wanted in ("box", "point") else "auto")
    try:
        samples = list(task.samples())
    except HarnessError as e:
        assert "\n" not in str(e)
        return
    assert len({s.id for s in samples}) == len(rows) and task.fingerprint()
    for sample in samples:
        if sample.data.get("fault"):
            assert sample.data["fault"].startswith("rows.jsonl, row ") or "occurs twice" in sample.data["fault"]
        elif next(task.episode(sample)):
            with contextlib.suppress(HarnessError):
                task.score(sample.data["record"], "No. B. 5 [1, 2, 3, 4]")
