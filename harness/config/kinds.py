"""What a setting may be: read from its default and from the annotation of the argument it is given to."""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.config import signatures
from harness.config.signatures import Unclear, stated

TEXT, WHOLE, NUMBER, SWITCH, NOTHING = "text", "whole number", "number", "true or false", "null"
LIST, MAPPING, ANY = "list", "mapping", "anything"
ODD = "not a finite number"
"""What no setting takes: nan, inf, and numbers that are too large."""
NAMES = {
    "str": TEXT, "int": WHOLE, "float": NUMBER, "bool": SWITCH, "None": NOTHING,
    "list": LIST, "tuple": LIST, "Sequence": LIST, "dict": MAPPING, "Mapping": MAPPING,
}  # fmt: skip


@dataclass(frozen=True)
class Kinds:
    """The kinds of value that a setting takes; `items`: those of a list's items, where they are known."""

    values: frozenset[str]
    items: frozenset[str] = frozenset()

    def __contains__(self, kind: str) -> bool:
        return kind in self.values

    def __or__(self, other: Kinds) -> Kinds:
        return Kinds(self.values | other.values, self.items | other.items)

    def fits(self, value: Any) -> bool:
        """Whether a composed value is of these kinds."""
        if not _fits(value, self.values):
            return False
        return not isinstance(value, list) or not self.items or all(_fits(v, self.items) for v in value)

    def __str__(self) -> str:
        """As an error names them."""
        shown = [{SWITCH: SWITCH, NOTHING: NOTHING}.get(k, f"a {k}") for k in NAMES.values() if k in self.values]
        items = "s or ".join(sorted(self.items - {ANY}))
        shown = [f"a list of {items}s" if items and s == f"a {LIST}" else s for s in shown]
        return " or ".join(dict.fromkeys(shown)) or "given"


def kinds(default: Any, annotation: Any = inspect.Parameter.empty) -> Kinds:
    """Kinds of a setting with this default; an annotation takes precedence. Without either, anything is allowed."""
    nothing = Kinds(frozenset({NOTHING} if default is None else ()))
    if annotation is inspect.Parameter.empty:
        return nothing | Kinds(frozenset({ANY if default is None or default == "???" else _kind(default)}))
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return nothing | _read(ast.parse(text, mode="eval").body)


def refusal(key: str, value: Any, allowed: Kinds) -> str:
    """One line for a value that does not fit."""
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    return f"{key}={shown} must be {allowed}" + (" (it is empty: is a shell variable unset?)" if value == "" else "")


def reads_as(text: str, kind: str) -> bool:
    """Whether a word's value means one of this kind rather than a text."""
    return {
        SWITCH: bool(re.fullmatch("(?i)true|false", text)),
        WHOLE: bool(re.fullmatch(r"[+-]?\d+", text)),
        NUMBER: bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text)),
        LIST: text.startswith("["),
        MAPPING: text.startswith("{"),
    }.get(kind, False)


@cache
def annotated(target: str) -> dict[str, Any]:
    """The annotated arguments of the class at this dotted path, and those that it hands on to the classes that it is
    made of (`**options`); none where it cannot be imported. It is only imported where its source does not tell."""
    module, _, name = target.rpartition(".")
    found: dict[str, Any] = {}
    with suppress(Unclear):
        return dict(stated(target))
    try:
        own = getattr(importlib.import_module(module), name)
        if form := getattr(own, "Settings", None):
            return form.takes()
        for cls in own.__mro__:
            parameters = inspect.signature(cls.__init__).parameters.values()
            named = {p.name: p.annotation for p in parameters if p.kind is not p.VAR_KEYWORD}
            found = {k: a for k, a in named.items() if a is not inspect.Parameter.empty} | found
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                return found
    except (Exception, SystemExit):  # whoever builds it reports what is wrong with it
        return {}
    return found


def forget() -> None:
    """Read the classes of plug-ins again."""
    annotated.cache_clear()
    signatures.forget()


def _read(node: ast.expr) -> Kinds:
    """What an annotation names; a name that is not known here may be anything."""
    nothing = Kinds(frozenset({NOTHING}))
    if isinstance(node, ast.BinOp):
        return _read(node.left) | _read(node.right)
    if isinstance(node, ast.Constant):
        return _read(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else nothing
    if isinstance(node, ast.Subscript):
        name = _name(node.value)
        given = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            return Kinds(frozenset(_kind(ast.literal_eval(g)) for g in given))
        if NAMES.get(name) == LIST:
            return Kinds(frozenset({LIST}), _read(given[0]).values)
        return Kinds(frozenset({NAMES.get(name, ANY)}))
    return Kinds(frozenset({NAMES.get(_name(node), ANY)}))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _kind(value: Any) -> str:
    """Kind of a default. A text with an interpolation may become anything."""
    return ANY if isinstance(value, str) and "${" in value else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return SWITCH
    if isinstance(value, float) and not math.isfinite(value):
        return ODD
    for cls, kind in ((str, TEXT), (int, WHOLE), (float, NUMBER), (dict, MAPPING), (list | tuple, LIST)):
        if isinstance(value, cls):
            return kind
    return NOTHING if value is None else ANY


def _fits(value: Any, allowed: frozenset[str]) -> bool:
    kind = _plain(value)
    return ANY in allowed or kind in allowed or (kind == WHOLE and NUMBER in allowed)
