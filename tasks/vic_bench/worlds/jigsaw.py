"""Jigsaw: put the pieces of a picture back into their slots."""

from __future__ import annotations

import base64
import io
import random
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.tasks.vic_bench.worlds.base import INK, Illegal, Item, World

PIECE = 48
APART = 12.0
"""Mean absolute difference (of 255) between any two pieces, so that the solution is unique."""
PLACE = re.compile(r"place\s+([a-i])\s+(?:in|at|into|on)?\s*(?:slot\s+)?(-?\d+)\.?$", re.IGNORECASE)
Board = tuple[tuple[int, int], ...]
"""(piece, slot), in the order of placing."""


class Jigsaw(World):
    name = "jigsaw"
    task = (
        "The picture shows an empty board with numbered slots and the pieces of a picture with letters. Restore the "
        "picture."
    )
    actions = "ACTION: place <letter> <slot>, for each piece. FINAL: done, when all are placed."
    rules = "Each piece is used once and is not turned. A slot holds one piece; what is placed stays."
    example = "For example, to put piece B into slot 3: ACTION: place B 3"

    def make(self, rng: random.Random) -> Item:
        """From an embedded scene. `order[slot]` is the piece that belongs there."""
        from harness.embedded.scenes import EVALUATION, scene

        while True:
            rows, columns = rng.choice(((2, 2), (2, 3), (3, 3)))
            picture = scene(EVALUATION[rng.randrange(len(EVALUATION))], 192).picture
            picture = picture.resize((columns * PIECE, rows * PIECE), Image.Resampling.LANCZOS)
            file = io.BytesIO()
            picture.save(file, "PNG")
            n = rows * columns
            item: Item = {"rows": rows, "columns": columns, "order": rng.sample(range(n), n)}
            item["picture"] = base64.b64encode(file.getvalue()).decode()
            parts = [np.asarray(p, np.float64) for p in _slots(item)]
            if min(np.abs(a - b).mean() for i, a in enumerate(parts) for b in parts[:i]) < APART:
                continue
            hole = rng.randrange(n)
            wrong = [("piece", s) for s in range(n) if s != hole] + [("turned", hole), ("mirrored", hole)]
            chosen = _different([("piece", hole)], rng.sample(wrong, len(wrong)), item)
            if len(chosen) == 4:
                order = rng.sample(range(4), 4)
                options = [list(chosen[i]) for i in order]
                return {**item, "hole": hole, "options": options, "answer": order.index(0)}

    def start(self, item: Item) -> Board:
        return ()

    def step(self, item: Item, state: Board, action: str) -> Board:
        found = PLACE.match(action.strip())
        n = item["rows"] * item["columns"]
        if not found:
            raise Illegal(f"{action[:40]!r} is not an action: place <letter> <slot>")
        piece, slot = ord(found[1].upper()) - ord("A"), int(found[2]) - 1
        if not 0 <= piece < n or not 0 <= slot < n:
            raise Illegal(f"there are pieces A to {chr(64 + n)} and slots 1 to {n}")
        if piece in (p for p, _ in state):
            raise Illegal(f"piece {found[1].upper()} is on the board")
        if slot in (s for _, s in state):
            raise Illegal(f"slot {slot + 1} is filled")
        return (*state, (piece, slot))

    def render(self, item: Item, state: Board) -> Image.Image:
        """The board with what is placed, and the other pieces below."""
        rows, columns = item["rows"], item["columns"]
        pieces = _pieces(item)
        per = columns + 1
        tray = -(-rows * columns // per)
        width = max(columns * PIECE, per * (PIECE + 8)) + 16
        image = Image.new("RGB", (width, rows * PIECE + tray * (PIECE + 22) + 24), "white")
        pen = ImageDraw.Draw(image)
        font = ImageFont.load_default(14)
        there = {slot: piece for piece, slot in state}
        for slot in range(rows * columns):
            x, y = 8 + slot % columns * PIECE, 8 + slot // columns * PIECE
            if slot in there:
                image.paste(pieces[there[slot]], (x, y))
            else:
                pen.text((x + PIECE / 2, y + PIECE / 2), str(slot + 1), fill=INK, font=font, anchor="mm")
            pen.rectangle((x, y, x + PIECE, y + PIECE), outline=INK)
        for i in range(rows * columns):
            x, y = 8 + i % per * (PIECE + 8), rows * PIECE + 16 + i // per * (PIECE + 22)
            if i not in there.values():
                image.paste(pieces[i], (x, y))
                pen.text((x + PIECE / 2, y + PIECE + 8), chr(65 + i), fill=INK, font=font, anchor="mm")
        return image

    def solved(self, item: Item, state: Board, final: str | None) -> bool:
        return len(state) == len(item["order"]) and self.recall(item, [state]) == 1

    def over(self, item: Item, state: Board) -> bool:
        return len(state) == len(item["order"])

    def recall(self, item: Item, states: Sequence[Board]) -> float:
        """Pieces in their own slots / pieces."""
        return sum(item["order"][slot] == piece for piece, slot in states[-1]) / len(item["order"])

    def plan(self, item: Item) -> tuple[list[str], str]:
        return [f"place {chr(65 + piece)} {slot + 1}" for slot, piece in enumerate(item["order"])], "done"

    def legal(self, item: Item, state: Board) -> list[str]:
        n = len(item["order"])
        pieces = [p for p in range(n) if p not in (q for q, _ in state)]
        slots = [s for s in range(n) if s not in (t for _, t in state)]
        return [f"place {chr(65 + p)} {s + 1}" for p in pieces for s in slots]

    def told(self, item: Item, state: Board) -> str:
        placed = ", ".join(f"{chr(65 + p)} in slot {s + 1}" for p, s in state)
        return f"On the board: {placed or 'nothing'}."

    def question(self, item: Item) -> str:
        return (
            "The first picture lacks one piece (grey). Which of the pieces A, B, C, D in the second picture fills the "
            "hole?"
        )

    def options_picture(self, item: Item) -> Image.Image:
        """The picture with its hole is `stage1`; these are the four candidates."""
        shown = [_candidate(item, kind, slot) for kind, slot in item["options"]]
        image = Image.new("RGB", (4 * (PIECE + 8) + 8, PIECE + 30), "white")
        pen = ImageDraw.Draw(image)
        for i, piece in enumerate(shown):
            image.paste(piece, (8 + i * (PIECE + 8), 4))
            where = (8 + i * (PIECE + 8) + PIECE / 2, PIECE + 16)
            pen.text(where, "ABCD"[i], fill=INK, font=ImageFont.load_default(14), anchor="mm")
        return image

    def holed(self, item: Item) -> Image.Image:
        """The whole picture with one piece grey."""
        image = _picture(item["picture"]).copy()
        x, y = item["hole"] % item["columns"] * PIECE, item["hole"] // item["columns"] * PIECE
        ImageDraw.Draw(image).rectangle((x, y, x + PIECE - 1, y + PIECE - 1), fill=(150, 150, 150))
        return image


@lru_cache(64)
def _picture(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")


def _slots(item: Item) -> list[Image.Image]:
    """The pieces in the places where they belong."""
    whole = _picture(item["picture"])
    at = [(s % item["columns"] * PIECE, s // item["columns"] * PIECE) for s in range(item["rows"] * item["columns"])]
    return [whole.crop((x, y, x + PIECE, y + PIECE)) for x, y in at]


def _pieces(item: Item) -> list[Image.Image]:
    """By letter."""
    slots = _slots(item)
    return [slots[item["order"].index(piece)] for piece in range(len(slots))]


def _candidate(item: Item, kind: str, slot: int) -> Image.Image:
    piece = _slots(item)[slot]
    if kind == "turned":
        return piece.transpose(Image.Transpose.ROTATE_180)
    return piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if kind == "mirrored" else piece


def _different(chosen: list[tuple[str, int]], rest: Sequence[tuple[str, int]], item: Item) -> list[tuple[str, int]]:
    """Four candidates that differ from one another."""
    shown = [np.asarray(_candidate(item, *c), np.float64) for c in chosen]
    for c in rest:
        one = np.asarray(_candidate(item, *c), np.float64)
        if len(chosen) < 4 and all(np.abs(one - other).mean() > APART for other in shown):
            chosen.append(c)
            shown.append(one)
    return chosen
