"""Perspective: which of four pictures a camera takes; and temporal: which frame of a motion is missing.

STARE's own items are photographs without a published generator; these stand in for them.
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw

from harness.tasks.stare.puzzles.item import INK, PANEL, Item, blank, difference, placed, row, text
from harness.tasks.stare.puzzles.solid import Body, Camera, box, cone, render

PAINTS = {"red": (225, 60, 50), "blue": (60, 100, 230), "green": (50, 170, 80), "yellow": (240, 205, 50)}
APART = 0.04


def perspective(rng: random.Random) -> Item:
    """Four coloured solids on a floor, a map with an arrow, four views."""
    while True:
        spots = [(x, y) for x in (-2.2, 0.0, 2.2) for y in (-2.2, 0.0, 2.2)]
        chosen = rng.sample(spots, 4)
        kinds = [rng.choice(("cube", "cylinder", "cone")) for _ in chosen]
        heights = [rng.choice((1.2, 1.9, 2.6)) for _ in chosen]
        bodies = []
        for (x, y), kind, h, colour in zip(chosen, kinds, heights, PAINTS.values(), strict=True):
            made = box(1.4, 1.4, h) if kind == "cube" else cone(0.8, h, 12, 0.8 if kind == "cylinder" else 0.0)
            bodies.append(Body(made[0] + np.array([x, y, h / 2]), made[1], colour))
        turn = rng.randrange(8)
        right = _view(bodies, turn)
        mirrored = right.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        wrong = [_view(bodies, turn + 2), _view(bodies, turn - 2), _view(bodies, turn + 4), mirrored]
        rng.shuffle(wrong)
        kept: list[Image.Image] = []
        for view in wrong:
            if len(kept) < 3 and all(difference(view, v) > APART for v in (right, *kept)):
                kept.append(view)
        if len(kept) == 3:
            break
    options, letter = placed(right, kept, rng)
    images = [_map(chosen, turn), row(options, "ABCD")]
    question = (
        "<image>\nThe map shows coloured solids on a floor from above, and a camera as an arrow that points where "
        "it looks.\n"
        "<image>\nWhich picture does the camera take?\nOptions: A, B, C, D"
    )
    info = {"spots": chosen, "kinds": kinds, "heights": heights, "turn": turn}
    return Item(question, images, letter, info)


def _direction(turn: int) -> np.ndarray:
    t = turn * np.pi / 4
    return np.array([np.cos(t), np.sin(t)])


def _view(bodies: list[Body], turn: int) -> Image.Image:
    x, y = _direction(turn) * 9.5
    return render(bodies, Camera((float(x), float(y), 3.2), (0.0, 0.0, 0.8), focal=1.1), PANEL, floor=4.0)


def _map(spots: list[tuple[float, float]], turn: int) -> Image.Image:
    image, pen = blank(150, 150)
    pen.rectangle((35, 35, 115, 115), outline=INK, fill=(238, 238, 238))
    for (x, y), colour in zip(spots, PAINTS.values(), strict=True):
        u, v = 75 + x * 10, 75 - y * 10
        pen.ellipse((u - 8, v - 8, u + 8, v + 8), fill=colour, outline=INK)
    d = _direction(turn) * np.array([1, -1])
    tail, head = 75 + d * 72, 75 + d * 52
    pen.line([tuple(tail), tuple(head)], fill="black", width=3)
    side = np.array([-d[1], d[0]]) * 6
    pen.polygon([tuple(head), tuple(head + d * 9 + side), tuple(head + d * 9 - side)], fill="black")
    return image


MOTIONS = ("slides", "grows", "turns", "bounces")


def temporal(rng: random.Random) -> Item:
    """Four frames of a simple motion, one of them missing; three options."""
    colour = tuple(rng.randint(40, 200) for _ in range(3))
    while True:
        motion = rng.choice(MOTIONS)
        state = {
            "x": rng.uniform(25, 40), "y": rng.uniform(40, 80), "dx": rng.uniform(16, 22), "dy": rng.uniform(-10, 10),
            "size": rng.uniform(10, 14), "rate": rng.uniform(1.3, 1.5), "angle": rng.choice((-40.0, 40.0, 30.0, -30.0)),
        }  # fmt: skip
        missing = rng.choice((1, 2))
        frames = [_frame(motion, state, t, colour) for t in range(4)]
        wrong = [_frame(motion, state, t, colour) for t in rng.sample((missing - 1.0, missing + 1.0, missing + 0.5), 3)]
        kept: list[Image.Image] = []
        for frame in wrong:
            if len(kept) < 2 and all(difference(frame, f) > 0.008 for f in (frames[missing], *kept)):
                kept.append(frame)
        if len(kept) == 2:
            break
    options, letter = placed(frames[missing], kept, rng)
    hidden, pen = blank()
    text(pen, (PANEL / 2, PANEL / 2), "?", 48)
    shown = [hidden if i == missing else f for i, f in enumerate(frames)]
    images = [row(shown, [f"frame {i + 1}" for i in range(4)]), row(options, "ABC")]
    question = (
        "<image>\nFour frames were taken at equal times of a shape that moves steadily; one is hidden.\n<image>\n"
        "Which option is the hidden frame?\nOptions: A, B, C"
    )
    return Item(question, images, letter, {"motion": motion, "missing": missing, "state": state})


def _frame(motion: str, s: dict[str, float], t: float, colour: tuple[int, ...]) -> Image.Image:
    image, _ = blank()
    big = Image.new("RGB", (PANEL * 2, PANEL * 2), "white")
    pen = ImageDraw.Draw(big)
    x, y, r, angle = 60.0, 60.0, s["size"], 0.0
    if motion == "slides":
        x, y = s["x"] + s["dx"] * t, s["y"] + s["dy"] * t
    elif motion == "grows":
        r = s["size"] * s["rate"] ** t
    elif motion == "turns":
        r, angle = 2.2 * s["size"], s["angle"] * t
    else:
        x, y = s["x"] + s["dx"] * t, 100 - abs(np.sin((t + 0.4) * 1.1)) * 60
    a = np.deg2rad(angle)
    corners = [(-1.0, -0.6), (1.0, -0.6), (1.0, 0.2), (-1.0, 0.9)]
    points = [
        (2 * (x + r * (p * np.cos(a) - q * np.sin(a))), 2 * (y + r * (p * np.sin(a) + q * np.cos(a))))
        for p, q in corners
    ]
    pen.polygon(points, fill=colour, outline=INK)  # type: ignore[arg-type]
    image.paste(big.resize((PANEL, PANEL), Image.Resampling.LANCZOS))
    return image
