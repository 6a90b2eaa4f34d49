"""POPE's construction of questions from object annotations (main.py of RUCAIBox/POPE), as pure functions."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import UsageError

SAMPLE_NUM = 3
"""Present objects asked per image, and absent ones: six questions."""
IMG_NUM = 500


@dataclass(frozen=True)
class Annotated:
    """An image and the distinct categories it shows; the first three in this order become the yes questions."""

    image: str
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """`question_id` counts from 1 within a split."""

    question_id: int
    image: str
    object: str
    label: str

    @property
    def text(self) -> str:
        return question(self.object)


def question(name: str) -> str:
    """The article follows the first letter alone, as in the official files."""
    return f"Is there {'an' if name[0] in 'aeiou' else 'a'} {name} in the image?"


def choose(
    images: Sequence[Annotated], seed: int, img_num: int = IMG_NUM, sample_num: int = SAMPLE_NUM
) -> list[Annotated]:
    """`img_num` images with at least `sample_num` objects (the code's rule; the paper says more than three), drawn
    without replacement. Raises UsageError if there are too few, or an image lists an object twice."""
    for image in images:
        if len(set(image.objects)) < len(image.objects):
            raise UsageError(f"image {image.image} lists an object twice: give each category once")
    fit = [image for image in images if len(image.objects) >= sample_num]
    if len(fit) < img_num:
        raise UsageError(f"{len(fit)} images show {sample_num} or more objects, {img_num} are wanted: give more images")
    return random.Random(seed).sample(fit, img_num)


def by_frequency(images: Sequence[Annotated]) -> list[str]:
    """The vocabulary of these images, most frequent first; ties stay in order of appearance."""
    return [name for name, _ in Counter(name for image in images for name in image.objects).most_common()]


def by_cooccurrence(images: Sequence[Annotated]) -> dict[str, list[str]]:
    """For each object the others it is seen with, most frequent first; ties stay in order of appearance."""
    seen: dict[str, Counter[str]] = {}
    for image in images:
        for name in image.objects:
            seen.setdefault(name, Counter()).update(other for other in image.objects if other != name)
    return {name: [other for other, _ in counts.most_common()] for name, counts in seen.items()}


def poll(images: Sequence[Annotated], split: str, seed: int, sample_num: int = SAMPLE_NUM) -> list[Question]:
    """The questions of one split: per image three times a present object and then an absent one.

    An absent object was not asked for this image before. random: uniform; popular: the most frequent; adversarial:
    the one most often seen with the present object just asked, uniform where none is left. Frequencies are those of
    `images` alone. Raises UsageError where the official loop would never end: no absent object is left.
    """
    if split not in ("random", "popular", "adversarial"):
        raise UsageError(f"split {split} is unknown: choose random, popular or adversarial")
    rng = random.Random(f"{seed}/{split}")
    vocabulary = by_frequency(images)
    partners = by_cooccurrence(images)
    questions: list[Question] = []
    for image in images:
        if len(image.objects) < sample_num:
            raise UsageError(f"image {image.image} shows {len(image.objects)} objects: {sample_num} are needed")
        asked: set[str] = set()
        for present in image.objects[:sample_num]:
            asked.add(present)
            free = [name for name in vocabulary if name not in asked and name not in image.objects]
            if not free:
                raise UsageError(
                    f"image {image.image} has no absent object left to ask for (vocabulary: {len(vocabulary)} names): "
                    "give more varied images"
                )
            if split == "popular":
                absent = free[0]
            elif split == "adversarial":
                allowed = set(free)
                near = (name for name in partners[present] if name in allowed)
                absent = next(near, None) or rng.choice(free)
            else:
                absent = rng.choice(free)
            asked.add(absent)
            for name, label in ((present, "yes"), (absent, "no")):
                questions.append(Question(len(questions) + 1, image.image, name, label))
    return questions
