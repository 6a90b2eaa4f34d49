"""Which samples of a task a run plays: `ids=`, then `offset=` and `limit=`, a seeded draw of whole clusters that is
balanced over groups."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from harness.core.errors import UsageError, nearest
from harness.core.types import Sample

LOOKED_AT = 20_000
"""Ids among which the nearest to an unknown one are looked for."""


def by_cluster(samples: Sequence[Sample]) -> list[Sample]:
    """Samples of one cluster side by side, clusters in order of first appearance: shared pictures meet."""
    clusters: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        clusters[sample.cluster].append(sample)
    return [sample for members in clusters.values() for sample in members]


def named(samples: Sequence[Sample], ids: Collection[str] | None) -> list[Sample]:
    """Those with these ids, in the order of `samples`; all for None. Raises UsageError for ids that none has."""
    if ids is None:
        return list(samples)
    wanted, known = set(ids), [s.id for s in samples]
    if unknown := sorted(wanted.difference(known)):
        others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise UsageError(f"ids=: no sample is called {unknown[0]}{others}: {nearest(unknown[0], known[:LOOKED_AT])}")
    return [s for s in samples if s.id in wanted]


def subset(samples: Sequence[Sample], limit: int | None, seed: int, offset: int = 0) -> list[Sample]:
    """At most `limit` samples: whole clusters in seeded order, each time from the group that has fewest so far.

    One cluster is taken even if it alone exceeds the limit. The order of `samples` is kept. `offset`: the draw goes on
    after the samples that this limit would draw, and takes none of them.
    """
    if not offset and (limit is None or limit >= len(samples)):
        return list(samples)
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[sample.cluster].append(sample)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    count = Counter(dict.fromkeys((s.group for s in samples), 0))
    passed = _drawn(members, order, count, offset) if offset else set[str]()
    rest = [c for c in order if c not in passed]
    taken = set(rest) if limit is None else _drawn(members, rest, count, limit)
    return [s for s in samples if s.cluster in taken]


def _drawn(members: Mapping[str, Sequence[Sample]], order: Sequence[str], count: Counter[str], limit: int) -> set[str]:
    """Clusters of at most `limit` samples in all. `count`: samples of each group so far, brought up to date."""
    queues: dict[str, list[str]] = defaultdict(list)
    for cluster in reversed(order):
        for group in dict.fromkeys(s.group for s in members[cluster]):
            queues[group].append(cluster)
    taken: set[str] = set()
    total = 0
    while queues:
        group = min(queues, key=lambda g: (count[g], g))
        while queues[group] and queues[group][-1] in taken:
            queues[group].pop()
        if not queues[group]:
            del queues[group]
            continue
        cluster = queues[group].pop()
        if taken and total + len(members[cluster]) > limit:
            continue
        taken.add(cluster)
        total += len(members[cluster])
        count.update(s.group for s in members[cluster])
    return taken
