"""RULER's eight needle tasks (arXiv 2404.06654; scripts/synthetic.yaml and niah.py of NVIDIA/RULER), as data."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness.tasks.niah.haystack import NOISE, distinct, prose

NEEDLE = "One of the special magic {kind} for {key} is: {value}."
PROMPT = (
    "Some special magic {kind} are hidden within the following text. Make sure to memorize it. I will quiz you about "
    "the {kind} afterwards.\n{context}\nWhat are all the special magic {kind} for {query} mentioned in the provided "
    "text?"
)
PREFIX = " The special magic {kind} for {query} mentioned in the provided text are"
REASON = (
    " First write one sentence about where in the text the answer stands. Then write 'Answer:' and the special magic "
    "{kind}."
)
"""The `reason` style: the answer comes after tokens of the model's own, so that evicted keys and values are missed."""


@dataclass(frozen=True)
class Variant:
    """One row of the table: haystack, kinds of keys and values, how many of them, how many are asked for."""

    name: str
    haystack: str
    """noise, essay or needle."""
    keys: str
    values: str
    k: int = 1
    v: int = 1
    q: int = 1


VARIANTS = {
    x.name: x
    for x in (
        Variant("single_1", "noise", "words", "numbers"),
        Variant("single_2", "essay", "words", "numbers"),
        Variant("single_3", "essay", "words", "uuids"),
        Variant("multikey_1", "essay", "words", "numbers", k=4),
        Variant("multikey_2", "needle", "words", "numbers"),
        Variant("multikey_3", "needle", "uuids", "uuids"),
        Variant("multivalue", "essay", "words", "numbers", v=4),
        Variant("multiquery", "essay", "words", "numbers", k=4, q=4),
    )
}


@dataclass(frozen=True)
class Made:
    """One prompt. `depths`: where the needles that are asked for begin, 0..100 of the haystack's characters."""

    context: str
    query: str
    answers: list[str]
    depths: list[float]
    tokens: int


def make(variant: Variant, length: int, depth: float, rng: random.Random, count: Callable[[str], int]) -> Made:
    """A prompt of at most `length` tokens by `count` (and at least 95 % of it), the first asked needle at `depth`.

    The haystack's size is found by bisection, as in RULER. Raises ValueError where the needles alone are too long.
    """
    taken: set[str] = set()
    keys = distinct(rng, variant.keys, max(variant.k, variant.q), taken)
    values = {key: distinct(rng, variant.values, variant.v, taken) for key in keys}
    asked = keys[: variant.q]
    seed = rng.getrandbits(64)

    def build(size: int) -> tuple[str, list[float]]:
        return _haystack(variant, size, depth, keys, asked, values, random.Random(seed), set(taken))

    def tokens(size: int) -> int:
        return count(prompt(variant, build(size)[0], _listed(asked)))

    low, high = 0, 8
    if tokens(low) > length:
        raise ValueError(f"{variant.name} needs more than {length} tokens")
    while tokens(high) <= length:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if tokens(middle) <= length else (low, middle)
    context, depths = build(low)
    answers = [v for key in asked for v in values[key]]
    return Made(context, _listed(asked), answers, depths, tokens(low))


def _haystack(
    variant: Variant,
    size: int,
    depth: float,
    keys: list[str],
    asked: list[str],
    values: dict[str, list[str]],
    rng: random.Random,
    taken: set[str],
) -> tuple[str, list[float]]:
    """`size` units (sentences, or lines) with the needles in between."""
    needles = [(key, NEEDLE.format(kind=variant.values, key=key, value=value)) for key in keys for value in values[key]]
    if variant.haystack == "noise":
        units, glue = [NOISE] * size, "\n"
    elif variant.haystack == "needle":
        names = distinct(rng, variant.keys, size, taken)
        others = distinct(rng, variant.values, size, taken)
        units = [NEEDLE.format(kind=variant.values, key=n, value=o) for n, o in zip(names, others, strict=True)]
        glue = "\n"
    else:
        units, glue = prose(rng, 14 * size)[:size], " "
    at = [depth, *(d for d in rng.sample([100 * i / 39 for i in range(40)], len(needles) - 1))]
    places = sorted((round(len(units) * d / 100), i) for i, d in zip(range(len(needles)), at, strict=True))
    out: list[str] = []
    begun: dict[int, int] = {}
    start = 0
    for place, i in places:
        out += units[start:place]
        start = place
        begun[i] = len(out)
        out.append(needles[i][1])
    out += units[start:]
    text = glue.join(out)
    offsets = [sum(len(u) + len(glue) for u in out[: begun[i]]) for i, (key, _) in enumerate(needles) if key in asked]
    rest = max(1, len(text) - len(needles[0][1]))
    return text, [round(min(100.0, 100 * o / rest), 2) for o in offsets]


def _listed(keys: list[str]) -> str:
    """RULER: "a, b, and c"."""
    return keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])}, and {keys[-1]}"


def prompt(variant: Variant, context: str, query: str, style: str = "direct") -> str:
    """The question in the singular where one value of one key is asked, by RULER's replacements."""
    one = variant.q * variant.v == 1
    template = _singular(PROMPT, variant) if one else PROMPT.replace("{kind}", variant.values)
    text = template.format(context=context, query=query)
    if style == "reason":
        text += (_singular(REASON, variant) if one else REASON).format(kind=variant.values)
    return text


def prefix(variant: Variant, query: str) -> str:
    """RULER's beginning of the answer."""
    template = _singular(PREFIX, variant) if variant.q * variant.v == 1 else PREFIX.replace("{kind}", variant.values)
    return template.format(query=query)


def _singular(template: str, variant: Variant) -> str:
    template = template.replace("Some", "A").replace("are all", "is").replace("are", "is").replace("answers", "answer")
    return template.replace("{kind}", variant.values[:-1])
