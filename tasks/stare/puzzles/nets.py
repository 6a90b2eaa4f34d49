"""Cube nets: whether six squares fold to a cube. The key is computed by rolling the faces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

from harness.tasks.stare.puzzles.item import INK, PANEL, Item, blank, text, yes_no
from harness.tasks.stare.puzzles.solid import Body, Camera, render

Cell = tuple[int, int]
Net = tuple[Cell, ...]
WAYS: tuple[Cell, ...] = ((1, 0), (-1, 0), (0, 1), (0, -1))
COLOURS = ((230, 90, 80), (90, 160, 230), (110, 200, 110), (240, 200, 80), (180, 120, 210), (240, 150, 90))


def canonical(cells: Net) -> Net:
    """The same for every turn, mirror image and place of a net."""
    forms = []
    for mirror in (1, -1):
        now = [(x * mirror, y) for x, y in cells]
        for _ in range(4):
            now = [(-y, x) for x, y in now]
            x0, y0 = min(x for x, _ in now), min(y for _, y in now)
            forms.append(tuple(sorted((x - x0, y - y0) for x, y in now)))
    return min(forms)


@cache
def hexominoes() -> tuple[Net, ...]:
    """The 35 free hexominoes."""
    found: set[Net] = {((0, 0),)}
    for _ in range(5):
        found = {canonical((*net, cell)) for net in found for cell in _around(net)}
    return tuple(sorted(found))


def _around(net: Net) -> Iterator[Cell]:
    there = set(net)
    yield from {(x + dx, y + dy) for x, y in net for dx, dy in WAYS} - there


def tree(net: Net, base: int) -> list[tuple[int, int]]:
    """(face, the face that it hangs on) in breadth-first order from the base, which is left out."""
    at = {cell: i for i, cell in enumerate(net)}
    out, known, queue = [], {base}, [base]
    while queue:
        i = queue.pop(0)
        for dx, dy in WAYS:
            j = at.get((net[i][0] + dx, net[i][1] + dy))
            if j is not None and j not in known:
                known.add(j)
                out.append((j, i))
                queue.append(j)
    return out


def folds(net: Net) -> bool:
    """Whether six faces lie on six sides: each step to a neighbour rolls the cube over one edge."""
    faces = {0: np.eye(3, dtype=int)}  # columns: right, forward, normal
    for face, parent in tree(net, 0):
        right, forward, normal = faces[parent].T
        dx, dy = net[face][0] - net[parent][0], net[face][1] - net[parent][1]
        if dx:
            faces[face] = np.stack([-dx * normal, forward, dx * right], 1)
        else:
            faces[face] = np.stack([right, -dy * normal, dy * forward], 1)
    return len({tuple(f[:, 2]) for f in faces.values()}) == 6


@cache
def kinds() -> tuple[tuple[Net, ...], tuple[Net, ...]]:
    """(the 11 nets of the cube, the 24 other hexominoes)."""
    valid = tuple(n for n in hexominoes() if folds(n))
    return valid, tuple(n for n in hexominoes() if n not in valid)


def turned(net: Net, rng: random.Random) -> Net:
    """A random turn and mirror image, cells in random order (the order gives the labels)."""
    now = list(net)
    if rng.random() < 0.5:
        now = [(-x, y) for x, y in now]
    for _ in range(rng.randrange(4)):
        now = [(-y, x) for x, y in now]
    rng.shuffle(now)
    return tuple(now)


def flat(net: Net) -> Image.Image:
    """The net with its labels 1 to 6."""
    x0, y0 = min(x for x, _ in net), min(y for _, y in net)
    w, h = max(x for x, _ in net) - x0 + 1, max(y for _, y in net) - y0 + 1
    cell = 30
    image, pen = blank(w * cell + 20, h * cell + 20)
    for i, (x, y) in enumerate(net):
        a, b = 10 + (x - x0) * cell, 10 + (h - 1 - y + y0) * cell
        pen.rectangle((a, b, a + cell, b + cell), fill=COLOURS[i], outline=INK)
        text(pen, (a + cell / 2, b + cell / 2), str(i + 1), 15)
    return image


def folded(net: Net, base: int, done: int) -> Image.Image:
    """The net in space with the first `done` folds of `tree` made."""
    steps = tree(net, base)
    frames = {base: (np.zeros(3), np.eye(3))}  # middle; columns: right, forward, normal
    made = {face for face, _ in steps[:done]}
    for face, parent in steps:
        middle, frame = frames[parent]
        right, forward, normal = frame.T
        dx, dy = net[face][0] - net[parent][0], net[face][1] - net[parent][1]
        way = dx * right + dy * forward
        if face not in made:
            frames[face] = (middle + way, frame)
        elif dx:
            frames[face] = (middle + way / 2 + normal / 2, np.stack([dx * normal, forward, -dx * right], 1))
        else:
            frames[face] = (middle + way / 2 + normal / 2, np.stack([right, dy * normal, -dy * forward], 1))
    bodies = []
    for face, (middle, frame) in frames.items():
        right, forward, _ = frame.T
        corners = np.array([middle + (a * right + b * forward) * 0.49 for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        bodies.append(Body(corners, np.array([[0, 1, 2], [0, 2, 3]]), COLOURS[face]))
    centre = np.mean([b.corners.mean(0) for b in bodies], 0)
    eye = centre + np.array([3.2, -5.0, 5.2])
    return render(bodies, Camera(tuple(eye), tuple(centre), focal=0, width=6.8), PANEL)


def puzzle(simulated: str, rng: random.Random) -> Item:
    """A yes/no question. `simulated`: "", "all", "partial", or "last"; as many pictures whatever the answer is."""
    key = rng.random() < 0.5
    net = turned(rng.choice(kinds()[0 if key else 1]), rng)
    base = rng.randrange(6)
    steps = tree(net, base)
    options, letter = yes_no(key, rng)
    images = [flat(net)]
    parts = ["Check out a net with 6 faces below:\n<image>"]
    if simulated:
        shown = {"all": range(1, 6), "partial": range(1, 4), "last": range(5, 6)}[simulated]
        parts.append(f"Face {base + 1} stays on the table.")
        for i, (face, parent) in enumerate(steps, 1):
            line = f"Step {i}: Fold face {face + 1} upwards along its edge with face {parent + 1}."
            if i in shown:
                images.append(folded(net, base, i))
                line += "\n<image>"
            parts.append(line)
    parts.append(f"Can the net be folded to form a cube, yes or no?\n{options}")
    info = {"net": [list(c) for c in net], "base": base, "folds": key}
    return Item("\n".join(parts), images, letter, info, simulated)
