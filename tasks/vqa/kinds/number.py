"""Numbers within a tolerance; ChartQA's relaxed accuracy by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from harness.core import Outcome, Score
from harness.tasks.vqa.kinds.kind import Kind, outcome
from harness.tasks.vqa.record import Bad, Question
from harness.tasks.vqa.vqav2 import DIGITS

GROUPED = r"\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?"
NUMBER = re.compile(rf"(?<![\w.,])[-+−]?(?:{GROUPED}|\d+(?:[.,]\d+)?|\.\d+)(?:[eE][-+]?\d+)?\s?%?")
"""1,234.5 has thousands, 1,5 a decimal comma."""
WORD = re.compile(rf"\b({'|'.join(w for w in DIGITS if w != 'none')})\b", re.IGNORECASE)


def value(text: str) -> float:
    """Of a written number, per cent included. Raises ValueError."""
    plain = text.strip()
    if NUMBER.fullmatch(plain) is None:
        raise ValueError(plain)
    digits = plain.rstrip("% ").replace("−", "-")
    grouped = re.fullmatch(rf"[-+]?{GROUPED}(?:[eE][-+]?\d+)?", digits)
    number = float(digits.replace(",", "" if grouped else "."))
    return number / 100 if plain.endswith("%") else number


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
    """The whole answer, as ChartQA's published figures read it: "about 5" is not a number."""
    return text.strip() if _whole(text) is not None else ""


def _whole(text: str) -> float | None:
    """As the official script reads a number: by Python, 5% as 0.05."""
    plain = text.strip()
    try:
        return float(plain.rstrip("%")) / 100 if plain.endswith("%") else float(plain)
    except ValueError:
        return None


PARSERS: dict[str, Callable[[str], str]] = {"last": last, "first": first, "relaxed": relaxed}


def near(said: str, right: str, relative: float, absolute: float) -> bool:
    """Whether a number is within a tolerance of the right one. 5% is 0.05, and 5 where the other one has no sign of per
    cent either way: a chart's axis may say it."""
    pairs = [(value(said), value(right))]
    if said.endswith("%") != right.endswith("%"):
        pairs.append((value(said.rstrip("% ")), value(right.rstrip("% "))))
    return any(_within(a, b, relative, absolute) for a, b in pairs)


def chartqa(said: str, right: str, relative: float) -> bool:
    """`relaxed_correctness`: a right answer of 0, or of no number, is compared as text."""
    number, goal = _whole(said), _whole(right)
    if number is not None and goal:
        return abs(number - goal) / abs(goal) <= relative
    return said.strip().lower() == right.lower()


def _within(said: float, right: float, relative: float, absolute: float) -> bool:
    slack = max(relative * abs(right), absolute)
    return abs(said - right) <= slack + 1e-9 * max(abs(said), abs(right))


class Number(Kind):
    name = "number"
    parsers = tuple(PARSERS)
    prompt = "{hint}{question}\nAnswer with a single number."
    scores = (Score("correct", primary=True), Score("exact"), Score("unparsed", higher_is_better=False))

    def read(self, values: Sequence[Any], record: Question) -> Question:
        """ChartQA's rule also takes words, which must be the same."""
        made = super().read(values, record)
        for one in made.answers if self.how.parser != "relaxed" else ():
            try:
                value(one)
            except ValueError:
                raise Bad(f"the answer is {one[:40]!r}, not a number") from None
        return made

    def score(self, record: Question, answer: str) -> Outcome:
        read = PARSERS[self.how.parser](answer)
        right, same = 0.0, 0.0
        worded = next((a for a in record.answers if self.how.parser == "relaxed" and _whole(a) is None), None)
        for one in record.answers:
            if self.how.parser == "relaxed":
                right = max(right, float(chartqa(answer, one, self.how.tolerance)))
                same = max(same, float(chartqa(answer, one, 0.0)))
            elif read:
                right = max(right, float(near(read, one, self.how.tolerance, self.how.absolute)))
                same = max(same, float(near(read, one, 0.0, 0.0)))
        scores = {"correct": right, "exact": same, "unparsed": float(not read and worded is None)}
        return outcome(record, answer, scores, read or None)
