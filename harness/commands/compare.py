"""harness compare: two or more runs, paired by sample, differences clustered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from harness.commands.words import parser, results_folder
from harness.core.errors import INCOMPLETE, HarnessError, UsageError


class NotComparable(HarnessError):
    """The runs differ in something that makes a difference meaningless."""

    exit_code = INCOMPLETE


def main(words: Sequence[str]) -> int:
    arguments = parser("compare", "runs paired by sample: what changed, and by how much more than chance")
    arguments.add_argument(
        "runs",
        nargs="+",
        metavar="RUN|KEY=VALUE",
        help="runs by name or beginning; or method=A method=B with filters such as task=pope (the newest run of each)",
    )
    arguments.add_argument("--json", action="store_true", help="JSON instead of tables")
    given = arguments.parse_args(words)
    results = results_folder(given.results)
    runs = _runs(results, given.runs)
    base, others = runs[0], runs[1:]
    found = [_compare(base, other) for other in others]
    if given.json:
        print(
            json.dumps(
                [f | {"rows": [{**r, "difference": asdict(r["difference"])} for r in f["rows"]]} for f in found],
                indent=1,
            )
        )
        return 0
    for comparison in found:
        _print(comparison)
    return 0


def _runs(results: Path, words: Sequence[str]) -> list[Any]:
    from harness.engine.runs import find, select

    names = [w for w in words if "=" not in w]
    filters = [w for w in words if "=" in w and not w.startswith("method=")]
    methods = [w for w in words if w.startswith("method=")]
    runs = [find(results, name) for name in names]
    for method in methods:
        fitting = [r for r in select(results, [*filters, method]) if r.record["status"] in ("done", "partial")]
        if not fitting:
            raise UsageError(f"no finished run has {' '.join([method, *filters])}: harness ls shows what there is")
        runs.append(fitting[0])
    if len(runs) < 2:
        raise UsageError("name two runs or more, for example: harness compare method=vanilla method=vista task=pope")
    return runs


def _compare(a: Any, b: Any) -> dict[str, Any]:
    import numpy as np

    from harness.stats import paired_mean

    for key in ("task", "task_version", "data"):
        if a.record[key] != b.record[key]:
            raise NotComparable(
                f"{a.name} and {b.name} cannot be compared: {key} is {a.record[key]} in one, "
                f"{b.record[key]} in the other"
            )
    if a.record["identity"]["task"]["fingerprint"] != b.record["identity"]["task"]["fingerprint"]:
        raise NotComparable(
            f"{a.name} and {b.name} cannot be compared: their records or the task's settings differ "
            "(harness show RUN prints both)"
        )
    left = {r.id: r for r in a.results() if r.outcome}
    right = {r.id: r for r in b.results() if r.outcome}
    both = [i for i in left if i in right]
    if not both:
        raise NotComparable(f"{a.name} and {b.name} share no scored sample")
    groups = list(dict.fromkeys(left[i].group for i in both))
    names = [n for n in left[both[0]].outcome.scores if n in right[both[0]].outcome.scores]
    rows = []
    for name in names:
        for group in [*groups, "all"] if len(groups) > 1 else ["all"]:
            ids = [i for i in both if group in ("all", left[i].group)]
            xs = np.array([left[i].outcome.scores[name] for i in ids], dtype=float)
            ys = np.array([right[i].outcome.scores[name] for i in ids], dtype=float)
            difference = paired_mean(xs, ys, [left[i].cluster for i in ids])
            assert is_dataclass(difference)
            rows.append({"score": name, "group": group, "a": xs.mean(), "b": ys.mean(), "difference": difference})
    return {
        "a": a.name,
        "b": b.name,
        "labels": [_label(a, b), _label(b, a)],
        "paired": len(both),
        "left_out": len(left) + len(right) - 2 * len(both),
        "rows": rows,
        "cost": [a.cost(), b.cost()],
    }


def _label(run: Any, other: Any) -> str:
    keys = [k for k in ("method", "model", "seed") if run.record[k] != other.record[k]] or ["method"]
    return ", ".join(str(run.record[k]) for k in keys)


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    from harness.loggers.tables import interval, number, terminal

    a, b = found["labels"]
    table = Table(
        title=f"{b} against {a}",
        caption=f"{found['paired']} samples paired; difference [95 % interval], by cluster; "
        "flips: right to wrong / wrong to right; MDE: smallest difference found with 80 % power",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("score", "group", a, b, "difference", "p", "flips", "MDE"):
        table.add_column(column, justify="left" if column in ("score", "group") else "right", no_wrap=True)
    for row in found["rows"]:
        d = row["difference"]
        table.add_row(
            row["score"],
            row["group"],
            number(row["a"]),
            number(row["b"]),
            interval(d.value, d.low, d.high),
            "" if d.p is None else f"{d.p:.3f}",
            f"{d.right_to_wrong}/{d.wrong_to_right}",
            "" if d.mde is None else number(d.mde),
        )
    out = terminal()
    out.print(table)
    base, other = found["cost"]
    for line in _cost(base, other, a):
        out.print(line, markup=False)
    if found["left_out"]:
        out.print(f"left out: {found['left_out']} samples that only one of the runs has scored", markup=False)


def _cost(base: dict[str, float], other: dict[str, float], name: str) -> list[str]:
    """What a sample costs, and how many times that of the base."""
    units = {
        "seconds": "seconds a sample",
        "tokens_per_second": "tokens a second",
        "passes": "decoder passes a sample",
        "positions": "decoder positions a sample",
        "peak_memory_gib": "GiB at the peak",
    }
    return [
        f"cost: {other[key]:.3g} {unit}, {other[key] / base[key]:.2f} times that of {name}"
        for key, unit in units.items()
        if base.get(key) and other.get(key)
    ]
