"""A user's questions, all of one kind, with or without the share for calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from harness.core import Picture, UsageError
from harness.records import Absent, Source, gathered, told_apart
from harness.tasks.vqa.kinds import KINDS, METRICS, PLACED, How, Kind
from harness.tasks.vqa.part import part_of
from harness.tasks.vqa.pictures import placed
from harness.tasks.vqa.questions import questions
from harness.tasks.vqa.recognise import recognised
from harness.tasks.vqa.record import Question
from harness.tasks.vqa.row import Row
from harness.tasks.vqa.settings import AUTO, CALIBRATION, Settings
from harness.tasks.vqa.tables import tables

ANNOTATORS = 10
"""Of VQAv2: where every row has so many answers, its accuracy is the metric."""


def load(s: Settings) -> tuple[Source[Question], Kind]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    parts = [part_of(t, s) for t in tables(s)]
    name = s.root if s.hub is None else s.hub
    where = parts[0].table.name if len(parts) == 1 else str(name)
    rows = [row for part in parts for row in part.rows if isinstance(row, Row)]
    kind = _kind(s, rows, where)
    records = told_apart(_unique([q for part in parts for q in questions(part, s, kind, parts)]))
    if all(q.fault for q in records):
        raise UsageError(f"no row of {where} can be asked; the first: {records[0].fault}")
    own = s.data == CALIBRATION
    kept = [q for q in records if set_aside(q.cluster, s) == own and not (own and q.fault)]
    if not kept:
        side = "calibration" if own else "evaluation"
        raise UsageError(
            f"task.calibration={s.calibration:g} leaves no picture of {len({q.cluster for q in records})} for {side}: "
            "give another share, or another task.calibration_seed"
        )
    pictures = [p for q in kept for p in q.pictures]
    found = gathered(
        kept,
        s.revision if s.hub else None,
        counted="questions",
        source=Path(str(name)).name if s.hub is None else s.hub,
        tables=[part.table.name for part in parts],
        kind=kind.name,
        parser=kind.how.parser,
        pictures=len(set(map(id, pictures))),
        images_not_found=len({p.name for p in pictures if isinstance(p, Absent)}),
        read_from={role: list(names) for role, names in parts[0].columns.items()},
        set_aside=0 if own else len(records) - len(kept),
    )
    return found, kind


def set_aside(cluster: str, s: Settings) -> bool:
    """Whether a cluster belongs to the calibration share: drawn by the seed and its own name, so that more records
    move none of the old ones."""
    drawn = hashlib.sha256(f"{s.calibration_seed}:{cluster}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:8]) < s.calibration * 2**64


def _kind(s: Settings, rows: Sequence[Row], where: str) -> Kind:
    """Made with its parser and metric. Raises UsageError where they do not go together."""
    name = recognised(rows, where) if s.kind == AUTO else s.kind
    form = KINDS[name]
    parser = s.parser
    if parser == AUTO:
        parser = form.parsers[0] if form.parsers else ""
    elif parser not in form.parsers:
        fix = f"choose one of {', '.join(form.parsers)}" if form.parsers else "leave it out"
        raise UsageError(f"task.parser={parser} does not read answers of kind {name}: {fix}")
    _idle(s, name)
    if (metric := s.metric) == AUTO:
        answered = [row for row in rows if row.answers]
        full = bool(answered) and all(len(row.answers) == ANNOTATORS for row in answered)
        metric = "vqa" if full else next(iter(METRICS))
    return form(How(parser, metric, s.tolerance, s.absolute))


def _idle(s: Settings, name: str) -> None:
    """Raises UsageError for a setting that questions of this kind do not use: it would be ignored silently."""
    given = {
        "metric": (s.metric != AUTO, ("short",)),
        "tolerance": (s.tolerance > 0, ("number",)),
        "absolute": (s.absolute > 0, ("number",)),
        "bbox": (s.bbox != AUTO, PLACED),
        "counted_from": (s.counted_from is not None, ("choice",)),
    }
    for key, (set_, kinds) in given.items():
        if set_ and name not in kinds:
            raise UsageError(
                f"task.{key}={getattr(s, key)} is for kind {' and '.join(kinds)}, and these questions are of kind "
                f"{name}: leave it out, or set task.kind"
            )
    if s.absolute and s.parser == "relaxed":
        raise UsageError(
            "task.parser=relaxed is ChartQA's rule, which has task.tolerance alone: leave task.absolute out"
        )


def _unique(records: Sequence[Question]) -> list[Question]:
    """The same records; an id that occurs again is a fault of the later row."""
    seen: set[str] = set()
    out = []
    for number, r in enumerate(records, 1):
        if r.id in seen:
            fault = (
                r.fault or f"id {r.id} occurs twice: give each row its own, or name another column by task.columns.id"
            )
            r = Question(f"{r.id}#{number}", r.cluster, r.group, fault=fault)
        seen.add(r.id)
        out.append(r)
    return out


def parts_of(record: Question) -> list[str | Picture]:
    """What the model is asked, pictures where they belong."""
    return placed(record.asked, record.pictures)
