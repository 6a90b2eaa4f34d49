"""CHAIR and ScreenSpot under methods that act in the vision tower, beside vanilla: the tables of docs/tower.md.

    python benchmarks/tower_tasks.py play [--task screenspot chair] [--limit N] [--results DIR]
    python benchmarks/tower_tasks.py write

Intervals are of the paired difference to vanilla, clustered by page (ScreenSpot) or picture (CHAIR). Targets are told
apart by the side of a square of their area, in pixels of the picture that the tower reads.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cells import bounds, short, signed, table

import harness
from harness.plugins.registry import ROOT
from harness.stats import Difference, paired_jackknife, paired_mean, totals
from harness.stats.corrections import holm_of_tested

KEPT, PAGE = ROOT / "results/towers/tasks.json", ROOT / "docs/tower.md"
READS = 96
"""Pixels along each side of what tiny-llava's tower reads."""
SIZES = ("small", "middle", "large")
Arm = dict[str, dict[str, Any]]
WINDOWS: list[Arm] = [
    {"inward_window": {"factor": 1.5, "window": "full"}},
    {"inward_window": {"factor": 1.5, "window": "inward"}},
    {"inward_window": {"factor": 2, "window": "full"}},
    {"inward_window": {"factor": 2, "window": "inward"}},
]
SPARSE: list[dict[str, dict[str, Any]]] = [
    {"neighborhood": {"kernel": 2}},
    {"neighborhood": {"kernel": 4}},
    {"neighborhood": {"kernel": 4, "stride": "kernel"}},
    {"bi_level": {"top": 2}},
    {"bi_level": {"top": 4}},
]
FEWER: list[Arm] = [{"flowcut": {"keep": 288}}, {"prune": {"keep": 288, "by": "random"}}]
ARMS = {"screenspot": [*WINDOWS, {"neighborhood": {"kernel": 4}}], "chair": [*WINDOWS, *SPARSE, *FEWER]}


def name(arm: Arm) -> str:
    ((method, values),) = arm.items()
    return ", ".join([f"`{method}`", *(f"{k} {v}" for k, v in values.items())])


def played(task: str, arms: Sequence[Arm], limit: int | None, results: Path) -> list[harness.Run]:
    """Vanilla's run, then one for each arm; finished ones come from the store."""
    same: dict[str, Any] = {"model": "tiny-llava", "limit": limit, "results": results, "logger": "quiet"}
    return [harness.evaluate(task, method, **same) for method in ("vanilla", *arms)]


def scored(run: harness.Run) -> dict[str, Any]:
    return {r.id: r for r in run.results() if r.outcome}


def screenspot(runs: Sequence[harness.Run]) -> list[dict[str, Any]]:
    """Hits by size of the target in thirds, and the difference to vanilla of each."""
    base = scored(runs[0])
    ids = list(base)
    side = np.array([READS * base[i].outcome.details["random_click"] ** 0.5 for i in ids])
    edges = np.quantile(side, (1 / 3, 2 / 3))
    size = np.digitize(side, edges)
    pages = np.array([base[i].cluster for i in ids])
    out = []
    before = np.array([base[i].outcome.scores["hit"] for i in ids])
    for run in runs:
        found = scored(run)
        hits = np.array([found[i].outcome.scores["hit"] for i in ids])
        row: dict[str, Any] = {"all": {"hits": int(hits.sum()), "of": len(ids), **kept(before, hits, pages)}}
        for s, label in enumerate(SIZES):
            at = np.flatnonzero(size == s)
            row[label] = {"hits": int(hits[at].sum()), "of": len(at), **kept(before[at], hits[at], pages[at])}
        changed = sum(found[i].outcome.answer != base[i].outcome.answer for i in ids)
        out.append({"sizes": row, "answers_changed": changed, "edges": [round(float(e), 2) for e in edges]})
    return out


def kept(before: np.ndarray, after: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    return facts(paired_mean(before, after, clusters.tolist()))


def facts(d: Difference) -> dict[str, Any]:
    numbers = {"difference": d.value, "low": d.low, "high": d.high, "p": d.p}
    return {k: None if v is None else round(float(v), 4) for k, v in numbers.items()}


def chair(runs: Sequence[harness.Run]) -> list[dict[str, Any]]:
    """CHAIR_i, CHAIR_s, recall and tokens, and the differences to vanilla, paired by picture."""
    base = scored(runs[0])
    ids = list(base)
    clusters = [base[i].cluster for i in ids]
    out = []
    for run in runs:
        found, row = scored(run), dict[str, Any]()
        metrics = {m.name: m.value for m in run.stored.metrics if m.group == "all"}
        for figure, pair in made(run, ids).items():
            tables = [totals(t, clusters) for t in (made(runs[0], ids)[figure], pair)]
            ratio = lambda c: c[..., 0] / c[..., 1]  # noqa: E731
            d = paired_jackknife(*tables, ratio, n=len(ids))
            row[figure] = {"value": round(float(pair[:, 0].sum() / pair[:, 1].sum()), 4), **facts(d)}
        row["keys"] = metrics.get("visible_share")
        row["changed"] = sum(found[i].outcome.answer != base[i].outcome.answer for i in ids)
        out.append(row)
    return out


def made(run: harness.Run, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Above and below [n, 2] of each figure."""
    of = scored(run)
    columns = {k: np.array([of[i].outcome.scores[k] for i in ids]) for k in next(iter(of.values())).outcome.scores}
    one = np.ones(len(ids))
    return {
        "chair_i": np.stack([columns["hallucinated"], columns["mentioned"]], 1),
        "chair_s": np.stack([columns["hallucinates"], one], 1),
        "recall": np.stack([columns["recalled"], columns["objects"]], 1),
        "tokens": np.stack([np.array([of[i].new_tokens for i in ids], float), one], 1),
    }


def play(
    task: str, limit: int | None, results: Path, arms: Sequence[dict[str, dict[str, Any]]] | None = None
) -> dict[str, Any]:
    chosen = ARMS[task] if arms is None else arms
    runs = played(task, chosen, limit, results)
    rows = screenspot(runs) if task == "screenspot" else chair(runs)
    labels = ["vanilla", *map(name, chosen)]
    first = scored(runs[0])
    clusters = len({r.cluster for r in first.values()})
    return {"samples": len(first), "clusters": clusters, "rows": dict(zip(labels, rows, strict=True))}


def keep(task: str, found: dict[str, Any], file: Path) -> None:
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**known, task: found}, indent=1) + "\n", encoding="utf-8")


def shown(d: dict[str, Any]) -> str:
    return signed(d["difference"]) + bounds(d["low"], d["high"])


def _p(p: float) -> str:
    return "< .001" if p < 0.001 else short(p)


def tables(found: dict[str, Any]) -> dict[str, str]:
    """Markdown of each task."""
    out = {}
    if "screenspot" in found:
        heads = ["method", *SIZES, "all", "difference, small", "difference, all"]
        lines = [heads]
        for label, row in found["screenspot"]["rows"].items():
            sizes = row["sizes"]
            hits = [f"{sizes[s]['hits']}/{sizes[s]['of']}" for s in (*SIZES, "all")]
            rest = ["", ""] if label == "vanilla" else [shown(sizes["small"]), shown(sizes["all"])]
            lines.append([label, *hits, *rest])
        out["screenspot"] = table(lines)
    if "chair" in found:
        rows = found["chair"]["rows"]
        others = [k for k in rows if k != "vanilla"]
        ps = dict(zip(others, holm_of_tested([rows[k]["chair_i"]["p"] for k in others]), strict=True))
        lines = [["method", "CHAIR_i", "difference", "p (Holm)", "recall", "difference", "captions changed"]]
        for label, row in rows.items():
            i, r, plain = row["chair_i"], row["recall"], label == "vanilla"
            p = "" if (corrected := ps.get(label)) is None else _p(corrected)
            rest = ["", "", "", ""] if plain else [shown(i), p, shown(r), str(row["changed"])]
            lines.append([label, short(i["value"]), rest[0], rest[1], short(r["value"]), rest[2], rest[3]])
        out["chair"] = table(lines)
    return out


def write(found: dict[str, Any], page: Path = PAGE) -> None:
    text = page.read_text(encoding="utf-8")
    for task, made in tables(found).items():
        mark = re.compile(rf"(<!-- {task}: [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)
        text = mark.sub(lambda m, made=made: f"{m[1]}\n{made}\n{m[2]}", text)
    page.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "write"))
    parser.add_argument("--task", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--keep", type=Path, default=KEPT)
    given = parser.parse_args()
    if given.what == "play":
        for task in given.task:
            keep(task, play(task, given.limit, given.results), given.keep)
    else:
        write(json.loads(given.keep.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
