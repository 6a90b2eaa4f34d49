"""Which samples each row answers: by an id, by question and picture, or by the order of the records.

A row is believed only as far as the rest of it agrees: ids are numbered alike in every split, from 0 in one program and
from 1 in the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.answers.content import Asked, asks_the_same, first, name, picture, plain, words
from harness.answers.layouts import ANSWERS, IDS, IMAGES, KEYLIKE, LABELS, POSITIONS, QUESTIONS, SPLITS
from harness.answers.rows import Row, Rows, at
from harness.core.errors import UsageError

TOLERATED = 0.02
"""Share of rows that may ask something else than their sample: they are left out, and the others are scored."""


@dataclass
class Fit:
    """How rows were matched (`by`), and the samples of each. The others, by their places: `unknown` name no sample,
    `foreign` are of another split, `other` show another question or picture (row, sample), `unclear` may mean several
    samples (row, samples). `agreed` counts rows whose question or picture is their sample's."""

    by: str
    found: list[list[int]]
    unknown: list[int] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    other: list[tuple[int, int]] = field(default_factory=list)
    unclear: list[tuple[int, list[int]]] = field(default_factory=list)
    agreed: int = 0

    @property
    def used(self) -> int:
        return sum(map(bool, self.found))

    @property
    def sound(self) -> bool:
        return bool(self.used) and not self.unclear and len(self.other) <= TOLERATED * (self.used + len(self.other))


class Contents:
    """What the rows say beside their ids. Fields are read where their values mean something to the task."""

    def __init__(self, rows: Rows, asked: Asked, *, trusted: bool):
        self.rows, self.asked = rows, asked
        found = [] if trusted else rows.rows
        self.question = self._question(found)
        self.image = first(found, IMAGES) if any(asked.pictures) else None
        self._known: dict[str, set[str]] = {}
        self.split = next((f for f in SPLITS if any(self._groups(r, f) for r in rows.rows)), None)
        stem = rows.path.stem.lower()
        named = [g for g in asked.groups if g in stem]
        self.of_file = max(named, key=len) if named else ""

    def _question(self, rows: list[Row]) -> str | None:
        """The field with the question: not the same words in all rows, unless the task asks the same everywhere."""
        if not rows or not any(self.asked.questions):
            return None
        varies = len(set(self.asked.questions)) > 1
        for key in QUESTIONS:
            texts = {t for r in rows[:1000] if isinstance(t := at(r, key), str)}
            if texts and (len(texts) > 1 or len(rows) == 1 or not varies):
                return key
        if "text" in self.rows.fields and any(f in self.rows.fields for f in ANSWERS if f != "text"):
            known = set(self.asked.questions)
            if any(words(t) in known for r in rows[:1000] if isinstance(t := r.get("text"), str)):
                return "text"
        return None

    @cached_property
    def questions(self) -> list[str]:
        return [words(t) if isinstance(t, str) else "" for t in self._column(self.question)]

    @cached_property
    def pictures(self) -> list[str]:
        return [picture(v) for v in self._column(self.image)]

    @cached_property
    def groups(self) -> list[set[str]]:
        return [self._groups(r, self.split) if self.split else set() for r in self.rows.rows]

    def _groups(self, row: Row, key: str) -> set[str]:
        """The task's groups that a field names: "random,popular", "coco_pope_random"."""
        value = at(row, key)
        if not isinstance(value, str):
            return set()
        if value not in self._known:
            words = [w.strip() for w in value.lower().split(",")]
            tails = {g for g in self.asked.groups for w in words if w == g or w.endswith((f"_{g}", f"-{g}", f"/{g}"))}
            self._known[value] = {g for g in tails if not any(t != g and t.endswith(g) for t in tails)}
        return self._known[value]

    def _column(self, key: str | None) -> Iterator[Any]:
        return (at(r, key) if key else None for r in self.rows.rows)

    def says(self, i: int, j: int) -> bool | None:
        """Whether row i agrees with sample j in question and picture; None where there is nothing to compare."""
        said, asked, seen, shown = self.questions[i], self.asked.questions[j], self.pictures[i], self.asked.pictures[j]
        checks = []
        if said and asked:
            checks.append(asks_the_same(said, asked))
        if seen and shown:
            checks.append(seen == shown)
        return all(checks) if checks else None


def matched(rows: Rows, asked: Asked, id_field: str | None, by: str) -> tuple[Fit, Contents]:
    """The best fit. `by`: "content", or without a look at what the rows ask "id" or "order".

    Raises:
        UsageError: in one line, with a row and its sample, where no fit is sound.
    """
    trusted = by != "content"
    contents = Contents(rows, asked, trusted=trusted)
    fields = [id_field] if id_field else list(_id_fields(rows))
    if by == "order":
        found = next((f for f in (_by_position(contents, k, trusted=True) for k in (*fields, None)) if f), None)
        if found is None:
            raise UsageError(
                f"model.match=order: no id in {rows.path} counts the records from 0, and its {len(rows)} rows are not "
                f"as many as the samples ({len(asked.samples)}): choose model.match=content"
            )
        return found, contents
    fits = [_by_id(contents, f) for f in fields]
    sound = [f for f in fits if f.sound and (trusted or _numbered_alike(rows, asked, f, id_field))]
    if not sound and not trusted:
        contradicted = any(f.other for f in fits if f.by.rpartition(".")[2] not in POSITIONS)
        made = [_by_content(contents, sure=contradicted), *(_by_position(contents, f) for f in fields)]
        made += [] if contradicted else [_by_position(contents, None)]
        sound = [f for f in made if f and f.sound]
    if sound:
        return max(sound, key=lambda f: f.used), contents  # of equals the first
    raise UsageError(_refusal(contents, fits, fields))


def _id_fields(rows: Rows) -> Iterator[str]:
    """Fields that may name a sample, those of objects in the row (`doc.id`) last."""
    yield from (f for f in IDS if f in rows.fields)
    for key, value in (rows.rows[0] if rows.rows else {}).items():
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in IDS if inner in value and inner not in POSITIONS)


def _numbered_alike(rows: Rows, asked: Asked, fit: Fit, given: str | None) -> bool:
    """Whether a number is the sample's name and not its place counted from 0: what the row asks agrees, or the samples
    count from 0, too, or no row is number 0. A place (doc_id) needs one of the first two."""
    if fit.agreed or "0" in asked.names:
        return True
    if fit.by.rpartition(".")[2] in POSITIONS and given is None:
        return False
    return not any(name(at(rows.rows[i], fit.by)) == "0" for i in fit.unknown)


def _by_id(contents: Contents, key: str) -> Fit:
    fit = Fit(key, [])
    for i, row in enumerate(contents.rows.rows):
        _place(contents, fit, i, contents.asked.called(at(row, key)))
    return fit


def _by_content(contents: Contents, *, sure: bool) -> Fit | None:
    """By question and picture, or by one of them where the other is not there. `sure`: by both, because ids contradict
    what comes out."""
    asked = contents.asked
    if not contents.question and not contents.image:
        return None
    if sure and not (contents.question and contents.image):
        return None
    by_picture = contents.image is not None
    index: dict[str, list[int]] = {}
    for j, key in enumerate(asked.pictures if by_picture else asked.questions):
        index.setdefault(key, []).append(j)
    fit = Fit(" and ".join(f for f in (contents.question, contents.image) if f), [])
    for i, row in enumerate(contents.rows.rows):
        keys = [contents.pictures[i]] if by_picture else _asked(row, contents.question or "")
        found = next((index[k] for k in keys if k and k in index), [])
        _place(contents, fit, i, [j for j in found if contents.says(i, j)])
    return fit


def _asked(row: Row, key: str) -> list[str]:
    """A prompt, its first line, and what stands before the first question mark, as words."""
    text = at(row, key)
    return [words(t) for t in (text, text.split("\n")[0], text.partition("?")[0])] if isinstance(text, str) else []


def _place(contents: Contents, fit: Fit, i: int, named: list[int]) -> None:
    """Of the samples that a row names, those of its split that ask what it asks."""
    samples, groups = contents.asked.samples, contents.groups[i]
    fit.found.append([])
    if groups and not any(samples[j].group.lower() in groups for j in named):
        (fit.foreign if named or not _has(contents, groups) else fit.unknown).append(i)
        return
    if not named:
        fit.unknown.append(i)
        return
    if groups:
        named = [j for j in named if samples[j].group.lower() in groups]
    elif len(named) > 1 and contents.of_file:
        named = [j for j in named if samples[j].group.lower() == contents.of_file] or named
    verdicts = [contents.says(i, j) for j in named]
    good = [j for j, v in zip(named, verdicts, strict=True) if v is not False]
    if not good:
        fit.other.append((i, named[0]))
    elif len(good) > 1 and len({samples[j].group for j in good} & groups) < len(good):
        fit.unclear.append((i, good))
    else:
        fit.found[i] = good
        fit.agreed += any(verdicts)


def _has(contents: Contents, groups: set[str]) -> bool:
    """Whether this run asks one of these groups."""
    return any(s.group.lower() in groups for s in contents.asked.samples)


def _by_position(contents: Contents, key: str | None, *, trusted: bool = False) -> Fit | None:
    """By place in the order of the records, counted from 0: `key` holds it, or rows are in that order. Unless
    `trusted`, believed only where what the rows hold agrees, and would not agree one place further."""
    rows = contents.rows.rows
    places = [name(at(r, key)) if key else str(i) for i, r in enumerate(rows)]
    if not all(p.isdecimal() for p in places):
        return None
    numbers = [int(p) for p in places]
    said = f"{key}, counted from 0" if key else "the order of the rows"
    for order in _orders(contents):
        if max(numbers) >= len(order) or (key is None and len(rows) != len(order)):
            continue
        pairs = [(i, order[n]) for i, n in enumerate(numbers)]
        if trusted:
            return Fit(said, [[j] for _, j in pairs])
        moved = [(i, order[(n + 1) % len(order)]) for i, n in enumerate(numbers)]
        for shares in _checks(contents):
            if shares(pairs) >= 1 - TOLERATED and shares(moved) < 0.8:
                return Fit(said, [[j] for _, j in pairs], agreed=len(pairs))
    return None


def _orders(contents: Contents) -> Iterator[list[int]]:
    """The samples of the file's group, of the run, or of one group of it."""
    groups: dict[str, list[int]] = {}
    for j, sample in enumerate(contents.asked.samples):
        groups.setdefault(sample.group.lower(), []).append(j)
    if contents.of_file in groups:
        yield groups[contents.of_file]
        return
    yield list(range(len(contents.asked.samples)))
    yield from groups.values()


def _checks(contents: Contents) -> Iterator[Any]:
    """Functions from pairs (row, sample) to the share that agrees."""
    asked = contents.asked

    def share(pairs: Iterable[tuple[int, int]], agrees: Any) -> float:
        found = [bool(agrees(i, j)) for i, j in pairs]
        return sum(found) / len(found)

    if contents.question or contents.image:
        yield lambda pairs: share(pairs, contents.says)
        return
    for key in (*LABELS, *KEYLIKE):
        if key in contents.rows.fields:
            labels = [plain(r.get(key)) for r in contents.rows.rows]
            if len(set(labels)) > 2:  # yes and no take turns in every file
                yield lambda pairs, labels=labels: share(pairs, lambda i, j: labels[i] == asked.targets[j])


def _refusal(contents: Contents, fits: list[Fit], fields: list[str]) -> str:
    """Why nothing fits, by the field that came nearest."""
    rows, samples = contents.rows, contents.asked.samples
    called = next(iter(contents.asked.names), "none")
    if not fields:
        said = ", ".join(rows.fields)
        return f"{rows.path} has no field for the id (fields: {said}): name it by model.id_field=FIELD"
    fit = max(fits, key=lambda f: (bool(f.unclear), len(f.other), f.used, len(f.foreign)))
    if fit.unclear:
        i, found = fit.unclear[0]
        groups = sorted({samples[j].group for j in found})
        return (
            f"{rows.where(i)} may mean {len(found)} samples (of {', '.join(groups)}): add a field split to the rows, "
            f"or choose one, for example task.splits=[{groups[0]}]"
        )
    if fit.other:
        i, j = fit.other[0]
        share = f"{len(fit.other)} of {len(fit.other) + fit.used} rows do not belong to the samples of their {fit.by}"
        row, sample = rows.rows[i], samples[j]
        if contents.questions[i] and not asks_the_same(contents.questions[i], contents.asked.questions[j] or "?"):
            said = _short(at(row, contents.question or ""))
            pair = f"asks {said}, but sample {sample.id} asks {_short(contents.asked.texts[j])}"
        else:
            image = at(row, contents.image or "")
            pair = f"names image {image}, but sample {sample.id} shows {sample.data.get('image')}"
        return (
            f"{rows.where(i)} {pair}: the ids do not belong together ({share}); give the answers to these records, or "
            "trust the ids by model.match=id"
        )
    if fit.foreign:
        i = fit.foreign[0]
        theirs = at(rows.rows[i], contents.split or "")
        asks = ", ".join(sorted({s.group for s in samples})[:5])
        return (
            f"all {len(fit.foreign)} rows of {rows.path} are of another split ({contents.split}={theirs!r}), and this "
            f"run asks {asks}: give the answers to these, or choose the split"
        )
    if fit.used:
        return (
            f"{rows.path}: {fit.by} seems to count the records from 0, and the samples are called like {called!r}: add "
            "the question to the rows, or say what it is by model.match=order (places from 0) or model.match=id (names)"
        )
    values = [name(at(r, fit.by)) for r in rows.rows]
    counted = ", or model.match=order if it counts the records from 0" if "0" in values else ""
    return (
        f"none of the {len(rows)} rows in {rows.path} names a sample: {fit.by}={at(rows.rows[0], fit.by)!r}, samples "
        f"are called like {called!r}: give the ids that harness show task=NAME --ids prints{counted}"
    )


def _short(text: Any) -> str:
    line = " ".join(str(text).split())
    return repr(line if len(line) <= 80 else line[:77] + "...")
