"""Values as they are typed: texts that Hydra's grammar does not take, lists without brackets, JSON."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from harness.config.kinds import ANY, LIST, MAPPING, NUMBER, SWITCH, TEXT, WHOLE, Kinds, reads_as, refusal
from harness.config.settings import Setting
from harness.core.errors import UsageError

QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
SWEPT = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)
"""Hydra's functions that list the values of a sweep."""
EXTRA = "decoding.extra"
KEY = re.compile(r"[A-Za-z0-9_/.+*@?|%$-]+")
"""Names in a mapping that Hydra's grammar can write."""


def literal(word: str, known: Mapping[str, Sequence[Setting]], *, sweep: bool) -> dict[str, str]:
    """The word as Hydra has to read it -> as it was typed; in a sweep, one for each of the values that it lists.

    Raises UsageError for an empty value (`seed=$SEED` without such a variable), unless the default is also empty.
    A text is quoted unless it is already (`'12'`, `"a, b"`), is null, or reads as another kind that the setting may
    have. Words of unknown keys stay as they are.
    """
    key, equals, value = word.partition("=")
    allowed = [s.kinds for s in known.get(key, ())]
    if equals and key.startswith(f"{EXTRA}."):
        return {f"++{word}": word}  # whichever names the model takes
    if not equals or not allowed:
        return {word: word}
    if not value and all(s.default != "" for s in known[key]):
        raise UsageError(refusal(key, value, reduce(or_, allowed)))
    parts = [value]
    if sweep and all(TEXT in a and ANY not in a for a in allowed) and not SWEPT.fullmatch(value):
        parts = list(_listed(value))
    return {f"{key}={_spelled(key, part, allowed, sweep)}": f"{key}={part}" for part in parts}


def joined(spelled: Mapping[str, str]) -> str:
    """What `literal` made of a word as one word."""
    first, *others = spelled
    return ",".join([first, *(w.partition("=")[2] for w in others)])


def quoted(text: str) -> str:
    """In single quotes, as Hydra's grammar reads them."""
    body = re.sub(r"(\\+)('|\Z)", lambda m: m[1] * 2 + m[2], text).replace("'", r"\'")
    return f"'{body}'"


def _spelled(key: str, value: str, allowed: Sequence[Kinds], sweep: bool) -> str:
    if not value or QUOTED.fullmatch(value) or value.lower() == "null":
        return value
    if value[0] in "{[" and (made := _json(key, value, allowed)):
        return made
    if not sweep and all(LIST in a for a in allowed) and value[0] not in "[{" and len(list(_listed(value))) > 1:
        return f"[{value}]"
    if any(TEXT not in a or ANY in a for a in allowed) or (sweep and SWEPT.fullmatch(value)):
        return value
    others = [k for k in (SWITCH, WHOLE, NUMBER, LIST, MAPPING) if any(k in a for a in allowed)]
    return value if any(reads_as(value, k) for k in others) else quoted(value)


def _json(key: str, value: str, allowed: Sequence[Kinds]) -> str:
    """A JSON object or list, or one as Python writes it, in Hydra's grammar; empty if it is neither, or none may stand
    there."""
    for read in (json.loads, ast.literal_eval):
        try:
            made = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        kind = {dict: MAPPING, list: LIST}.get(type(made), "")
        try:
            return grammar(key, made) if all({kind, ANY} & a.values for a in allowed) else ""
        except TypeError:  # a set or bytes, which JSON does not have
            return ""
    return ""


def grammar(key: str, value: Any) -> str:
    """A value of JSON's types as Hydra's grammar writes it. Raises UsageError for a name that it cannot write."""
    if isinstance(value, dict):
        if odd := next((name for name in value if not KEY.fullmatch(str(name))), None):
            raise UsageError(
                f"{key}: the name {odd!r} cannot be written on the command line: put it into a plug-in's YAML"
            )
        return "{" + ",".join(f"{name}:{grammar(key, v)}" for name, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(grammar(key, v) for v in value) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _listed(value: str) -> Iterator[str]:
    """The parts between commas that stand in no quotes and no brackets."""
    start = depth = at = 0
    while at < len(value):
        if value[at] in "'\"" and (found := QUOTED.match(value, at)):
            at = found.end()
            continue
        depth += (value[at] in "([{") - (value[at] in ")]}")
        if value[at] == "," and depth <= 0:
            yield value[start:at]
            start = at + 1
        at += 1
    yield value[start:]
