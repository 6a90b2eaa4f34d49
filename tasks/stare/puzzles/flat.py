"""2D transformations of flat shapes: by analogy, or by instructions in words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from harness.tasks.stare.puzzles.item import (
    INK,
    PANEL,
    Colour,
    Item,
    Points,
    article,
    blank,
    paint,
    placed,
    question_mark,
    row,
)

HALF = 62.0
"""Half the width of a panel in units of the plane; the origin, a black dot, is its middle."""
SHAPES = ("circle", "square", "rectangle", "triangle", "ellipse", "hexagon", "pentagon")
FEW_TURNS = {"circle": (), "square": (30, 60), "hexagon": (30, 90)}
"""Rotations that change the shape; (30, 60, 90) where not named."""
SHIFTS = (-30, -10, 0, 10, 30)
SAME = 0.9
"""Two pictures whose overlap (intersection over union) is above this show the same."""


@dataclass(frozen=True)
class Step:
    """rotate (degrees, clockwise positive), flip (1 vertical, 0 horizontal), shift (dx, dy), scale, or shear."""

    op: str
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True)
class Shape:
    """Corners float (n, 2), y upwards, and the centre that it turns and grows about."""

    name: str
    corners: Points
    centre: Points

    def after(self, step: Step) -> Shape:
        c = self.centre
        if step.op == "shift":
            move = np.array([step.a, step.b])
            return replace(self, corners=self.corners + move, centre=c + move)
        if step.op == "flip":  # vertical: about the line x = 0, as the official generator names it
            sign = np.array([-1.0, 1.0]) if step.a else np.array([1.0, -1.0])
            return replace(self, corners=self.corners * sign, centre=c * sign)
        if step.op == "rotate":
            t = -np.deg2rad(step.a)
            m = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        elif step.op == "scale":
            m = np.eye(2) * step.a
        else:
            m = np.array([[1.0, step.a], [step.b, 1.0]])
        return replace(self, corners=(self.corners - c) @ m.T + c)


def shape(name: str, rng: random.Random) -> Shape:
    """A shape of its usual size about the origin."""
    size, other = rng.uniform(30, 35), rng.uniform(20, 25)
    if name in ("circle", "ellipse"):
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        corners = np.stack([np.cos(t) * size / 2, np.sin(t) * (size if name == "circle" else other) / 2], 1)
    elif name in ("square", "rectangle"):
        w, h = size / 2, (size if name == "square" else other) / 2
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]])
    elif name == "triangle":
        corners = np.array(
            [[-size / 2, -other / 2], [size / 2, -other / 2], [rng.uniform(-0.5, 0.1) * size, other / 2]]
        )
    else:
        n = 6 if name == "hexagon" else 5
        t = np.arange(n) * 2 * np.pi / n + np.pi / 2
        corners = np.stack([np.cos(t), np.sin(t)], 1) * size / 2
    centre = (corners.min(0) + corners.max(0)) / 2
    return Shape(name, corners - centre, np.zeros(2))


def mask(s: Shape) -> np.ndarray:
    """The shape as a raster, bool (PANEL, PANEL)."""
    image = Image.new("1", (PANEL, PANEL))
    ImageDraw.Draw(image).polygon(_pixels(s), fill=1)
    return np.asarray(image)


def draw(s: Shape, colour: Colour) -> Image.Image:
    image, pen = blank()
    pen.polygon(_pixels(s), fill=colour, outline=INK)
    m = PANEL / 2
    pen.ellipse((m - 2, m - 2, m + 2, m + 2), fill="black")
    return image


def _pixels(s: Shape) -> list[tuple[float, float]]:
    return [(float((x + HALF) / (2 * HALF) * PANEL), float((HALF - y) / (2 * HALF) * PANEL)) for x, y in s.corners]


def overlap(a: Shape, b: Shape) -> float:
    """Intersection over union of the rasters."""
    m, n = mask(a), mask(b)
    return float((m & n).sum() / max(1, (m | n).sum()))


def _inside(s: Shape) -> bool:
    return bool(np.abs(s.corners).max() < HALF - 1)


def _proposals(s: Shape, words: bool, moved: bool, rng: random.Random) -> Step:
    ops = ["rotate", "shift", "shift", "scale"] + (["flip"] if moved else []) + ([] if words else ["shear"])
    op = rng.choice(ops)
    if op == "rotate":
        turns = FEW_TURNS.get(s.name, (30, 60, 90))
        return (
            Step("rotate", rng.choice(turns) * rng.choice((-1, 1))) if turns else Step("shift", rng.choice(SHIFTS[:2]))
        )
    if op == "shift":
        while True:
            dx, dy = rng.choice(SHIFTS), rng.choice(SHIFTS)
            if dx or dy:
                return Step("shift", dx, dy)
    if op == "scale":
        return Step("scale", rng.choice((0.5, 2.0)))
    if op == "flip":
        return Step("flip", rng.randrange(2))
    while True:
        sx, sy = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)
        if 0.05 <= abs(abs(sx) - abs(sy)) <= 0.25 and max(abs(sx), abs(sy)) > 0.2:
            return Step("shear", sx, sy)


def sequence(starts: Sequence[Shape], n: int, words: bool, rng: random.Random) -> list[Step] | None:
    """Steps, each of which visibly changes all these shapes and keeps them in the panel; None if none is found."""
    steps: list[Step] = []
    now = list(starts)
    for _ in range(n):
        for _try in range(12):
            step = _proposals(now[0], words, any(s.op == "shift" for s in steps), rng)
            then = [s.after(step) for s in now]
            if all(
                _inside(b) and overlap(a, b) < SAME and 10 < _extent(b) < 75 for a, b in zip(now, then, strict=True)
            ):
                steps.append(step)
                now = then
                break
        else:
            return None
    return steps


def _extent(s: Shape) -> float:
    return float((s.corners.max(0) - s.corners.min(0)).max())


def final(start: Shape, steps: Sequence[Step]) -> Shape:
    for step in steps:
        start = start.after(step)
    return start


def said(step: Step, name: str) -> str:
    """The step in words."""
    if step.op == "rotate":
        sense = "clockwise" if step.a > 0 else "counterclockwise"
        return f"Rotate the {name} by {abs(int(step.a))} degrees {sense} around its center."
    if step.op == "flip":
        return f"Flip the {name} {'vertically over the line x = 0' if step.a else 'horizontally over the line y = 0'}."
    if step.op == "scale":
        return f"{'Enlarge' if step.a > 1 else 'Shrink'} the {name} to {'twice' if step.a > 1 else 'half'} its size."
    parts = []
    for value, words in ((step.a, ("to the right", "to the left")), (step.b, ("upward", "downward"))):
        if value:
            parts.append(f"{'a little' if abs(value) <= 10 else 'significantly'} {words[value < 0]}")
    return f"Shift the {name} {' and '.join(parts)}."


def puzzle(words: bool, simulated: str, rng: random.Random) -> Item:
    """One question with four options. `simulated`: "", "all", "partial" or "last" intermediate pictures."""
    least = {"": 1, "all": 2, "partial": 3, "last": 2}[simulated]
    level = rng.choice(("easy", "medium", "hard"))
    while True:
        names = rng.sample(SHAPES, 2)
        a, b = (shape(n, rng) for n in names)
        n = rng.randint(least, 3)
        steps = sequence([b] if words else [b, a], n, words, rng)
        if steps is None:
            continue
        right = final(b, steps)
        wrong = _distractors(b, steps, right, words, rng)
        if wrong is not None:
            break
    base = paint(rng, 40, 215)
    other = paint(rng, 40, 215)
    recoloured = {"easy": 2, "medium": 1, "hard": 0}[level]
    paints = [paint(rng, 40, 215) if i < recoloured else base for i in range(3)]
    panels = [draw(w, p) for w, p in zip(wrong, paints, strict=True)]
    options, letter = placed(draw(right, base), panels, rng)
    images, parts = [], []
    if words:
        parts.append(f"<image>\nThe picture shows {article(b.name)} {b.name} and a black dot at the origin.")
        images.append(draw(b, base))
        parts.append("\n".join(f"Step {i}: {said(s, b.name)}" for i, s in enumerate(steps, 1)))
        asked = f"Which option shows the {b.name} after all steps?"
    else:
        shown = [draw(final(a, steps[:i]), other) for i in range(n + 1)]
        images.append(row(shown, [f"step {i}" for i in range(n + 1)]))
        seen = [draw(b, base), *[Image.new("RGB", (PANEL, PANEL), "white")] * (n - 1), question_mark()]
        images.append(row(seen, [f"step {i}" for i in range(n + 1)]))
        parts.append(
            f"<image>\nThe {a.name} is transformed step by step.\n<image>\nThe {b.name} is transformed likewise."
        )
        asked = "Which option is the picture in place of the question mark?"
    if simulated:
        kept = {"all": range(1, n), "partial": range(1, n - 1), "last": range(n - 1, n)}[simulated]
        for i in kept:
            images.append(draw(final(b, steps[:i]), base))
            parts.append(f"<image>\nThe {b.name} after step {i}.")
    images.append(row(options, "ABCD"))
    parts.append(f"<image>\n{asked}\nOptions: A, B, C, D")
    info = {
        "shape": b.name,
        "start": b.corners.round(6).tolist(),
        "steps": [[s.op, s.a, s.b] for s in steps],
        "words": [said(s, b.name) for s in steps] if words else [],
        "level": level,
        "options": _listed(right, wrong, letter),
    }
    return Item("\n".join(parts), images, letter, info, simulated)


def _listed(right: Shape, wrong: Sequence[Shape], letter: str) -> list[list[list[float]]]:
    found = [w.corners.round(6).tolist() for w in wrong]
    found.insert("ABCD".index(letter), right.corners.round(6).tolist())
    return found


def _distractors(b: Shape, steps: Sequence[Step], right: Shape, words: bool, rng: random.Random) -> list[Shape] | None:
    """Three shapes, apart from the answer and from one another: unfinished, or with one step changed."""
    found: list[Shape] = []
    n = len(steps)
    for attempt in range(40):
        if attempt < n:
            candidate = final(b, steps[:attempt])
        else:
            changed = list(steps)
            changed[rng.randrange(n)] = _proposals(b, words, True, rng)
            candidate = final(b, changed)
        apart = all(overlap(candidate, s) < SAME - 0.1 for s in (right, *found))
        if apart and _inside(candidate) and 8 < _extent(candidate) < 90:
            found.append(candidate)
        if len(found) == 3:
            return found
    return None
