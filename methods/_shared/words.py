"""Which tokens of a question belong to content words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from harness.core.errors import UsageError

# fmt: off
FUNCTION_WORDS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "there", "here", "i", "you", "he", "she", "it", "we",
    "they", "me", "him", "her", "us", "them", "my", "your", "his", "its", "our", "their", "mine", "yours",
    "hers", "ours", "theirs", "who", "whom", "whose", "which", "what", "when", "where", "why", "how", "all",
    "any", "both", "each", "few", "more", "most", "other", "some", "such", "no", "nor", "not", "only", "own",
    "same", "so", "than", "too", "very", "and", "but", "if", "or", "because", "as", "until", "while", "of",
    "at", "by", "for", "with", "about", "against", "between", "into", "through", "during", "before", "after",
    "above", "below", "to", "from", "up", "down", "in", "out", "on", "off", "over", "under", "again",
    "further", "then", "once", "am", "is", "are", "was", "were", "be", "been", "being", "have", "has", "had",
    "having", "do", "does", "did", "doing", "will", "would", "shall", "should", "can", "could", "may",
    "might", "must", "ought", "please", "yes",
))
# fmt: on
"""English determiners, pronouns, prepositions, conjunctions, auxiliaries and particles."""
CONTENT = frozenset({"NOUN", "PROPN", "VERB", "ADJ", "ADV", "NUM"})


def content_words(pieces: Sequence[str], tagger: str) -> list[int]:
    """Numbers of the pieces (tokens as text, in order) that overlap a content word.

    `tagger`: rule (everything but function words) or spacy (parts of speech of en_core_web_sm). Raises UsageError
    where spaCy or its model is missing.
    """
    text, spans = "", []
    for piece in pieces:
        spans.append((len(text), len(text) + len(piece)))
        text += piece
    words = _tagged(text) if tagger == "spacy" else _ruled(text)
    return [i for i, (a, b) in enumerate(spans) if any(a < end and start < b for start, end in words)]


def last_of_each(pieces: Sequence[str], found: Sequence[int]) -> list[int]:
    """`found` without the pieces of a word that is found again later. Case counts, the part of speech not."""
    starts = list(itertools.accumulate(map(len, pieces), initial=0))
    last: dict[str, list[int]] = {}
    for word in re.finditer(r"\w+", "".join(pieces)):
        if own := [i for i in found if starts[i] < word.end() and word.start() < starts[i + 1]]:
            last[word[0]] = own
    return sorted({i for own in last.values() for i in own})


def _ruled(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"\w+", text) if m[0].lower() not in FUNCTION_WORDS]


def _tagged(text: str) -> list[tuple[int, int]]:
    return [(t.idx, t.idx + len(t)) for t in _spacy()(text) if t.pos_ in CONTENT]


@cache
def _spacy() -> Any:
    try:
        import spacy  # pyright: ignore[reportMissingImports]

        return spacy.load("en_core_web_sm")
    except (ImportError, OSError) as e:
        raise UsageError(
            "method.gift.tagger=spacy needs spaCy and its model: pip install spacy && python -m spacy download "
            "en_core_web_sm, or use tagger=rule"
        ) from e
