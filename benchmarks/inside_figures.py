"""The figures of docs/inside.md, from the runs that its blocks play:

python -m benchmarks.inside_figures [--results DIR] [--out docs/inside]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import harness

WIDTH, HEIGHT, LEFT, BASE = 460, 200, 44, 170
COLOURS = ("#0b6e99", "#c2571a")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", default="results")
    parser.add_argument("--out", type=Path, default=Path("docs/inside"))
    given = parser.parse_args()
    newest = {run.method: run for run in reversed(harness.runs(given.results))}
    draw(newest["image_attention"], newest["vista+image_attention"], newest["vhd+lost"], given.out)


def draw(plain: harness.Run, vista: harness.Run, pope: harness.Run, folder: Path) -> None:
    """All three into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = [by_token(run) for run in (plain, vista)]
    heads = np.mean([r.values for r in pope.reading("vhd.heads").values()], axis=0)
    entropy = pope.reading("lost.entropy")
    said = [r for r in pope.results() if r.outcome and r.outcome.verdict == "yes"]
    kinds = [
        [entropy[r.id].value for r in said if r.outcome and (r.outcome.scores["correct"] == 1) == right]
        for right in (True, False)
    ]
    for name, figure in {
        "looks-longer": lines(curves, ("vanilla", "VISTA"), "token of the caption", "attention to the picture"),
        "heads": grid(heads),
        "wrong-yes": histogram(kinds, ("right", "wrong"), "entropy before the yes, nats", "share of them"),
    }.items():
        (folder / f"{name}.svg").write_text(figure, encoding="utf-8")


def by_token(run: harness.Run, most: int = 20) -> list[float]:
    """Mean attention to the picture at each token, over the captions that have it."""
    curves = [r.values[:most] for r in run.reading("image_attention.image_steps").values()]
    return [float(np.mean([c[t] for c in curves if len(c) > t])) for t in range(max(map(len, curves)))]


def lines(curves: Sequence[Sequence[float]], names: Sequence[str], x: str, y: str) -> str:
    top = max(map(max, curves))
    step = (WIDTH - LEFT - 10) / (max(map(len, curves)) - 1)
    parts = []
    for curve, colour, dash in zip(curves, COLOURS, ("", "5 3"), strict=True):
        points = " ".join(f"{LEFT + i * step:.1f},{BASE - v / top * 150:.1f}" for i, v in enumerate(curve))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-dasharray="{dash}"/>')
    return _framed(parts, names, x, y, (f"{top:.2f}", f"1 to {max(map(len, curves))}"))


def histogram(kinds: Sequence[Sequence[float]], names: Sequence[str], x: str, y: str) -> str:
    """Each kind's shares in 14 bins."""
    edges = np.linspace(0, max(max(k, default=0.0) for k in kinds) or 1.0, 15)
    shares = [np.histogram(k, edges)[0] / max(1, len(k)) for k in kinds]
    top, step = max(s.max() for s in shares), (WIDTH - LEFT - 10) / 14
    parts = [
        f'<rect x="{LEFT + i * step + n * step / 2:.1f}" y="{BASE - v / top * 150:.1f}" width="{step / 2 - 1:.1f}" '
        f'height="{v / top * 150:.1f}" fill="{COLOURS[n]}"/>'
        for n, share in enumerate(shares)
        for i, v in enumerate(share)
    ]
    return _framed(parts, names, x, y, (f"{top:.2f}", f"0 to {edges[-1]:.2f}"))


def grid(heads: np.ndarray) -> str:
    """Layers down, heads across, the number in each cell."""
    parts, top = [], heads.max()
    for (l, h), v in np.ndenumerate(heads):
        x, y, dark = 60 + h * 60, 24 + l * 34, v > top / 2
        parts.append(f'<rect x="{x}" y="{y}" width="58" height="32" fill="#0b6e99" fill-opacity="{v / top:.2f}"/>')
        colour = "#fff" if dark else "#555"
        parts.append(f'<text x="{x + 29}" y="{y + 21}" text-anchor="middle" fill="{colour}">{v:.1f}</text>')
    parts += [f'<text x="6" y="{45 + l * 34}" fill="#888">layer {l}</text>' for l in range(len(heads))]
    parts += [
        f'<text x="{89 + h * 60}" y="16" text-anchor="middle" fill="#888">head {h}</text>'
        for h in range(heads.shape[1])
    ]
    return _svg(parts, 70 + 60 * heads.shape[1], 30 + 34 * len(heads))


def _framed(parts: Sequence[str], names: Sequence[str], x: str, y: str, ends: tuple[str, str]) -> str:
    """With axes named at their ends, and a key."""
    key = [
        f'<text x="{WIDTH - 10 - 70 * (len(names) - 1 - n)}" y="14" text-anchor="end" fill="{c}">{name}</text>'
        for n, (name, c) in enumerate(zip(names, COLOURS, strict=True))
    ]
    axes = [
        f'<path d="M{LEFT} 20V{BASE}H{WIDTH - 10}" fill="none" stroke="#888"/>',
        f'<text x="{LEFT}" y="14" fill="#888">{y}</text><text x="6" y="26" fill="#888">{ends[0]}</text>',
        f'<text x="{WIDTH - 10}" y="{BASE + 18}" text-anchor="end" fill="#888">{x}, {ends[1]}</text>',
    ]
    return _svg([*axes, *parts, *key], WIDTH, HEIGHT)


def _svg(parts: Sequence[str], width: int, height: int) -> str:
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n{inner}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
