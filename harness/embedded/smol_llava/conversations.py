"""Training text for a model that can write: tiny-llava's questions, and captions of two to four sentences.

Late sentences name small and hazy objects, after many words of its own: where large models hallucinate most.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from harness.embedded.scenes import CATEGORIES, FREQUENCY, NAMES, SCENE_TYPES
from harness.embedded.tiny_llava.conversations import BRIEF, DETAIL, NUMBERS, Turn, presence
from harness.embedded.tiny_llava.conversations import caption as brief
from harness.embedded.tiny_llava.conversations import conversation as tiny_conversation

WHERE = (
    ("in the upper left", "at the top", "in the upper right"),
    ("on the left", "in the centre", "on the right"),
    ("in the lower left", "at the bottom", "in the lower right"),
)
OPENINGS = ("The image shows {scene} with {items}.", "You can also see {items}.", "Less prominent are {items}.")
CLOSING = "Nothing else can be made out."


@cache
def negatives(kind: int) -> np.ndarray:
    """Probability of each category, (67,), as an absent object asked for in a scene of this kind.

    A quarter uniform, half by overall frequency, a quarter by what the scene tends to hold: POPE's random, popular
    and adversarial questions. What co-occurs stays a useful guide: most of what a scene tends to hold is there.
    """
    own = np.array([SCENE_TYPES[kind].objects.get(n, 0.0) for n in NAMES])
    return 0.25 / len(NAMES) + 0.5 * FREQUENCY + 0.25 * own / own.sum()


def where(row: np.ndarray) -> str:
    """The ninth of the picture in which the middle of an object's box lies."""
    x, y = (min(2, max(0, int(3 * v))) for v in row[1:3])
    return WHERE[y][x]


def caption(instances: np.ndarray, kind: int, rng: np.random.Generator | None = None) -> str:
    """Every category once with its number and place, largest first, two a sentence; then a sentence that ends it.

    Args:
        instances: float (n, 6) rows of `SceneArrays.instances` without padding.
        kind: Index into SCENE_TYPES.
        rng: If given, one small object in ten goes unmentioned, as annotators do.
    """
    counts: dict[int, int] = {}
    places: dict[int, str] = {}
    for row in instances:
        if rng is not None and counts and row[5] < 140 and rng.random() < 0.1:
            continue
        category = int(row[0])
        counts[category] = counts.get(category, 0) + 1
        places.setdefault(category, where(row))
    items = [
        f"{CATEGORIES[c].phrase if n == 1 else f'{NUMBERS[min(n, 9)]} {CATEGORIES[c].plural}'} {places[c]}"
        for c, n in counts.items()
    ]
    parts = [items[:2], items[2:4], items[4:]]
    scene = SCENE_TYPES[kind].phrase
    said = [
        o.format(scene=scene, items=p[0] if len(p) == 1 else ", ".join(p[:-1]) + " and " + p[-1])
        for o, p in zip(OPENINGS, parts, strict=True)
        if p
    ]
    return " ".join([*said, CLOSING])


def conversation(
    instances: np.ndarray, kind: int, rng: np.random.Generator, questions: int = 8, captions: float = 0.5
) -> list[Turn]:
    """Turns about one scene in random order: presence questions, and now and then a count, a point and a caption.

    Args:
        instances: float (SLOTS, 6), padded with -1 as in `SceneArrays.instances`.
        kind: Index into SCENE_TYPES.
        rng: Source of every choice.
        questions: Number of presence questions; half yes where there are objects enough.
        captions: Share of scenes with a caption, two in three of them detailed.
    """
    rows = instances[instances[:, 0] >= 0]
    present = list(dict.fromkeys(rows[:, 0].astype(int).tolist()))
    absent = [c for c in range(len(CATEGORIES)) if c not in present]
    share = negatives(kind)[absent]
    yes = rng.permutation(present)[: questions // 2]
    no = rng.choice(absent, questions - questions // 2, replace=False, p=share / share.sum())
    turns = [presence(int(c), True, rng) for c in yes] + [presence(int(c), False, rng) for c in no]
    others = tiny_conversation(instances, kind, rng, 0)
    for task, chance in (("count", 0.3), ("point", 0.15)):
        turns += [t for t in others if t.task == task][: int(rng.random() < chance)]
    if rng.random() < captions:
        if rng.random() < 0.7:
            turns.append(Turn(str(DETAIL[rng.integers(2)]), caption(rows, kind, rng), "caption"))
        else:
            turns.append(Turn(str(BRIEF[rng.integers(2)]), brief(rows, kind, False, rng), "caption"))
    return [turns[i] for i in rng.permutation(len(turns))]
