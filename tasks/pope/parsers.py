"""What an answer says: the four rules that published POPE numbers use, as they are in their sources.

A parser reads (answer, label) and returns "yes", "no" or None (neither). Only `vcd` looks at the label.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Parser = Callable[[str, str], "str | None"]


def official(answer: str, label: str = "") -> str:
    """`evaluate.py` of RUCAIBox/POPE: the first sentence, commas deleted, split on single spaces; "no" iff a word
    is exactly No, not or no. Everything else, the empty answer included, is "yes"."""
    words = answer.split(".")[0].replace(",", "").split(" ")
    return "no" if any(word in ("No", "not", "no") for word in words) else "yes"


def opera(answer: str, label: str = "") -> str:
    """OPERA and HALC: the whole text without stops and commas; "no" iff a word is No, not, no, NO or ends in n't."""
    words = answer.replace(".", "").replace(",", "").split(" ")
    return "no" if any(word in ("No", "not", "no", "NO") or word.endswith("n't") for word in words) else "yes"


def vcd(answer: str, label: str) -> str:
    """VCD: right iff the label occurs anywhere in the lowered text, so "know" counts as no. An answer that holds
    neither word is always wrong, one that holds both is always right."""
    if label in answer.lower().strip():
        return label
    return "no" if label == "yes" else "yes"


def exact(answer: str, label: str = "") -> str | None:
    """lmms-eval: the lowered, stripped text must be the label; any other text is neither yes nor no."""
    text = answer.lower().strip()
    return text if text in ("yes", "no") else None


PARSERS: dict[str, Parser] = {"official": official, "opera": opera, "vcd": vcd, "exact": exact}


def unparsed(answer: str) -> bool:
    """No yes-word and no no-word in the answer, in any case and beside any punctuation: the verdict is a guess."""
    return not _said(answer)


def doubtful(answer: str, verdict: str | None) -> bool:
    """The answer holds words for yes alone, or for no alone, and the parser reads the other one, as `official` does
    with "**No**", "NO" and "No!"."""
    said = _said(answer)
    return verdict is not None and len(said) == 1 and verdict not in said


def _said(answer: str) -> set[str]:
    """Of yes and no, those for which the answer holds a word, in any case and beside any punctuation."""
    words = re.findall(r"[a-z']+", answer.lower().replace("’", "'"))
    negative = any(word.strip("'") in ("no", "not") or word.endswith("n't") for word in words)
    return {"yes"} & {word.strip("'") for word in words} | ({"no"} if negative else set())
