from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.core import Sample
from harness.engine.limit import by_cluster, subset

samples = st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), max_size=80).map(
    lambda rows: [Sample(str(i), f"c{c}", g, None) for i, (c, g) in enumerate(rows)]
)


@given(samples, st.integers(1, 90), st.integers(0, 3))
def test_whole_clusters_within_the_limit(rows, limit, seed):
    chosen = subset(rows, limit, seed)
    sizes, taken = Counter(s.cluster for s in rows), Counter(s.cluster for s in chosen)
    assert all(taken[c] == sizes[c] for c in taken)
    assert len(chosen) <= limit or len(taken) == 1
    assert chosen == subset(rows, limit, seed)
    assert [s.id for s in chosen] == [s.id for s in rows if s.cluster in taken]


def test_groups_stay_balanced():
    rows = [Sample(f"{g}{i}", f"{g}{i // 3}", g, None) for g in "ab" for i in range(60 if g == "a" else 600)]
    count = Counter(s.group for s in subset(rows, 60, 0))
    assert count == {"a": 30, "b": 30}


def test_another_seed_draws_other_clusters():
    rows = [Sample(str(i), str(i // 2), "g", None) for i in range(200)]
    assert subset(rows, 20, 0) != subset(rows, 20, 1)


@given(samples)
def test_clusters_become_neighbours(rows):
    ordered = by_cluster(rows)
    assert sorted(ordered, key=lambda s: int(s.id)) == rows
    seen: set[str] = set()
    for before, after in itertools.pairwise(ordered):
        seen.add(before.cluster)
        assert after.cluster == before.cluster or after.cluster not in seen
