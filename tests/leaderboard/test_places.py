"""Maps of samples by two details."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboard.places import MOST, places


def cells(made, n: int) -> list[tuple[str, str] | None]:
    at = made["at"]
    pairs = [at[2 * i : 2 * i + 2] for i in range(n)]
    return [None if p == "--" else (made["columns"][ord(p[0]) - 48], made["rows"][ord(p[1]) - 48]) for p in pairs]


def test_values_become_columns_and_rows_in_their_order():
    details = [{"length": n, "depth": d} for n in (1024, 512) for d in (50, 0)] + [{"length": 512}, {}]
    made = places(("length", "depth"), details)
    assert made and (made["columns"], made["rows"]) == (["512", "1024"], ["0", "50"])
    assert cells(made, 6) == [("1024", "50"), ("1024", "0"), ("512", "50"), ("512", "0"), None, None]


def test_many_numbers_are_gathered_and_lists_are_their_mean():
    details = [{"a": 1000 + 10 * i, "b": [i / 20, i / 10]} for i in range(20)] + [{"a": 9000, "b": 0.5}]
    made = places(("a", "b"), details)
    assert made and len(made["columns"]) == 2 and made["columns"][0].startswith("1000 to ")
    assert len(made["rows"]) <= MOST and "-" not in made["at"]


@pytest.mark.parametrize("details", [[], [{"a": 1, "b": 2}] * 3, [{"a": True, "b": float("nan")}, {"a": None}]])
def test_no_map_where_there_is_nothing_to_tell_apart(details):
    assert places(("a", "b"), details) is None and places((), details) is None


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.integers(-9, 9), st.floats(), st.text(max_size=2))] * 2)))
def test_every_sample_has_its_place_or_none(values):
    made = places(("a", "b"), [{"a": a, "b": b} for a, b in values])
    if made:
        assert len(made["at"]) == 2 * len(values) and len(cells(made, len(values))) == len(values)
