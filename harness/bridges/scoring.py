"""A peer's per-document metrics as our scores, and its aggregation as our metrics with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Result
from harness.stats import Estimate, blocks, mean

Aggregation = Callable[[list[Any]], Any]


def split(found: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """(numbers, everything else as JSON) of what a document's `process_results` returned.

    Booleans are numbers. What JSON cannot hold (arrays, tuples as keys) is kept as text.
    """
    scores: dict[str, float] = {}
    values: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, bool | int | float | np.number | np.bool_):
            scores[name] = float(value)
        else:
            values[name] = json.loads(json.dumps(value, default=_plain))
    return scores, values


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def metrics(
    results: Sequence[Result],
    names: Sequence[str],
    aggregation: Mapping[str, Aggregation],
    higher_is_better: Mapping[str, bool],
    primary: str | None = None,
    group: str = "all",
) -> list[Metric]:
    """One metric a name, computed by the peer's own aggregation, with an interval over clusters.

    Args:
        results: Finished results of one task; those without an outcome are left out.
        names: Scores or values by name ("acc", or "exact_match,strict" where the task has several filters).
        aggregation: By metric name without the filter; what is missing is the mean.
        higher_is_better: By metric name without the filter.
        primary: The name of the primary metric, if it is among these.
        group: Of the metrics.
    """
    out = []
    for name in names:
        plain = name.split(",")[0]
        rows = [(r, value) for r in results if (value := _value(r, name)) is not None]
        if not rows:
            continue
        clusters = [r.cluster for r, _ in rows]
        values = [value for _, value in rows]
        better = higher_is_better.get(plain)
        function = aggregation.get(plain)
        if _is_mean(function) and all(isinstance(v, float) for v in values):
            whole = bool(np.isin(values, (0.0, 1.0)).all())
            bounds = (0.0, 1.0) if all(0 <= v <= 1 for v in values) else (-math.inf, math.inf)
            estimate = mean(values, clusters, whole, bounds)
        else:
            assert function is not None
            try:
                estimate = blocks(lambda rows, f=function: _number(f(rows)), values, clusters)
            except Exception as e:  # the peer's code, on data that it was not made for: the other metrics stand
                said = f"the peer's aggregation failed: {type(e).__name__}: {str(e)[:160]}"
                estimate = Estimate(math.nan, None, None, None, len(rows), len(set(clusters)), said)
        out.append(estimate.metric(name, group, primary=name == primary, higher_is_better=better))
    return out


def _value(result: Result, name: str) -> Any:
    """Of one result: a number, or what `process_results` left for the aggregation."""
    if result.outcome is None:
        return None
    if name in result.outcome.scores:
        return result.outcome.scores[name]
    return result.outcome.details.get("values", {}).get(name)


def _is_mean(function: Aggregation | None) -> bool:
    return function is None or getattr(function, "__name__", "") in ("mean", "nanmean")


def _number(value: Any) -> float:
    """An aggregation's result as a number; NaN where it is none (lmms-eval's submission files)."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
