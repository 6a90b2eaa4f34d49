"""How often 95 % intervals hold the truth: clustered binary, graded, rare events, ratios and paired differences.

    python benchmarks/coverage.py [--draws 4000]

Data: each cluster has a rate of its own, Beta-distributed around the truth with intra-cluster correlation `--icc`; its
items are drawn from it. n runs from 30 to 10,000 items. Beside the harness's interval stands the naive one, which
takes every item as independent and adds 1.96 standard errors.
"""

from __future__ import annotations

import argparse

import numpy as np

from harness.stats import jackknife, mean, paired_jackknife, paired_mean, totals
from harness.stats.intervals import Z

SHAPES = ((30, 1), (60, 6), (500, 1), (540, 18), (3000, 6), (9000, 18), (10_000, 1))
"""(items, items a cluster)."""


def rates(rng: np.random.Generator, p: float, icc: float, clusters: int) -> np.ndarray:
    """One rate a cluster, mean p: Beta with a + b = 1/icc - 1."""
    size = 1 / icc - 1
    return rng.beta(p * size, (1 - p) * size, clusters)


def binary(rng: np.random.Generator, p: float, icc: float, clusters: int, size: int) -> np.ndarray:
    """0/1 scores [clusters * size]."""
    return (rng.random((clusters, size)) < rates(rng, p, icc, clusters)[:, None]).astype(float).ravel()


def naive(scores: np.ndarray, truth: float) -> bool:
    half = Z * scores.std(ddof=1) / np.sqrt(len(scores))
    return bool(abs(scores.mean() - truth) <= half)


def simulate(kind: str, p: float, icc: float, n: int, size: int, draws: int) -> tuple[float, float]:
    """Coverage of our interval and of the naive one."""
    rng = np.random.default_rng([n, size, round(p * 1e4)])
    count = n // size
    cluster = np.repeat(np.arange(count), size)
    ours = plain = 0
    for _ in range(draws):
        if kind == "binary":
            scores, truth = binary(rng, p, icc, count, size), p
            got = mean(scores, cluster)
        elif kind == "graded":
            scores, truth = rng.beta(2, 2 * (1 - p) / p, n) * 0.5 + 0.5 * np.repeat(rates(rng, p, icc, count), size), p
            got = mean(scores, cluster, binary=False)
        elif kind == "ratio":  # hallucinated over mentioned objects: a rate per picture, Poisson mentions
            mentions = rng.poisson(4, n) + 1
            scores = rng.binomial(mentions, np.repeat(rates(rng, p, icc, count), size)).astype(float)
            truth = p
            got = jackknife(totals(np.stack([scores, mentions], 1), cluster), lambda c: c[..., 0] / c[..., 1], n=n)
            scores = scores / mentions
        elif kind == "paired":  # two systems that share a cluster's rate and differ in their noise: no difference
            rate = np.repeat(rates(rng, p, icc, count), size)
            a, b = ((rng.random(n) < rate).astype(float) for _ in "ab")
            scores, truth = b - a, 0.0
            got = paired_mean(a, b, cluster)
        else:  # paired F1
            rate = np.repeat(rates(rng, p, icc, count), size)
            target = rng.random(n) < 0.5
            tables = []
            for _ in "ab":
                yes = np.where(rng.random(n) < rate, target, ~target)
                cells = np.stack([yes & target, yes & ~target, ~yes & target], 1).astype(float)
                tables.append(totals(cells, cluster))
            got = paired_jackknife(*tables, lambda c: 2 * c[..., 0] / (2 * c[..., 0] + c[..., 1] + c[..., 2]), n=n)
            ours += got.low is not None and got.high is not None and got.low <= 0 <= got.high
            continue
        ours += got.low is not None and got.high is not None and got.low <= truth <= got.high
        plain += naive(scores, truth)
    return ours / draws, plain / draws if kind != "paired F1" else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--icc", type=float, default=0.2)
    args = parser.parse_args()
    cases = [("binary", p) for p in (0.5, 0.9, 0.98, 0.995)]
    cases += [("graded", 0.5), ("ratio", 0.15), ("ratio", 0.02), ("paired", 0.8), ("paired", 0.98), ("paired F1", 0.8)]
    print("| score | truth |" + "".join(f" n {n}, m {m} |" for n, m in SHAPES))
    print("|---|---:|" + "---:|" * len(SHAPES))
    for kind, p in cases:
        cells = []
        for n, size in SHAPES:
            draws = args.draws if n < 9000 else args.draws // 2
            ours, plain = simulate(kind, p, args.icc, n, size, draws)
            cells.append(f"{100 * ours:.1f}" + ("" if plain != plain else f" ({100 * plain:.0f})"))
        print(f"| {kind} | {p:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
