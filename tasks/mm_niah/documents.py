"""Documents with needles, drawn from a seed: prose, scenes every few sentences, and facts or icons among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from harness.embedded.scenes import Scene, plural, scene
from harness.tasks.niah.haystack import prose

SIDE = 96
COLOURS = {
    "red": (220, 30, 40),
    "blue": (30, 70, 230),
    "green": (20, 150, 60),
    "yellow": (250, 215, 20),
    "purple": (140, 40, 170),
    "orange": (245, 130, 20),
}
SHAPES = ("star", "triangle", "square", "circle", "cross")
NAMES = (
    "Adela",
    "Bruno",
    "Cosima",
    "Dario",
    "Elena",
    "Ferdinand",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Klara",
    "Leopold",
)
PLACES = ("cellar", "attic", "pantry", "workshop", "stable", "library", "cottage", "tower", "greenhouse", "boathouse")
KEPT = (
    "violin", "compass", "telescope", "hammock", "trumpet", "lighthouse", "candlestick", "typewriter", "globe",
    "saddle", "mirror", "anchor", "rocket", "puzzle", "ladder", "drum",
)  # fmt: skip
BOXES = ("silver", "golden", "copper", "marble", "velvet", "leather", "crystal", "ivory")
POOL = 64
"""Pictures of the background: documents share them, as needles do not."""


@dataclass
class Needle:
    """What is planted: a sentence, or a picture under a name."""

    text: str = ""
    picture: Image.Image | None = None
    name: str = ""


@dataclass
class Document:
    """One record of MM-NIAH's schema, with the pictures that are its own."""

    context: str
    images: list[str]
    question: str
    answer: int | str | list[int]
    depths: list[float]
    tokens: int
    text_tokens: int
    choices: list[str] | None = None
    choice_images: list[str] | None = None
    needles: list[str] = field(default_factory=list)
    pictures: dict[str, Image.Image] = field(default_factory=dict)


def pool_name(i: int) -> str:
    return f"scene_{i:02d}.webp"


def pool_scene(i: int, seeds: range) -> Scene:
    """The i-th picture of the background."""
    return scene(seeds[500_000 + i], SIDE)


def icon(shape: str, colour: str, side: int) -> Image.Image:
    """A filled sign on a white tile with a dark rim: it stands out on every scene. RGB, side x side."""
    tile = Image.new("RGB", (4 * side, 4 * side), "white")
    draw, s = ImageDraw.Draw(tile), 4 * side
    draw.rectangle((0, 0, s - 1, s - 1), outline=(20, 20, 20), width=max(4, s // 16))
    m, fill = s * 0.18, COLOURS[colour]
    if shape == "circle":
        draw.ellipse((m, m, s - m, s - m), fill=fill)
    elif shape == "square":
        draw.rectangle((m, m, s - m, s - m), fill=fill)
    elif shape == "triangle":
        draw.polygon([(s / 2, m), (s - m, s - m), (m, s - m)], fill=fill)
    elif shape == "cross":
        w = s * 0.11
        draw.rectangle((s / 2 - w, m, s / 2 + w, s - m), fill=fill)
        draw.rectangle((m, s / 2 - w, s - m, s / 2 + w), fill=fill)
    else:
        around = [(i * np.pi / 5 - np.pi / 2, s * (0.36 if i % 2 == 0 else 0.15)) for i in range(10)]
        draw.polygon([(s / 2 + r * np.cos(a), s / 2 + r * np.sin(a)) for a, r in around], fill=fill)
    return tile.resize((side, side), Image.Resampling.LANCZOS)


def pasted(base: Image.Image, tile: Image.Image, times: int, rng: random.Random) -> Image.Image:
    """The picture with the tile at distinct places of a grid."""
    out, step = base.copy(), SIDE // 3
    for cell in rng.sample(range(9), times):
        x, y = (cell % 3) * step, (cell // 3) * step
        room = step - tile.width
        out.paste(tile, (x + rng.randint(0, room), y + rng.randint(0, room)))
    return out


def make(
    subtask: str, length: int, depth: float, rng: random.Random, count: Callable[[str], int], cost: int, seeds: range
) -> Document:
    """A document whose context has at most `length` tokens and whose needles lie around `depth` (0..1).

    `count` gives the tokens of a text, `cost` those of a picture, `seeds` the scenes to draw from.
    """
    needles, document = SUBTASKS[subtask](rng, seeds)
    wanted = _places(depth, len(needles), rng)
    room = length - sum(cost if n.picture else count(n.text) for n in needles)
    parts: list[str | int] = []
    used, since = 0, 0
    while True:
        sentence = prose(rng, 1)[0]
        need = count(" " + sentence)
        due = since >= 3 * cost
        if used + need + (cost if due else 0) > room:
            break
        if due:
            parts.append(rng.randrange(POOL))
            used, since = used + cost, 0
        parts.append(sentence)
        used, since = used + need, since + need
    sizes = [cost if isinstance(p, int) else count(" " + p) for p in parts]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    at = [int(np.abs(ends - d * used).argmin()) for d in wanted]
    words: list[str] = []
    place = 0.0
    for i in range(len(parts) + 1):
        for needle, where in zip(needles, at, strict=True):
            if where == i:
                document.depths.append(place)
                place += cost if needle.picture else count(needle.text)
                words.append("<image>" if needle.picture else needle.text)
                if needle.picture:
                    document.images.append(needle.name)
                document.needles.append(needle.name or needle.text)
        if i < len(parts):
            part = parts[i]
            words.append("<image>" if isinstance(part, int) else part)
            if isinstance(part, int):
                document.images.append(pool_name(part))
            place += sizes[i]
    document.depths = [round(d / place, 4) for d in document.depths]
    document.context = " ".join(words)
    pictures = document.context.count("<image>")
    document.text_tokens = count(document.context.replace("<image>", ""))
    document.tokens = document.text_tokens + pictures * cost
    document.pictures |= {n.name: n.picture for n in needles if n.picture}
    return document


def _places(depth: float, needles: int, rng: random.Random) -> list[float]:
    """Sorted places whose mean is `depth`, all within 0..1."""
    if needles == 1:
        return [depth]
    spread = min(depth, 1 - depth) * 0.9
    offsets = np.linspace(-1, 1, needles) * spread * rng.uniform(0.6, 1)
    return [float(depth + o) for o in offsets]


def _blank(question: str, answer: int | str | list[int], **more: object) -> Document:
    return Document("", [], question, answer, [], 0, 0, **more)  # type: ignore[arg-type]


def _background(rng: random.Random, seeds: range) -> Image.Image:
    return scene(seeds[rng.randrange(500_000)], SIDE).picture


def retrieval_text(rng: random.Random, seeds: range) -> tuple[list[Needle], Document]:
    name, place, thing = rng.choice(NAMES), rng.choice(PLACES), rng.choice(KEPT)
    needle = Needle(f"The only thing that {name} keeps in the {place} is a {thing}.")
    return [needle], _blank(f"What does {name} keep in the {place}?", thing)


def retrieval_image(rng: random.Random, seeds: range) -> tuple[list[Needle], Document]:
    signs = _signs(rng, 4)
    right = rng.randrange(4)
    picture = pasted(_background(rng, seeds), icon(*signs[right], 18), 1, rng)
    options = {f"option_{i}": icon(*sign, 48) for i, sign in enumerate(signs)}
    question = "One of the pictures has a small sign on a white tile pasted into it. Which sign is it?"
    return [Needle(picture=picture, name="needle_0")], _blank(
        question, right, choice_images=list(options), pictures=options
    )


def counting_text(rng: random.Random, seeds: range) -> tuple[list[Needle], Document]:
    name, thing = rng.choice(NAMES), rng.choice(KEPT)
    numbers = [rng.randint(2, 9) for _ in range(rng.randint(2, 3))]
    needles = [Needle(f"Then {name} counted {n} {thing}s.") for n in numbers]
    question = f"How many {thing}s did {name} count each time? Answer with a JSON list of the numbers in text order."
    return needles, _blank(question, numbers)


def counting_image(rng: random.Random, seeds: range) -> tuple[list[Needle], Document]:
    ((shape, colour),) = _signs(rng, 1)
    numbers = [rng.randint(1, 4) for _ in range(rng.randint(2, 3))]
    needles = [
        Needle(picture=pasted(_background(rng, seeds), icon(shape, colour, 18), n, rng), name=f"needle_{i}")
        for i, n in enumerate(numbers)
    ]
    question = (
        f"Some pictures have {colour} {plural(shape)} on white tiles pasted into them. How many are there in each of "
        "those pictures? Answer with a JSON list of the numbers in the order of the pictures."
    )
    return needles, _blank(question, numbers)


def reasoning_text(rng: random.Random, seeds: range) -> tuple[list[Needle], Document]:
    things, boxes, places = rng.sample(KEPT, 2), rng.sample(BOXES, 2), rng.sample(PLACES, 2)
    facts = [Needle(f"The {t} was put into the {b} box.") for t, b in zip(things, boxes, strict=True)]
    facts += [Needle(f"The {b} box stands in the {p}.") for b, p in zip(boxes, places, strict=True)]
    rng.shuffle(facts)
    return facts, _blank(f"In which room is the {things[0]}?", places[0])


def reasoning_image(rng: random.Random, seeds: range) -> tuple[list[Needle], Document]:
    """Two windows on one scene. What is seen moves against the camera."""
    wide = scene(seeds[rng.randrange(500_000)], 2 * SIDE, min_objects=2).picture
    shift, right = rng.randint(28, 44), rng.randrange(2)
    first = rng.randint(0, SIDE - shift)
    xs = (first, first + shift) if right else (first + shift, first)
    top = rng.randint(0, SIDE)
    needles = []
    for i, x in enumerate(xs):
        frame = wide.crop((x, top, x + SIDE, top + SIDE))
        ImageDraw.Draw(frame).rectangle((0, 0, SIDE - 1, SIDE - 1), outline=(230, 20, 30), width=4)
        needles.append(Needle(picture=frame, name=f"needle_{i}"))
    question = "Two pictures with a red frame were taken one after the other. In which direction is the camera moving?"
    return needles, _blank(question, right, choices=["The camera is moving left.", "The camera is moving right."])


def _signs(rng: random.Random, n: int) -> list[tuple[str, str]]:
    """Distinct (shape, colour)."""
    return rng.sample([(s, c) for s in SHAPES for c in COLOURS], n)


SUBTASKS: dict[str, Callable[[random.Random, range], tuple[list[Needle], Document]]] = {
    "retrieval-text": retrieval_text,
    "retrieval-image": retrieval_image,
    "counting-text": counting_text,
    "counting-image": counting_image,
    "reasoning-text": reasoning_text,
    "reasoning-image": reasoning_image,
}


def named(document: Document, prefix: str) -> tuple[Document, dict[str, Image.Image]]:
    """The document with its own pictures under names that say nothing but where they belong."""
    names: Sequence[str] = list(document.pictures)
    new = {old: f"{prefix}_{i}.webp" for i, old in enumerate(names)}
    document.images = [new.get(n, n) for n in document.images]
    document.needles = [new.get(n, n) for n in document.needles]
    if document.choice_images:
        document.choice_images = [new[n] for n in document.choice_images]
    return document, {new[old]: picture for old, picture in document.pictures.items()}
