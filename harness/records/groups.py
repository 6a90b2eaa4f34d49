"""What groups are called that a user's data names. `all` is every sample together: no group beside others has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

ALL = "all"
NAMED_ALL = "group all"
"""A group that data calls `all`."""
NONE = "no group"
"""Records that name no group, beside some that do."""


class Grouped(Protocol):
    """A record (a frozen dataclass) with its group, "" where it names none."""

    @property
    def group(self) -> str: ...


G = TypeVar("G", bound=Grouped)


def group_name(group: str) -> str:
    """What a group of this name is called."""
    return NAMED_ALL if group == ALL else group


def told_apart(records: Sequence[G]) -> list[G]:
    """The records, each with what its group is called: `all` where none names another one."""
    alone = {r.group for r in records} <= {"", ALL}
    out = []
    for r in records:
        name = ALL if alone else group_name(r.group) or NONE
        out.append(r if r.group == name else replace(cast(Any, r), group=name))
    return out
