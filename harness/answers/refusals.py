"""Why no way to match the rows was sound, in one line with a row and its sample."""

from __future__ import annotations

from typing import Any

from harness.answers.content import asks_the_same, name
from harness.answers.contents import Contents
from harness.answers.fit import Fit
from harness.answers.rows import at


def refusal(contents: Contents, fits: list[Fit], content: Fit | None) -> str:
    """Why nothing fits, by the field that came nearest. `fits`: by each field that may be the id; `content`: by
    question and picture."""
    rows, samples = contents.rows, contents.asked.samples
    called = next(iter(contents.asked.names), "none")
    if content and _lacks_split(contents, content) and not any(map(_knows, fits)):
        fits = [content]
    if not fits:
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
            f"{rows.where(i)} {pair}: the ids do not match ({share}); use the answers to these records, or "
            "trust the ids with model.match=id"
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
        one = "0" in contents.asked.names  # then the rows count from 1: see `_numbered_alike`
        order = "" if one else "model.match=order (places from 0) or "
        return (
            f"{rows.path}: {fit.by} seems to count records from {int(one)}, but samples are named like {called!r}: add "
            f"the question to the rows, or say what it is by {order}model.match=id (names)"
        )
    values = [name(at(r, fit.by)) for r in rows.rows]
    counted = ", or model.match=order if it counts the records from 0" if "0" in values else ""
    return (
        f"none of the {len(rows)} rows in {rows.path} matches a sample: {fit.by}={at(rows.rows[0], fit.by)!r}, samples "
        f"are named like {called!r}: use ids that harness show task=NAME --ids prints{counted}"
    )


def _lacks_split(contents: Contents, fit: Fit) -> bool:
    """Whether only the split is missing, or another one: each row means one sample of several splits, or all rows mean
    a split that this run does not ask."""
    samples = contents.asked.samples
    apart = [len({samples[j].group for j in found}) == len(found) for _, found in fit.unclear]
    return all(apart) if apart else len(fit.foreign) == len(contents.rows)


def _knows(fit: Fit) -> bool:
    """Whether any row has an id that samples have, too."""
    return bool(fit.used or fit.foreign or fit.other or fit.unclear)


def _short(text: Any) -> str:
    line = " ".join(str(text).split())
    return repr(line if len(line) <= 80 else line[:77] + "...")
