"""MMNeedle: the official verdicts, captions that hold once, whole runs."""

from __future__ import annotations

import json
import pickle
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.cli import main
from harness.core import UsageError
from harness.records import rows
from harness.tasks.mmneedle import generate, grids
from harness.tasks.mmneedle.generate import HALF, SETTINGS, searches
from harness.tasks.mmneedle.grids import Grid, places, satisfies
from harness.tasks.mmneedle.scoring import judge
from harness.tasks.mmneedle.sources import Setting, load
from harness.tasks.mmneedle.task import instruction
from tests.tasks.measured import stored
from tests.tasks.settings import settings_of

FOLDER = Path(grids.__file__).parent / "embedded"
ONE = ((3, 1, 2),)
TWO = ((3, 1, 2), (1, 2, 2))


@pytest.mark.parametrize(
    ("places", "said", "parser", "existence", "index", "exact"),
    [
        (ONE, "3, 1, 2", "official", 1, 1, 1),
        (ONE, " 3, 1, 2.\n", "official", 1, 1, 1),
        (ONE, "3,1,2", "official", 1, 0, 0),
        (ONE, "3,1,2", "lenient", 1, 1, 1),
        (ONE, "3, 2, 2", "official", 1, 1, 0),
        (ONE, "The answer is 3, 1, 2", "official", 1, 0, 0),
        (ONE, "The answer is 3, 1, 2", "lenient", 1, 1, 1),
        (ONE, "-1", "official", 0, 0, 0),
        (ONE, "", "official", 1, 0, 0),
        (None, "-1", "official", 1, 0, 0),
        (None, "-1.", "official", 1, 0, 0),
        (None, "3, 1, 2", "official", 0, 0, 0),
        (None, "no match: -1", "lenient", 1, 0, 0),
        (TWO, "3, 1, 2; 1, 2, 2", "official", 1, 1, 1),
        (TWO, "3, 1, 2; 1, 2, 1", "official", 1, 1, 0),
        (None, "-1; -1", "official", 1, 0, 0),
        (None, "-1, -1, -1; -1, -1, -1", "official", 1, 0, 0),
        (TWO, "-1-1", "official", 0, 0, 0),
    ],
)
def test_official_verdicts(places, said, parser, existence, index, exact):
    needles = 2 if places == TWO or ";" in said or said == "-1-1" else 1
    verdict = judge(places, needles, said, parser)
    assert (verdict.existence, verdict.index, verdict.exact) == (existence, index, exact)


def test_needles_count_one_by_one():
    verdict = judge(TWO, 2, "3, 1, 2; 1, 2, 1")
    assert (verdict.first_exact, verdict.each_exact) == (1, 0.5)
    assert judge(TWO, 2, "3, 1, 2").each_exact == 0.5  # the missing one is wrong


@given(st.text(), st.sampled_from([ONE, TWO, None]), st.sampled_from(["official", "lenient"]))
def test_verdicts_never_raise(said, places, parser):
    assert judge(places, 2 if places == TWO else 1, said, parser).existence in (0, 1)


def test_official_words():
    text = instruction(Setting(10, 2, 2), ["A dog."])
    assert text.startswith(
        "Given 10 images indexed from 1 to 10, each divided into 2*2 subimages, identify the subimage"
    )
    assert text.endswith("respond only with '-1'.\nCaption: A dog.")
    assert instruction(Setting(1, 1, 1), ["x"]).startswith(
        "Given 1 image indexed from 1 to 1, each divided into 1*1 subimage,"
    )
    several = instruction(Setting(10, 2, 2, 2), ["A.", "B."])
    assert "index_1, row_1, column_1; index_2, row_2, column_2" in several and several.endswith("Caption_2: B.")


@pytest.mark.parametrize(("images", "side"), [(1, 2), (10, 1), (10, 2), (1, 4)])
def test_places_are_balanced(images, side):
    made = places(20, images, side, random.Random(0))
    by_image, by_cell = Counter(p[0] for p in made), Counter(p[1:] for p in made)
    assert max(by_image.values()) == min(by_image.values())
    assert max(by_cell.values()) - min(by_cell.values()) <= 1


def test_many_searches_hold_once(monkeypatch):
    """2,000 searches and more over invented grids: a caption holds at its place alone, or nowhere."""
    words = list(grids.BY_NAME)
    rng = random.Random(7)
    made = 0
    for round_ in range(51):
        pool = [
            Grid(f"g{i}", 2, tuple({w: rng.randint(1, 3) for w in rng.sample(words, 3)} for _ in range(4)))
            for i in range(14)
        ]
        known = {g.name: g for g in pool}
        monkeypatch.setattr(generate, "scenes", _strangers(words))
        for row in searches(pool, (1, 10)[round_ % 2], 2, 1):
            made += 1
            cells = [c for name in row["image_ids"] for c in known[name].cells]
            here = [k for k, c in enumerate(cells) if grids.caption(c) == row["captions"][0]]
            if row["index"][0] >= 0:
                assert here == [row["index"][0] * 4 + row["row"][0] * 2 + row["col"][0]]
                assert sum(satisfies(c, cells[here[0]]) for c in cells) == 1
            else:
                assert here == []
    assert made >= 2000


def _strangers(words):
    class Stranger:
        def __init__(self, rng):
            self.counts = {w: rng.randint(1, 3) for w in rng.sample(words, 3)}

    return lambda rng, n, seeds: [Stranger(rng) for _ in range(n)]


def test_embedded_records():
    found = rows(FOLDER / "records.parquet")
    assert len(found) == len(SETTINGS) * 2 * HALF
    for setting in SETTINGS:
        some = [r for r in found if (r["images"], r["rows"], r["needles"]) == setting]
        assert sum(r["index"][0] >= 0 for r in some) == HALF == len(some) / 2
        assert all(len(set(r["captions"])) == setting[2] for r in some)


def test_oracle_and_chance(workdir):
    assert main(["eval", "-m", "task=mmneedle", "model=oracle,chance", "logger=quiet"]) == 0
    best, blind = stored("*oracle*"), stored("*chance*")
    assert {best[k, "all"]["value"] for k in ("exact", "index", "existence")} == {1}
    assert blind["existence", "all"]["low"] <= 0.5 <= blind["existence", "all"]["high"]
    assert blind["index", "10 x 1x1"]["low"] <= 0.05 <= blind["index", "10 x 1x1"]["high"]


def test_runs_are_compared_by_searches_with_a_needle(workdir, capsys):
    """Searches without a needle hold no exact answer: they must not thin a difference out."""
    assert main(["eval", "-m", "task=mmneedle", "model=oracle,chance", "logger=quiet"]) == 0
    runs = sorted((p.name for p in Path("results/runs").iterdir()), key=lambda n: "oracle" in n)
    capsys.readouterr()
    assert main(["compare", *runs, "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    row = next(r for r in said["rows"] if r["group"] == "all")
    blind = stored("*chance*")["exact", "all"]["value"]
    assert row["score"] == "exact/present" and row["difference"]["value"] == pytest.approx(1 - blind)


def official(root: Path, row: dict, name: str = "annotations_1_2_2") -> None:
    (root / "metadata_stitched").mkdir(parents=True)
    (root / "images_stitched" / "2_2").mkdir(parents=True)
    Image.new("RGB", (512, 512)).save(root / "images_stitched" / "2_2" / "s_0.jpg")
    (root / "metadata_stitched" / f"{name}.json").write_text(json.dumps(row))


ROW = {"id": 0, "image_ids": ["images_stitched/2_2/s_0.jpg"], "index": 0, "row": 1, "col": 0, "target": "val2014/t.jpg"}


def test_official_files(workdir):
    rows_ = [ROW, {**ROW, "index": -1, "row": -1, "col": -1}, {**ROW, "row": 5}, {**ROW, "target": "x.jpg"}, {}]
    official(Path("mm"), rows_)
    Path("mm/captions_val2014.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "t.jpg"}],
                "annotations": [{"image_id": 1, "caption": "First."}, {"image_id": 1, "caption": "Last."}],
            }
        )
    )
    assert main(["eval", "task=mmneedle", "task.data=official", "task.root=mm", "model=oracle", "logger=quiet"]) == 3
    assert stored()["failed", "all"]["value"] == pytest.approx(3 / 5)
    records = load(settings_of("mmneedle", data="official", root="mm")).records
    assert records[0].captions == ("Last.",) and records[0].places == ((1, 2, 1),) and records[1].places is None


def test_a_pickle_that_imports_is_refused(workdir):
    official(Path("mm"), [ROW])
    Path("mm/file_to_caption.pkl").write_bytes(pickle.dumps({"t.jpg": "A dog."}))
    assert load(settings_of("mmneedle", data="official", root="mm")).records[0].captions == ("A dog.",)
    Path("mm/file_to_caption.pkl").write_bytes(pickle.dumps(Path("x")))
    with pytest.raises(UsageError, match="captions need no import"):
        load(settings_of("mmneedle", data="official", root="mm"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.data=nope"], "choose one of embedded"),
        (["task.data=official"], "task.root=PATH"),
        (["task.settings=9 x 9x9"], "choose from 1 x 2x2"),
        (["task.parser=nope"], "choose one of official"),
        (["task.data=official", "task.root=nowhere"], "does not exist"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, said):
    assert main(["eval", "task=mmneedle", "model=oracle", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1
