"""Yes or no: POPE's parsers by name and its metrics; by default the first of the two words."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.core import Metric, Outcome, Result, Score
from harness.stats import failed
from harness.tasks.pope.parsers import PARSERS, doubtful, unparsed
from harness.tasks.pope.scoring import FLAGS, confused
from harness.tasks.vqa.kinds.kind import Kind, outcome, text
from harness.tasks.vqa.record import Bad, Question

WORDS = ("yes", "no")
MEANT = {"true": "yes", "1": "yes", "false": "no", "0": "no"}
"""What a table may say instead, where the user says that its answers are yes and no."""


def word(answer: str, label: str = "") -> str | None:
    """Whichever of the words yes and no comes first, in any case and beside any punctuation; None without either."""
    found = re.search(r"(?<![^\W_])(yes|no)(?![^\W_])", answer.lower())
    return found[1] if found else None


class YesNo(Kind):
    name = "yesno"
    parsers = ("word", *PARSERS)
    prompt = "{hint}{question}\nAnswer yes or no."
    scores = (Score("correct", primary=True), *(Score(flag, higher_is_better=False) for flag in FLAGS))

    def read(self, values: Sequence[Any], record: Question) -> Question:
        said = text(values[0]).lower().rstrip(".")
        label = MEANT.get(said, said)
        if len(values) != 1 or label not in WORDS:
            raise Bad(f"the answer is {', '.join(map(text, values))[:40]!r}, not yes or no")
        return replace(record, answers=(label,))

    def score(self, record: Question, answer: str) -> Outcome:
        (label,) = record.answers
        verdict = {"word": word, **PARSERS}[self.how.parser](answer, label)
        scores = {
            "correct": float(verdict == label),
            "unparsed": float(verdict is None or unparsed(answer)),
            "doubtful": float(doubtful(answer, verdict)),
        }
        return outcome(record, answer, scores, verdict)

    def choices(self, record: Question) -> Sequence[str]:
        return WORDS

    def chance(self, record: Question, rng: random.Random) -> str:
        return rng.choice(WORDS)

    def metrics(self, results: Sequence[Result], group: str = "all") -> list[Metric]:
        scored = [r for r in results if r.outcome]
        found = confused(group, scored) if scored else []
        return [*(replace(m, primary=m.name == "accuracy") for m in found), failed(results)]
