"""What the tower knows beside what the model says: docs/blindness.md, from runs of POPE with the probe `tower`.

    python benchmarks/blindness.py play [--model tiny-llava] [--limit 3600] [--scenes 1500] [--device cpu]
    python benchmarks/blindness.py write     # the page's block and its figure, from results/towers/blindness.json

`play` draws pictures of the calibration range, fits the probe to them, and keeps the figures of one model.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cells import bounds, short, table

import harness
from harness.embedded.scenes import CALIBRATION, scene
from harness.plugins.registry import ROOT
from harness.stats import Estimate, jackknife, mean, totals
from harness.stats.auroc import auroc
from harness.stats.ranks import spearman

KEPT, PAGE = ROOT / "results/towers/blindness.json", ROOT / "docs/blindness.md"
FIGURE = "inside/blindness.svg"
BLOCK = re.compile(r"(<!-- blindness: [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)
ASKED = re.compile(r"^Is there an? (.+) in the ima?ge\?$")
MODELS = ("tiny-llava", "smol-llava")
LEAST = 5
"""Questions of either answer that a class needs to be shown by itself."""


@dataclass(frozen=True)
class Questions:
    """One row a question that names a class, each picture and class once: the score of the probe and the log-odds of
    the model, both above 0 for yes."""

    knows: np.ndarray
    says: np.ndarray
    truth: np.ndarray
    pictures: list[str]
    names: list[str]

    @property
    def kinds(self) -> dict[str, np.ndarray]:
        """Which questions count for what: the model's two kinds of error, and all."""
        wrong = (self.says > 0) != self.truth
        return {"invented": wrong & ~self.truth, "missed": wrong & self.truth, "wrong": wrong, "right": ~wrong}


def questions(run: harness.Run) -> Questions:
    """Those of a run with the probe `tower`. A question that several splits ask counts once."""
    asked, said = run.reading("tower.asked"), run.reading("tower.said")
    rows, seen = [], set[tuple[str, str]]()
    for r in run.results():
        if not r.outcome or r.id not in asked or r.id not in said:
            continue
        found = ASKED.match(str(r.outcome.details.get("question")))
        if found and (r.cluster, found[1]) not in seen:
            seen.add((r.cluster, found[1]))
            rows.append((asked[r.id].value, said[r.id].value, r.target == "yes", r.cluster, found[1]))
    knows, says, truth, pictures, names = zip(*rows, strict=True)
    return Questions(np.array(knows), np.array(says), np.array(truth), list(pictures), list(names))


def share(of: np.ndarray, among: np.ndarray, pictures: Sequence[str]) -> Estimate:
    """The share of `among` that is `of`, with an interval over pictures."""
    table = totals(np.stack([of & among, among], 1).astype(float), pictures)
    return jackknife(table, lambda c: c[..., 0] / c[..., 1], n=int(among.sum()))


def figures(q: Questions) -> dict[str, Any]:
    """What the page tells of one model."""
    blind = (q.knows > 0) != q.truth
    kinds = q.kinds
    labels = sorted(set(q.names))
    at = {n: np.array([m == n for m in q.names]) for n in labels}
    classes = {}
    for name in labels:
        yes, no = int((q.truth & at[name]).sum()), int((~q.truth & at[name]).sum())
        if min(yes, no) >= LEAST:
            rows = np.flatnonzero(at[name])
            pair = [auroc(x[rows], q.truth[rows], [q.pictures[i] for i in rows]).value for x in (q.knows, q.says)]
            wrong = float((kinds["wrong"] & at[name]).sum() / at[name].sum())
            classes[name] = {"questions": yes + no, "knows": pair[0], "says": pair[1], "wrong": wrong}
    found = {
        "questions": len(q.truth),
        "pictures": len(set(q.pictures)),
        "accuracy": _kept(mean((~kinds["wrong"]).astype(float), q.pictures)),
        "probe_accuracy": _kept(mean((~blind).astype(float), q.pictures)),
        "knows": _kept(auroc(q.knows, q.truth, q.pictures)),
        "says": _kept(auroc(q.says, q.truth, q.pictures)),
        "blind": {k: {**_kept(share(blind, rows, q.pictures)), "of": int(rows.sum())} for k, rows in kinds.items()},
        "classes": classes,
    }
    xs, ys = ([c[k] for c in classes.values()] for k in ("knows", "says"))
    alike = float(spearman(xs, ys)) if len(classes) > 2 else None
    found["rank_correlation"] = None if alike is None else 0.0 if math.isnan(alike) else round(alike, 3)
    return found


def _kept(e: Estimate) -> dict[str, float | None]:
    numbers = {"value": e.value, "low": e.low, "high": e.high}
    return {k: None if v is None or not math.isfinite(v) else round(float(v), 4) for k, v in numbers.items()}


def drawn(folder: Path, count: int) -> Path:
    """The file of so many annotated pictures, which no evaluation uses; 1,500 take 15 CPU seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"pictures-{count}.jsonl"
    if not file.is_file():
        rows = []
        for seed in CALIBRATION[1000 : 1000 + count]:
            made = scene(seed, 224, min_objects=3)
            made.picture.save(folder / f"{seed}.png")
            rows.append(json.dumps({"image": f"{seed}.png", "objects": made.objects}) + "\n")
        file.write_text("".join(rows), encoding="utf-8")
    return file


def play(model: str, limit: int, scenes: int, results: Path, device: str = "cpu") -> dict[str, Any]:
    """Play POPE with the probe, or take it from the store."""
    pictures, chosen = drawn(results / "scenes", scenes), {model: {"device": device}}
    same: dict[str, Any] = {"limit": limit, "calibration": str(pictures), "results": results, "logger": "quiet"}
    run = harness.evaluate("pope", "tower", model=chosen, **same)
    return {"scenes": scenes, "device": device, **figures(questions(run))}


def keep(model: str, found: dict[str, Any], file: Path = KEPT) -> None:
    """Beside what is kept of other models."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    order = {m: i for i, m in enumerate(MODELS)}
    merged = dict(sorted({**known, model: found}.items(), key=lambda item: order.get(item[0], len(order))))
    file.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")


def block(kept: dict[str, Any]) -> str:
    """The tables of the page."""
    names = list(kept)
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("questions (picture and class), pictures", lambda f: f"{f['questions']}, {f['pictures']}"),
        ("accuracy of what the model says", lambda f: _said(f["accuracy"])),
        ("accuracy of the probe", lambda f: _said(f["probe_accuracy"])),
        ("AUROC of what the model says", lambda f: _said(f["says"])),
        ("AUROC of the probe: what the tower knows", lambda f: _said(f["knows"])),
        ("objects invented (a wrong yes)", lambda f: str(f["blind"]["invented"]["of"])),
        ("... of which the probe is wrong, too: blindness", lambda f: _said(f["blind"]["invented"])),
        ("... of which the probe is right: language", lambda f: _rest(f["blind"]["invented"])),
        ("objects missed (a wrong no)", lambda f: str(f["blind"]["missed"]["of"])),
        ("... blindness", lambda f: _said(f["blind"]["missed"])),
        ("... language", lambda f: _rest(f["blind"]["missed"])),
        ("the probe is wrong where the model is right", lambda f: _said(f["blind"]["right"])),
        ("classes shown, rank correlation of the two AUROCs", _classes),
    ]
    cells = [[name, *(said(kept[n]) for n in names)] for name, said in rows]
    return table([["", *(f"`{n}`" for n in names)], *cells], text=1 + len(names))


def _said(e: dict[str, Any]) -> str:
    if e["value"] is None:
        return "none"
    return short(e["value"]) + bounds(e["low"], e["high"])


def _rest(e: dict[str, Any]) -> str:
    flipped = {"value": "value", "low": "high", "high": "low"}
    return _said({k: None if e[v] is None else 1 - e[v] for k, v in flipped.items()})


def _classes(f: dict[str, Any]) -> str:
    r = f["rank_correlation"]
    return f"{len(f['classes'])}" + ("" if r is None else f", {r:.2f}")


def figure(kept: dict[str, Any]) -> str:
    """Of each model its classes, what the tower knows across, what the model says up, and what errors are made of."""
    side, gap = 250, 60
    parts, wide = [], gap + len(kept) * (side + gap)
    for n, (model, f) in enumerate(kept.items()):
        x0, y0 = gap + n * (side + gap), 30
        parts.append(f'<text x="{x0}" y="20" fill="#444">{model}</text>')
        parts.append(f'<path d="M{x0} {y0}V{y0 + side}H{x0 + side}" fill="none" stroke="#888"/>')
        parts.append(f'<path d="M{x0} {y0 + side}L{x0 + side} {y0}" stroke="#bbb" stroke-dasharray="3 3"/>')
        for name, c in f["classes"].items():
            x, y = (max(0.0, min(1.0, (v - 0.4) / 0.6)) * side for v in (c["knows"], c["says"]))
            tip = (
                f"{name}: the tower knows {c['knows']:.2f}, the model says {c['says']:.2f}, {c['questions']} questions"
            )
            parts.append(
                f'<circle cx="{x0 + x:.1f}" cy="{y0 + side - y:.1f}" r="3.5" fill="#0b6e99" fill-opacity=".55">'
                f"<title>{tip}</title></circle>"
            )
        for v in (0.4, 0.7, 1.0):
            at = (v - 0.4) / 0.6 * side
            parts.append(f'<text x="{x0 - 6}" y="{y0 + side - at + 4:.1f}" text-anchor="end" fill="#888">{v}</text>')
            parts.append(f'<text x="{x0 + at:.1f}" y="{y0 + side + 16}" text-anchor="middle" fill="#888">{v}</text>')
        parts.append(
            f'<text x="{x0 + side / 2}" y="{y0 + side + 32}" text-anchor="middle" fill="#888">'
            "AUROC of a class: the tower knows</text>"
        )
        middle = y0 + side / 2
        parts.append(
            f'<text transform="translate({x0 - 34} {middle}) rotate(-90)" text-anchor="middle" fill="#888">'
            "the model says</text>"
        )
        for i, (kind, words) in enumerate((("invented", "invented"), ("missed", "missed"))):
            e, y = f["blind"][kind], y0 + side + 52 + 26 * i
            blind = (e["value"] or 0.0) * side
            parts.append(f'<rect x="{x0}" y="{y}" width="{blind:.1f}" height="16" fill="#444"/>')
            parts.append(f'<rect x="{x0 + blind:.1f}" y="{y}" width="{side - blind:.1f}" height="16" fill="#c2571a"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 13}" text-anchor="end" fill="#888">{words}</text>')
    parts.append(
        f'<text x="{gap}" y="{30 + side + 122}" fill="#444">errors: dark, blindness (the probe is wrong, too); '
        '<tspan fill="#c2571a">orange, language</tspan></text>'
    )
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {side + 165}" width="{wide}" '
        f'height="{side + 165}" font-family="sans-serif" font-size="12">\n{inner}\n</svg>\n'
    )


def write(kept: dict[str, Any], page: Path = PAGE) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(BLOCK.sub(lambda m: m[1] + "\n" + block(kept) + "\n" + m[2], text), encoding="utf-8")
    (page.parent / FIGURE).parent.mkdir(exist_ok=True)
    (page.parent / FIGURE).write_text(figure(kept), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "write"))
    parser.add_argument("--model", choices=MODELS, default=MODELS[0])
    parser.add_argument("--limit", type=int, default=3600)
    parser.add_argument("--scenes", type=int, default=1500)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--keep", type=Path, default=KEPT)
    given = parser.parse_args()
    if given.what == "play":
        found = play(given.model, given.limit, given.scenes, given.results, given.device)
        keep(given.model, found, given.keep)
    else:
        write(json.loads(given.keep.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
