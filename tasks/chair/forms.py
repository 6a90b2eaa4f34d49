"""Build forms.json: python -m harness.tasks.chair.forms --wordnet DIR --tagger PICKLE CAPTIONS.jsonl ...

What the official lemmatizer makes of the words that CHAIR's vocabulary can see. DIR holds WordNet 3.0's index.* and
*.exc files, PICKLE is NLTK's averaged perceptron tagger, the captions are model outputs (`caption` or `text` in each
row). A word that the tagger reads in several ways (dining, skiing, tied) gets rules by its neighbours, learnt from the
tagger's readings of the captions.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from harness.tasks.chair.captions import END, HERE, START, tokens, vocabulary

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
ENDINGS = {
    "n": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "v": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "a": "er: est: er:e est:e",
    "r": "",
}
"""Morphy's detachment rules, morphy(7WN)."""


class Morphy:
    """WordNet's lemma of a form; of several the shortest, as NLTK's WordNetLemmatizer takes it."""

    def __init__(self, folder: Path):
        self.known, self.odd = {}, {}
        for pos, name in FILES.items():
            index = (folder / f"index.{name}").read_text().splitlines()
            self.known[pos] = {line.split(" ", 1)[0] for line in index if not line.startswith(" ")}
            odd = (line.split() for line in (folder / f"{name}.exc").read_text().splitlines())
            self.odd[pos] = {form: lemmas for form, *lemmas in odd}
        self.lemma = cache(self._lemma)

    def _lemma(self, form: str, pos: str) -> str:
        if form in self.odd[pos]:
            found = self._keep([form, *self.odd[pos][form]], pos)
        else:
            found, forms = self._keep([form, *self._cut([form], pos)], pos), self._cut([form], pos)
            while not found and forms:
                forms = self._cut(forms, pos)
                found = self._keep(forms, pos)
        return min(found, key=len) if found else form

    def _cut(self, forms: list[str], pos: str) -> list[str]:
        rules = [rule.split(":") for rule in ENDINGS[pos].split()]
        return [f[: -len(old)] + new for f in forms for old, new in rules if f.endswith(old)]

    def _keep(self, forms: list[str], pos: str) -> list[str]:
        return list(dict.fromkeys(f for f in forms if f in self.known[pos]))


def seen_words() -> set[str]:
    """Single words that the matcher compares with."""
    known = vocabulary("fixed")
    official = vocabulary("official")
    keys = [*known.node, *known.joined, *official.node, *official.joined, "toilet", "seat"]
    return {w for key in keys for w in key.split(" ") if w}


def nouns(morphy: Morphy, seen: set[str]) -> dict[str, str]:
    """Forms whose noun lemma is another word, where one of both matters."""
    forms = set(seen) | {form for form, lemmas in morphy.odd["n"].items() if seen & set(lemmas)}
    for word in seen:
        forms |= {word + "s", word + "es", word[:-1] + "ies", word[:-1] + "ves", word[:-3] + "men"}
    found = {f: morphy.lemma(f, "n") for f in sorted(forms)}
    return {f: lemma for f, lemma in found.items() if lemma != f and (lemma in seen or f in seen)}


def readings(morphy: Morphy, tagger: Path, texts: Sequence[str], seen: set[str]) -> dict[str, dict[str, str]]:
    """Rules by neighbours for forms that the tagger reads in several ways."""
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    tag = _tagger(tagger)
    for text in texts:
        words = tokens(text.lower())
        around = [START, *words, END]
        for i, (word, pos) in enumerate(tag(words)):
            lemmas = {morphy.lemma(word, p) for p in FILES}
            if len(lemmas) > 1 and lemmas & seen:
                for key in ("_", f"{around[i]} _", f"_ {around[i + 2]}", f"{around[i]} _ {around[i + 2]}"):
                    counts[word][key][morphy.lemma(word, pos)] += 1
    made = {word: _rules(found) for word, found in sorted(counts.items())}
    return {w: rules for w, rules in made.items() if len(rules) > 1 or rules["_"] != morphy.lemma(w, "n")}


def _rules(counts: dict[str, Counter[str]]) -> dict[str, str]:
    """Short contexts where their majority is clear and not the default, pairs where these are wrong."""
    default = _most(counts["_"])
    rules = {"_": default}
    for key, found in sorted(counts.items()):
        if key != "_" and not _pair(key):
            word = _most(found)
            if word != default and found[word] >= 0.6 * found.total():
                rules[key] = word
    short = dict(rules)
    for key, found in sorted(counts.items()):
        if _pair(key):
            before, _, after = key.partition(" _ ")
            said = short.get(f"{before} _") or short.get(f"_ {after}") or default
            if (word := _most(found)) != said:
                rules[key] = word
    return rules


def _pair(key: str) -> bool:
    return not key.startswith("_") and not key.endswith("_")


def _most(found: Counter[str]) -> str:
    return max(sorted(found), key=lambda w: found[w])


def _tagger(path: Path):
    from nltk.tag.perceptron import AveragedPerceptron, PerceptronTagger

    weights, tagdict, classes = pickle.loads(path.read_bytes())
    made = PerceptronTagger(load=False)
    made.model, made.tagdict = AveragedPerceptron(weights), tagdict
    made.classes = made.model.classes = classes
    pos = {"J": "a", "V": "v", "N": "n", "R": "r"}
    return lambda words: [(w, pos.get(tag[0], "n")) for w, tag in made.tag(words)]


def captions(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line.strip():
                row = json.loads(line)
                yield row.get("caption") or row.get("text") or ""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.tasks.chair.forms", description=__doc__)
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--tagger", type=Path, required=True)
    parser.add_argument("captions", type=Path, nargs="+")
    given = parser.parse_args(words)
    morphy, seen = Morphy(given.wordnet), seen_words()
    texts = sorted(set(captions(given.captions)))
    made = {"nouns": nouns(morphy, seen), "contexts": readings(morphy, given.tagger, texts, seen)}
    (HERE / "forms.json").write_text(json.dumps(made, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
