"""Tangram of rectangles (and unions of two) on a board of 3 x 3 or 4 x 4. The key is proved by search."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from harness.tasks.stare.puzzles.item import INK, Item, blank, text, yes_no

Cell = tuple[int, int]
Piece = tuple[Cell, ...]
"""Cells that a piece covers, sorted, from (0, 0)."""
Place = tuple[int, Piece]
COLOURS = (
    (231, 111, 81), (42, 157, 143), (233, 196, 106), (100, 149, 237), (186, 104, 200), (129, 199, 132), (255, 138, 101),
    (144, 164, 174), (77, 182, 172),
)  # fmt: skip
CELL = 26


def normal(cells: Sequence[Cell]) -> Piece:
    x0, y0 = min(x for x, _ in cells), min(y for _, y in cells)
    return tuple(sorted((x - x0, y - y0) for x, y in cells))


def ways(piece: Piece) -> list[Piece]:
    """Its distinct turns and mirror images."""
    out: dict[Piece, None] = {}
    for mirror in (1, -1):
        now: list[Cell] = [(x * mirror, y) for x, y in piece]
        for _ in range(4):
            now = [(-y, x) for x, y in now]
            out[normal(now)] = None
    return list(out)


def solve(n: int, pieces: Sequence[Piece]) -> list[Place] | None:
    """Places (piece, cells) that cover the board exactly, every piece once; None if there are none."""
    if sum(map(len, pieces)) != n * n:
        return None
    return _cover(frozenset((x, y) for y in range(n) for x in range(n)), list(range(len(pieces))), pieces)


def _cover(free: frozenset[Cell], left: list[int], pieces: Sequence[Piece]) -> list[Place] | None:
    if not free:
        return []
    first = min(free, key=lambda c: (c[1], c[0]))
    tried: set[Piece] = set()
    for i in left:
        for form in ways(pieces[i]):
            if form in tried:
                continue
            tried.add(form)
            for ax, ay in form:
                cells = tuple((x - ax + first[0], y - ay + first[1]) for x, y in form)
                if free.issuperset(cells):
                    rest = _cover(free.difference(cells), [j for j in left if j != i], pieces)
                    if rest is not None:
                        return [(i, cells), *rest]
    return None


def cut(n: int, rng: random.Random) -> list[Piece]:
    """The board by guillotine cuts: the largest piece is cut across its longer side, again and again."""
    parts = [(0, 0, n, n)]
    most = rng.randint(3, max(3, min(n * n // 2, 8)))
    while len(parts) < most:
        x, y, w, h = max(parts, key=lambda p: p[2] * p[3])
        if w * h < 2:
            break
        parts.remove((x, y, w, h))
        if w > h or (w == h and rng.random() < 0.5):
            at = rng.randint(1, w - 1)
            parts += [(x, y, at, h), (x + at, y, w - at, h)]
        else:
            at = rng.randint(1, h - 1)
            parts += [(x, y, w, at), (x, y + at, w, h - at)]
    return [tuple((x + i, y + j) for j in range(h) for i in range(w)) for x, y, w, h in parts]


def united(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Two pieces that touch become one, where there are any."""
    pairs = [
        (a, b)
        for a in range(len(pieces))
        for b in range(a)
        if any(abs(x - u) + abs(y - v) == 1 for x, y in pieces[a] for u, v in pieces[b])
    ]
    if not pairs:
        return pieces
    a, b = rng.choice(pairs)
    return [p for i, p in enumerate(pieces) if i not in (a, b)] + [pieces[a] + pieces[b]]


def unsolvable(n: int, pieces: list[Piece], equal: bool, rng: random.Random) -> list[Piece] | None:
    """The pieces with one or two changed, so that no arrangement covers the board; None if this draw has none."""
    for _ in range(30):
        trial = list(pieces)
        if equal:  # the same area in other rectangles
            i, j = rng.sample(range(len(trial)), 2)
            area = len(trial[i]) + len(trial[j])
            first = rng.randint(1, area - 1)
            forms = list(_rectangles(first, n)), list(_rectangles(area - first, n))
            if not forms[0] or not forms[1]:
                continue
            trial[i], trial[j] = rng.choice(forms[0]), rng.choice(forms[1])
        elif rng.random() < 0.5:
            trial.append(rng.choice([f for a in (1, 2) for f in _rectangles(a, n)]))
        else:
            i = rng.randrange(len(trial))
            grown = normal(trial[i])
            w, h = max(x for x, _ in grown) + 1, max(y for _, y in grown) + 1
            trial[i] = tuple((x, y) for y in range(h + 1) for x in range(w + 1))
        if solve(n, [normal(p) for p in trial]) is None:
            return trial
    return None


def _rectangles(area: int, n: int) -> Iterator[Piece]:
    for w in range(1, n + 1):
        if area % w == 0 and area // w <= n:
            yield tuple((x, y) for y in range(area // w) for x in range(w))


def puzzle(simulated: str, rng: random.Random) -> Item:
    """A yes/no question; half of the negatives have the area of the board, so counting cells is not enough."""
    key = rng.random() < 0.5
    while True:
        n = rng.choice((3, 4))
        equal = rng.random() < 0.5
        pieces = cut(n, rng)
        if rng.random() < 0.3:
            pieces = united(pieces, rng)
        if not key:
            changed = unsolvable(n, pieces, equal, rng)
            if changed is None:
                continue
            pieces = changed
        shown = [rng.choice(ways(normal(p))) for p in pieces]
        rng.shuffle(shown)
        if len(shown) <= len(COLOURS) and len(shown) >= 3:
            break
    options, letter = yes_no(key, rng)
    images = [_tray(n, shown)]
    names = "ABCDEFGHI"
    parts = [
        f"<image>\nThe picture shows an empty board of {n} x {n} cells and the pieces {', '.join(names[: len(shown)])}."
    ]
    if simulated:
        last = {"all": len(shown) - 1, "partial": max(1, len(shown) - 2), "last": len(shown) - 1}[simulated]
        for i, (line, board) in enumerate(_attempt(n, shown, last), 1):
            parts.append(f"Step {i}: {line}")
            if simulated != "last" or i == last:
                images.append(board)
                parts[-1] += "\n<image>"
    parts.append(
        "Can the pieces, turned and flipped as you like, cover the board exactly, each used once, without overlap?\n"
        + options
    )
    info = {"board": n, "pieces": [[list(c) for c in p] for p in shown], "solvable": key}
    return Item("\n".join(parts), images, letter, info, simulated)


def _attempt(n: int, pieces: Sequence[Piece], last: int) -> list[tuple[str, Image.Image]]:
    """One line and picture per piece: a solution's places, or as far as the pieces go."""
    solution = dict(solve(n, pieces) or [])
    owner = np.full((n, n), -1)
    out = []
    for i, piece in enumerate(pieces[:last]):
        cells = solution.get(i) if solution else _first_fit(n, owner, piece)
        name = "ABCDEFGHI"[i]
        if cells:
            for x, y in cells:
                owner[y, x] = i
            x, y = min(x for x, _ in cells), min(y for _, y in cells)
            line = f"Turn piece {name} as needed and place it with its upper-left corner at (x, y) = ({x}, {y})."
        else:
            line = f"Try piece {name} at every place."
        out.append((line, _board(owner)))
    return out


def _first_fit(n: int, owner: np.ndarray, piece: Piece) -> Piece | None:
    for form in ways(piece):
        for y in range(n):
            for x in range(n):
                cells = tuple((a + x, b + y) for a, b in form)
                if all(a < n and b < n and owner[b, a] < 0 for a, b in cells):
                    return cells
    return None


def _board(owner: np.ndarray) -> Image.Image:
    n = len(owner)
    image, pen = blank(n * CELL + 12, n * CELL + 12)
    for y in range(n):
        for x in range(n):
            fill = COLOURS[owner[y, x]] if owner[y, x] >= 0 else (255, 255, 255)
            pen.rectangle((6 + x * CELL, 6 + y * CELL, 6 + (x + 1) * CELL, 6 + (y + 1) * CELL), fill=fill, outline=INK)
    return image


def _tray(n: int, pieces: Sequence[Piece]) -> Image.Image:
    """The empty board, and the pieces with their letters below."""
    per = 3
    step = 4 * CELL + 22
    height = n * CELL + 24 + -(-len(pieces) // per) * step
    image, pen = blank(per * step + 10, height)
    image.paste(_board(np.full((n, n), -1)), (4, 4))
    for i, piece in enumerate(pieces):
        ox, oy = 10 + (i % per) * step, n * CELL + 24 + (i // per) * step
        text(pen, (ox + 8, oy + 6), "ABCDEFGHI"[i], 14)
        size = min(CELL, (step - 26) // (max(max(x, y) for x, y in piece) + 1))
        for x, y in piece:
            at = (ox + 18 + x * size, oy + y * size)
            pen.rectangle((*at, at[0] + size, at[1] + size), fill=COLOURS[i], outline=INK)
    return image
