"""MM-NIAH's verdicts and its table of cells (calculate_scores.py). Pure functions of finished results."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import failed, jackknife, mean, totals
from harness.tasks.mm_niah.normalise import has_word, normalised

SCORES = (Score("score", primary=True),)
EDGES = (1000, 2000, 4000, 8000, 12000, 16000, 24000, 32000, 40000, 48000, 64000)
COLUMNS = tuple(f"{e // 1000}k" for e in EDGES)
DEPTHS = 5
"""Bins of 0.2."""
SUBTASKS = tuple(f"{what}-{where}" for what in ("retrieval", "counting", "reasoning") for where in ("text", "image"))

Answer = int | str | list[int]


def score(answer: Answer, said: str) -> float:
    """1 or 0; for a list the share of equal places (`is_correct`). Never raises, where the official one may."""
    if isinstance(answer, int):
        return float(_chosen(said) == answer)
    if isinstance(answer, list):
        return _matches(answer, said)
    return float(has_word(normalised(said.strip(".")), normalised(answer)))


def _chosen(said: str) -> int | None:
    """The option's number by a digit or by a letter alone; "option d" is neither."""
    text = said.strip(".")
    if text.isdigit():
        return int(text) if text.isdecimal() else None
    text = text.lower().replace("the answer is", "").replace("*", "")
    if "." in text:
        text = text.split(".")[0].replace(",", "")
    text = text.strip()
    if "the camera is moving left" in text:
        text = "a"
    elif "the camera is moving right" in text:
        text = "b"
    return ord(text) - ord("a") if len(text) == 1 else None


def _matches(answer: list[int], said: str) -> float:
    try:
        read = json.loads(said.strip(".").replace("json", "").replace("```", "").strip())
        if isinstance(read, dict):
            read = list(chain.from_iterable(_lists(read.values())))
    except (ValueError, TypeError, RecursionError):
        return 0.0
    if not isinstance(read, list) or not answer:
        return 0.0
    return sum(a == b for a, b in zip(read, answer, strict=False)) / len(answer)


def _lists(values: Iterable[Any]) -> Iterable[list[Any]]:
    """Raises TypeError where one is not a list, as adding them up would."""
    for value in values:
        if not isinstance(value, list):
            raise TypeError(value)
        yield value


def column(length: int) -> str | None:
    """The table's column of a context length in tokens; None below 1000, which the official table leaves out."""
    at = bisect_right(EDGES, length)
    return COLUMNS[at - 1] if at else None


def depth_bin(placed: float | Sequence[float]) -> int:
    """0 to 4, by the mean where several needles were placed."""
    depth = float(np.mean(placed)) if isinstance(placed, Sequence) else float(placed)
    return min(int(depth / 0.2), DEPTHS - 1) if depth > 0 else 0


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`score` over all samples (primary), by subtask, column and cell; `official` is the table of the paper."""
    scored = [r for r in results if r.outcome is not None]
    if not scored:
        return [failed(results)]
    values = np.array([r.outcome.scores["score"] for r in scored if r.outcome])
    clusters = [r.cluster for r in scored]
    groups = [r.group for r in scored]
    columns = [column(_detail(r, "context_length")) or "<1k" for r in scored]
    bins = [depth_bin(_detail(r, "placed_depth")) for r in scored]
    out = [_mean(values, clusters).metric("score", primary=True)]
    out += [_part(values, clusters, groups, g) for g in dict.fromkeys(groups)]
    order = [c for c in ("<1k", *COLUMNS) if c in columns]
    out += [replace(_part(values, clusters, columns, c), group=f"length {c}") for c in order]
    cells = [f"{c} x {0.2 * b:.1f}" for c, b in zip(columns, bins, strict=True)]
    out += [
        replace(_part(values, clusters, cells, cell), name="cell")
        for c in order
        for cell in sorted({x for x in cells if x.startswith(f"{c} x ")})
    ]
    out += _official(values, clusters, groups, columns, bins)
    chance = [float(_detail(r, "chance")) for r in scored]
    out.append(mean(chance, clusters, False).metric("chance", higher_is_better=None))
    return [*out, failed(results)]


def _official(
    values: np.ndarray, clusters: Sequence[str], groups: Sequence[str], columns: Sequence[str], bins: Sequence[int]
) -> list[Metric]:
    """Per column the mean over five depth bins, an empty one counting 0, and over subtasks where all six are there."""
    names = [s for s in SUBTASKS if s in groups]
    if len(names) < len(SUBTASKS):
        return []
    out = []
    for c in (c for c in COLUMNS if c in columns):
        at = [i for i, x in enumerate(columns) if x == c]
        wide = np.zeros((len(at), 2 * len(SUBTASKS) * DEPTHS))
        for row, i in enumerate(at):
            place = names.index(groups[i]) * DEPTHS + bins[i] if groups[i] in names else None
            if place is not None:
                wide[row, 2 * place : 2 * place + 2] = values[i], 1
        kept = np.asarray(wide[:, 1::2].any(0))
        sums, n = wide[:, ::2][:, kept], wide[:, 1::2][:, kept]

        def table(counts: np.ndarray, k: int = int(kept.sum())) -> np.ndarray:
            n = counts[..., k:]
            return (counts[..., :k] / np.where(n > 0, n, 1)).sum(-1) / (len(SUBTASKS) * DEPTHS)

        estimate = jackknife(totals(np.hstack([sums, n]), [clusters[i] for i in at]), table, n=len(at))
        empty = int((~kept).sum())
        note = f"{empty} of {len(kept)} cells are empty and count 0, as officially" if empty else ""
        out.append(replace(estimate.metric("official", c), note=note))
    return out


def _detail(result: Result, name: str) -> Any:
    assert result.outcome
    return result.outcome.details[name]


def _mean(values: np.ndarray, clusters: Sequence[str]) -> Any:
    return mean(values, clusters, bool(np.isin(values, (0.0, 1.0)).all()))


def _part(values: np.ndarray, clusters: Sequence[str], labels: Sequence[str], label: str) -> Metric:
    at = [i for i, x in enumerate(labels) if x == label]
    return _mean(values[at], [clusters[i] for i in at]).metric("score", label)
