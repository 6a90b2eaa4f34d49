"""How an answer becomes yes or no: the four rules that published numbers use.

Each takes the raw answer and the label and returns "yes", "no", or None where the rule reads neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Parser = Callable[[str, str], str | None]


def official(answer: str, label: str) -> str | None:
    """RUCAIBox/POPE evaluate.py: first sentence, commas deleted; no iff a word is No, not or no; everything else yes."""
    words = answer.split(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "not", "no"} & set(words) else "yes"


def opera(answer: str, label: str) -> str | None:
    """OPERA, HALC, PAI, VISTA: full stops and commas deleted; also NO and words ending in n't mean no."""
    words = answer.replace(".", "").replace(",", "").split(" ")
    return "no" if any(w in ("No", "not", "no", "NO") or w.endswith("n't") for w in words) else "yes"


def vcd(answer: str, label: str) -> str | None:
    """VCD, AGLA: right iff the label is a substring of the lower-cased answer, so the reading depends on the label."""
    if label in answer.lower().strip():
        return label
    return "no" if label == "yes" else "yes"


def exact(answer: str, label: str) -> str | None:
    """lmms-eval: the lower-cased, stripped answer must be yes or no; anything else is neither."""
    text = answer.lower().strip()
    return text if text in ("yes", "no") else None


PARSERS: dict[str, Parser] = {"official": official, "opera": opera, "vcd": vcd, "exact": exact}


def unparsed(answer: str) -> bool:
    """Whether a reader finds neither a yes- nor a no-word in the answer."""
    return not re.search(r"\b(yes|yeah|no|not|none|cannot|nope)\b|n't\b", answer.lower())
