"""The records that a task runs over, and what is known of them as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, cast

from harness.records.pictures import facts


class Record(Protocol):
    """One row as its task understands it (a frozen dataclass), or what is wrong with it (`fault`)."""

    @property
    def id(self) -> str: ...
    @property
    def fault(self) -> str: ...


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Source(Generic[R]):
    """All records. `digest` changes with anything in them; `facts` go into the run's record."""

    records: Sequence[R]
    digest: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def once(records: Iterable[R]) -> list[R]:
    """The same records; an id that occurs again is a fault of the later one, which gets another."""
    seen: set[str] = set()
    found: list[R] = []
    for number, r in enumerate(records, 1):
        if r.id in seen:
            fault = r.fault or f"id {r.id} occurs twice: give each row its own"
            r = replace(cast(Any, r), id=f"{r.id}#{number}", fault=fault)
        seen.add(r.id)
        found.append(r)
    return found


def gathered(records: Sequence[R], *more: Any, counted: str, **known: Any) -> Source[R]:
    """The source of these records.

    Args:
        more: What else their digest covers, as JSON: a revision, how they were read.
        counted: What one of them is called, in the plural.
        known: More facts.
    """
    parts: list[Any] = [facts(r) for r in records]
    digest = hashlib.sha256(json.dumps([parts, *more] if more else parts).encode()).hexdigest()
    faulty = sum(bool(r.fault) for r in records)
    return Source(records, digest, {counted: len(records), "faulty_rows": faulty, "records": digest, **known})
