"""How alike two short texts are: exact match, token F1 (SQuAD) and ANLS (DocVQA)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

ARTICLES = ("a", "an", "the")
AROUND = ".,;:!?\"'`*()[]{}«»“”‘’。，、！？：；"
"""Punctuation that says nothing before and after a word."""
THRESHOLD = 0.5
"""Of ANLS: what is less like than this is wrong."""


def normal(text: str) -> str:
    """For exact match: one form of each character, small letters, no articles, no punctuation around words."""
    words = [w.strip(AROUND) for w in unicodedata.normalize("NFKC", text).casefold().split()]
    kept = [w for w in words if w and w not in ARTICLES]
    return " ".join(kept or [w for w in words if w])


def exact(said: str, right: str) -> float:
    """1 where both are the same in normal form, else 0."""
    return float(normal(said) == normal(right))


def tokens(text: str) -> list[str]:
    """SQuAD's: small letters, no ASCII punctuation, no articles."""
    plain = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def f1(said: str, right: str) -> float:
    """SQuAD's F1 over tokens, 0 to 1. Where one has none, 1 if the other has none either."""
    a, b = tokens(said), tokens(right)
    if not a or not b:
        return float(a == b)
    common = sum((Counter(a) & Counter(b)).values())
    return 2 * common / (len(a) + len(b))


def anls(said: str, right: Sequence[str]) -> float:
    """Average Normalised Levenshtein Similarity of one question, as DocVQA's script has it: the best similarity to one
    of the answers, 0 below THRESHOLD. Case and runs of white space do not count as edits, but to the length."""
    best = 0.0
    for answer in right:
        longest = max(len(answer), len(said))
        edits = distance(" ".join(answer.lower().split()), " ".join(said.lower().split()))
        best = max(best, 1 - edits / longest if longest else 1.0)
    return best if best >= THRESHOLD else 0.0


def distance(a: str, b: str) -> int:
    """Levenshtein: the fewest insertions, deletions and replacements of a character."""
    if len(a) < len(b):
        a, b = b, a
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]
