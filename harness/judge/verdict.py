"""What a judge's reply says: its verdict and its reason, or nothing where that is not clear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MARKS = " \t\r\n*_`'\"“”.,;:!()[]{}<>#-"
"""What may stand around a verdict."""
LABELLED = re.compile(r"""(?im)["'*_`]*\bverdict\b["'*_`]*\s*(?:[:=]|\bis\b)[ \t]*([^\n]*)""")
REASON = re.compile(r"""(?is)["'*_`]*\breason\b["'*_`]*\s*[:=]\s*(.*)""")
LONGEST = 2000
"""Characters of a reason that are kept."""


@dataclass(frozen=True)
class Verdict:
    """`word` and `value` are None where the reply gives no verdict, or several."""

    word: str | None
    value: float | None
    reason: str


def read(text: str, verdicts: Mapping[str, float]) -> Verdict:
    """The verdict after the last label "Verdict:", or a reply that is a verdict and nothing else.

    Replies with labels that contradict each other have no verdict: a wrong reading would be a wrong score.
    """
    labels = list(LABELLED.finditer(text))
    found = [_word(m[1], verdicts) for m in labels]
    if not labels:
        found = [_whole(text, verdicts)]
    word = found[0] if len({*found}) == 1 else None
    return Verdict(word, None if word is None else verdicts[word], _reason(text, labels))


def _word(text: str, verdicts: Mapping[str, float]) -> str | None:
    """The verdict that stands on a line alone or before a remark: "correct", "**B** (shorter)", '"tie"}', "Answer A".
    Not "A or B", "no idea" or "a draw"."""
    line = re.sub(r"(?i)^(?:the )?answer (?:is )?", "", text.strip(MARKS))
    for word in verdicts:
        if not (m := re.match(rf"{_exactly(word)}(?=\s*(?:$|[^\w\s/]))", line)):
            continue
        rest = line[m.end() :]
        return None if any(re.search(rf"\b{_exactly(w)}\b", rest) for w in verdicts if w != word) else word
    return None


def _exactly(word: str) -> str:
    """In any case, but for a letter: "a" is an article."""
    return re.escape(word) if len(word) == 1 else f"(?i:{re.escape(word)})"


def _whole(text: str, verdicts: Mapping[str, float]) -> str | None:
    said = text.strip(MARKS).lower()
    return next((w for w in verdicts if w.lower() == said), None)


def _reason(text: str, labels: list[re.Match[str]]) -> str:
    """What follows "Reason:", without the verdict's own line; all else that was said where there is no label."""
    for m in reversed(labels):
        text = text[: m.start()] + text[m.end() :]
    found = REASON.search(text)
    return " ".join((found[1] if found else text).split()).strip("\"'{} ,")[:LONGEST]
