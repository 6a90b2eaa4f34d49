"""The settings of a task over records: each is one annotated field of a frozen dataclass, which says what it may be.

    @dataclass(frozen=True)
    class Settings(records.Settings):
        data: Annotated[str, Data(own=("embedded",), hub=("official",))]
        parser: Annotated[str, OneOf(PARSERS)]

Defaults, and what a setting is for, stand in the task's YAML.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Any

from harness.core.errors import UsageError


class Rule:
    """What a setting may be.

    Args:
        of_records: Whether it only chooses or reads records: then it is in their digest, and not in the fingerprint.
    """

    takes: str = ""
    """What the command line may give, as an annotation; empty where it is the field's own."""
    stated: bool = True
    """Whether the run's record states it."""

    def __init__(self, *, of_records: bool = False):
        self.of_records = of_records

    def __call__(self, key: str, value: Any) -> Any:
        """The value as the task uses it. Raises UsageError, which names the setting."""
        return value


class OneOf(Rule):
    """One of these values."""

    def __init__(self, values: Iterable[Any], *, of_records: bool = False):
        super().__init__(of_records=of_records)
        self.values = tuple(values)

    def __call__(self, key: str, value: Any) -> Any:
        if value not in self.values or isinstance(value, bool):
            raise UsageError(f"{key}={_shown(value)} is unknown: choose one of {', '.join(map(str, self.values))}")
        return value


class SomeOf(Rule):
    """Some of these values, as a tuple; one may be given alone, and null stands for all.

    Args:
        values: What there is.
        ordered: Whether the tuple keeps the order of `values` instead of the given one.
    """

    def __init__(self, values: Iterable[Any], *, ordered: bool = False, of_records: bool = False):
        super().__init__(of_records=of_records)
        self.values, self.ordered = tuple(values), ordered
        kind = type(self.values[0]).__name__
        self.takes = f"Sequence[{kind}] | {kind} | None"

    def __call__(self, key: str, value: Any) -> tuple[Any, ...]:
        given = self.values if value is None else (value,) if isinstance(value, str | int) else tuple(value)
        if unknown := [v for v in given if v not in self.values or isinstance(v, bool)]:
            raise UsageError(f"{key}: {unknown[0]} is unknown: choose from {', '.join(map(str, self.values))}")
        if not given:
            raise UsageError(f"{key} is empty: choose from {', '.join(map(str, self.values))}")
        return tuple(v for v in self.values if v in given) if self.ordered else given


class AnyOf(Rule):
    """Names of parts of the records, as a tuple; one may be given alone. null, an empty tuple, stands for all."""

    takes = "Sequence[str] | str | None"

    def __init__(self) -> None:
        super().__init__(of_records=True)

    def __call__(self, key: str, value: Any) -> tuple[str, ...]:
        return (value,) if isinstance(value, str) else tuple(value or ())


class Data(OneOf):
    """Which records: `task.data`.

    Args:
        own: Those that the package holds: they need no files.
        hub: Those that the hub holds, or the user's files.
        files: Those that need the user's files.
    """

    def __init__(self, own: Iterable[str] = (), hub: Iterable[str] = (), files: Iterable[str] = ("local",)):
        self.own, self.hub, self.files = tuple(own), tuple(hub), tuple(files)
        super().__init__((*self.own, *self.hub, *self.files))

    def check(self, data: str, root: str | None) -> None:
        """Raises UsageError where `task.data` and `task.root` do not go together."""
        if root is None and data in self.files:
            raise UsageError(f"task.data={data} needs your files: name their folder or file by task.root=PATH")
        if root is not None and data in self.own:
            others = [v for v in self.values if v not in self.own]
            listed = " or ".join(filter(None, (", ".join(others[:-1]), others[-1])))
            raise UsageError(
                f"task.root={root} brings records, but task.data={data} are the package's own: add task.data={listed}"
            )


class Whole(Rule):
    """A whole number, `least` or more."""

    takes = "int"

    def __init__(self, least: int = 1, *, of_records: bool = False):
        super().__init__(of_records=of_records)
        self.least = least

    def __call__(self, key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < self.least:
            raise UsageError(f"{key}={_shown(value)} must be a whole number, {self.least} or more")
        return value


class Within(Rule):
    """A number between two others."""

    takes = "float"

    def __init__(self, low: float, high: float):
        super().__init__()
        self.low, self.high = low, high

    def __call__(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise UsageError(f"{key}={_shown(value)} must be a number from {self.low:g} to {self.high:g}")
        return value


class Limit(Whole):
    """How long an answer may be. Limits stand last in a fingerprint."""


class Ending(Rule):
    """A text put after another one: null is none, and \\n a line break."""

    takes = "str | None"

    def __call__(self, key: str, value: Any) -> str:
        return (value or "").replace("\\n", "\n")


class Place(Rule):
    """A file or folder: where records lie says nothing about what they hold."""

    stated = False

    def __init__(self) -> None:
        super().__init__(of_records=True)


Path = Annotated[str | None, Place()]
"""A file or folder of the user's, or null."""
Revision = Annotated[str | None, Rule(of_records=True)]
"""A commit of the dataset on the hub; null: the newest."""
Tokens = Annotated[int, Limit()]
"""New tokens of an answer: 1 or more."""


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """A dataclass whose annotated fields are read by their rules when it is made."""

    def __post_init__(self) -> None:
        for name, rule in rules(type(self)).items():
            object.__setattr__(self, name, rule(f"task.{name}", getattr(self, name)))

    def asked(self) -> list[Any]:
        """What changes a prompt or a score beside `data` and the records, limits last."""
        known = rules(type(self))
        left = [f.name for f in fields(self) if f.name != "data" and not (f.name in known and known[f.name].of_records)]
        left.sort(key=lambda name: isinstance(known.get(name), Limit))
        return [getattr(self, name) for name in left]

    def facts(self) -> dict[str, Any]:
        """For the run's record."""
        known = rules(type(self))
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in known or known[f.name].stated}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @classmethod
    def takes(cls) -> dict[str, Any]:
        """Setting -> annotation of what the command line may give."""
        plain, known = typing.get_type_hints(cls), rules(cls)
        return {f.name: (known[f.name].takes if f.name in known else "") or plain[f.name] for f in fields(cls)}


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    """What every task over records takes. A task's own settings are a subclass with more fields."""

    data: Annotated[str, Data()]
    root: Path
    max_new_tokens: Tokens

    def __post_init__(self) -> None:
        super().__post_init__()
        self._data.check(self.data, self.root)
        if self.root is None and (images := getattr(self, "images", None)) is not None:
            raise UsageError(f"task.images={images} needs the records as well: add task.root=PATH")

    @property
    def _data(self) -> Data:
        rule = rules(type(self))["data"]
        assert isinstance(rule, Data), f"{type(self)}: data is annotated with Data(...)"
        return rule

    def facts(self) -> dict[str, Any]:
        """For the run's record: `revision` only where records are read from the hub."""
        found = super().facts()
        if "revision" in found and (self.root is not None or self.data not in self._data.hub):
            found["revision"] = None
        return found


@functools.cache
def rules(form: type[Ruled]) -> dict[str, Rule]:
    """Setting -> its rule, of those that have one."""
    hints = typing.get_type_hints(form, include_extras=True)
    marks = {f.name: getattr(hints[f.name], "__metadata__", ()) for f in fields(form)}
    return {name: mark for name, found in marks.items() for mark in found if isinstance(mark, Rule)}


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
