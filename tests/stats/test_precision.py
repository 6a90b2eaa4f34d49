"""Average precision by its definition, with ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.precision import average_precision


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=12).filter(
        lambda r: any(g for _, g in r)
    )
)
def test_it_is_the_mean_precision_at_what_is_relevant(rows):
    scores, good = (np.array(column) for column in zip(*rows, strict=True))
    wanted = np.mean([good[scores >= s].mean() for s, g in rows if g])
    assert average_precision(scores, good) == pytest.approx(wanted)


def test_rows_are_independent_and_nothing_relevant_has_none():
    scores, good = np.array([[3.0, 2, 1], [1, 2, 3], [0, 0, 0]]), np.array([[1, 0, 1], [1, 0, 1], [0, 0, 0]])
    found = average_precision(scores, good)
    assert found[:2] == pytest.approx([(1 + 2 / 3) / 2, (1 + 2 / 3) / 2]) and np.isnan(found[2])
