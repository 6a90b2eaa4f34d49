"""POPE's questions from object annotations, by the algorithm of RUCAIBox/POPE (main.py and build function)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core import HarnessError

SPLITS = ("random", "popular", "adversarial")


@dataclass(frozen=True)
class Question:
    """One record. `id` counts from 1 in its split."""

    id: int
    image: str
    text: str
    label: str
    object: str


def eligible(annotations: Mapping[str, Sequence[str]], count: int = 3) -> list[str]:
    """Images with at least `count` objects (the paper says more than three; the code is >=)."""
    return [image for image, objects in annotations.items() if len(objects) >= count]


def frequencies(annotations: Mapping[str, Sequence[str]]) -> list[str]:
    """Objects by the number of images they stand in, most frequent first; ties in order of appearance."""
    counts = Counter(o for objects in annotations.values() for o in objects)
    return sorted(counts, key=lambda o: -counts[o])


def companions(annotations: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each object the others, by how often they share an image with it; ties in order of appearance."""
    together: dict[str, Counter[str]] = {}
    for objects in annotations.values():
        for one in objects:
            together.setdefault(one, Counter()).update(o for o in objects if o != one)
    return {one: sorted(counts, key=lambda o: -counts[o]) for one, counts in together.items()}


def questions(
    annotations: Mapping[str, Sequence[str]], split: str, seed: int, *, count: int = 3, vocabulary: Sequence[str] = ()
) -> Iterator[Question]:
    """`count` present and `count` absent objects an image, alternating, statistics over exactly these images.

    Present objects are the first `count` in list order. An absent one is never in the image and never asked for it
    before: drawn uniformly from `vocabulary` (default: all annotated objects), or the first admissible one of the
    popular or adversarial order. Raises HarnessError where no object is admissible.
    """
    popular, near = frequencies(annotations), companions(annotations)
    names = list(vocabulary) or popular
    rng = random.Random(seed)
    number = 0
    for image, objects in annotations.items():
        asked: set[str] = set()
        for present in objects[:count]:
            asked.add(present)
            number += 1
            yield Question(number, image, text(present), "yes", present)
            order = {"random": [], "popular": popular, "adversarial": near.get(present, [])}[split]
            banned = asked | set(objects)
            absent = next((o for o in order if o not in banned), None)
            if absent is None:
                free = [o for o in names if o not in banned]
                if not free:
                    raise HarnessError(f"no object is left to ask about image {image}: the vocabulary is too small")
                absent = rng.choice(free)
            asked.add(absent)
            number += 1
            yield Question(number, image, text(absent), "no", absent)


def text(name: str) -> str:
    """`Is there a dog in the image?`, with "an" before a, e, i, o, u."""
    return f"Is there {'an' if name[0] in 'aeiou' else 'a'} {name} in the image?"
