"""Results in columns look like the results themselves."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.score import Score
from harness.core.stream import Stream, marks, repeated
from harness.core.types import Outcome, Result
from harness.records.means import means
from harness.stats import columns as module
from harness.stats import failed
from harness.stats.columns import Columns, scored

NUMBERS = st.floats(-5, 5) | st.integers(0, 1)
OUTCOMES = st.builds(
    Outcome,
    st.text(max_size=4),
    st.dictionaries(st.sampled_from(["a", "b"]), NUMBERS, max_size=2),
    st.none() | st.sampled_from(["yes", "no"]),
    st.just({"more": [1]}),
)
ERRORS = st.just({"type": "Unusable", "message": "no", "traceback": ""})


@st.composite
def results(draw):
    """Some rows, each scored or failed."""
    found = []
    for number in range(draw(st.integers(0, 12))):
        outcome = draw(st.none() | OUTCOMES)
        row = Result(f"s{number}", draw(st.sampled_from("xyz")), draw(st.sampled_from("gh")), [number], outcome)
        found.append(row if outcome else replace(row, error=draw(ERRORS)))
    return found


def few(patch: pytest.MonkeyPatch, count: int) -> None:
    """So many numbers a block."""
    for place in ("core.stream", "stats.columns"):
        patch.setattr(f"harness.{place}.BLOCK", count)


def kept(rows: list[Result]) -> Columns:
    made = Columns(lambda place: rows[place])
    made.add(rows, range(len(rows)))
    return made


@settings(max_examples=40)
@given(results())
def test_every_field_is_the_results(rows):
    made = kept(rows)
    assert len(made) == len(rows) and len(scored(made)) == sum(r.outcome is not None for r in rows)
    for row, result in zip(made, rows, strict=True):
        for field in fields(Result):
            if field.name != "outcome":
                assert getattr(row, field.name) == getattr(result, field.name)
        assert (row.outcome is None) == (result.outcome is None)
        if row.outcome and result.outcome:
            for field in fields(Outcome):
                assert getattr(row.outcome, field.name) == getattr(result.outcome, field.name)


@settings(max_examples=40)
@given(results(), st.randoms(use_true_random=False), st.sampled_from([2, 5, 100]))
def test_rows_in_the_order_of_samples(rows, rng, block):
    with pytest.MonkeyPatch.context() as patch:
        few(patch, block)
        in_order(rows, rng)


def in_order(rows, rng):
    wanted = [*(r.id for r in rows if rng.random() < 0.8), "of another run"]
    rng.shuffle(wanted)
    known = {r.id for r in rows}
    assert [r.id for r in kept(rows).ordered(marks(wanted))] == [i for i in wanted if i in known]


@settings(max_examples=40)
@given(results())
def test_columns_of_scores(rows):
    made, there = kept(rows), [r for r in rows if r.outcome]
    assert [r.id for r in scored(made)] == [r.id for r in there]
    found = [(c, v) for clusters, values in scored(made).parts("a") for c, (v,) in zip(clusters, values, strict=True)]
    for (_, value), row in zip(found, there, strict=True):
        assert math.isnan(value) if "a" not in row.outcome.scores else value == row.outcome.scores["a"]
    pairs = {(number, row.cluster) for (number, _), row in zip(found, there, strict=True)}
    assert len(pairs) == len({number for number, _ in found}) == len({r.cluster for r in there})


@pytest.mark.parametrize("block", [1, 3, 4])
def test_a_part_ends_where_a_cluster_ends(block, monkeypatch):
    few(monkeypatch, block)
    rows = [Result(str(i), str(i // 4), "g", None, Outcome("", {"a": float(i)})) for i in range(11)]
    parts = [values[:, 0].tolist() for _, values in kept(rows).parts("a")]
    assert [value for part in parts for value in part] == [float(i) for i in range(11)]
    assert all(part[0] % 4 == 0 for part in parts) and len(parts) > 1


@settings(max_examples=30)
@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 7))
def test_a_stream_is_a_list(values, block):
    with pytest.MonkeyPatch.context() as patch:
        few(patch, block)
        made = Stream("q")
        for value in values[:10]:
            made.append(value)
        made.extend(np.array(values[10:], dtype=np.int64))
        assert len(made) == len(values) and [made[i] for i in range(len(values))] == values
        assert [x for part in made.blocks() for x in part.tolist()] == values
        rows = np.array([len(values) - 1 - i for i in range(0, len(values), 2)], dtype=np.int64)
        assert made.take(rows).tolist() == [values[i] for i in rows]
        several = Stream("Q")
        several.extend(np.array(values, dtype=np.uint64))
        assert repeated(several) == {x for x in values if values.count(x) > 1}


def test_values_that_are_many_are_read_from_the_journal(monkeypatch):
    monkeypatch.setattr(module, "DISTINCT", 2)
    rows = [Result(str(i), "c", "g", i, Outcome("x", {}, str(i))) for i in range(5)]
    made = kept(rows)
    assert [r.target for r in made] == [0, 1, 2, 3, 4] and [r.outcome.verdict for r in made] == list("01234")


@pytest.mark.parametrize("block", [10, 64, 1000])
def test_means_are_the_same_to_the_last_digit(block, monkeypatch):
    few(monkeypatch, block)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(300):
        outcome = Outcome("", {"a": float(rng.integers(2)), "b": rng.normal(), "n": float(rng.integers(3)), "d": 3.0})
        row = Result(str(i), str(i // 7), "g", None, outcome if i % 11 else None)
        rows.append(row if row.outcome else replace(row, error={"type": "E", "message": "", "traceback": ""}))
    scores = [Score("a", primary=True), Score("b"), Score("n/d")]
    assert means(kept(rows), scores) == means(rows, scores)
    assert failed(kept(rows)) == failed(rows)


@pytest.mark.parametrize("index", [0, -1, slice(1, 3)])
def test_a_part(index):
    rows = [Result(str(i), "c", "g", None, Outcome("x", {})) for i in range(4)]
    part = kept(rows)[index]
    assert (
        [r.id for r in part] == [r.id for r in rows[index]] if isinstance(index, slice) else part.id == rows[index].id
    )
