"""From a caption to the COCO objects that it names, by the official rules.

Source: `caption_to_words` of chair.py in LisaAnne/Hallucination (arXiv 1809.02156), in the form with a lemmatizer that
OPERA and less-is-more use. Their lemmatizer needs two downloads (WordNet and a tagger); `builtin` reads their result
for the words that matter from forms.json instead, and for the words whose reading depends on the sentence decides by
their neighbours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.core import Missing
from harness.tasks.chair.treebank import tokenizer

HERE = Path(__file__).parent
VOCABULARIES = ("official", "fixed")
LEMMATIZERS = ("builtin", "nltk")
UNREAD = {"vase": ["vases"]}
"""Plurals that the lemmatizer takes for another word's (vas), so that they are never found."""
START, END = "^", "$"
"""Neighbours of the first and of the last token."""


@dataclass(frozen=True)
class Caption:
    """What was read in a caption. `nodes`: the COCO category of each mention, in order, repeats kept; `words`: the
    word after each; `length`: tokens after double words are joined, punctuation included."""

    nodes: list[str]
    words: list[str]
    length: int


@dataclass(frozen=True)
class Vocabulary:
    """`node`: each word's COCO category; `joined`: what two or three neighbouring words become."""

    node: dict[str, str]
    joined: dict[str, str]

    @property
    def categories(self) -> list[str]:
        return list(dict.fromkeys(self.node.values()))


@cache
def vocabulary(kind: str) -> Vocabulary:
    """`official`: as the official reader understands its file, with entries that can never match. `fixed`: fixed.

    The fixed entries: " motor bike" and " cheesecake" (a blank too many), "iPhone" (text is in lower case), "stove top
    oven" (three words, where pairs are looked at), "vases" (whose shortest lemma is "vas").
    """
    lines = (HERE / "synonyms.txt").read_text(encoding="utf-8").splitlines()
    groups = [line.strip().split(", ") for line in lines if line.strip()]
    joined = json.loads((HERE / "double_words.json").read_text(encoding="utf-8"))
    if kind == "fixed":
        groups = [[w.strip().lower() for w in (*group, *UNREAD.get(group[0], ()))] for group in groups]
    else:
        joined = {k: v for k, v in joined.items() if k.count(" ") == 1}  # the official matcher looks at pairs only
    return Vocabulary({word: group[0] for group in groups for word in group}, joined)


def read(text: str, kind: str = "official", lemmatizer: str = "builtin") -> Caption:
    """Raises Missing where `nltk` lacks its data."""
    known = vocabulary(kind)
    words = _join(_LEMMATIZE[lemmatizer](text.lower()), known.joined)
    if "toilet" in words and "seat" in words:
        words = [w for w in words if w != "seat"]
    named = [w for w in words if w in known.node]
    return Caption([known.node[w] for w in named], named, len(words))


def _join(words: Sequence[str], joined: dict[str, str]) -> list[str]:
    """Double words by the table, left to right."""
    longest = max(k.count(" ") for k in joined) + 1
    out, i = [], 0
    while i < len(words):
        for size in range(longest, 1, -1):
            several = " ".join(words[i : i + size])
            if several in joined:
                out.append(joined[several])
                i += size
                break
        else:
            out.append(words[i])
            i += 1
    return out


def tokens(text: str) -> list[str]:
    """Treebank tokens, sentence by sentence (a sentence ends at . ! or ? before white space)."""
    words = _tokenizer()
    return [t for sentence in re.split(r"(?<=[.!?])\s+", text.strip()) for t in words(sentence)]


_tokenizer = cache(tokenizer)


@cache
def _forms() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    made = json.loads((HERE / "forms.json").read_text(encoding="utf-8"))
    return made["nouns"], made["contexts"]


def _builtin(text: str) -> list[str]:
    nouns, contexts = _forms()
    words = tokens(text)
    around = [START, *words, END]
    return [
        _reading(contexts[w], around[i], around[i + 2]) if w in contexts else nouns.get(w, w)
        for i, w in enumerate(words)
    ]


def _reading(rules: dict[str, str], before: str, after: str) -> str:
    """The most specific rule: both neighbours, the one before, the one after, none."""
    for key in (f"{before} _ {after}", f"{before} _", f"_ {after}", "_"):
        if key in rules:
            return rules[key]
    raise KeyError("forms.json has no rule for '_'")


def _nltk(text: str) -> list[str]:
    """The official pipeline itself."""
    try:
        import nltk
        from nltk.stem import WordNetLemmatizer

        lemmatizer = WordNetLemmatizer()
        return [lemmatizer.lemmatize(w, pos=_POS.get(tag[0], "n")) for w, tag in nltk.pos_tag(nltk.word_tokenize(text))]
    except LookupError as e:
        raise Missing(
            "task.lemmatizer=nltk needs its data: python -m nltk.downloader punkt punkt_tab wordnet "
            "averaged_perceptron_tagger averaged_perceptron_tagger_eng, or use task.lemmatizer=builtin"
        ) from e


_POS = {"J": "a", "V": "v", "N": "n", "R": "r"}
_LEMMATIZE: dict[str, Callable[[str], list[str]]] = {"builtin": _builtin, "nltk": _nltk}
