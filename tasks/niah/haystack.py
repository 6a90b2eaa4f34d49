"""Haystacks without third-party text: neutral sentences from templates and word lists, and RULER's noise."""

from __future__ import annotations

import random
from itertools import count

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
"""RULER's noise, one line."""

PEOPLE = (
    "the gardener", "a baker", "the old teacher", "her neighbour", "the ferryman", "a young painter",
    "the librarian", "his cousin", "the postman", "a travelling musician", "the carpenter", "the night watchman",
    "a shepherd", "the innkeeper", "my aunt", "the clockmaker", "a fisherman", "the school nurse", "the mayor",
    "a retired sailor",
)  # fmt: skip
PLACES = (
    "by the river", "in the market hall", "behind the mill", "near the station", "at the edge of the forest",
    "on the hill", "in the small harbour", "under the bridge", "beside the chapel", "in the back garden",
    "along the canal", "at the crossroads", "in the upper village", "outside the bakery", "on the wide meadow",
)  # fmt: skip
THINGS = (
    "a basket of pears", "an old map", "two wooden chairs", "the blue curtains", "a broken lantern", "fresh bread",
    "a letter from abroad", "the iron gate", "a pair of boots", "some dried herbs", "the big kettle",
    "a stack of plates", "the garden tools", "a woollen coat", "the church bells", "a jar of honey",
    "the spare keys", "a bundle of newspapers",
)  # fmt: skip
TIMES = (
    "before sunrise", "after lunch", "on a quiet evening", "late in autumn", "during the long rain", "every spring",
    "at the end of the week", "when the fog had lifted", "in the first days of winter", "shortly after the fair",
    "while the children slept", "on the way home", "as the shops were closing", "in the warmest month",
)  # fmt: skip
VERBS = (
    "carried", "repaired", "painted", "looked for", "described", "put away", "cleaned", "borrowed", "sold",
    "admired", "wrapped", "forgot", "collected", "drew", "counted on", "hid", "returned", "polished",
)  # fmt: skip
SHAPES = (
    "{Time}, {person} {verb} {thing} {place}.",
    "{Person} {verb} {thing} {place} {time}.",
    "Nobody noticed that {person} {verb} {thing} {time}.",
    "{Place}, {person} {verb} {thing} and went on talking.",
    "It was said that {person} {verb} {thing} {place}.",
    "{Person} and {other} met {place} {time}.",
    "{Time} the air {place} smelled of smoke and apples.",
    "There was little to see {place}, so {person} {verb} {thing}.",
    "{Person} remembered how {other} {verb} {thing} {time}.",
    "Without a word {person} {verb} {thing} and walked on.",
    "The road {place} was empty {time}.",
    "{Person} asked {other} about {thing}, but got no answer.",
)
"""Twelve shapes of 18 x 18 x 20 words and more: no digit, no key word of a needle."""

ADJECTIVES = (
    "able", "amber", "brave", "brisk", "calm", "clever", "crimson", "curly", "dusty", "eager", "fancy", "fierce",
    "gentle", "giddy", "golden", "grand", "handy", "hollow", "humble", "icy", "jolly", "keen", "lively", "lucky",
    "mellow", "misty", "noble", "odd", "pale", "plucky", "proud", "quick", "quiet", "rapid", "rusty", "shiny",
    "silent", "sleepy", "smooth", "spry", "stormy", "sunny", "tender", "tidy", "tough", "vague", "vivid", "wary",
    "wild", "zesty",
)  # fmt: skip
NOUNS = (
    "anchor", "badger", "beacon", "bishop", "bottle", "bucket", "candle", "canyon", "castle", "comet", "copper",
    "cradle", "dagger", "desert", "dragon", "falcon", "feather", "fiddle", "forest", "galaxy", "garlic", "glacier",
    "hammer", "harbor", "hornet", "island", "jacket", "jungle", "kettle", "lagoon", "lantern", "lotion", "marble",
    "meadow", "mirror", "needle", "nickel", "orchard", "otter", "paddle", "pepper", "pigeon", "piston", "planet",
    "pocket", "puzzle", "quartz", "rabbit", "ribbon", "river", "rocket", "saddle", "shadow", "signal", "spider",
    "temple", "thistle", "ticket", "tunnel", "turtle", "valley", "velvet", "violin", "walnut", "willow", "window",
    "wizard",
)  # fmt: skip


def prose(rng: random.Random, words: int) -> list[str]:
    """Sentences of at least this many words together."""
    out, length = [], 0
    while length < words:
        parts = {
            "person": rng.choice(PEOPLE),
            "other": rng.choice(PEOPLE),
            "place": rng.choice(PLACES),
            "thing": rng.choice(THINGS),
            "time": rng.choice(TIMES),
            "verb": rng.choice(VERBS),
        }
        parts |= {k.capitalize(): v[0].upper() + v[1:] for k, v in parts.items()}
        sentence = rng.choice(SHAPES).format(**parts)
        out.append(sentence)
        length += len(sentence.split())
    return out


def word(rng: random.Random) -> str:
    """An adjective and a noun, as RULER's keys are."""
    return f"{rng.choice(ADJECTIVES)}-{rng.choice(NOUNS)}"


def number(rng: random.Random) -> str:
    return str(rng.randint(1_000_000, 9_999_999))


def uuid(rng: random.Random) -> str:
    """Version 4."""
    value = rng.getrandbits(128)
    value = value & ~(0xF << 76) | 4 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


MAKE = {"words": word, "numbers": number, "uuids": uuid}


def distinct(rng: random.Random, kind: str, wanted: int, taken: set[str]) -> list[str]:
    """Values of a kind that are not yet taken, and none of which is part of another."""
    out: list[str] = []
    for _ in count():
        if len(out) == wanted:
            return out
        value = MAKE[kind](rng)
        if not any(value in t or t in value for t in taken):
            taken.add(value)
            out.append(value)
    raise AssertionError
