"""Numbers within a tolerance; ChartQA's relaxed accuracy by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from harness.core import Outcome, Score
from harness.tasks.vqa.kinds.kind import Kind, outcome
from harness.tasks.vqa.record import Bad, Question
from harness.tasks.vqa.vqav2 import DIGITS

NUMBER = re.compile(
    r"(?<![\w.,])[-+−]?(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?\s?%?"
)
WORD = re.compile(rf"\b({'|'.join(w for w in DIGITS if w != 'none')})\b", re.IGNORECASE)


def value(text: str) -> float:
    """Of a written number, per cent included. Raises ValueError."""
    plain = text.strip().replace("−", "-")
    part = plain.endswith("%")
    found = float(plain.rstrip("% ").replace(",", ""))
    return found / 100 if part else found


def found(text: str) -> list[str]:
    """The numbers in a text, in order; without digits the words from zero to ten."""
    digits = [n.strip() for n in NUMBER.findall(text)]
    return digits or [DIGITS[w.lower()] for w in WORD.findall(text)]


def last(text: str) -> str:
    """The last number of the answer."""
    return (found(text) or [""])[-1]


def first(text: str) -> str:
    """The first number of the answer."""
    return (found(text) or [""])[0]


def relaxed(text: str) -> str:
    """The whole answer, as ChartQA's published figures read it: "about 5" is no number."""
    try:
        float(text.removesuffix("%"))
    except ValueError:
        return ""
    return text


PARSERS: dict[str, Callable[[str], str]] = {"last": last, "first": first, "relaxed": relaxed}


def near(said: str, right: str, relative: float, absolute: float) -> bool:
    """Whether a number is within a tolerance of the right one. 5% is 0.05, and 5 where the other one has no sign of per
    cent either way: a chart's axis may say it."""
    pairs = [(value(said), value(right))]
    if said.endswith("%") != right.endswith("%"):
        pairs.append((value(said.rstrip("% ")), value(right.rstrip("% "))))
    return any(_within(a, b, relative, absolute) for a, b in pairs)


def chartqa(said: str, right: str, relative: float) -> bool:
    """`relaxed_correctness`: 5% is 0.05; a right number of 0 is compared as text."""
    goal = value(right)
    if relaxed(said) and goal:
        return abs(value(said) - goal) / abs(goal) <= relative
    return said.lower() == right.lower()


def _within(said: float, right: float, relative: float, absolute: float) -> bool:
    slack = max(relative * abs(right), absolute)
    return abs(said - right) <= slack + 1e-9 * max(abs(said), abs(right))


class Number(Kind):
    name = "number"
    parsers = tuple(PARSERS)
    prompt = "{hint}{question}\nAnswer with a single number."
    scores = (Score("correct", primary=True), Score("exact"), Score("unparsed", higher_is_better=False))

    def read(self, values: Sequence[Any], record: Question) -> Question:
        made = super().read(values, record)
        for one in made.answers:
            try:
                float(one.rstrip("% ").replace(",", ""))
            except ValueError:
                raise Bad(f"the answer is {one[:40]!r}, not a number") from None
        return made

    def score(self, record: Question, answer: str) -> Outcome:
        read = PARSERS[self.how.parser](answer)
        right, same = 0.0, 0.0
        for one in record.answers:
            if self.how.parser == "relaxed":
                right = max(right, float(chartqa(answer, one, self.how.tolerance)))
                same = max(same, float(chartqa(answer, one, 0.0)))
            elif read:
                right = max(right, float(near(read, one, self.how.tolerance, self.how.absolute)))
                same = max(same, float(near(read, one, 0.0, 0.0)))
        scores = {"correct": right, "exact": same, "unparsed": float(not read)}
        return outcome(record, answer, scores, read or None)
