"""The closed grammar of actions: one call with literal arguments, as in BrowserGym's `miniwob_all` set."""

from __future__ import annotations

import ast
import contextlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

WIDTH, HEIGHT = 160, 210
"""Size of the page in CSS pixels; the top 50 rows hold the instruction."""
LONG = 2000
"""Characters of a text that an action types."""

FORMS: dict[str, tuple[str, ...]] = {
    "click": ("bid",),
    "dblclick": ("bid",),
    "hover": ("bid",),
    "focus": ("bid",),
    "clear": ("bid",),
    "fill": ("bid", "text"),
    "select_option": ("bid", "text"),
    "press": ("bid", "key"),
    "drag_and_drop": ("bid", "bid"),
    "mouse_move": ("x", "y"),
    "mouse_click": ("x", "y"),
    "mouse_dblclick": ("x", "y"),
    "mouse_down": ("x", "y"),
    "mouse_up": ("x", "y"),
    "mouse_drag_and_drop": ("x", "y", "x", "y"),
    "scroll": ("dx", "dy"),
    "keyboard_press": ("key",),
    "keyboard_type": ("text",),
    "noop": (),
}
"""Name and kinds of arguments. A bid is an element's mark in the observation."""

BLOCK = re.compile(r"```(?:\w*\n)?(.*?)```", re.DOTALL)
CALL = re.compile(rf"\b({'|'.join(sorted(FORMS, key=len, reverse=True))})\(")


@dataclass(frozen=True)
class Action:
    name: str
    values: tuple[str | float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(_shown(v) for v in self.values)})"


class Malformed(ValueError):
    """The answer holds no action; the message gives the reason."""


def parse(answer: str) -> Action:
    """The answer where it is one call, whatever stands inside its texts; else the first action of the last code block,
    or of the first line that holds one. Raises Malformed."""
    whole = answer.strip()
    if CALL.match(whole) and _closing(whole) == len(whole):
        return _read(whole)
    blocks = BLOCK.findall(answer)
    lines = (blocks[-1] if blocks else answer).replace("\r", "\n").split("\n")
    why = "it holds no action: answer with one call, such as mouse_click(80, 120)"
    for line in lines:
        found = CALL.search(line)
        if found:
            try:
                return _read(line[found.start() :])
            except Malformed as e:
                why = str(e)
    raise Malformed(why)


def checked(name: str, values: Sequence[object]) -> Action:
    """The action of that name with these arguments. Raises Malformed."""
    kinds = FORMS[name]
    if len(values) != len(kinds):
        raise Malformed(f"{name} takes {len(kinds)} arguments ({', '.join(kinds)}), not {len(values)}")
    return Action(name, tuple(_checked(v, kind, name) for v, kind in zip(values, kinds, strict=True)))


def syntax(text: str, mode: Literal["exec", "eval"]) -> ast.AST:
    """The syntax tree. What Python would remark on the text (such as an odd escape) is nobody's business here. Raises
    Malformed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode=mode)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as e:
        raise Malformed("it is not Python") from e


def _read(text: str) -> Action:
    call = _call(text)
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name not in FORMS or call.keywords:
        raise Malformed(f"{text[:60]!r} is not a known action with plain arguments")
    try:
        values = [ast.literal_eval(a) for a in call.args]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as e:
        raise Malformed(f"the arguments of {name} are not plain values") from e
    return checked(name, values)


def _call(text: str) -> ast.Call:
    """The call at the beginning of a line; what follows its closing bracket does not matter."""
    if end := _closing(text):
        with contextlib.suppress(Malformed):
            tree = syntax(text[:end], "eval")
            if isinstance(tree, ast.Expression) and isinstance(tree.body, ast.Call):
                return tree.body
    raise Malformed(f"{text[:60]!r} is not a whole call")


def _closing(text: str) -> int:
    """Where the call at the beginning of a text ends, in one pass over it; 0 where it does not."""
    depth, quote, escaped = 0, "", False
    for i, c in enumerate(text, 1):
        if escaped:
            escaped = False
        elif quote:
            escaped, quote = c == "\\", "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "()":
            depth += 1 if c == "(" else -1
            if not depth:
                return i
    return 0


def _checked(value: object, kind: str, name: str) -> str | float:
    if kind in ("x", "y", "dx", "dy"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Malformed(f"{name}: {kind} is not a number")
        if not abs(value) < 10_000:
            raise Malformed(f"{name}: {kind} is too far")
        limit = {"x": WIDTH, "y": HEIGHT}.get(kind)
        if limit is not None and not 0 <= value <= limit:
            raise Malformed(f"{name}: {kind}={value} lies outside the page of {WIDTH} x {HEIGHT} pixels")
        return float(value)
    if kind == "bid" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return str(value)
    if not isinstance(value, str):
        raise Malformed(f"{name}: {kind} is not text")
    if len(value) > LONG:
        raise Malformed(f"{name}: {kind} is longer than {LONG} characters")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise Malformed(f"{name}: {kind} holds half of a character")
    return value


def _shown(value: str | float) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"
