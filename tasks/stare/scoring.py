"""Accuracy of all, by set and category; the public leaderboard's overall; macro-F1 of the yes/no categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import failed, jackknife, mean, totals

SCORES = (Score("correct", primary=True), Score("unparsed", higher_is_better=False))
CATEGORIES = {
    "2d": "2D transformation",
    "3d": "3D transformation",
    "folding": "cube net",
    "tangram": "tangram",
    "temporal": "temporal",
    "perspective": "perspective",
}
CONFIGS = (
    "2d_va", "2d_text_instruct", "3d_va", "3d_text_instruct", "folding_nets", "tangram_puzzle", "temporal",
    "perspective", "2d_va_vsim", "2d_text_instruct_vsim", "3d_va_vsim", "3d_text_instruct_vsim", "folding_nets_vsim",
    "tangram_puzzle_vsim",
)  # fmt: skip
YES_NO = ("cube net", "tangram")
CHANCE = {"temporal": 1 / 3, "cube net": 0.5, "tangram": 0.5}
"""0.25 where not named."""


def category(config: str) -> str:
    return CATEGORIES[config.lower().split("_")[0]]


def simulated(config: str) -> bool:
    return config.lower().endswith("vsim")


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`accuracy` (primary; the script's micro average), `overall` (the leaderboard's), `macro_f1`, `unparsed`."""
    scored = [r for r in results if r.outcome is not None]
    if not scored:
        return [failed(results)]
    right = np.array([r.outcome.scores["correct"] for r in scored if r.outcome])
    clusters = [r.cluster for r in scored]
    configs = [r.group for r in scored]
    out = [mean(right, clusters).metric("accuracy", primary=True)]
    if all(any(category(c) == k for c in configs) for k in CATEGORIES.values()):
        out.append(_overall(right, configs, clusters))
    labels = [f"{category(c)}{', simulated' if simulated(c) else ''}" for c in configs]
    for names in (labels, configs):
        for name in dict.fromkeys(names):
            if names is configs and name in labels:  # temporal is a category and its only set
                continue
            at = [i for i, x in enumerate(names) if x == name]
            out.append(mean(right[at], [clusters[i] for i in at]).metric("accuracy", name))
    classes = dict.fromkeys(x for x in labels if x.split(",")[0] in YES_NO)
    out += [_macro_f1([r for r, x in zip(scored, labels, strict=True) if x == name], name) for name in classes]
    unparsed = mean([r.outcome.scores["unparsed"] for r in scored if r.outcome], clusters)
    return [*out, unparsed.metric("unparsed", higher_is_better=False), failed(results)]


def _overall(right: np.ndarray, configs: Sequence[str], clusters: Sequence[str]) -> Metric:
    """The unweighted mean over six categories of mean(without, with simulation), of those that are there."""
    cells = sorted({(category(c), simulated(c)) for c in configs})
    at = {cell: i for i, cell in enumerate(cells)}
    k = len(cells)
    wide = np.zeros((len(configs), 2 * k))
    for i, (config, value) in enumerate(zip(configs, right, strict=True)):
        place = at[category(config), simulated(config)]
        wide[i, place], wide[i, k + place] = value, 1
    share = np.array([1 / sum(c == name for c, _ in cells) / len(CATEGORIES) for name, _ in cells])
    return jackknife(
        totals(wide, clusters), lambda c: (c[..., :k] / c[..., k:] * share).sum(-1), n=len(configs)
    ).metric("overall")


def _macro_f1(results: Sequence[Result], name: str) -> Metric:
    """Mean of F1(yes) and F1(no); an answer that is neither is wrong for both."""
    rows = []
    for r in results:
        assert r.outcome
        key, said = r.outcome.details["class"], r.outcome.details["said"]
        rows.append(
            [float(key == said == c) for c in ("yes", "no")] + [float((key == c) + (said == c)) for c in ("yes", "no")]
        )

    def f1(c: np.ndarray) -> np.ndarray:
        return (2 * c[..., :2] / np.where(c[..., 2:] > 0, c[..., 2:], 1)).mean(-1)

    return jackknife(totals(np.array(rows), [r.cluster for r in results]), f1, n=len(results)).metric("macro_f1", name)
