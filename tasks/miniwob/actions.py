"""The closed grammar of actions: one call with literal arguments, as in BrowserGym's `miniwob_all` set."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

WIDTH, HEIGHT = 160, 210
"""Size of the page in CSS pixels; the top 50 rows hold the instruction."""

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
    """The first action of the last code block, or of the first line that holds one. Raises Malformed."""
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


def _read(text: str) -> Action:
    call = _call(text)
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    kinds = FORMS.get(name)
    if kinds is None or call.keywords:
        raise Malformed(f"{text[:60]!r} is not a known action with plain arguments")
    try:
        values = [ast.literal_eval(a) for a in call.args]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as e:
        raise Malformed(f"the arguments of {name} are not plain values") from e
    if len(values) != len(kinds):
        raise Malformed(f"{name} takes {len(kinds)} arguments ({', '.join(kinds)}), not {len(values)}")
    return Action(name, tuple(_checked(v, kind, name) for v, kind in zip(values, kinds, strict=True)))


def _call(text: str) -> ast.Call:
    """The call at the beginning of a line; what follows its closing bracket does not matter."""
    for end in (i for i, c in enumerate(text, 1) if c == ")"):
        try:
            tree = ast.parse(text[:end], mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        if isinstance(tree, ast.Call):
            return tree
    raise Malformed(f"{text[:60]!r} is not a whole call")


def _checked(value: object, kind: str, name: str) -> str | float:
    if kind in ("x", "y", "dx", "dy"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Malformed(f"{name}: {kind} is not a number")
        limit = {"x": WIDTH, "y": HEIGHT}.get(kind)
        if limit is not None and not 0 <= value <= limit:
            raise Malformed(f"{name}: {kind}={value} lies outside the page of {WIDTH} x {HEIGHT} pixels")
        if not abs(value) < 10_000:
            raise Malformed(f"{name}: {kind}={value} is too far")
        return float(value)
    if kind == "bid" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Malformed(f"{name}: {kind} is not text")
    return value


def _shown(value: str | float) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"
