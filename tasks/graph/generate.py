"""Build the embedded records: python -m harness.tasks.graph.generate [--check] [--out DIR]."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.records.generate import generator
from harness.tasks.graph.listing import ARMS
from harness.tasks.graph.planted import GROUPS, NODES, VARIANTS, Variant, graph, listing, posterior

GRAPHS, CENTRES = 20, 2
"""Graphs of a variant, and nodes asked about in each."""


def build() -> dict[str, pa.Table]:
    """`records`: one row for each centre and arm; the arms of a centre show the same draw of its neighbourhood."""
    made = [row for variant in VARIANTS.values() for number in range(GRAPHS) for row in rows(variant, number)]
    texts = dict.fromkeys(("id", "cluster", "variant", "arm"), pa.string())
    kinds = {**texts, "centre": pa.int32(), "group": pa.string(), "listing": pa.string()}
    kinds["posterior"] = pa.list_(pa.float32())
    return {"records": pa.Table.from_pylist(made, pa.schema(list(kinds.items())))}


def rows(variant: Variant, number: int) -> Iterator[dict[str, Any]]:
    """The rows of one graph. The next graph's nodes are the unrelated ones of arm IV."""
    here, other = (graph(variant, random.Random(f"graph {variant.name} {n}")) for n in (number, (number + 1) % GRAPHS))
    rng, asked = random.Random(f"centres {variant.name} {number}"), 0
    for centre in rng.sample(range(NODES), NODES):
        if asked == CENTRES:
            return
        if (shown := listing(here, centre, rng)) is None:
            continue
        asked += 1
        for arm, perturb in ARMS.items():
            seen = perturb(shown, other.words, random.Random(f"{variant.name} {number} {centre} {arm}"))
            yield {
                "id": f"{variant.name}-{number}-{centre}-{arm}",
                "cluster": f"graph:{variant.name}-{number}",
                "variant": variant.name,
                "arm": arm,
                "centre": centre,
                "group": GROUPS[here.group[centre]],
                "listing": seen.text(),
                "posterior": [round(float(p), 6) for p in posterior(seen, variant)],
            }


def main(words: Sequence[str] | None = None) -> int:
    return generator("graph", __doc__, Path(__file__).parent / "embedded", build, words)


if __name__ == "__main__":
    sys.exit(main())
