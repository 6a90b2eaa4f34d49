"""What the YAML of a method or task may say. It is checked where it is read, so that all that use it may rely on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, near, nearest

READ = re.compile(r"null|true|false|[+-]?(nan|inf|(?=\.?\d)(0|[1-9][\d_]*)?(\.[\d_]*)?(e[+-]?\d+)?)", re.IGNORECASE)
"""Words that Hydra's grammar reads as null, a boolean or a number."""


def _list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) for v in value)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) for k in value)


def _lists(value: list[Any]) -> bool:
    return _list_of(list, value) and all(value) and _plain(value)


def _plain(value: Any) -> bool:
    """Whether it is of the types that a configuration has; YAML also has dates, sets and bytes."""
    if isinstance(value, list | dict):
        return all(map(_plain, value if isinstance(value, list) else value.values()))
    return value is None or isinstance(value, str | int | float)


Form = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words, and whether one is."""
TEXT: Form = "a text", lambda v: isinstance(v, str)
WORD: Form = "a text or a whole number", lambda v: isinstance(v, str | int) and not isinstance(v, bool)
VERSION: Form = "a whole number or a text (write version in quotes: YAML reads 1.10 as 1.1)", WORD[1]
KIND: Form = "steering, pipeline, probe or task", lambda v: v in ("steering", "pipeline", "probe")
CLASS: Form = "module.Class", lambda v: isinstance(v, str) and bool(re.fullmatch(r"\w+(\.\w+)+", v))
SWITCH: Form = "true or false", lambda v: isinstance(v, bool)
TEXTS: Form = "a list of texts ([a, b])", lambda v: _list_of(str, v)
FACTS: Form = "a mapping ({title: My method})", lambda v: isinstance(v, dict)
NAMED: Form = "a mapping of names ({local: my own records})", _mapping
VALUES: Form = "settings with their values ({alpha: 0.5}; a date in quotes)", lambda v: _mapping(v) and _plain(v)
GRID: Form = "settings with lists of values ({alpha: [0.5, 1.0]})", lambda v: _mapping(v) and _lists(list(v.values()))
PRESETS: Form = "a list ([{model: llava-1.5, values: {alpha: 0.2}, source: Table 2}])", lambda v: _list_of(dict, v)

COMMON = {"_target_": CLASS, "card": FACTS, "defaults": VALUES, "presets": PRESETS, "version": VERSION}
KEYS: dict[str, dict[str, Form]] = {
    "method": COMMON
    | {"kind": KIND, "tune": GRID, "untuned": TEXT, "neutral": VALUES, "lively": VALUES, "unsupported": TEXTS}
    | {"text_only": SWITCH, "needs_picture": SWITCH, "external": TEXT, "check": TEXTS},
    "task": COMMON | {"primary": WORD, "cluster": WORD, "default_model": TEXT, "official": WORD, "variants": NAMED},
}
"""By group, the keys of the YAML."""
PRESET = {"model": TEXT, "task": TEXT, "values": VALUES, "source": TEXT}
NEEDED = {"_target_", "kind", "values"}
STATED = {"untuned", "version", "primary", "cluster", "default_model"}
"""Keys that may be left out, but not be null."""


def check(path: Path, group: str, name: str, raw: Mapping[Any, Any]) -> None:
    """Raises UsageError, with the file, where a plug-in has no name for the command line, or its YAML another shape."""
    rename = f"rename the {'folder' if path.name == 'task.yaml' else 'file'}"
    if READ.fullmatch(name):
        raise UsageError(f"{path}: {group}={name} is read as a number, true, false or null: {rename}")
    if group == "method" and "." in name:
        raise UsageError(f"{path}: the name {name} has a dot, which settings (method.NAME.KEY) cannot name: {rename}")
    _each(str(path), raw, KEYS[group])
    if close := [(k, hint) for k in raw if k not in KEYS[group] and (hint := near(str(k), KEYS[group], 0.8))]:
        raise UsageError(f"{path}: unknown key {close[0][0]}: {close[0][1]}")
    defaults = raw.get("defaults") or {}
    for preset in raw.get("presets") or ():
        if odd := [k for k in preset if k not in PRESET]:
            raise UsageError(f"{path}: presets: unknown key {odd[0]}: {nearest(str(odd[0]), PRESET)}")
        _each(f"{path}: presets", preset, PRESET)
        if odd := [k for k in preset["values"] if k not in defaults]:
            known = nearest(odd[0], defaults) if defaults else "there are none"
            raise UsageError(f"{path}: presets: values: {odd[0]} is not among its defaults: {known}")


def _each(place: str, raw: Mapping[Any, Any], forms: Mapping[str, Form]) -> None:
    for key, (form, fits) in forms.items():
        value = raw.get(key)
        left_out = key not in raw or (value is None and key not in STATED)
        if (key in NEEDED or not left_out) and not fits(value):
            raise UsageError(f"{place}: {key} must be {form}, not {'null' if value is None else f'{value!r:.60}'}")
