"""Python values as the words of a command, so that both compose a run in one way, and a run's record names a command
that plays it again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.literal import grammar, quoted
from harness.config.settings import GROUPS
from harness.core.errors import UsageError

Choice = str | Mapping[str, Mapping[str, Any]]
"""What a group chooses: a name, or {name: {setting: value}}."""
Choices = Choice | Sequence[str]
"""Several, which methods alone can be."""
PLAIN = re.compile(r"[A-Za-z_./][\w./:@+-]*", re.ASCII)
"""A text that needs no quotes."""
MEANT = {"null", "true", "false", "nan", "inf"}
"""Words that Hydra reads as something else than a text."""
FOLDER = "write it to a file in a folder, and pass its name and plugins=[FOLDER] (docs/add-a-{}.md)"


NAME = object()
"""The value of a word that chooses by name."""


def pairs(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(word, value) of each setting: `task=pope`, `method.vista.lam=0.1`, in their order.

    Raises UsageError for a value that no word can hold.
    """
    return [pair for key, value in settings.items() for pair in _pairs(key, value)]


def _pairs(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if key == "ids" and value is not None and not isinstance(value, str):
        value = json.dumps([str(id_) for id_ in value])  # a text: 007 stays what it is
    if key not in GROUPS:
        plain = _plain(key, value)
        yield f"{key}={_spelled(key, plain)}", plain
        return
    names = _names(key, value)
    listed = ",".join(names)
    yield f"{key}={listed}" if len(names) == 1 else f"{key}=[{listed}]", NAME
    if not isinstance(value, Mapping):
        return
    for name, own in value.items():
        if not isinstance(own, Mapping):
            raise UsageError(f"{key}={value!r}: write {{name: {{setting: value}}}}, for example {{{name!r}: {{}}}}")
        place = f"{key}.{name}" if key == "method" else key
        for setting, one in own.items():
            yield from _pairs(f"{place}.{setting}", one)


def check(given: Sequence[tuple[str, Any]], config: Mapping[str, Any]) -> None:
    """Raises UsageError where a value was composed as another one: a number as the text that its setting takes."""
    for (_, value), word in zip(given, config["overrides"], strict=True):
        key = word.partition("=")[0]
        made: Any = config
        for part in key.split("."):
            made = made.get(part, value) if isinstance(made, Mapping) else value
        interpolated = isinstance(value, str) and "${" in value
        if (
            value is not NAME
            and not interpolated
            and (made != value or isinstance(made, str) != isinstance(value, str))
        ):
            raise UsageError(f"{key}={value!r} would be read as {made!r}: give what this setting takes")


def _names(group: str, value: Any) -> list[str]:
    """What a group's value names."""
    many = value if isinstance(value, Sequence | Mapping) and not isinstance(value, str) else [value]
    if odd := next((v for v in many if not isinstance(v, str)), None):
        name = odd.__name__ if isinstance(odd, type) else type(odd).__name__
        raise UsageError(
            f"{group}={name}: a run's identity cannot cover the code of an object: {FOLDER.format(group)}"
            if group in ("task", "method")
            else f"{group} is given by its name, not as {name}"
        )
    if not many or (len(many) > 1 and group != "method"):
        raise UsageError(f"{group}={value!r}: name one")
    return [str(name) for name in many]


def _spelled(key: str, plain: Any) -> str:
    """The value as a word holds it. Texts that a word would hold as something else are quoted."""
    if isinstance(plain, str):
        return plain if PLAIN.fullmatch(plain) and plain.lower() not in MEANT else quoted(plain)
    return grammar(key, plain) if isinstance(plain, list | dict) else json.dumps(plain)


def _plain(key: str, value: Any) -> Any:
    """The value in JSON's types: paths as texts, tuples as lists, numbers of NumPy as Python's."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(key, v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(key, v) for v in value]
    raise UsageError(f"{key} cannot be {value!r:.80}: give a text, a number, True or False, None, a list or a dict")
