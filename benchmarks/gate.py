"""False alarms and power of the regression gate, by simulation: `python benchmarks/gate.py`.

POPE-like pairs of runs: `--images` clusters of 18 questions. A question is answered by a threshold on image effect,
question effect and noise; two runs of one system differ in their noise only, so their answers flip together within an
image. Beside the gate's clustered test stands the naive one, which takes every question as independent.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from scipy.special import ndtr

from harness.stats import paired_mean
from harness.stats.decision import Check, judge

QUESTIONS = 18


def pair(rng: np.random.Generator, images: int, loss: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """0/1 scores of two runs, and each row's image. `loss`: how much lower the second run's threshold lies."""
    image = np.repeat(rng.standard_normal(images), QUESTIONS)
    question = rng.standard_normal(images * QUESTIONS)
    base = 1.1 + 0.7 * image + 0.7 * question
    # Run-to-run noise is partly shared within an image: each run reads a picture a little differently as a whole.
    noise = [
        0.35 * np.repeat(rng.standard_normal(images), QUESTIONS) + 0.25 * rng.standard_normal(len(base)) for _ in "ab"
    ]
    return (
        (base + noise[0] > 0).astype(float),
        (base - loss + noise[1] > 0).astype(float),
        np.repeat(np.arange(images), QUESTIONS),
    )


def naive(a: np.ndarray, b: np.ndarray, alpha: float, delta: float) -> bool:
    """A one-sided z test on rows, with the same margin."""
    d = b - a
    error = d.std(ddof=1) / np.sqrt(len(d))
    return bool(error > 0 and ndtr(d.mean() / error) < alpha and d.mean() <= -delta)


def rates(images: int, loss: float, gates: int, delta: float, alpha: float, seed: int) -> dict[str, float]:
    """Shares of the gates that end in each state, and that the naive test calls red."""
    rng = np.random.default_rng(seed)
    count: dict[str, int] = {}
    red, drops = 0, []
    for _ in range(gates):
        a, b, clusters = pair(rng, images, loss)
        (verdict,) = judge([Check(paired_mean(a, b, clusters), False, delta)], alpha)
        count[verdict.state] = count.get(verdict.state, 0) + 1
        red += naive(a, b, alpha, delta)
        drops.append(float((b - a).mean()))
    return {"drop": float(np.mean(drops)), **{k: v / gates for k, v in sorted(count.items())}, "naive_red": red / gates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gates", type=int, default=2000)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    # Margin 0: the rule "significantly worse" alone, whose false alarms must stay below alpha.
    for name, loss, delta in (
        ("no change, no margin", 0.0, 0.0),
        ("no change, margin 1 point", 0.0, 0.01),
        ("a loss of about 3 points", 0.12, 0.01),
        ("a loss of about 6 points", 0.25, 0.01),
    ):
        print(
            json.dumps(
                {"case": name, "delta": delta, **rates(args.images, loss, args.gates, delta, args.alpha, args.seed)}
            )
        )


if __name__ == "__main__":
    main()
