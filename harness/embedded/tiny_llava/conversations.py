"""Training text: questions and answers about one annotated scene.

Negatives of presence questions ignore the scene, so that what co-occurs stays a useful and misleading prior. Most
follow each category's overall frequency: with uniform ones alone, "person" is nearly always answered yes, and POPE's
popular split becomes harder than its adversarial one.
"""

from dataclasses import dataclass

import numpy as np

from harness.embedded.scenes import BY_NAME, CATEGORIES, FREQUENCY, SCENE_TYPES, SHOWS_ALSO, article

NEGATIVES = 0.25 / len(CATEGORIES) + 0.75 * FREQUENCY
"""Probability of each category, (67,), as an absent object asked for."""

PRESENCE = (
    "Is there {a} {n} in the image?",
    "Is there {a} {n} in the image?",
    "Is there {a} {n} in the image?",
    "Is there {a} {n} in this picture?",
    "Do you see {a} {n}?",
    "Can you see {a} {n} in the image?",
)
"""Wordings of the presence question; the first three are POPE's own, weighted by repetition."""

SUFFIXES = (
    "\nAnswer the question using a single word or phrase.",
    " Please answer this question with one word.",
)
"""What LLaVA's and VCD's protocols append to a question."""

COUNT = ("How many {p} are there?", "How many {p} are in the image?")
POINT = ("Click the {n}.", "Where is the {n}?", "Point to the {n}.")
DETAIL = ("Please describe this image in detail.", "Please help me describe the image in detail.")
BRIEF = ("Describe the image.", "What is in the image?")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Turn:
    """One exchange. `task` is presence, count, point or caption; `about` the category index asked for, -1 if none."""

    question: str
    answer: str
    task: str
    about: int = -1


def presence(category: int, present: bool, rng: np.random.Generator) -> Turn:
    """A yes/no question; a quarter carry a protocol's suffix."""
    name = CATEGORIES[category].name
    question = PRESENCE[rng.integers(len(PRESENCE))].format(a=article(name), n=name)
    if rng.random() < 0.25:
        question += SUFFIXES[rng.integers(len(SUFFIXES))]
    return Turn(question, "Yes" if present else "No", "presence", category)


def caption(instances: np.ndarray, kind: int, detail: bool, rng: np.random.Generator | None = None) -> str:
    """Name the objects, largest first, each category once with its number.

    Args:
        instances: float (n, 6) rows of `SceneArrays.instances` without padding.
        kind: Index into SCENE_TYPES, named in detailed captions.
        detail: Detailed or brief wording.
        rng: If given, one small object in ten goes unmentioned, as annotators do.
    """
    counts: dict[int, int] = {}
    for row in instances:
        small = row[5] < 140
        if rng is not None and counts and small and rng.random() < 0.1:
            continue
        counts[int(row[0])] = counts.get(int(row[0]), 0) + 1
    parts = [
        CATEGORIES[c].phrase if n == 1 else f"{NUMBERS[min(n, 9)]} {CATEGORIES[c].plural}" for c, n in counts.items()
    ]
    listed = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    if detail:
        return f"The image shows {SCENE_TYPES[kind].phrase} with {listed}."
    return f"The image shows {listed}."


def point(row: np.ndarray) -> str:
    """The middle of an object's box as "[x, y]" in 0..0.99 of the picture's side."""
    x, y = (min(max(float(v), 0.0), 0.99) for v in row[1:3])
    return f"[{x:.2f}, {y:.2f}]"


def _counting(counts: dict[int, int], absent: list[int], rng: np.random.Generator, several: bool) -> list[Turn]:
    """A question for a number, often of a repeated category if `several`; none where the drawing is disputable."""
    disputable = {BY_NAME[v].index for k, v in SHOWS_ALSO.items() if BY_NAME[k].index in counts}
    pool = [c for c in counts if c not in disputable]
    if several:
        pool = [c for c in pool if counts[c] > 1] or pool
    if not pool:
        return []
    c = int(rng.choice(pool if rng.random() < 0.9 else absent))
    question = COUNT[rng.integers(len(COUNT))].format(p=CATEGORIES[c].plural)
    return [Turn(question, str(counts.get(c, 0)), "count", c)]


def conversation(instances: np.ndarray, kind: int, rng: np.random.Generator, questions: int = 4) -> list[Turn]:
    """Turns about one scene in random order: `questions` presence questions (half yes where objects suffice),
    two counts, two points, a detailed and a brief caption.

    Args:
        instances: float (SLOTS, 6), padded with -1 as in `SceneArrays.instances`.
        kind: Index into SCENE_TYPES.
        rng: Source of every choice.
        questions: Number of presence questions.
    """
    rows = instances[instances[:, 0] >= 0]
    categories = rows[:, 0].astype(int)
    present = list(dict.fromkeys(categories.tolist()))
    counts = {c: int((categories == c).sum()) for c in present}
    absent = [c for c in range(len(CATEGORIES)) if c not in counts]
    yes = rng.permutation(present)[: questions // 2]
    share = NEGATIVES[absent] / NEGATIVES[absent].sum()
    no = rng.choice(absent, questions - questions // 2, replace=False, p=share)
    turns = [presence(int(c), True, rng) for c in yes] + [presence(int(c), False, rng) for c in no]
    turns += _counting(counts, absent, rng, False) + _counting(counts, absent, rng, True)
    single = [r for r in rows if counts[int(r[0])] == 1]
    for i in rng.permutation(len(single))[:2]:
        question = POINT[rng.integers(len(POINT))].format(n=CATEGORIES[int(single[i][0])].name)
        turns.append(Turn(question, point(single[i]), "point", int(single[i][0])))
    for prompts in (DETAIL, BRIEF):
        turns.append(Turn(str(prompts[rng.integers(2)]), caption(rows, kind, prompts is DETAIL, rng), "caption"))
    return [turns[i] for i in rng.permutation(len(turns))]
