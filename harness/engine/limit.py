"""`limit=N`: a seeded subset of whole clusters, balanced over groups."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from harness.core.types import Sample


def by_cluster(samples: Sequence[Sample]) -> list[Sample]:
    """Samples of one cluster side by side, clusters in order of first appearance: shared pictures meet."""
    clusters: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        clusters[sample.cluster].append(sample)
    return [sample for members in clusters.values() for sample in members]


def subset(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most `limit` samples: whole clusters in seeded order, each time from the group that has fewest so far.

    One cluster is taken even if it alone exceeds the limit. The order of `samples` is kept.
    """
    if limit is None or limit >= len(samples):
        return list(samples)
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[sample.cluster].append(sample)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    queues: dict[str, list[str]] = defaultdict(list)
    for cluster in reversed(order):
        for group in dict.fromkeys(s.group for s in members[cluster]):
            queues[group].append(cluster)
    taken: set[str] = set()
    count: Counter[str] = Counter(dict.fromkeys(queues, 0))
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
    return [s for s in samples if s.cluster in taken]
