"""A peer's per-document metrics as our scores, and its aggregation as our metrics with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.core import Metric, Result, UsageError
from harness.stats import Estimate, blocks, failed, mean

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
        own = name.split(",")[0]
        rows = [(r, value) for r in results if (value := _value(r, name)) is not None]
        if not rows:
            continue
        clusters = [r.cluster for r, _ in rows]
        values = [value for _, value in rows]
        better = higher_is_better.get(own)
        function = aggregation.get(own)
        if all(isinstance(v, float) for v in values) and _is_mean(function, values):
            whole = bool(np.isin(values, (0.0, 1.0)).all())
            bounds = (0.0, 1.0) if all(0 <= v <= 1 for v in values) else (-math.inf, math.inf)
            estimate = mean(values, clusters, whole, bounds)
        else:
            assert function is not None
            try:
                estimate = blocks(lambda rows, f=function: _number(f(rows)), values, clusters)
                if better and 0 <= estimate.value <= 1 and estimate.low is not None and estimate.high is not None:
                    # Shares, as good as all such metrics are, end at 1.
                    estimate = replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))
            except Exception as e:  # the peer's code, on data that it was not made for: the other metrics stand
                said = f"the peer's aggregation failed: {type(e).__name__}: {str(e)[:160]}"
                estimate = Estimate(math.nan, None, None, None, len(rows), len(set(clusters)), said)
        out.append(estimate.metric(name, group, primary=name == primary, higher_is_better=better))
    return out


def named(results: Sequence[Result]) -> list[str]:
    """The names of all scores and values, in order of appearance."""
    done = [r.outcome for r in results if r.outcome]
    return list(dict.fromkeys(n for o in done for n in (*o.scores, *o.details.get("values", {}))))


def summary(results: Sequence[Result], tasks: Mapping[str, Any], wanted: str | None, asked: str) -> list[Metric]:
    """All metrics of a bridged run: over all documents (as groups weigh by size), by task where there are several.

    Args:
        results: Finished results; the group of each is its task's name.
        tasks: The peer's task objects by name.
        wanted: The primary metric; None: the first.
        asked: The name that the user gave, for errors.

    Raises:
        UsageError: no metric is called `wanted`.
    """
    names = named(results)
    if not names:
        return [failed(results)]
    primary = wanted or names[0]
    if primary not in names:
        raise UsageError(f"unknown metric task.metric={primary} of {asked}: choose {', '.join(names)}")
    aggregation = {k: f for t in tasks.values() for k, f in t.aggregation().items()}
    better = {k: b for t in tasks.values() for k, b in t.higher_is_better().items()}
    out = metrics(results, names, aggregation, better, primary)
    if len(tasks) > 1:
        for name, task in tasks.items():
            own = [r for r in results if r.group == name]
            out += metrics(own, names, task.aggregation(), better, None, name)
    return [*out, failed(results)]


def plain(value: Any) -> Any:
    """A peer's target as JSON."""
    return json.loads(json.dumps(value, default=_plain))


def _value(result: Result, name: str) -> Any:
    """The value of one result: a number, or what `process_results` left for the aggregation."""
    if result.outcome is None:
        return None
    if name in result.outcome.scores:
        return result.outcome.scores[name]
    return result.outcome.details.get("values", {}).get(name)


def _is_mean(function: Aggregation | None, values: list[float]) -> bool:
    """Whether an aggregation is the mean, by its name or by what it does."""
    if function is None or getattr(function, "__name__", "") in ("mean", "nanmean"):
        return True
    try:
        return math.isclose(_number(function(list(values))), math.fsum(values) / len(values), rel_tol=1e-12)
    except Exception:
        return False


def _number(value: Any) -> float:
    """An aggregation's result as a number; NaN where it is none (lmms-eval's submission files)."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
