"""Holm's correction, and over tests of which some could not be made."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.corrections import holm, holm_of_tested

P = st.floats(0, 1)


def test_an_example_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(P))
def test_corrected_p_is_no_smaller_keeps_the_order_and_is_a_chance(p):
    found = holm(p)
    assert all(a <= b <= 1 for a, b in zip(p, found, strict=True))
    assert all(found[i] <= found[j] for i in range(len(p)) for j in range(len(p)) if p[i] < p[j])


@given(st.lists(P | st.none() | st.just(math.nan)))
def test_what_was_not_tested_corrects_nothing(p):
    found = holm_of_tested(p)
    known = [x for x in p if x is not None and not math.isnan(x)]
    assert [x for x in found if x is not None] == holm(known)
    assert all((a is None or math.isnan(a)) == (b is None) for a, b in zip(p, found, strict=True))
