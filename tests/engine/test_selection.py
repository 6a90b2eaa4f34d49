"""`ids=` and `offset=`: which samples a run plays, and that such a run stands apart from whole ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.cli import main
from harness.core import HarnessError, Sample, UsageError
from harness.engine.limit import named, subset
from harness.engine.play import planned
from harness.engine.selection import ids_of
from harness.leaderboard.board import boards, entries
from harness.leaderboard.submit import problems
from harness.runs.stored import stored
from harness.store.queries import Store
from tests.engine.toys import Sums

SUMS = ("eval", "task=sums", f"plugins=[{Path(__file__).parents[1] / 'plugins'}]", "logger=quiet")


def played(results="results"):
    """The newest run: its record and the ids of its samples."""
    run = stored(Path(results))[0]
    return run.record, [r.id for r in run.results()]


@pytest.mark.parametrize(
    "given", ["s7,s1", "[s7, s1]", '["s7","s1"]', "s7,s1,s7", "@ids.txt", "@ids.json", ["s7", "s1"]]
)
def test_the_ways_to_name_samples(workdir, given):
    (workdir / "ids.txt").write_text("s7\n\n s1 \n")
    (workdir / "ids.json").write_text('["s7", "s1"]')
    assert ids_of(given) == ["s7", "s1"]


def test_an_id_may_hold_a_separator_of_lines(workdir):
    (workdir / "ids.txt").write_text("a\u2028b\nc\u0085d\n", encoding="utf-8")
    assert ids_of("@ids.txt") == ["a\u2028b", "c\u0085d"]


def test_the_order_of_ids_makes_no_other_run(workdir):
    assert main([*SUMS, "ids=s1,s7"]) == 0
    assert main([*SUMS, "ids=[s7, s1]"]) == 0
    record, ids = played()
    assert ids == ["s1", "s7"] and len(stored(Path("results"))) == 1
    assert record.identity["ids"]["count"] == record.limit == 2 and record.config["ids"] == ["s1", "s7"]


def test_ids_in_python(workdir):
    run = harness.evaluate("sums", ids=["s7", "s1"], plugins=SUMS[2][9:-1], logger="quiet")
    assert [s.id for s in stored(Path("results"))[0].results()] == ["s1", "s7"]
    assert main([*SUMS, "ids=s1,s7"]) == 0 and [r.name for r in stored(Path("results"))] == [run.name]
    with pytest.raises(UsageError, match="no sample is called 007"):
        harness.evaluate("sums", ids=["007"], plugins=SUMS[2][9:-1])


def test_ids_of_an_export_repeat_its_samples(workdir):
    assert main([*SUMS, "limit=8"]) == 0
    _, drawn = played()
    assert main(["export", "--out", "out"]) == 0
    assert main([*SUMS, "ids=@out/samples.csv"]) == 0
    record, ids = played()
    assert ids == drawn and record.identity["limit"] is None


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ids=s1,s400"], 2, "no sample is called s400: did you mean s4"),
        (["ids=@nowhere.txt"], 3, "ids=@nowhere.txt cannot be read"),
        (["offset=-1"], 2, "offset=-1 is negative"),
        (["offset=40"], 2, "offset=40 leaves nothing of 40 samples"),
    ],
)
def test_wrong_selections_are_one_line(workdir, capsys, words, code, says):
    assert main([*SUMS, *words]) == code
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("[]", "names no sample"),
        ("@nowhere.csv", "is not a file"),
        ("@odd.csv", "has no column of ids: call it id .it has name, text"),
        ("@odd.json", "a list of ids may hold only texts and whole numbers"),
        ("@deep.json", "is neither JSON .nested too deeply"),
    ],
)
def test_ids_that_cannot_be_read(workdir, given, says):
    (workdir / "odd.csv").write_text("name,text\na,b\n")
    (workdir / "odd.json").write_text("[1, [2]]")
    (workdir / "deep.json").write_text("[" * 100_000)
    with pytest.raises(HarnessError, match=says):
        ids_of(given)


def test_a_selection_is_ranked_apart_and_not_submitted(workdir, capsys):
    for words in ([], ["ids=s1,s2"], ["ids=s1,s3"], ["offset=20"], ["offset=20", "limit=8"]):
        assert main([*SUMS, *words]) == 0
    found = boards(entries(Store(Path("results"))))
    assert [len(b.entries) for b in found] == [1] * 5 and [b.partial for b in found] == [False, *[True] * 4]
    assert len({b.slug for b in found}) == 5
    runs = {json.dumps(r.record.config["overrides"][2:]): r for r in stored(Path("results"))}
    refused = [any("draw of" in p for p in problems(r)) for r in runs.values()]
    assert refused.count(True) == 4 and not any("draw of" in p for p in problems(runs['["logger=quiet"]']))
    one, two = runs['["logger=quiet"]'].name, runs['["logger=quiet", "ids=s1,s2"]'].name
    assert main(["compare", one, two]) == 0
    assert "ids none and 2 samples by id" in " ".join(capsys.readouterr().out.split())
    assert main(["show", two]) == 0
    assert "2 samples by id" in capsys.readouterr().out


def test_parts_of_a_run_do_not_overlap():
    parts = [planned(Sums(40), {"limit": 12, "seed": 0, "offset": offset}) for offset in (0, 12, 24, 36)]
    assert sorted(s.id for part in parts for s in part) == sorted(f"s{i}" for i in range(40))


samples = st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), max_size=60).map(
    lambda rows: [Sample(str(i), f"c{c}", g, None) for i, (c, g) in enumerate(rows)]
)


@given(samples, st.integers(1, 40), st.integers(1, 40), st.integers(0, 2))
def test_an_offset_takes_none_of_what_it_leaves_out(rows, limit, offset, seed):
    left = {s.cluster for s in subset(rows, offset, seed)} if rows else set()
    part, rest = subset(rows, limit, seed, offset), subset(rows, None, seed, offset)
    assert not left & {s.cluster for s in rest}
    assert left | {s.cluster for s in rest} == {s.cluster for s in rows}
    assert {s.id for s in part} <= {s.id for s in rest}
    assert len(part) <= limit or len({s.cluster for s in part}) == 1


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1), min_size=1))
def test_any_ids_survive_json(ids):
    assert ids_of(json.dumps(ids)) == list(dict.fromkeys(ids))
    rows = [Sample(i, "c", "g", None) for i in dict.fromkeys(ids)]
    assert named(rows, ids) == rows
    with pytest.raises(UsageError):
        named(rows, ["".join(ids) + "x"])
