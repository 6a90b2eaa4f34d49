"""Rows matched by their place in the order of the records, where what they hold proves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from harness.answers.content import name, plain
from harness.answers.contents import Contents
from harness.answers.fit import TOLERATED, Fit
from harness.answers.layouts import KEYLIKE, LABELS
from harness.answers.rows import at


def by_position(contents: Contents, key: str | None, *, trusted: bool = False) -> Fit | None:
    """By place in the order of the records, counted from 0: `key` holds it, or rows are in that order. Unless
    `trusted`, believed only where what the rows hold agrees, and would not agree one place further."""
    rows = contents.rows.rows
    places = [name(at(r, key)) if key else str(i) for i, r in enumerate(rows)]
    if not all(p.isdecimal() for p in places):
        return None
    numbers = [int(p) for p in places]
    said = f"{key}, counted from 0" if key else "the order of the rows"
    one = contents.of_file in _groups(contents) or len(_groups(contents)) == 1  # groups have no order of their own
    for order in _orders(contents):
        if max(numbers) >= len(order) or (key is None and len(rows) != len(order)):
            continue
        pairs = [(i, order[n]) for i, n in enumerate(numbers)]
        if trusted:
            return Fit(said, [[j] for _, j in pairs]) if one else None
        moved = [(i, order[(n + 1) % len(order)]) for i, n in enumerate(numbers)]
        for shares in _checks(contents):
            if shares(pairs) >= 1 - TOLERATED and shares(moved) < 0.8:
                return Fit(said, [[j] for _, j in pairs], agreed=len(pairs))
    return None


def by_blocks(contents: Contents, key: str | None) -> Fit | None:
    """Groups one after another, as LLaVA numbers all of POPE from 0: in the order of the numbers in `key`, or of the
    rows. A block is believed where its questions are a group's, in the group's order."""
    asked, rows = contents.asked, contents.rows.rows
    places = list(range(len(rows)))
    if key:
        ids = [name(at(r, key)) for r in rows]
        if not all(i.isdecimal() for i in ids) or len(set(ids)) < len(ids):
            return None
        places.sort(key=lambda i: int(ids[i]))
    known = set(asked.questions) - {""}
    if not contents.question or not known or contents.split:
        return None
    said = [next((w for w in contents.prompts(i) if w in known), "") for i in places]
    fit = Fit(f"the order of {key}" if key else "the order of the rows", [[] for _ in rows])
    for order in _groups(contents).values():
        block = [asked.questions[j] for j in order]
        if sum(a != b for a, b in pairwise(block)) < len(block) / 2:
            continue  # too many equal neighbours: the order would prove nothing
        for start in _starts(said, block):
            for i, j in zip(places[start:], order, strict=False):
                fit.found[i].append(j)
    if any(len(found) > 1 for found in fit.found):
        return None
    fit.unknown = [i for i, found in enumerate(fit.found) if not found]
    fit.agreed = fit.used
    return fit


def _starts(said: list[str], block: list[str]) -> Iterator[int]:
    """Where the block stands in what the rows say."""
    for start in range(len(said) - len(block) + 1):
        if said[start] == block[0]:
            wrong = 0
            for a, b in zip(said[start:], block, strict=False):
                wrong += a != b
                if wrong > TOLERATED * len(block):
                    break
            else:
                yield start


def _orders(contents: Contents) -> Iterator[list[int]]:
    """The samples of the file's group, of the run, or of one group of it."""
    groups = _groups(contents)
    if contents.of_file in groups:
        yield groups[contents.of_file]
        return
    yield list(range(len(contents.asked.samples)))
    yield from groups.values()


def _groups(contents: Contents) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for j, sample in enumerate(contents.asked.samples):
        groups.setdefault(sample.group.lower(), []).append(j)
    return groups


def _checks(contents: Contents) -> Iterator[Any]:
    """Functions from pairs (row, sample) to the share that agrees."""
    asked = contents.asked

    def share(pairs: Iterable[tuple[int, int]], agrees: Any) -> float:
        found = [bool(agrees(i, j)) for i, j in pairs]
        return sum(found) / len(found)

    if contents.question or contents.image:
        yield lambda pairs: share(pairs, contents.says)
    for key in (*LABELS, *KEYLIKE):
        if key in contents.rows.fields:
            labels = [plain(r.get(key)) for r in contents.rows.rows]
            if len(set(labels)) > 2:  # yes and no take turns in every file
                yield lambda pairs, labels=labels: share(
                    pairs, lambda i, j: labels[i] == asked.targets[j] and contents.says(i, j) is not False
                )
