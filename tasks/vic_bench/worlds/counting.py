"""Complex counting: how many faces there are, quarter by quarter."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from harness.tasks.vic_bench.worlds.base import INK, Illegal, Item, World

REGIONS: tuple[str, ...] = ("left-top", "left-bottom", "right-top", "right-bottom")
SIDE = 288
COUNT = re.compile(r"count\s+(left-top|left-bottom|right-top|right-bottom)\s+(-?\d+(?:\.\d+)?)\.?$", re.IGNORECASE)
Counts = tuple[tuple[str, int], ...]


class Counting(World):
    name = "counting"
    task = (
        "The picture shows a crowd of faces. Count them, quarter by quarter: left-top, left-bottom, right-top, "
        "right-bottom."
    )
    actions = "ACTION: count <quarter> <number>, for each quarter. FINAL: <number>, the sum."
    rules = "Each quarter is counted once, by a whole number that is not negative. No face crosses the middle lines."
    example = "For example, for twelve faces in the upper left quarter: ACTION: count left-top 12"

    def make(self, rng: random.Random) -> Item:
        """Faces at least 0.6 of a diameter apart, in no quarter across the middle lines."""
        r = rng.choice((6, 7, 8, 9))
        wanted = rng.randint(20, {6: 160, 7: 120, 8: 90, 9: 70}[r])
        faces: list[tuple[int, int]] = []
        for _ in range(20_000):
            if len(faces) == wanted:
                break
            x, y = rng.randint(r, SIDE - r), rng.randint(r, SIDE - r)
            clear = abs(x - SIDE / 2) > r + 1 and abs(y - SIDE / 2) > r + 1
            if clear and all((x - a) ** 2 + (y - b) ** 2 >= (1.2 * r) ** 2 for a, b in faces):
                faces.append((x, y))
        item: Item = {"radius": r, "faces": [list(f) for f in faces]}
        total = len(faces)
        steps = [s * max(1, round(total * p)) for p in (0.05, 0.1, 0.15) for s in (-1, 1)]
        wrong = sorted({total + s for s in steps if total + s > 0 and s})
        options = [total, *rng.sample(wrong, 3)]
        rng.shuffle(options)
        return {**item, "options": [str(o) for o in options], "answer": options.index(total)}

    def counts(self, item: Item) -> dict[str, int]:
        """The key, by quarter."""
        out = dict.fromkeys(REGIONS, 0)
        for x, y in item["faces"]:
            out[f"{'left' if x < SIDE / 2 else 'right'}-{'top' if y < SIDE / 2 else 'bottom'}"] += 1
        return out

    def start(self, item: Item) -> Counts:
        return ()

    def step(self, item: Item, state: Counts, action: str) -> Counts:
        found = COUNT.match(action.strip())
        if not found:
            raise Illegal(f"{action[:40]!r} is not an action: count <quarter> <number>")
        region, number = found[1].lower(), found[2]
        if not number.isdigit():
            raise Illegal(f"{number} is not a whole number from 0")
        if region in dict(state):
            raise Illegal(f"{region} is counted")
        return (*state, (region, int(number)))

    def render(self, item: Item, state: Counts) -> Image.Image:
        """Counted quarters are shaded and hold the number that was given."""
        image = Image.new("RGB", (SIDE, SIDE), (246, 246, 240))
        pen = ImageDraw.Draw(image)
        r = item["radius"]
        for i, (x, y) in enumerate(item["faces"]):
            shade = 200 + (i * 37) % 45
            pen.ellipse((x - r, y - r, x + r, y + r), fill=(shade, shade - 40, shade - 90), outline=INK)
            pen.ellipse((x - r / 2 - 1, y - r / 3 - 1, x - r / 2 + 1, y - r / 3 + 1), fill=INK)
            pen.ellipse((x + r / 2 - 1, y - r / 3 - 1, x + r / 2 + 1, y - r / 3 + 1), fill=INK)
            pen.arc((x - r / 2, y - r / 4, x + r / 2, y + r / 2), 20, 160, fill=INK)
        half = SIDE // 2
        pen.line([(half, 0), (half, SIDE)], fill=(120, 120, 120))
        pen.line([(0, half), (SIDE, half)], fill=(120, 120, 120))
        for region, number in state:
            x, y = (0 if "left" in region else half), (0 if "top" in region else half)
            quarter = image.crop((x, y, x + half, y + half))
            image.paste(Image.blend(quarter, Image.new("RGB", quarter.size, (120, 170, 230)), 0.45), (x, y))
            where = (x + half / 2, y + half / 2)
            pen.text(
                where,
                str(number),
                fill="black",
                font=ImageFont.load_default(32),
                anchor="mm",
                stroke_width=2,
                stroke_fill="white",
            )
        return image

    def solved(self, item: Item, state: Counts, final: str | None) -> bool:
        """Integer equality of the final answer."""
        found = re.findall(r"\d+", final or "")
        return bool(found) and int(found[-1]) == len(item["faces"])

    def recall(self, item: Item, states: Sequence[Counts]) -> float:
        """Quarters counted right / 4."""
        key = self.counts(item)
        return sum(key[region] == number for region, number in states[-1]) / len(REGIONS)

    def plan(self, item: Item) -> tuple[list[str], str]:
        return [f"count {region} {number}" for region, number in self.counts(item).items()], str(len(item["faces"]))

    def legal(self, item: Item, state: Counts) -> list[str]:
        left = [r for r in REGIONS if r not in dict(state)]
        return [f"count {r} {n}" for r in left for n in range(41)]

    def told(self, item: Item, state: Counts) -> str:
        return f"Counted so far: {', '.join(f'{r} {n}' for r, n in state) or 'nothing'}."

    def question(self, item: Item) -> str:
        return "The picture shows a crowd of faces. How many are there?"
