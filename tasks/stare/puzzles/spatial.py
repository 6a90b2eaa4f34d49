"""3D transformations of a solid: by analogy, or by instructions in words. The exact pose of each option is the key."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from harness.tasks.stare.puzzles.item import (
    PANEL,
    Colour,
    Item,
    article,
    blank,
    difference,
    paint,
    placed,
    question_mark,
    row,
    text,
)
from harness.tasks.stare.puzzles.solid import Body, Camera, Mesh, box, cone, joined, render, wedge

CAMERA = Camera((7.0, -9.0, 6.5), focal=0, width=11.5)
SOLIDS = ("wedge", "L-block", "cone", "pyramid", "arrow", "step block")
AXES = "xyz"
APART = 0.02
"""Least share of pixels by which two options differ."""


@dataclass(frozen=True)
class Step:
    """shift or rotate (degrees) along or about an axis, scale, or flip along an axis."""

    op: str
    axis: int
    by: float


def mesh(name: str) -> Mesh:
    """A solid about the origin, some three units large."""
    if name == "wedge":
        return wedge(2.6, 1.6, 1.8)
    if name == "cone":
        return cone(1.1, 2.4, 14)
    if name == "pyramid":
        return cone(1.4, 2.0, 4)
    if name == "L-block":
        return joined((box(2.6, 1.0, 0.9), (0, 0, -0.6)), (box(0.9, 1.0, 1.6), (-0.85, 0, 0.65)))
    if name == "arrow":
        return joined((box(1.8, 0.6, 0.6), (-0.5, 0, 0)), (_lying(cone(0.8, 1.1, 4)), (0.95, 0, 0)))
    return joined(
        (box(2.4, 1.4, 0.7), (0, 0, -0.6)), (box(1.6, 1.4, 0.7), (-0.4, 0, 0.1)), (box(0.8, 1.4, 0.7), (-0.8, 0, 0.8))
    )


def _lying(m: Mesh) -> Mesh:
    return m[0][:, [2, 1, 0]] * np.array([1.0, 1.0, -1.0]), m[1]


def apply(corners: np.ndarray, centre: np.ndarray, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """(corners, centre) after one step. A flip is about the plane through the origin."""
    if step.op == "shift":
        move = np.eye(3)[step.axis] * step.by
        return corners + move, centre + move
    if step.op == "flip":
        sign = 1 - 2 * np.eye(3)[step.axis]
        return corners * sign, centre * sign
    if step.op == "scale":
        return (corners - centre) * step.by + centre, centre
    t = np.deg2rad(step.by)
    i, j = [(1, 2), (2, 0), (0, 1)][step.axis]
    m = np.eye(3)
    m[i, i] = m[j, j] = np.cos(t)
    m[i, j], m[j, i] = -np.sin(t), np.sin(t)
    return (corners - centre) @ m.T + centre, centre


def after(solid: str, steps: Sequence[Step]) -> np.ndarray:
    """Corners of the solid after the steps."""
    corners, centre = mesh(solid)[0], np.zeros(3)
    for step in steps:
        corners, centre = apply(corners, centre, step)
    return corners


def picture(solid: str, corners: np.ndarray, colour: Colour) -> Image.Image:
    """With the axes in a corner and a black dot at the origin."""
    image = render([Body(corners, mesh(solid)[1], colour)], CAMERA, PANEL)
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    ends = CAMERA.project(np.vstack([np.zeros(3), np.eye(3) * 1.4]))[:, :2] * PANEL
    corner = np.array([18.0, PANEL - 16.0])
    for i, name in enumerate(AXES, 1):
        end = corner + ends[i] - ends[0]
        pen.line([tuple(corner), tuple(end)], fill=(60, 60, 60))
        text(pen, (float(end[0]), float(end[1])), name, 10)
    x, y = (CAMERA.project(np.zeros((1, 3)))[0, :2] + 0.5) * PANEL
    pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill="black")
    return image


def _proposal(rng: random.Random, moved: bool) -> Step:
    ops = ["shift", "shift", "rotate", "rotate", "scale", *(["flip"] if moved else [])]
    op = rng.choice(ops)
    axis = rng.randrange(3)
    by = {"shift": rng.choice((-2.0, -1.0, 1.0, 2.0)), "rotate": rng.choice((-90.0, -45.0, 45.0, 90.0))}.get(op, 0.0)
    return Step(op, axis, rng.choice((0.5, 1.5)) if op == "scale" else by)


def said(step: Step, name: str) -> str:
    axis = AXES[step.axis]
    if step.op == "shift":
        amount = "a little" if abs(step.by) < 1.5 else "significantly"
        return f"Shift the {name} {amount} in the {'positive' if step.by > 0 else 'negative'} {axis} direction."
    if step.op == "rotate":
        sense = "counterclockwise" if step.by > 0 else "clockwise"
        turn = f"{abs(int(step.by))} degrees {sense}"
        return f"Rotate the {name} by {turn} about its {axis} axis (seen from its positive end)."
    if step.op == "scale":
        how, size = ("Enlarge", "one and a half times") if step.by > 1 else ("Shrink", "half")
        return f"{how} the {name} to {size} its size."
    return f"Flip the {name} along the {axis} direction through the origin."


def _visible(corners: np.ndarray) -> bool:
    seen = CAMERA.project(corners)
    return bool(np.abs(seen[:, :2]).max() < 0.47)


def _steps(solids: Sequence[str], n: int, rng: random.Random) -> list[Step] | None:
    steps: list[Step] = []
    for _ in range(n):
        for _try in range(15):
            trial = [*steps, _proposal(rng, any(s.op == "shift" for s in steps))]
            fine = True
            for solid in solids:
                before, then = after(solid, steps), after(solid, trial)
                grey = (150, 150, 150)
                fine = fine and _visible(then)
                fine = fine and difference(picture(solid, before, grey), picture(solid, then, grey)) > APART
            if fine:
                steps = trial
                break
        else:
            return None
    return steps


def puzzle(words: bool, simulated: str, rng: random.Random) -> Item:
    """One question with four options. `simulated`: "", "all", "partial" or "last"."""
    least = {"": 1, "all": 2, "partial": 3, "last": 2}[simulated]
    colour = paint(rng, 90, 230)
    while True:
        a, b = rng.sample(SOLIDS, 2)
        n = rng.randint(least, 3)
        steps = _steps([b] if words else [b, a], n, rng)
        if steps is None:
            continue
        right = picture(b, after(b, steps), colour)
        wrong, poses = _distractors(b, steps, right, colour, rng)
        if len(wrong) == 3:
            break
    options, letter = placed(right, wrong, rng)
    images, parts = [], []
    if words:
        images.append(picture(b, after(b, []), colour))
        parts.append(f"<image>\nThe picture shows {article(b)} {b}, axes, and a black dot at the origin.")
        parts.append("\n".join(f"Step {i}: {said(s, b)}" for i, s in enumerate(steps, 1)))
        asked = f"Which option shows the {b} after all steps?"
    else:
        other = paint(rng, 90, 230)
        images.append(
            row([picture(a, after(a, steps[:i]), other) for i in range(n + 1)], [f"step {i}" for i in range(n + 1)])
        )
        seen = [picture(b, after(b, []), colour), *[blank()[0]] * (n - 1), question_mark()]
        images.append(row(seen, [f"step {i}" for i in range(n + 1)]))
        parts.append(f"<image>\nThe {a} is transformed step by step.\n<image>\nThe {b} is transformed likewise.")
        asked = "Which option is the picture in place of the question mark?"
    if simulated:
        for i in {"all": range(1, n), "partial": range(1, n - 1), "last": range(n - 1, n)}[simulated]:
            images.append(picture(b, after(b, steps[:i]), colour))
            parts.append(f"<image>\nThe {b} after step {i}.")
    images.append(row(options, "ABCD"))
    parts.append(f"<image>\n{asked}\nOptions: A, B, C, D")
    sequences = list(poses)
    sequences.insert("ABCD".index(letter), steps)
    info = {
        "solid": b,
        "steps": [[s.op, s.axis, s.by] for s in steps],
        "options": [[[s.op, s.axis, s.by] for s in p] for p in sequences],
    }
    return Item("\n".join(parts), images, letter, info, simulated)


def _distractors(
    b: str, steps: Sequence[Step], right: Image.Image, colour: Colour, rng: random.Random
) -> tuple[list[Image.Image], list[Sequence[Step]]]:
    found: list[Image.Image] = []
    poses: list[Sequence[Step]] = []
    for attempt in range(30):
        if attempt < len(steps):
            trial = list(steps[:attempt])
        else:
            trial = list(steps)
            trial[rng.randrange(len(trial))] = _proposal(rng, True)
        corners = after(b, trial)
        if not _visible(corners):
            continue
        candidate = picture(b, corners, colour)
        if all(difference(candidate, other) > APART for other in (right, *found)):
            found.append(candidate)
            poses.append(trial)
        if len(found) == 3:
            break
    return found, poses
