"""Which samples each row answers: by an id, by question and picture, or by the order of the records.

A row is believed only as far as the rest of it agrees: ids are numbered alike in every split, from 0 in one program and
from 1 in the next.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.answers.content import Asked, name
from harness.answers.contents import Contents
from harness.answers.fit import Fit
from harness.answers.layouts import IDS, POSITIONS
from harness.answers.order import by_blocks, by_position
from harness.answers.refusals import refusal
from harness.answers.rows import Rows, at
from harness.core.errors import UsageError


def matched(rows: Rows, asked: Asked, id_field: str | None, by: str) -> tuple[Fit, Contents]:
    """The best fit. `by`: "content", or without a look at what the rows ask "id" or "order".

    Raises:
        UsageError: in one line, with a row and its sample, where no fit is sound.
    """
    trusted = by != "content"
    contents = Contents(rows, asked, trusted=trusted)
    fields = [id_field] if id_field else list(_id_fields(rows))
    if by == "order":
        found = next((f for f in (by_position(contents, k, trusted=True) for k in (*fields, None)) if f), None)
        if found is None:
            raise UsageError(
                f"model.match=order: no id in {rows.path} counts the records of one group from 0, and it has "
                f"{len(rows)} rows for {len(asked.samples)} samples: choose one split, or model.match=content"
            )
        return found, contents
    fits = [_by_id(contents, f) for f in fields]
    sound = [f for f in fits if f.sound and (trusted or _numbered_alike(rows, asked, f, id_field))]
    content = None
    if not sound and not trusted:
        contradicted = any(f.other for f in fits if f.by.rpartition(".")[2] not in POSITIONS)
        content = _by_content(contents, sure=contradicted)
        made = [content, *(by_position(contents, f) for f in fields)]
        made += [by_blocks(contents, f) for f in fields]
        made += [] if contradicted else [by_blocks(contents, None), by_position(contents, None)]
        sound = [f for f in made if f and f.sound]
    if sound:
        return max(sound, key=lambda f: f.used), contents  # of equals the first
    raise UsageError(refusal(contents, fits, content))


def _id_fields(rows: Rows) -> Iterator[str]:
    """Fields that may name a sample, those of objects in the row (`doc.id`) last."""
    yield from (f for f in IDS if f in rows.fields)
    yield from rows.inner([f for f in IDS if f not in POSITIONS])


def _numbered_alike(rows: Rows, asked: Asked, fit: Fit, given: str | None) -> bool:
    """Whether a number is the sample's name and not its place counted from 0, or from 1 where the samples count from 0:
    what the row asks agrees, or both count from 0, or no row is number 0. A place (doc_id) needs one of the first
    two."""
    if fit.agreed:
        return True
    if "0" in asked.names:
        behind = str(max(int(n) for n in asked.names if n.isdecimal()) + 1)
        said = {name(at(row, fit.by)) for row in rows.rows}
        return "0" in said or behind not in said
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
    for i in range(len(contents.rows)):
        keys = [contents.pictures[i]] if by_picture else contents.prompts(i)
        found = next((index[k] for k in keys if k and k in index), [])
        _place(contents, fit, i, [j for j in found if contents.says(i, j)])
    return fit


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
    elif len(named) > 1 and (ours := [j for j in named if samples[j].group.lower() == contents.of_file]):
        named, fit.by_name = ours, True
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
