"""Multiple choice: letters read by the rules of published suites, by their names."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core import Outcome, Score
from harness.tasks.stare.parsers import lenient, strict_official
from harness.tasks.vqa.kinds.kind import Kind, outcome, text
from harness.tasks.vqa.record import Bad, Question

Options = Mapping[str, str]
"""Letter -> option."""
MARKS = ".()[],:;!*#{}"
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
"""Of VLMEvalKit; they are read as option Z."""
AFFIXES = (
    ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."), (":", ""), (":", ","),
    (":", "."), (":", ")"), (":", ")."),
)  # fmt: skip
"""What MMBench's rule allows around a letter, in this order."""
SAID = re.compile(r"(?:correct\s+)?answer\s+is\s+\**([ABCD])\**", re.IGNORECASE)


def mmmu(answer: str, options: Options) -> str:
    """`parse_multi_choice_response` of MMMU: the last "(B)", else the last " B ", else, of more than five words, the
    option named last. Where it finds nothing it guesses at random; here that is not an answer."""
    for mark in ",.!?;:'":
        answer = answer.strip(mark)
    padded = f" {answer} "
    for form in ("({})", " {} "):
        at = {k: padded.rfind(form.format(k)) for k in options}
        if max(at.values(), default=-1) >= 0:
            return max(at, key=lambda k: at[k])
    if len(padded.split()) > 5:
        at = {k: padded.lower().rfind(v.lower()) for k, v in options.items()}
        if max(at.values(), default=-1) >= 0:
            return max(at, key=lambda k: at[k])
    return ""


def vlmevalkit(answer: str, options: Options) -> str:
    """`can_infer` of VLMEvalKit: the one letter among the last five words, beside any punctuation; "answer is B"; else
    the one option whose words are there, in an answer at most twice as long as all options."""
    if any(refusal in answer for refusal in REFUSALS):
        return "Z"
    words = "".join(" " if c in MARKS else c for c in answer).split()
    there = [k for k in options if k in words]
    if len(there) == 1 and words.index(there[0]) > len(words) - 5:
        return there[0]
    if not there and "Z" in words:
        return "Z"
    if (found := SAID.search(answer)) and found[1].upper() in options:
        return found[1].upper()
    if len(answer) > 2 * sum(map(len, options.values())):
        return ""
    return _named(answer, options)


def mmbench(answer: str, options: Options) -> str:
    """`can_infer` of lmms-eval's MMBench, without its judge: the one letter of A to E among the words, alone or with
    marks in the order of AFFIXES, else the one option of A to D whose words are there."""
    words = answer.split()
    for before, after in (("", ""), *AFFIXES):
        there = [k for k in "ABCDE" if f"{before}{k}{after}" in words]
        article = not before and not after and "A" in words and len(words) > 3
        if len(there) == 1 and not article:
            return there[0]
    return _named(answer, {k: v for k, v in options.items() if k in "ABCD"})


def _named(answer: str, options: Options) -> str:
    said = answer.lower()
    there = [k for k, v in options.items() if v.lower() in said]
    return there[0] if len(there) == 1 else ""


PARSERS: dict[str, Callable[[str, Options], str]] = {
    "vlmevalkit": vlmevalkit,
    "mmmu": mmmu,
    "mmbench": mmbench,
    "lenient": lenient,
    "strict_official": strict_official,
}
"""The last two are STARE's."""


class Choice(Kind):
    name = "choice"
    parsers = tuple(PARSERS)
    prompt = "{hint}{question}\n{options}\nAnswer with the option's letter from the given choices directly."
    scores = (Score("correct", primary=True), Score("unparsed", higher_is_better=False))

    def read(self, values: Sequence[Any], record: Question) -> Question:
        if len(record.options) < 2:
            raise Bad("has fewer than two options")
        if len(record.options) > 26:
            raise Bad(f"has {len(record.options)} options, more than there are letters")
        if len(values) != 1:
            raise Bad(f"the answer is {len(values)} values: one option can be right")
        return replace(record, answers=(key(values[0], record.choices),))

    def score(self, record: Question, answer: str) -> Outcome:
        said = PARSERS[self.how.parser](answer, record.choices).strip().upper()
        known = said if said in record.choices else ""
        scores = {"correct": float(known in record.answers), "unparsed": float(not said)}
        return outcome(record, answer, scores, known or None, options=record.choices)

    def choices(self, record: Question) -> Sequence[str]:
        return list(record.choices)

    def chance(self, record: Question, rng: random.Random) -> str:
        return rng.choice(list(record.choices))


def key(value: Any, options: Options) -> str:
    """The letter of the right option: given by its letter, or by its text. Raises Bad."""
    said = text(value)
    letter = re.fullmatch(r"\(?([A-Za-z])[).:]?", said)
    named = [k for k, v in options.items() if v.strip().lower() == said.lower()]
    if letter and letter[1].upper() in options:
        if named and named != [letter[1].upper()]:
            raise Bad(f"the answer {said!r} is the letter of one option and the text of another")
        return letter[1].upper()
    if len(named) == 1:
        return named[0]
    if named:
        raise Bad(f"the answer {said[:40]!r} is the text of {len(named)} options: give its letter")
    raise Bad(f"the answer {said[:40]!r} is neither a letter from A to {max(options)} nor the text of an option")
